/// The general simulator: everything that the fast paths leave out, slower, with derivatives with
/// respect to every parameter.
#pragma once

#include <span>
#include <string>

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"
#include "nmrsim/simulation_cost.h"

namespace nmrsim {

/// Whether an experiment has something that the uniform kernel's and the lattice's own simulators
/// do not cover: finite pulses, another start state, a shifted line, a drawn sample of spins, a
/// line on which the uniform kernel's own nodes converge slowly, three dimensions, the
/// counter-rotating coupling beyond first order.
bool needs_ensemble(const Experiment& experiment);

/// The curve of a valid experiment; steps are halved until two answers agree within the tolerance.
///
/// Throws: std::invalid_argument where it would take longer than longest_curve_s(), Stopped.
Signal simulate_ensemble(const Experiment& experiment);

/// The same on several threads where there are some thousands of spins; the result does not depend
/// on how many.
Signal simulate_ensemble_in_team(const Experiment& experiment, int threads);

/// The same with the derivatives of every sample, at nodes and steps held fixed.
///
/// Throws: std::invalid_argument for a parameter that is no number of the evolution (noise,
/// tolerance) or has no finite value.
SignalJacobian simulate_ensemble_with_jacobian(const Experiment& experiment,
                                               std::span<const std::string> parameters,
                                               int threads = 1);

/// Spins, time steps of the first pair of answers and their operations.
SimulationCost ensemble_cost(const Experiment& experiment);

}  // namespace nmrsim
