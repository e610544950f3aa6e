/// Python values as TOML.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

namespace nmrpython {

/// A bool, number, text, sequence, array or dict on one line of TOML.
///
/// Throws: pybind11::type_error for anything else.
std::string toml_value(pybind11::handle value);

}  // namespace nmrpython
