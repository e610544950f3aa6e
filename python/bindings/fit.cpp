// From curves to estimates and verdicts in one call.

#include "fit.h"

#include <fmt/format.h>
#include <pybind11/complex.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "bindings.h"
#include "curves.h"
#include "interrupt.h"
#include "nmrinverse/compare.h"
#include "nmrsim/signal.h"

namespace nmrpython {
namespace {

using nmrinverse::FitOptions;
using nmrinverse::FitResult;
using nmrinverse::InputCurves;

/// Mx and My of a Signal at its own times.
InputCurves of_signal(const nmrsim::Signal& signal, std::size_t index) {
    InputCurves input;
    input.name = fmt::format("curve {}", index);
    input.names = {input.name};
    input.curves.time_us = signal.time_us;
    input.curves.signal.assign(signal.mx.begin(), signal.mx.end());
    input.curves.signal.insert(input.curves.signal.end(), signal.my.begin(), signal.my.end());
    return input;
}

InputCurves of_array(const py::object& curves, std::vector<double> time_us,
                     const nmrsim::CurveFormat& format) {
    const Curves read = any_curves_of(curves, extent(time_us.size()));
    InputCurves input;
    input.name = "curves";
    for (std::size_t c = 0; c < read.count; ++c) input.names.push_back(fmt::format("curve {}", c));
    input.curves.time_us = std::move(time_us);
    input.curves.signal.assign(read.values().begin(), read.values().end());
    input.curves = nmrsim::as_told(std::move(input.curves), format, input.name);
    return input;
}

bool is_path(const py::handle& item) {
    return py::isinstance<py::str>(item) || py::hasattr(item, "__fspath__");
}

nmrsim::CurveFormat format_of(const py::dict& given) {
    nmrsim::CurveFormat format;
    format.time_unit = given["time_unit"].cast<std::string>();
    const auto columns = given["columns"].cast<std::string>();
    if (!columns.empty()) format.columns = nmrsim::parse_columns(columns);
    format.dwell = given["dwell"].cast<std::optional<double>>();
    format.start = given["start"].cast<std::optional<double>>();
    format.skip = given["skip"].cast<std::size_t>();
    format.conjugate = given["conjugate"].cast<bool>();
    format.validate();
    return format;
}

std::vector<InputCurves> inputs_of(const py::object& curves, const py::object& time_us,
                                   const nmrsim::Experiment& experiment,
                                   const nmrsim::CurveFormat& format) {
    const auto times = [&] {
        return time_us.is_none() ? nmrsim::acquisition_times_us(experiment)
                                 : time_us.cast<std::vector<double>>();
    };
    const bool listed = py::isinstance<py::list>(curves) || py::isinstance<py::tuple>(curves);
    const py::list items = listed ? py::list(curves) : py::list();
    if (!listed || items.empty()) {
        if (!py::isinstance<nmrsim::Signal>(curves) && !is_path(curves)) {
            return {of_array(curves, times(), format)};
        }
    } else if (!py::isinstance<nmrsim::Signal>(items[0]) && !is_path(items[0])) {
        return {of_array(curves, times(), format)};
    }
    if (!time_us.is_none()) throw py::value_error("time_us goes with arrays alone");
    std::vector<InputCurves> inputs;
    const auto take = [&](const py::handle& item) {
        if (is_path(item)) {
            const auto path = py::module_::import("os").attr("fspath")(item).cast<std::string>();
            inputs.push_back(nmrinverse::read_curves(path, experiment, format));
        } else {
            inputs.push_back(of_signal(item.cast<const nmrsim::Signal&>(), inputs.size()));
            InputCurves& one = inputs.back();
            one.curves = nmrsim::as_told(std::move(one.curves), format, one.name);
        }
    };
    if (!listed) take(curves);
    for (const py::handle& item : items) take(item);
    return inputs;
}

FitOptions options_of(const py::dict& given) {
    FitOptions options;
    nmrinverse::for_each_option(options, [&]<class Value>(const char* name, Value& value) {
        if (given.contains(name)) value = given[name].cast<Value>();
    });
    return options;
}

py::dict default_options() {
    FitOptions options;
    py::dict all;
    nmrinverse::for_each_option(
        options, [&](const char* name, const auto& value) { all[name] = py::cast(value); });
    return all;
}

py::array_t<float> rows_of(const std::span<const float> values) {
    return py::array_t<float>(Shape{2, extent(values.size() / 2)}, values.data());
}

}  // namespace

namespace {

/// Curves, files and their samples' deviations, as fit() and compare() take them.
std::vector<InputCurves> told_inputs(const py::object& curves, const py::object& time_us,
                                     const nmrsim::Experiment& experiment, const py::dict& given) {
    const nmrsim::CurveFormat format = format_of(given);
    std::vector<InputCurves> inputs = inputs_of(curves, time_us, experiment, format);
    if (!given["sigma"].is_none()) {
        if (inputs.size() != 1) throw py::value_error("sigma goes with one curve or array of them");
        const auto sigma = given["sigma"].cast<std::vector<float>>();
        nmrsim::MeasuredCurves& read = inputs.front().curves;
        const std::size_t all = read.count() * read.points();
        if (sigma.size() != read.points() && sigma.size() != all) {
            throw py::value_error(
                fmt::format("sigma must be of {} samples, got {}", read.points(), sigma.size()));
        }
        for (std::size_t i = 0; i < all; ++i) {
            read.sigma.push_back(sigma[i % sigma.size()]);
            if (!(read.sigma.back() > 0.0f)) throw py::value_error("sigma must be > 0");
        }
    }
    return inputs;
}

py::dict compared(const nmrsim::Experiment& experiment, const std::vector<std::string>& words,
                  const py::object& curves, const py::object& time_us, const py::dict& given) {
    const std::vector<InputCurves> inputs = told_inputs(curves, time_us, experiment, given);
    const FitOptions options = options_of(given);
    const nmrinverse::Comparison found = without_gil([&] {
        return nmrinverse::compare(nmrinverse::alternatives_of(experiment, words), inputs, options);
    });
    const auto table = [&](const std::vector<double>& values) {
        return py::array_t<double>(Shape{extent(found.count()), extent(words.size())},
                                   values.data());
    };
    py::dict all;
    all["names"] = found.curves;
    all["alternatives"] = found.alternatives;
    all["probability"] = table(found.probability);
    all["log_evidence"] = table(found.log_evidence);
    all["chi_square"] = table(found.chi_square);
    all["degrees"] = table(found.degrees);
    return all;
}

}  // namespace

py::dict fitted(const nmrsim::Experiment& experiment, const py::object& curves,
                const py::object& time_us, const py::dict& given, const FitCall& fit) {
    const std::vector<InputCurves> inputs = told_inputs(curves, time_us, experiment, given);
    FitOptions options = options_of(given);
    std::vector<std::string> notes;
    options.say = options.warn = [&](const std::string& line) { notes.push_back(line); };
    FitResult result = without_gil([&] {
        notes.clear();
        return fit(inputs, options);
    });
    const nmrinverse::Judgements& judged = result.judgements;
    const std::vector<std::string> unknowns = names_of(experiment.prior);
    std::vector<std::string> verdicts;
    py::list times, signals, fits;
    for (std::size_t c = 0; c < result.count(); ++c) {
        verdicts.emplace_back(verdict_name(judged.verdict[c]));
        const std::vector<double> at = result.curves.times_us(c);
        times.append(py::array_t<double>(extent(at.size()), at.data()));
        signals.append(rows_of(result.curves.samples(c)));
        fits.append(rows_of(judged.fit[c]));
    }
    const auto array = [](const auto& values) {
        using Number = typename std::decay_t<decltype(values)>::value_type;
        return py::array_t<Number>(extent(values.size()), values.data());
    };
    const py::ssize_t count = extent(result.count()), width = extent(unknowns.size());
    const py::ssize_t draws = result.samples.empty() ? 0 : extent(options.samples);
    py::dict all;
    all["names"] = result.curves.names;
    all["unknowns"] = unknowns;
    all["residual"] = array(judged.residual);
    all["expected"] = array(judged.expected);
    all["verdicts"] = verdicts;
    all["reasons"] = judged.reason;
    all["factor"] = array(result.factor);
    all["shift_us"] = array(result.shift_us);
    all["refinements"] = result.refinements;
    all["samples"] = taken(std::move(result.samples), {count, draws, width});
    all["time_us"] = times;
    all["signal"] = signals;
    all["fitted"] = fits;
    all["steps"] = result.steps;
    all["notes"] = notes;
    all["estimates"] = py::cast(std::move(result.estimates));
    return all;
}

void bind_fit(py::module_& module) {
    module.def(
        "fit_experiment",
        [](const nmrsim::Experiment& given, const py::object& curves, const py::object& time_us,
           const py::dict& options) {
            const nmrsim::Experiment experiment = given;
            return fitted(experiment, curves, time_us, options,
                          [&](std::span<const InputCurves> inputs, const FitOptions& how) {
                              return nmrinverse::fit(experiment, inputs, how);
                          });
        },
        "The fields of nmrsim.Fit.");
    module.def("default_options", &default_options, "Of fit_experiment: FitOptions as a dict.");
    module.def("compare_experiments", &compared, "The fields of nmrsim.Comparison.");
}

}  // namespace nmrpython
