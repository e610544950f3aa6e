// nmrsim._core: the simulator. Needs no LibTorch.

#include <chrono>

#include "bindings.h"
#include "nmrsim/errors.h"
#include "nmrsim/version.h"

namespace py = pybind11;

namespace nmrpython {

nmrsim::BatchProgress stop_on_signal() {
    // Taking the GIL may mean waiting for another thread's turn to end: not for every curve.
    using Clock = std::chrono::steady_clock;
    return [next = Clock::now()](std::size_t) mutable {
        constexpr std::chrono::milliseconds kBetweenLooks(100);
        if (Clock::now() < next) return true;
        next = Clock::now() + kBetweenLooks;
        const py::gil_scoped_acquire gil;
        return PyErr_CheckSignals() == 0;
    };
}

void raise_signal() {
    if (PyErr_Occurred()) throw py::error_already_set();
}

}  // namespace nmrpython

PYBIND11_MODULE(_core, module) {
    module.doc() = "The simulator of nmrsim; import nmrsim for it.";
    module.attr("__version__") = nmrsim::kVersion;
    const auto input_error =
        py::register_exception<nmrsim::InputError>(module, "InputError", PyExc_ValueError);
    input_error.attr("__doc__") =
        "A file or a text cannot be used; the message says where and what was expected.";
    nmrpython::bind_experiment(module);
    nmrpython::bind_signal(module);
    nmrpython::bind_simulate(module);
    nmrpython::bind_sensitivity(module);
    nmrpython::bind_dataset(module);
}
