/// A curve of the uniform kernel as exact as its tolerance asks, and how exact it is.
#pragma once

#include <span>
#include <string>

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"
#include "uniform/uniform_plan.h"

namespace nmrsim {

/// The curve, and its derivatives with respect to parameters that all share_plan().
///
/// A second run on other nodes with shorter steps says how far the first one is off; where that is
/// too far, further runs follow until two agree. Float is used where it keeps the tolerance.
/// Of nodes or steps that the user set there is one run and an estimate made beforehand.
///
/// Throws: std::runtime_error for more steps than can be followed, std::invalid_argument for a
/// curve that takes longer than longest_curve_s(), Stopped.
SignalJacobian answer_uniform(const Experiment& experiment,
                              std::span<const std::string> parameters);

/// require_time() for a curve of this plan and its tangents.
void require_time(const UniformPlan& plan, std::size_t tangents);

}  // namespace nmrsim
