#include "curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <complex>

#include "nmrsim/resampling.h"
#include "nmrsim/signal.h"

namespace nmrpython {
namespace {

using nmrsim::Experiment;
using nmrsim::Signal;

/// Times count as the same within this share of the spacing between samples.
constexpr double kSameTime = 1e-3;

/// Writes Mx and My of the signal at `times` to `to`, resampled where its own are others.
float* append(const Signal& signal, const std::vector<double>& times, float* to) {
    const double spacing = times.size() > 1 ? times[1] - times[0] : 1.0;
    bool same = signal.points() == times.size();
    for (std::size_t k = 0; same && k < times.size(); ++k) {
        same = std::abs(signal.time_us[k] - times[k]) <= kSameTime * spacing;
    }
    std::vector<float> values(signal.mx.begin(), signal.mx.end());
    values.insert(values.end(), signal.my.begin(), signal.my.end());
    if (!same) {
        const std::vector<double>& own = signal.time_us;
        const bool covers = !own.empty() && own.front() <= times.front() + kSameTime * spacing &&
                            own.back() >= times.back() - kSameTime * spacing;
        if (!covers || nmrsim::even_spacing_us(own) == 0.0 || times.size() < 2) {
            throw py::value_error(
                fmt::format("signal must be sampled at the model's times, {} points from {:g} to "
                            "{:g} us (model.experiment.time_us), or evenly at others that cover "
                            "them",
                            times.size(), times.front(), times.back()));
        }
        std::vector<double> inside(times);
        inside.front() = std::max(inside.front(), own.front());
        inside.back() = std::min(inside.back(), own.back());
        values = nmrsim::resampled(own, values, inside);
    }
    return std::copy(values.begin(), values.end(), to);
}

Curves of_signals(const std::vector<const Signal*>& signals, const Experiment& experiment) {
    const std::vector<double> times = nmrsim::acquisition_times_us(experiment);
    py::array_t<float> all(
        Shape{extent(signals.size()), 2, extent(nmrsim::sample_count(experiment))});
    float* to = all.mutable_data();
    for (const Signal* signal : signals) to = append(*signal, times, to);
    return {all, signals.size()};
}

/// (n, points) complex as (n, 2, points).
py::array_t<float> split(const Input<std::complex<double>>& m) {
    const py::ssize_t points = m.shape(m.ndim() - 1);
    const py::ssize_t count = points > 0 ? m.size() / points : 0;
    py::array_t<float> all(Shape{count, 2, points});
    float* to = all.mutable_data();
    const std::complex<double>* from = m.data();
    for (py::ssize_t c = 0; c < count; ++c, from += points) {
        to = std::transform(from, from + points, to,
                            [](const auto& z) { return static_cast<float>(z.real()); });
        to = std::transform(from, from + points, to,
                            [](const auto& z) { return static_cast<float>(z.imag()); });
    }
    return all;
}

Curves of_array(const py::object& signal, py::ssize_t points) {
    const py::array given(signal);  // raises what Python says of it
    const bool is_complex = given.dtype().kind() == 'c';
    const auto is = [&](py::ssize_t axis, py::ssize_t size) {
        return given.ndim() > axis && given.shape(given.ndim() - 1 - axis) == size;
    };
    if (is_complex ? given.ndim() <= 2 && is(0, points)
                   : given.ndim() <= 3 && is(0, points) && is(1, 2)) {
        const Input<float> all =
            is_complex ? Input<float>(split(Input<std::complex<double>>::ensure(given)))
                       : Input<float>::ensure(given);
        if (!all) throw py::error_already_set();
        return {all, static_cast<std::size_t>(all.size() / (2 * points))};
    }
    throw py::value_error(fmt::format(
        "signal must have the shape (2, {0}) or (n, 2, {0}), or ({0},) or (n, {0}) where complex, "
        "got {1}",
        points, py::str(given.attr("shape")).cast<std::string>()));
}

Curves only_one(Curves curves) {
    if (curves.count != 1) {
        throw py::value_error(fmt::format("expected one curve, got {}", curves.count));
    }
    return curves;
}

}  // namespace

Curves curves_of(const py::object& signal, const Experiment& experiment) {
    if (py::isinstance<Signal>(signal))
        return of_signals({&signal.cast<const Signal&>()}, experiment);
    if (py::isinstance<py::list>(signal) || py::isinstance<py::tuple>(signal)) {
        const py::sequence items(signal);
        if (!items.empty() && py::isinstance<Signal>(items[0])) {
            std::vector<const Signal*> signals;
            for (const auto& item : items) signals.push_back(&item.cast<const Signal&>());
            return of_signals(signals, experiment);
        }
    }
    return of_array(signal, extent(nmrsim::sample_count(experiment)));
}

Curves any_curves_of(const py::object& signal, py::ssize_t points) {
    return of_array(signal, points);
}

Curves any_curve_of(const py::object& signal, py::ssize_t points) {
    return only_one(of_array(signal, points));
}

Curves one_curve_of(const py::object& signal, const Experiment& experiment) {
    return only_one(curves_of(signal, experiment));
}

std::vector<double> noise_of(const Input<double>& noise, std::size_t count) {
    if (noise.ndim() == 0) return std::vector<double>(count, *noise.data());
    if (noise.ndim() != 1 || noise.size() != extent(count)) {
        throw py::value_error(fmt::format("noise must be one number or ({},), got the shape {}",
                                          count, py::str(noise.attr("shape")).cast<std::string>()));
    }
    return {noise.data(), noise.data() + noise.size()};
}

}  // namespace nmrpython
