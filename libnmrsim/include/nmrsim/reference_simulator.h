/// The slow, obvious simulator: the oracle that the fast ones are checked against.
#pragma once

#include <vector>

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"

namespace nmrsim {

/// Simulates with 2 x 2 density matrices, the exponential of the 4 x 4 Liouville generator (Pade,
/// by Eigen) and a direct sum over all pairs, in double precision, in the rotating frame; the
/// counter-rotating coupling averaged to first order or, with Frame::laboratory, as it turns.
///
/// Second order in the step: the field at the middle of a step comes from half a step with the
/// field at its start. Cost per step: spins^2 for a finite-range kernel, spins for the uniform one.
///
/// Args: nodes: Gauss-Legendre nodes of the line, uniform kernel only. step_us: largest step [us].
/// Throws: std::invalid_argument from Experiment::validate().
Signal simulate_reference(const Experiment& experiment, double step_us, int nodes = 512);

}  // namespace nmrsim
