// nmrsim._fit: fits on the simulator. Needs no LibTorch.

#include "bindings.h"

PYBIND11_MODULE(_fit, module) {
    module.doc() = "Fits; import nmrsim for them.";
    // Experiments, signals and errors are that module's.
    pybind11::module_::import("nmrsim._core");
    nmrpython::bind_estimates(module);
    nmrpython::bind_refine(module);
    nmrpython::bind_joint(module);
    nmrpython::bind_fit(module);
}
