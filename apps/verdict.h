/// How far to trust a fit: the curve simulated at the estimate beside the curve that came in.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "curve_input.h"
#include "nmrinverse/prediction.h"

namespace nmrapps {

enum class Verdict { ok, caution, reject };

std::string_view verdict_name(Verdict verdict);

/// A fit is rejected where its residual is above this many times the expected one, ...
inline constexpr double kRejectRatio = 4.0;
/// ... and calls for caution above this many.
inline constexpr double kCautionRatio = 2.0;
/// A residual above this share of the curve's own root mean square |M| says that the fit does not
/// follow the curve: nothing confirms the estimate, however wide it is.
inline constexpr double kUnfollowedShare = 0.5;
/// A standard deviation above this share of the prior's says that the curve does not tell the
/// unknown.
inline constexpr double kUntoldShare = 0.8;

/// What became of each curve; all (count) but `fit`.
struct Judgements {
    std::vector<double> residual;  ///< rms |M - M_fit| over the window
    /// What the estimate's own uncertainty, the noise and the draw of offsets lead one to expect of
    /// it.
    std::vector<double> expected;
    std::vector<Verdict> verdict;
    std::vector<float> fit;  ///< (count, 2, points): simulated at the estimate
};

/// Simulates each curve at its estimate (inside the prior's ranges) and judges the estimate.
///
/// The expected residual is the root of the sum of: for each unknown, the mean square change of the
/// curve when the unknown moves by its standard deviation; 2 noise^2; on a lattice, the mean square
/// difference of two draws of offsets (the seeds lattice.seed and lattice.seed + 1).
/// reject: a number that is not finite, or residual > kRejectRatio * expected.
/// caution: residual > kCautionRatio * expected, residual > kUnfollowedShare of the curve's rms
/// |M|, a 90% interval that reaches its prior's bound, or a standard deviation > kUntoldShare of
/// the prior's own.
///
/// Args: noise: standard deviation on each of Mx and My. progress: called with the share done,
/// false stops. Returns: judgements, of fewer curves where it was stopped.
Judgements judge(const Curves& curves, const nmrinverse::Predictions& estimates,
                 const nmrsim::Experiment& experiment, double noise, int threads,
                 const std::function<bool(double)>& progress = {});

}  // namespace nmrapps
