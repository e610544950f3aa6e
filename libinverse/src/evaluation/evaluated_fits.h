/// Scores of fits, whatever fits the curves.
#pragma once

#include <functional>
#include <span>

#include "nmrinverse/evaluation.h"

namespace nmrinverse {

/// Draws of each posterior: ranks of true values among them have steps of 1 in 100.
inline constexpr std::size_t kRankedDraws = 99;

using FitCurves = std::function<FitResult(std::span<const InputCurves>, const FitOptions&)>;

/// See evaluate_fits().
Evaluation evaluate_fits_by(const FitCurves& fit, const nmrsim::Dataset& data, FitOptions options);

}  // namespace nmrinverse
