/// Curves with their exact derivatives.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"

namespace nmrsim {

/// The signal with its derivatives by forward tangents in the same pass: the exact derivatives of
/// what simulate() computes, to rounding, at nodes and steps held fixed.
///
/// With respect to every row of the parameter table that the curve depends on, for every kernel.
/// The uniform kernel carries the strengths (alpha_x_khz, alpha_y_khz, alpha_z_khz, summed_khz),
/// the pulses' flip angles, strength and phases, and the receiver's gain and phase at the full
/// speed of its own simulator; all others go through the general one, which is some hundred times
/// slower.
///
/// Args: threads: as in simulate().
/// Throws: as simulate(), and std::invalid_argument for a parameter that no curve depends on
/// (noise, tolerance), that does not apply, or whose value is not finite.
SignalJacobian simulate_with_jacobian(const Experiment& experiment,
                                      std::span<const std::string> parameters, int threads = 1);

/// The same for many parameter sets on `threads` cores, with respect to the prior's unknowns.
///
/// Args:
///   parameters: (count, unknowns), row-major.
///   signal: (count, 2, points), receives Mx and My.
///   jacobian: (count, unknowns, 2, points), receives their derivatives.
///   threads: 0 for all cores. The result does not depend on it.
/// Throws: as above, and for spans of the wrong size.
void simulate_batch_with_jacobian(const Experiment& experiment, std::span<const double> parameters,
                                  std::span<float> signal, std::span<float> jacobian,
                                  int threads = 0);

}  // namespace nmrsim
