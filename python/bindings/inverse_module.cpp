// nmrsim._inverse: trained models and refined fits. Needs LibTorch.

#include "bindings.h"

PYBIND11_MODULE(_inverse, module) {
    module.doc() = "Trained models; import nmrsim.inverse for them.";
    // Experiments, signals and errors are that module's.
    pybind11::module_::import("nmrsim._core");
    nmrpython::bind_refine(module);
    nmrpython::bind_model(module);
    nmrpython::bind_measured(module);
}
