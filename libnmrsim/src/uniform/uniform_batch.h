/// Many curves of the uniform kernel: sorted by the size of their step, side by side in the lanes.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "base/batch_state.h"
#include "nmrsim/experiment.h"

namespace nmrsim {

/// Receives curve `index`: (1 + tangents, 3, points), Mx, My and Mz of the curve, then of its
/// tangents from `first` on, `tangents` of them. Called from any thread, for some curves more than
/// once, each time with other tangents.
using UniformSink = std::function<void(std::size_t index, std::size_t first, std::size_t tangents,
                                       const float* rows)>;

/// Simulates (count, unknowns) parameter sets, whose unknowns all share_plan().
///
/// Args: tangents: names of the parameters to differentiate by.
void run_uniform_batch(const Experiment& shared, std::span<const double> parameters,
                       std::span<const std::string> tangents, int threads, BatchState& state,
                       const UniformSink& sink);

}  // namespace nmrsim
