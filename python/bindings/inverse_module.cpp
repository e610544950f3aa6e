// nmrsim._inverse: trained models. Needs LibTorch.

#include "bindings.h"

PYBIND11_MODULE(_inverse, module) {
    module.doc() = "Trained models; import nmrsim.inverse for them.";
    // Experiments, signals and errors are the one's, estimates and refined fits the other's.
    pybind11::module_::import("nmrsim._core");
    pybind11::module_::import("nmrsim._fit");
    nmrpython::bind_model(module);
    nmrpython::bind_measured(module);
}
