// Echoes as an instrument left them.

#include <fmt/format.h>
#include <pybind11/complex.h>
#include <pybind11/eigen.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "bindings.h"
#include "curves.h"
#include "interrupt.h"
#include "nmrinverse/echo_proposal.h"
#include "nmrinverse/measured_echo.h"
#include "nmrinverse/measured_record.h"
#include "nmrsim/simulate.h"
#include "pickles.h"
#include "refine.h"

namespace nmrpython {
namespace {

using nmrinverse::EchoFit;

EchoFit fit_measured(const nmrinverse::Model& model, const Input<double>& time_us,
                     const py::object& signal, double noise, bool align, bool fit_gain,
                     bool fit_phase, double time_zero_range_us, std::uint64_t seed, int threads) {
    const Curves curve = any_curve_of(signal, time_us.size());
    nmrinverse::EchoOptions finding;
    finding.align = align;
    finding.seed = seed;
    finding.threads = threads;
    const nmrinverse::RefineOptions options =
        refine_options(1.0, fit_gain, fit_phase, true, time_zero_range_us, seed, threads);
    finding.fit_gain = fit_gain;
    finding.fit_phase = fit_phase;
    const auto times = numbers(time_us);
    return without_gil([&] {
        const nmrinverse::EchoFinder finder(model.experiment(), nmrinverse::echo_proposal(model),
                                            finding);
        const nmrinverse::MeasuredRecord record =
            nmrinverse::measured_record(times, curve.values(), model.experiment(), noise);
        return nmrinverse::fit_echo(finder, record, options);
    });
}

}  // namespace

void bind_measured(py::module_& module) {
    py::class_<EchoFit>(module, "MeasuredFit", "A measured echo, found and fitted.")
        .def_readonly("fit", &EchoFit::fit,
                      "The Refinement; its factor and time zero come on top of the echo's.")
        .def_readonly("noise", &EchoFit::noise,
                      "Standard deviation of the noise of `signal` [units of M].")
        .def_property_readonly("factor", &EchoFit::factor,
                               "The measurement is this times the model's curve.")
        .def_property_readonly("shift_us", &EchoFit::shift_us,
                               "The model's time t is t + this on the measurement's axis [us].")
        .def_property_readonly(
            "signal",
            [](const py::object& self) {
                const auto& values = self.cast<const EchoFit&>().signal;
                return view(values, {2, extent(values.size() / 2)}, self);
            },
            "The samples that were fitted, in units of M, (2, points): Mx, My.")
        .def_property_readonly(
            "time_us",
            [](const EchoFit& self) {
                nmrsim::Experiment window;
                window.acquisition = self.window;
                const std::vector<double> times = nmrsim::acquisition_times_us(window);
                return py::array_t<double>(extent(times.size()), times.data());
            },
            "Their times on the model's axis, within its window [us], (points).")
        .def_property_readonly(
            "starts",
            [](const py::object& self) {
                const auto& echo = self.cast<const EchoFit&>();
                const std::size_t unknowns = echo.fit.estimate.size();
                return view(echo.echo.starts,
                            {extent(echo.echo.starts.size() / unknowns), extent(unknowns)}, self);
            },
            "Parameters that explain it best, best first, (n, unknowns).")
        .def(py::pickle(
            [](const EchoFit& fit) {
                return py::make_tuple(fit.echo.shift_us, fit.echo.factor, fit.echo.explained,
                                      to_state(fit.echo.signal), to_state(fit.echo.starts),
                                      fit.window.start_us, fit.window.stop_us, fit.window.points,
                                      to_state(fit.signal), py::cast(fit.fit), fit.noise);
            },
            [](const py::tuple& state) {
                if (state.size() != 11) throw py::value_error("pickle: damaged");
                EchoFit fit;
                from_state(state[0], fit.echo.shift_us);
                from_state(state[1], fit.echo.factor);
                from_state(state[2], fit.echo.explained);
                from_state(state[3], fit.echo.signal);
                from_state(state[4], fit.echo.starts);
                from_state(state[5], fit.window.start_us);
                from_state(state[6], fit.window.stop_us);
                from_state(state[7], fit.window.points);
                from_state(state[8], fit.signal);
                from_state(state[9], fit.fit);
                from_state(state[10], fit.noise);
                return fit;
            }));
    module.def("fit_measured", &fit_measured, py::arg("model"), py::arg("time_us"),
               py::arg("signal"), py::arg("noise") = 0.0, py::kw_only(), py::arg("align") = true,
               py::arg("fit_gain") = true, py::arg("fit_phase") = true,
               py::arg("time_zero_range_us") = 2.0, py::arg("seed") = 0, py::arg("threads") = 0,
               R"(Finds and fits an echo as an instrument left it: what nmr-fit --measured does.

Args:
    model: of the uniform kernel.
    time_us: (points), evenly spaced and as long as the model's window at least [us].
    signal: (points) complex or (2, points), in any unit. Fitted at its own times; where these are
        much denser than the curve can vary, low-passed.
    noise: standard deviation on each of Re and Im of these samples; 0: from the tail, or from what
        lies above the curve's band.
    align: seek the echo at all shifts; False: times count from the first pulse.
    fit_gain, fit_phase: what the receiver leaves open. The clock is fitted within
        +- time_zero_range_us of where the echo was found.
Returns: MeasuredFit. Releases the GIL.)");
}

}  // namespace nmrpython
