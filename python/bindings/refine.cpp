// Refined fits: least squares on the simulator.

#include "nmrinverse/refine.h"

#include <fmt/format.h>
#include <pybind11/complex.h>
#include <pybind11/eigen.h>
#include <pybind11/stl.h>

#include "bindings.h"
#include "curves.h"
#include "interrupt.h"
#include "pickles.h"
#include "refine.h"

namespace nmrpython {

namespace {

using nmrinverse::Minimum;
using nmrinverse::Refinement;

py::array_t<double> row(const std::vector<double>& values) {
    return py::array_t<double>(extent(values.size()), values.data());
}

Refinement refined(const nmrsim::Experiment& given, const py::object& signal,
                   const Input<double>& starts, double noise, bool fit_gain, bool fit_phase,
                   bool fit_time_zero, double time_zero_range_us, std::uint64_t seed, int threads) {
    const nmrsim::Experiment experiment = given;
    const Curves curve = one_curve_of(signal, experiment);
    const py::ssize_t unknowns = extent(experiment.prior.size());
    if (starts.ndim() < 1 || starts.shape(starts.ndim() - 1) != unknowns) {
        throw py::value_error(fmt::format("starts must have the shape (n, {}), got {}", unknowns,
                                          py::str(starts.attr("shape")).cast<std::string>()));
    }
    const nmrinverse::RefineOptions options = refine_options(
        noise, fit_gain, fit_phase, fit_time_zero, time_zero_range_us, seed, threads);
    const auto from = numbers(starts);
    return without_gil(
        [&] { return nmrinverse::refine(experiment, curve.values(), from, options); });
}

}  // namespace

void bind_refine(py::module_& module) {
    py::class_<Minimum>(module, "Minimum", "A minimum of chi-square.")
        .def_property_readonly(
            "parameters", [](const Minimum& minimum) { return row(minimum.parameters); },
            "(unknowns), in their units.")
        .def_readonly("chi_square", &Minimum::chi_square, "Chi-square there.")
        .def_readonly("covariance", &Minimum::covariance,
                      "(unknowns, unknowns), from the Fisher information there; read-only.")
        .def(pickled(&Minimum::parameters, &Minimum::chi_square, &Minimum::covariance));
    py::class_<Refinement>(module, "Refinement", "The best fit of one curve.")
        .def_property_readonly(
            "estimate", [](const Refinement& fit) { return row(fit.estimate); },
            "(unknowns), in their units, inside the prior.")
        .def_property_readonly(
            "sd", [](const Refinement& fit) { return row(fit.deviations()); },
            "Standard deviations, (unknowns).")
        .def_readonly("covariance", &Refinement::covariance,
                      "(unknowns, unknowns), from the Fisher information; read-only.")
        .def_readonly("factor", &Refinement::factor,
                      "Gain and receiver phase as one complex number; 1 where not fitted.")
        .def_readonly("time_zero_us", &Refinement::time_zero_us,
                      "Where fitted: sample k of the curve is the model's at t_k + this [us].")
        .def_readonly("chi_square", &Refinement::chi_square, "At the estimate.")
        .def_readonly("degrees", &Refinement::degrees, "Degrees of freedom: what it should be.")
        .def_readonly("rivals", &Refinement::rivals,
                      "Other minima that the noise cannot tell from the best.")
        .def_readonly("valleys", &Refinement::valleys,
                      "Points along the floors of valleys that bend within the noise, where "
                      "minima and covariances do not say it all.")
        .def_readonly("converged", &Refinement::converged, "Whether the last step was negligible.")
        .def_readonly("residual_correlation", &Refinement::residual_correlation,
                      "Correlation of neighbouring samples of the residual; 0 for white noise.")
        .def_readonly("simulations", &Refinement::simulations, "How many curves were simulated.")
        .def("within_noise", &Refinement::within_noise, py::arg("deviations") = 5.0,
             "Whether chi-square is within so many of its standard deviations from degrees.")
        .def(pickled(&Refinement::estimate, &Refinement::covariance, &Refinement::factor,
                     &Refinement::time_zero_us, &Refinement::chi_square, &Refinement::degrees,
                     &Refinement::chi_square_deviation, &Refinement::effective_noise,
                     &Refinement::rivals, &Refinement::valleys, &Refinement::converged,
                     &Refinement::residual_correlation, &Refinement::residual_correlation_deviation,
                     &Refinement::simulations, &Refinement::widenings));
    module.def("refine", &refined, py::arg("experiment"), py::arg("signal"), py::arg("starts"),
               py::arg("noise"), py::kw_only(), py::arg("fit_gain") = false,
               py::arg("fit_phase") = false, py::arg("fit_time_zero") = false,
               py::arg("time_zero_range_us") = 1.0, py::arg("seed") = 0, py::arg("threads") = 0,
               R"(Least squares on the simulator's exact derivatives, from many starts at once.

Args:
    experiment: its prior names the unknowns. Uniform kernel only.
    signal: one curve, as Model.fit() takes it.
    starts: (n, unknowns), in their units.
    noise: standard deviation on each of Mx and My [units of M], > 0.
    fit_gain, fit_phase, fit_time_zero: what the receiver and the clock leave open; the clock
        within +- time_zero_range_us.
    seed: of the starts that are drawn where none fits.
    threads: 0 for all cores. The result does not depend on it.
Releases the GIL.)");
    module.def(
        "estimated_noise",
        [](const py::object& signal, const nmrsim::Experiment& experiment) {
            return nmrinverse::estimated_noise(one_curve_of(signal, experiment).values());
        },
        py::arg("signal"), py::arg("experiment"),
        R"(Standard deviation of white noise on a curve, from its neighbouring samples [units of M].

Args: signal: one curve of experiment, at least 16 points.)");
}

}  // namespace nmrpython
