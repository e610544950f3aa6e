// Estimates, whatever made them.

#include "arrays.h"
#include "bindings.h"
#include "nmrinverse/prediction.h"
#include "pickles.h"

namespace nmrpython {
namespace {

using nmrinverse::Predictions;

template <std::vector<double> Predictions::*field>
py::array_t<double> rows(const py::object& self) {
    const auto& estimates = self.cast<const Predictions&>();
    return view(estimates.*field, {extent(estimates.count), extent(estimates.unknowns)}, self);
}

}  // namespace

void bind_estimates(py::module_& module) {
    py::class_<Predictions>(module, "Estimates",
                            R"(Estimates of k unknowns for n curves, in the unknowns' units.

Arrays (n, k) float64, the object's own memory. Of a categorical unknown only probabilities mean
something.)")
        .def_property_readonly("mean", &rows<&Predictions::mean>,
                               "Point estimate: the posterior's mean, (n, k).")
        .def_property_readonly("sd", &rows<&Predictions::sd>,
                               "Posterior standard deviation, (n, k).")
        .def_property_readonly("q05", &rows<&Predictions::q05>, "5% quantile, (n, k).")
        .def_property_readonly("q25", &rows<&Predictions::q25>, "25% quantile, (n, k).")
        .def_property_readonly("q75", &rows<&Predictions::q75>, "75% quantile, (n, k).")
        .def_property_readonly("q95", &rows<&Predictions::q95>, "95% quantile, (n, k).")
        .def_property_readonly(
            "probabilities",
            [](const py::object& self) {
                const auto& estimates = self.cast<const Predictions&>();
                const std::size_t n = estimates.count;
                const std::size_t choices = n ? estimates.probabilities.size() / n : 0;
                return view(estimates.probabilities, {extent(n), extent(choices)}, self);
            },
            "Of each choice of the categorical unknown, (n, choices); no columns without one.")
        .def("__len__", [](const Predictions& estimates) { return estimates.count; })
        .def(pickled(&Predictions::count, &Predictions::unknowns, &Predictions::mean,
                     &Predictions::sd, &Predictions::q05, &Predictions::q25, &Predictions::q75,
                     &Predictions::q95, &Predictions::probabilities));
}

}  // namespace nmrpython
