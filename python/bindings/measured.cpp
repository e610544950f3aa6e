// Echoes as an instrument left them, and joint fits of several.

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
#include "nmrinverse/joint_fit.h"
#include "nmrinverse/measured_echo.h"
#include "nmrinverse/measured_record.h"
#include "nmrsim/simulate.h"
#include "pickles.h"
#include "refine.h"

namespace nmrpython {
namespace {

using nmrinverse::EchoFit;
using nmrinverse::JointFit;

EchoFit fit_measured(const nmrinverse::Model& model, const Input<double>& time_us,
                     const py::object& signal, double noise, bool align, bool fit_gain,
                     bool fit_phase, double time_zero_range_us, std::uint64_t seed, int threads) {
    const Curves curve = any_curve_of(signal, time_us.size());
    nmrinverse::EchoOptions finding;
    finding.align = align;
    finding.gain = fit_gain;
    finding.phase = fit_phase;
    finding.seed = seed;
    finding.threads = threads;
    const nmrinverse::RefineOptions options =
        refine_options(1.0, fit_gain, fit_phase, true, time_zero_range_us, seed, threads);
    const auto times = numbers(time_us);
    return without_gil([&] {
        const nmrinverse::EchoFinder finder(model.experiment(), nmrinverse::echo_proposal(model),
                                            finding);
        const nmrinverse::MeasuredRecord record =
            nmrinverse::measured_record(times, curve.values(), model.experiment(), noise);
        return nmrinverse::fit_echo(finder, record, options);
    });
}

JointFit fit_jointly(const nmrsim::Experiment& given, const py::object& signals,
                     const Input<double>& starts, const Input<double>& noise,
                     const std::vector<std::string>& per_curve, bool fit_gain, bool fit_phase,
                     bool fit_time_zero, double time_zero_range_us, std::uint64_t seed,
                     int threads) {
    const nmrsim::Experiment experiment = given;
    const Curves curves = curves_of(signals, experiment);
    const py::ssize_t unknowns = extent(experiment.prior.size());
    if (starts.ndim() != 3 || starts.shape(0) != extent(curves.count) ||
        starts.shape(2) != unknowns) {
        throw py::value_error(fmt::format("starts must have the shape ({}, n, {}), got {}",
                                          curves.count, unknowns,
                                          py::str(starts.attr("shape")).cast<std::string>()));
    }
    nmrinverse::JointOptions options;
    options.per_curve = per_curve;
    options.noise = noise_of(noise, curves.count);
    options.refine = refine_options(options.noise.front(), fit_gain, fit_phase, fit_time_zero,
                                    time_zero_range_us, seed, threads);
    const auto from = numbers(starts);
    return without_gil(
        [&] { return nmrinverse::fit_jointly(experiment, curves.values(), from, options); });
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
                const std::vector<double> times = nmrsim::acquisition_times_us(self.window);
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
    py::class_<JointFit>(module, "JointFit", "Several curves of one material, fitted at once.")
        .def_property_readonly(
            "estimate",
            [](const py::object& self) {
                const auto& fit = self.cast<const JointFit&>();
                return view(fit.estimate, {extent(fit.curves), extent(fit.unknowns)}, self);
            },
            "(curves, unknowns); common unknowns are the same in each row.")
        .def_property_readonly(
            "sd",
            [](const py::object& self) {
                const auto& fit = self.cast<const JointFit&>();
                return view(fit.deviations, {extent(fit.curves), extent(fit.unknowns)}, self);
            },
            "Standard deviations, (curves, unknowns).")
        .def_readonly("names", &JointFit::names,
                      "Of the covariance's rows: common unknowns, then each curve's own.")
        .def_readonly("covariance", &JointFit::covariance, "(names, names); read-only.")
        .def_readonly("factor", &JointFit::factor, "Gain and phase of each curve, where fitted.")
        .def_readonly("time_zero_us", &JointFit::time_zero_us, "Of each curve, where fitted [us].")
        .def_readonly("chi_square", &JointFit::chi_square, "At the estimate, of all curves.")
        .def_readonly("degrees", &JointFit::degrees, "Degrees of freedom: what it should be.")
        .def_readonly("converged", &JointFit::converged, "Whether the last step was negligible.")
        .def_readonly("rivals", &JointFit::rivals,
                      "Other minima that the noise cannot tell from this one.")
        .def("within_noise", &JointFit::within_noise, py::arg("deviations") = 5.0,
             "Whether chi-square is within so many of its standard deviations from degrees.")
        .def(pickled(&JointFit::curves, &JointFit::unknowns, &JointFit::estimate,
                     &JointFit::deviations, &JointFit::covariance, &JointFit::names,
                     &JointFit::factor, &JointFit::time_zero_us, &JointFit::chi_square_of,
                     &JointFit::chi_square, &JointFit::degrees, &JointFit::chi_square_deviation,
                     &JointFit::converged, &JointFit::rivals, &JointFit::alone));
    module.def("fit_jointly", &fit_jointly, py::arg("experiment"), py::arg("signals"),
               py::arg("starts"), py::arg("noise"), py::kw_only(),
               py::arg("per_curve") = std::vector<std::string>{"flip_deg"},
               py::arg("fit_gain") = false, py::arg("fit_phase") = false,
               py::arg("fit_time_zero") = false, py::arg("time_zero_range_us") = 1.0,
               py::arg("seed") = 0, py::arg("threads") = 0,
               R"(One fit of several curves, as of a sweep of the pulses' strength.

Args:
    experiment: its prior names the unknowns. Uniform kernel only.
    signals: two or more curves, as Model.fit() takes them.
    starts: (curves, n, unknowns), such as Model.posterior(signals, noise).sample(256, seed=1).
    noise: standard deviation on each of Mx and My [units of M]: one number or (curves).
    per_curve: unknowns that each curve has its own of; all others are common.
Returns: JointFit. Releases the GIL.)");
}

}  // namespace nmrpython
