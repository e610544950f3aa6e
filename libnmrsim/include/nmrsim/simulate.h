/// Spin echoes from their parameters.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"
#include "nmrsim/simulation_cost.h"
#include "nmrsim/stop.h"

namespace nmrsim {

/// The magnetization of one experiment at its acquisition times as the receiver reads it, phase
/// cycle included, without noise.
///
/// Uniform kernel: the ensemble is an integral over the line, no random draw. Finite range: offsets
/// drawn with lattice.seed.
///
/// Args:
///   threads: for ensembles of some thousands of spins that go through the general simulator, 0 for
///     default_threads(). The result does not depend on it.
/// Throws: std::invalid_argument from Experiment::validate(), and for a curve that would take
/// longer than longest_curve_s(); std::runtime_error where the estimated error is more than ten
/// times the tolerance, unless nodes, steps or precision are set; Stopped.
Signal simulate(const Experiment& experiment, int threads = 1);

/// The same for many parameter sets at once, on `threads` cores.
///
/// Args:
///   experiment: what all curves share; its prior names the columns of `parameters`.
///   parameters: (count, unknowns), row-major.
///   lattice_seeds: (count) seeds of the draws of offsets; may be empty for the uniform kernel.
///   signal: (count, 2, points), receives Mx and My of each curve.
///   threads: how many, 0 for all cores. The result does not depend on it.
/// Returns: how many curves are done: all of them, unless `progress`, or, where there is one,
/// request_stop() (nmrsim/stop.h), stopped the batch.
/// Throws: as above, of any of the curves, and std::invalid_argument for parameters outside their
/// bounds or spans of the wrong size. What `signal` then holds is no result.
std::size_t simulate_batch(const Experiment& experiment, std::span<const double> parameters,
                           std::span<const std::uint64_t> lattice_seeds, std::span<float> signal,
                           int threads = 0, const BatchProgress& progress = {});

/// What one curve costs at the experiment's accuracy.
///
/// Throws: std::invalid_argument from Experiment::validate().
SimulationCost simulation_cost(const Experiment& experiment);

}  // namespace nmrsim
