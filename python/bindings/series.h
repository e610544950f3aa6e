/// Series as Python has them.
#pragma once

#include <pybind11/pybind11.h>

#include "nmrsim/experiment.h"

namespace nmrpython {

/// A dict for each record, "table.key" to value, and "file".
pybind11::list series_of(const nmrsim::Experiment& experiment);

/// Raises: ValueError for what a record cannot have of its own.
void set_series(nmrsim::Experiment& experiment, const pybind11::list& records);

}  // namespace nmrpython
