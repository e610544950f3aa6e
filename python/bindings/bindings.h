/// What each file adds to the module.
#pragma once

#include <pybind11/pybind11.h>

#include "nmrsim/simulate.h"

namespace nmrpython {

void bind_experiment(pybind11::module_& module);
void bind_signal(pybind11::module_& module);
void bind_simulate(pybind11::module_& module);
void bind_sensitivity(pybind11::module_& module);
void bind_dataset(pybind11::module_& module);
void bind_series(pybind11::module_& module);

void bind_estimates(pybind11::module_& module);
void bind_refine(pybind11::module_& module);
void bind_joint(pybind11::module_& module);
void bind_fit(pybind11::module_& module);

void bind_model(pybind11::module_& module);
void bind_measured(pybind11::module_& module);

/// Stops a batch within without_gil() (interrupt.h) once Python has handled a signal, whichever,
/// and its handler has raised something.
nmrsim::BatchProgress stop_on_signal();

}  // namespace nmrpython
