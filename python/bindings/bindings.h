/// What each file adds to the module.
#pragma once

#include <pybind11/pybind11.h>

#include "nmrsim/simulate.h"

namespace nmrpython {

/// Adds classes and functions to a module.
using Bind = void(pybind11::module_&);

Bind bind_experiment, bind_signal, bind_simulate, bind_sensitivity, bind_dataset, bind_series;

Bind bind_estimates, bind_refine, bind_joint, bind_fit;

Bind bind_model, bind_measured;

/// Stops a batch within without_gil() (interrupt.h) once Python has handled a signal, whichever,
/// and its handler has raised something.
nmrsim::BatchProgress stop_on_signal();

}  // namespace nmrpython
