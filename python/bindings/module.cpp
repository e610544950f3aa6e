// nmrsim._core: the simulator. Needs no LibTorch.

#include <chrono>
#include <string>

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

}  // namespace nmrpython

namespace {

/// pybind11 before 2.12 reads the arrays of NumPy 2 wrongly, without a word.
void require_numpy() {
#if PYBIND11_VERSION_MAJOR * 100 + PYBIND11_VERSION_MINOR < 212
    const auto version = py::module_::import("numpy").attr("__version__").cast<std::string>();
    if (version[0] != '1') {
        throw py::import_error(
            "nmrsim was built with pybind11 " + std::to_string(PYBIND11_VERSION_MAJOR) + "." +
            std::to_string(PYBIND11_VERSION_MINOR) + ", which needs NumPy 1, found " + version +
            ": build it with pip install .");
    }
#endif
}

}  // namespace

PYBIND11_MODULE(_core, module) {
    require_numpy();
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
    nmrpython::bind_series(module);
}
