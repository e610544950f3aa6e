// Curves from parameters.

#include "nmrsim/simulate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <stdexcept>

#include "batch_parameters.h"
#include "bindings.h"
#include "interrupt.h"
#include "nmrsim/parameters.h"
#include "nmrsim/prior.h"
#include "nmrsim/sweep.h"
#include "nmrsim/throughput.h"

namespace nmrpython {

using nmrsim::Experiment;
using nmrsim::Signal;

Experiment with_unknowns(Experiment experiment, const Names& names) {
    if (!names) return experiment;
    nmrsim::Prior prior;
    for (const std::string& name : *names) {
        const auto own = std::find_if(experiment.prior.begin(), experiment.prior.end(),
                                      [&](const auto& range) { return range.name == name; });
        const nmrsim::Parameter& row = nmrsim::parameter(name);
        if (own != experiment.prior.end()) {
            prior.push_back(*own);
        } else if (row.categorical) {
            throw std::invalid_argument(
                fmt::format("{} must be an unknown of the prior, which names its choices", name));
        } else {
            prior.push_back({name, row.lower, row.upper});
        }
    }
    experiment.prior = std::move(prior);
    return experiment;
}

void require_columns(const Input<double>& parameters, const Experiment& experiment) {
    const std::size_t unknowns = experiment.prior.size();
    if (parameters.ndim() == 2 && parameters.shape(1) == extent(unknowns)) return;
    throw py::value_error(fmt::format("parameters must have the shape (n, {}), for {}, got {}",
                                      unknowns, fmt::join(names_of(experiment.prior), ", "),
                                      py::str(parameters.attr("shape")).cast<std::string>()));
}

namespace {

py::array_t<float> batch(const Experiment& given, const Input<double>& parameters,
                         const Names& names, const std::optional<Input<std::uint64_t>>& seeds,
                         int threads) {
    const Experiment experiment = with_unknowns(given, names);
    require_columns(parameters, experiment);
    if (seeds && (seeds->ndim() != 1 || seeds->size() != parameters.shape(0))) {
        throw py::value_error(fmt::format("lattice_seeds must have the shape ({},), got {}",
                                          parameters.shape(0),
                                          py::str(seeds->attr("shape")).cast<std::string>()));
    }
    py::array_t<float> signal(
        Shape{parameters.shape(0), 2, extent(nmrsim::sample_count(experiment))});
    const auto to = numbers_of_new(signal);
    const auto from = numbers(parameters);
    const auto of_lattice = seeds ? numbers(*seeds) : std::span<const std::uint64_t>();
    without_gil([&] {
        nmrsim::simulate_batch(experiment, from, of_lattice, to, threads, stop_on_signal());
    });
    return signal;
}

std::vector<Signal> sweep(const Experiment& given, const std::string& parameter,
                          const std::vector<double>& values, int threads) {
    const Experiment experiment = given;
    return without_gil([&] {
        return nmrsim::simulate_sweep(experiment, parameter, values, threads, stop_on_signal());
    });
}

nmrsim::Throughput throughput(const Experiment& given, double seconds, int threads) {
    const Experiment experiment = given;
    return without_gil([&] {
        nmrsim::ThroughputOptions options;
        options.seconds = seconds;
        options.threads = threads;
        return nmrsim::measure_throughput(experiment, options);
    });
}

py::array_t<double> draw(const Experiment& experiment, std::size_t count, std::uint64_t seed,
                         std::uint64_t first_index) {
    std::vector<double> all = nmrsim::draw_many(experiment.prior, count, seed, first_index);
    return taken(std::move(all), {extent(count), extent(experiment.prior.size())});
}

}  // namespace

void bind_simulate(py::module_& module) {
    module.def(
        "simulate",
        // By value: another thread may change the caller's experiment meanwhile.
        [](Experiment experiment, int threads) {
            return without_gil([&] { return nmrsim::simulate(experiment, threads); });
        },
        py::arg("experiment"), py::kw_only(), py::arg("threads") = 0,
        R"(The magnetization at the acquisition's times, without noise. Releases the GIL; Ctrl-C ends it.

Uniform kernel: the ensemble is an integral over the line, no random draw. Finite range: offsets
drawn with lattice.seed. threads: 0 for all cores. The result does not depend on it.
Raises: ValueError that names the key, the inequality and the value.)");
    module.def("simulate_batch", &batch, py::arg("experiment"), py::arg("parameters"),
               py::arg("names") = py::none(), py::arg("lattice_seeds") = py::none(),
               py::arg("threads") = 0,
               R"(Curves of many parameter sets on all cores. Releases the GIL; Ctrl-C ends it.

Args:
    experiment: what all curves share.
    parameters: (n, unknowns), in the units of the parameters' names.
    names: what the columns are; the prior's unknowns where None.
    lattice_seeds: (n) seeds of the draws of offsets; lattice.seed for all where None.
    threads: 0 for all cores. The result does not depend on it.
Returns: (n, 2, points) float32, Mx and My of each curve.
Raises: ValueError for a wrong shape, an unknown name or a value out of bounds.)");
    module.def("simulate_sweep", &sweep, py::arg("experiment"), py::arg("parameter"),
               py::arg("values"), py::arg("threads") = 0,
               R"(One Signal for each value of a parameter, all else as it is. Releases the GIL.

Args: parameter: a row of the table, such as "flip_deg", in its unit. threads: 0 for all cores.)");
    py::class_<nmrsim::Throughput>(module, "Throughput",
                                   "How fast and how exactly curves are simulated.")
        .def_readonly("threads", &nmrsim::Throughput::threads, "That were used.")
        .def_property_readonly("curves_per_s", &nmrsim::Throughput::curves_per_s,
                               "Curves simulated in a second [1/s].")
        .def_property_readonly(
            "errors",
            [](const py::object& self) {
                const auto& errors = self.cast<const nmrsim::Throughput&>().errors;
                return view(errors, {extent(errors.size())}, self);
            },
            "Largest |M - M_converged| of some draws, ascending.")
        .def_property_readonly("peak_share", &nmrsim::Throughput::peak_share,
                               "Share of the machine's arithmetic peak.");
    module.def("measure_throughput", &throughput, py::arg("experiment"), py::arg("seconds") = 10.0,
               py::arg("threads") = 0,
               R"(What nmr-throughput measures, on draws of the prior: Throughput. Releases the GIL.

Args: seconds: to measure the rate for. threads: 0 for all cores.)");
    module.def("draw_parameters", &draw, py::arg("experiment"), py::arg("count"), py::arg("seed"),
               py::arg("first_index") = 0,
               R"(Draws of the prior, (count, unknowns) float64, in the units of the names.

Draw i depends on (seed, first_index + i) alone; a categorical unknown is the index of its choice
plus 1/2.)");
    module.def(
        "with_parameters",
        [](const Experiment& experiment, const Input<double>& values) {
            if (values.size() != extent(experiment.prior.size())) {
                throw py::value_error(fmt::format("values must hold {} unknowns, got {}",
                                                  experiment.prior.size(), values.size()));
            }
            return nmrsim::with_parameters(experiment, numbers(values));
        },
        py::arg("experiment"), py::arg("values"),
        "A copy of the experiment with the prior's unknowns at these values, (unknowns).");
}

}  // namespace nmrpython
