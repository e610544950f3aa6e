/// Estimates of a network checked by least squares fits.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "nmrinverse/curves.h"
#include "nmrinverse/prediction.h"
#include "nmrinverse/refine.h"
#include "nmrinverse/verdict.h"

namespace nmrinverse {

/// Judges estimates by what a network cannot see, whose own error hides it: whether any curve of
/// the experiment comes within the noise of the one at hand.
///
/// reject: none does, by more than kRejectRatio times the noise, or kMisfitRatio times in what is
/// correlated from sample to sample. caution: none does; or one does, but far from the estimate.
///
/// Args: starts: (count, draws, unknowns), of the posterior. noise: (count), on each of Mx and My.
/// upper: noise is an estimate, and taken for a thousandth of the largest sample at least;
/// otherwise curves with none are not checked. options: what the receiver leaves open, threads.
/// progress: called with the share done, false stops. Returns: (count), fewer where it was stopped;
/// ok for curves that were not checked.
std::vector<Judgement> check_by_fits(const Curves& curves, const Predictions& estimates,
                                     std::span<const double> starts, std::span<const double> noise,
                                     bool upper, const nmrsim::Experiment& experiment,
                                     const RefineOptions& options,
                                     const std::function<bool(double)>& progress = {});

}  // namespace nmrinverse
