/// How far to trust a fit: the curve simulated at the estimate beside the curve that came in.
#pragma once

#include <complex>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nmrinverse/curves.h"
#include "nmrinverse/measured_noise.h"
#include "nmrinverse/prediction.h"

namespace nmrinverse {

enum class Verdict { ok, caution, reject };

std::string_view verdict_name(Verdict verdict);

/// A fit is rejected where its residual is above this many times the expected one, ...
inline constexpr double kRejectRatio = 4.0;
/// ... and calls for caution above this many, as far as the expected one is the estimate's own
/// error: where that has one direction, 0.3% of good curves lie above three standard deviations.
inline constexpr double kCautionRatio = 3.0;
/// As far as it is noise, it is known better: to a tenth, and to so many standard deviations of
/// chi-square.
inline constexpr double kNoiseSlack = 1.1;
inline constexpr double kDeviations = 5.0;
/// A least squares fit whose residual is this many times the noise, counting what is correlated in
/// it alone, is rejected: white noise that is more than was said is none of that.
inline constexpr double kMisfitRatio = 2.0;
/// A residual above this share of the curve's own root mean square |M| says that the fit does not
/// follow the curve: nothing confirms the estimate, however wide it is, unless it is noise, or
/// the distance from the training set or the efficiency speak for it. (The mean of a posterior
/// whose curves differ follows none of them.)
inline constexpr double kUnfollowedShare = 0.5;
/// Draws of a posterior that are simulated; their mean square distance is good to a third or so.
inline constexpr std::size_t kMostDraws = 8;
/// A standard deviation above this share of the prior's says that the curve does not tell the
/// unknown.
inline constexpr double kUntoldShare = 0.8;
/// The end of a 90% interval within this share of its length from the prior's bound: the posterior
/// is piled up there, as that of a curve from beyond.
inline constexpr double kPiledShare = 0.05;
/// A curve farther from the training set than this share of held-out curves is of another kind; so
/// many good ones are called so.
inline constexpr double kFarShare = 0.995;
/// Importance weights that leave less than this share of the draws say that the posterior and the
/// curve's likelihood hardly overlap (M. Dax et al., arXiv 2210.05686, call it a failure).
inline constexpr double kLeastEfficiency = 0.01;
/// Lags at which the residual of neighbours is compared [samples].
inline constexpr std::size_t kLags = 20;
/// So many equal samples in a row at a channel's largest or smallest value: clipped. Smooth curves
/// and noise have none.
inline constexpr std::size_t kClippedRun = 3;

/// What is known about one fit; what is not known is left empty.
struct VerdictEvidence {
    bool finite = true;                ///< the curve and its estimates are numbers
    bool clipped = false;              ///< see longest_clipped_run()
    double residual = 0.0;             ///< rms |M - M_fit|
    double expected = 0.0;             ///< what is expected of it, the noise included
    double noise = 0.0;                ///< standard deviation on each of Mx and My; 0: not known
    double noise_uncertainty = 0.0;    ///< relative standard deviation of noise^2
    double noise_correlation = 0.0;    ///< largest of the noise itself, as `correlation`
    double noise_excess = 1.0;         ///< what correlation adds to a mean square's variance
    bool noise_is_bound = false;       ///< the noise is at most that: a smaller residual is fine
    bool fitted = false;               ///< a least squares fit: no other parameters are nearer
    double magnitude = 0.0;            ///< rms |M|
    std::size_t points = 0;            ///< of the curve
    double correlation = 0.0;          ///< see residual_correlation()
    bool piled = false;                ///< an interval ends at its prior's bound
    bool untold = false;               ///< an unknown that the curve does not tell
    std::optional<double> distance;    ///< share of held-out curves nearer to the training set
    std::optional<double> efficiency;  ///< effective sample size over draws
    /// Root mean square distance of the curve from the nearest of the posterior's draws and the
    /// estimate.
    std::optional<double> nearest;
};

/// A verdict and what led to it: "" for ok, else all findings, the worst first, with "; " between.
struct Judgement {
    Verdict verdict = Verdict::ok;
    std::string reason;
};

/// reject: not finite; a least squares fit with a residual > kRejectRatio * expected, or whose
/// correlated part is > kMisfitRatio times the noise.
/// caution: a network's answer with such a residual, for the network may be all that is wrong; a
/// residual above what noise and error explain, or below the noise (noise overstated);
/// a residual whose neighbours are correlated by more than the estimate's own error explains (not
/// asked where that error may be all of it, as without noise); a fit that does not follow the
/// curve, where neither distance nor efficiency is known; an unknown that is not told or piled up
/// at its bound; clipped; far from the training set; a low efficiency; no draw of kMostDraws of the
/// posterior nearer to the curve than a curve of zeros: so wide a posterior is nowhere confirmed.
///
/// False cautions on good curves: kFarShare makes 0.5%; kCautionRatio 0.3% where the estimate's
/// error shows in one direction, less where in more; piled intervals as many as lie within half a
/// standard deviation or so of a bound; those of kDeviations below 1e-4.
Judgement verdict_of(const VerdictEvidence& evidence);

/// Largest |autocorrelation| of a residual over lags 1 ... kLags, Mx and My together. White noise
/// has the standard deviation 1 / sqrt(2 points) at each.
///
/// Args: residual: (2, points).
double residual_correlation(std::span<const float> residual);

/// Longest run of equal samples at the largest or smallest value of Mx or of My. A channel that is
/// constant has none.
std::size_t longest_clipped_run(std::span<const float> signal);

/// What judge() knows beside curves and estimates. Arrays are of all curves, or empty.
struct JudgeOptions {
    double noise = 0.0;  ///< standard deviation on each of Mx and My; 0: not known
    std::vector<NoiseEstimate> noise_of = {};  ///< (count): where each has its own
    bool noise_is_bound = false;               ///< see VerdictEvidence
    int threads = 0;                           ///< 0 for all cores
    /// Fits look at the estimates, too (fit_check.h): no draw of the posterior need confirm them.
    bool checked = false;
    /// Estimates are least squares fits: their errors do not show in the residual.
    bool best_fit = false;
    std::vector<double> samples = {};   ///< (count, draws, unknowns) of the posterior: how far the
                                        ///< estimate's own error shows; a few draws do
    std::vector<double> distance = {};  ///< (count): share of held-out curves that lie nearer
    std::vector<double> efficiency = {};            ///< (count): effective sample size over draws
    std::vector<std::complex<double>> factor = {};  ///< (count): of the receiver, where fitted
    std::vector<double> time_zero_us = {};          ///< (count): likewise [us]
};

/// What became of each curve; all (count) but `fit`.
struct Judgements {
    std::vector<double> residual;  ///< rms |M - M_fit| over the window
    /// What the estimate's own uncertainty, the noise and the draw of offsets lead one to expect of
    /// it.
    std::vector<double> expected;
    std::vector<double> correlation;  ///< of the residual, see residual_correlation()
    std::vector<Verdict> verdict;
    std::vector<std::string> reason;
    std::vector<std::vector<float>> fit;  ///< each (2, its points): simulated at the estimate
};

/// Simulates each curve at its estimate (inside the prior's ranges) and judges the estimate.
///
/// The expected residual is the root of the sum of: unless best_fit, the mean square distance of
/// the samples' curves, or without samples for each unknown the mean square change of the curve
/// when the unknown moves by its standard deviation; 2 noise^2; on a lattice, the mean square
/// difference of two draws of offsets (the seeds lattice.seed and lattice.seed + 1); the
/// simulation's own tolerance. A curve that is not finite is rejected, its residual NaN.
///
/// Args: progress: called with the share done, false stops. Returns: judgements, of fewer curves
/// where it was stopped. Throws: std::invalid_argument for options' arrays that do not fit.
Judgements judge(const Curves& curves, const Predictions& estimates,
                 const nmrsim::Experiment& experiment, const JudgeOptions& options,
                 const std::function<bool(double)>& progress = {});

}  // namespace nmrinverse
