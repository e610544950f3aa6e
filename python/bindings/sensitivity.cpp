// Derivatives, and what they say of an experiment.

#include "nmrsim/sensitivity.h"

#include <fmt/format.h>
#include <pybind11/eigen.h>
#include <pybind11/stl.h>

#include <algorithm>

#include "batch_parameters.h"
#include "bindings.h"
#include "interrupt.h"
#include "nmrsim/fisher.h"
#include "pickles.h"

namespace nmrpython {
namespace {

using nmrsim::Experiment;
using nmrsim::FisherInformation;
using nmrsim::SignalJacobian;

py::array_t<double> rows(const std::vector<std::vector<double>>& from, std::size_t points) {
    py::array_t<double> all(Shape{extent(from.size()), extent(points)});
    double* to = all.mutable_data();
    for (const auto& row : from) to = std::copy(row.begin(), row.end(), to);
    return all;
}

template <std::vector<std::vector<double>> SignalJacobian::*field>
py::array_t<double> derivative(const SignalJacobian& jacobian) {
    return rows(jacobian.*field, jacobian.signal.points());
}

py::tuple batch_with_jacobian(const Experiment& given, const Input<double>& parameters,
                              const Names& names, int threads) {
    const Experiment experiment = with_unknowns(given, names);
    require_columns(parameters, experiment);
    const py::ssize_t points = extent(nmrsim::sample_count(experiment));
    py::array_t<float> signal(Shape{parameters.shape(0), 2, points});
    py::array_t<float> jacobian(Shape{parameters.shape(0), parameters.shape(1), 2, points});
    const auto from = numbers(parameters);
    const auto to = numbers_of_new(signal), derivatives = numbers_of_new(jacobian);
    without_gil(
        [&] { nmrsim::simulate_batch_with_jacobian(experiment, from, to, derivatives, threads); });
    return py::make_tuple(std::move(signal), std::move(jacobian));
}

}  // namespace

void bind_sensitivity(py::module_& module) {
    py::class_<SignalJacobian>(module, "SignalJacobian",
                               "A signal and its derivatives by k parameters.")
        .def_readonly("signal", &SignalJacobian::signal, "The curve itself.")
        .def_readonly("parameters", &SignalJacobian::parameters, "Names of the parameters, k.")
        .def_property_readonly("dmx", &derivative<&SignalJacobian::dmx>,
                               "d Mx / d parameter, (k, points), a new array.")
        .def_property_readonly("dmy", &derivative<&SignalJacobian::dmy>,
                               "d My / d parameter, (k, points), a new array.")
        .def_property_readonly("dmz", &derivative<&SignalJacobian::dmz>,
                               "d Mz / d parameter, (k, points), a new array.")
        .def(pickled(&SignalJacobian::signal, &SignalJacobian::parameters, &SignalJacobian::dmx,
                     &SignalJacobian::dmy, &SignalJacobian::dmz));
    py::class_<FisherInformation>(module, "FisherInformation",
                                  "What the noise of a curve leaves of its parameters.")
        .def_readonly("parameters", &FisherInformation::parameters, "Names of the parameters, k.")
        .def_readonly("matrix", &FisherInformation::matrix,
                      "(k, k), 1 / (units of the two parameters); read-only.")
        .def(pickled(&FisherInformation::parameters, &FisherInformation::matrix));
    module.def(
        "simulate_with_jacobian",
        [](Experiment experiment, const Names& names, int threads) {
            const std::vector<std::string> parameters = names ? *names : names_of(experiment.prior);
            return without_gil(
                [&] { return nmrsim::simulate_with_jacobian(experiment, parameters, threads); });
        },
        py::arg("experiment"), py::arg("names") = py::none(), py::kw_only(), py::arg("threads") = 0,
        R"(The signal and its exact derivatives, per unit of each parameter. Releases the GIL.

Args: names: rows of the table of parameters; the prior's unknowns where None. threads: 0 for all
cores.
Raises: ValueError for a parameter that no curve depends on or that does not apply.)");
    module.def("simulate_batch_with_jacobian", &batch_with_jacobian, py::arg("experiment"),
               py::arg("parameters"), py::arg("names") = py::none(), py::arg("threads") = 0,
               R"(The same for many parameter sets on all cores. Releases the GIL.

Args: as simulate_batch().
Returns: (n, 2, points) float32, Mx and My; (n, unknowns, 2, points) float32, their derivatives.)");
    module.def("fisher_information", &nmrsim::fisher_information, py::arg("jacobian"),
               py::arg("noise"),
               R"(J^T J / noise^2 of Mx and My at all samples.

Args: noise: standard deviation on each of Mx and My [units of M], > 0.)");
    module.def("cramer_rao_bound", &nmrsim::cramer_rao_bound, py::arg("information"),
               R"(Least covariance of an unbiased estimate, (k, k).

What no sample depends on has an infinite entry on the diagonal.)");
    module.def(
        "cramer_rao_deviations",
        [](const FisherInformation& information) {
            std::vector<double> deviations = nmrsim::cramer_rao_deviations(information);
            const Shape shape{extent(deviations.size())};
            return taken(std::move(deviations), shape);
        },
        py::arg("information"),
        "Least standard deviations of unbiased estimates, (k), in the parameters' units.");
}

}  // namespace nmrpython
