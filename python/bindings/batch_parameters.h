/// The parameters of a batch: which column is what.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "arrays.h"
#include "nmrsim/experiment.h"

namespace nmrpython {

using Names = std::optional<std::vector<std::string>>;

/// The experiment with these unknowns in place of its own, if given, each with its range in the
/// prior or else the parameter's bounds.
///
/// Throws: std::invalid_argument for an unknown name, or a choice that the prior does not have.
nmrsim::Experiment with_unknowns(nmrsim::Experiment experiment, const Names& names);

/// Throws: pybind11::value_error unless the shape is (n, unknowns of the experiment).
void require_columns(const Input<double>& parameters, const nmrsim::Experiment& experiment);

}  // namespace nmrpython
