/// Experiments that are valid but do not look as they were meant.
#pragma once

#include <string>
#include <vector>

#include "nmrsim/experiment.h"

namespace nmrsim {

/// One line for each setting that looks wrong: units off by 1e3 or 2 pi, a window that sees
/// nothing, nodes or steps forced too few, a lattice too small for its kernel. Empty where all is
/// well.
///
/// An unknown inside its prior is as it was meant as far as the lattice goes: the 2024 challenges
/// have kernels as wide as their lattice.
///
/// Args: experiment: need not be valid.
std::vector<std::string> experiment_warnings(const Experiment& experiment);

/// What experiment_warnings() says of the experiment itself, and of it with each unknown in turn at
/// either end of its prior; each line once.
std::vector<std::string> prior_warnings(const Experiment& experiment);

}  // namespace nmrsim
