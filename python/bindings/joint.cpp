// Joint fits of several curves.

#include "nmrinverse/joint_fit.h"

#include <fmt/format.h>
#include <pybind11/complex.h>
#include <pybind11/eigen.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "bindings.h"
#include "curves.h"
#include "interrupt.h"
#include "pickles.h"
#include "refine.h"

namespace nmrpython {
namespace {

using nmrinverse::JointFit;

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

/// Reads (curves, unknowns) numbers of a fit without a copy.
auto rows_of(std::vector<double> JointFit::*values) {
    return [values](const py::object& self) {
        const auto& fit = self.cast<const JointFit&>();
        return view(fit.*values, {extent(fit.curves), extent(fit.unknowns)}, self);
    };
}

}  // namespace

void bind_joint(py::module_& module) {
    py::class_<JointFit>(module, "JointFit", "Several curves of one material, fitted at once.")
        .def_property_readonly("estimate", rows_of(&JointFit::estimate),
                               "(curves, unknowns); common unknowns are the same in each row.")
        .def_property_readonly("sd", rows_of(&JointFit::deviations),
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
