/// Estimates of a network, refined by least squares.
#pragma once

#include <functional>
#include <vector>

#include "curve_input.h"
#include "nmrinverse/prediction.h"
#include "nmrsim/experiment.h"

namespace nmrapps {

struct RefinedEstimates {
    nmrinverse::Predictions estimates;  ///< mean the best fit, sd and quantiles from its covariance
    /// (count): the fit did not come to rest, its chi-square is off by more than five standard
    /// deviations, or another minimum fits as well.
    std::vector<bool> doubtful;
};

/// Refines each curve from starts drawn about its estimate, some wide and some narrow.
///
/// Args: noise: standard deviation on each of Mx and My, > 0. progress: called with the share done,
/// false stops. Returns: of fewer curves where it was stopped.
/// Throws: std::invalid_argument for a kernel of finite range.
RefinedEstimates refined_estimates(const Curves& curves, const nmrinverse::Predictions& estimates,
                                   const nmrsim::Experiment& experiment, double noise, int threads,
                                   const std::function<bool(double)>& progress = {});

}  // namespace nmrapps
