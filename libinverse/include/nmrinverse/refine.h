/// From a posterior's guess to the best fit: least squares on the simulator's exact derivatives.
#pragma once

#include <Eigen/Core>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nmrsim/experiment.h"

namespace nmrinverse {

/// What a receiver leaves open beside a curve's own unknowns.
struct ReceiverUnknowns {
    bool fit_gain = false;    ///< a real factor > 0 of the curve is unknown too
    bool fit_phase = false;   ///< a phase of the receiver is unknown too
    bool fit_offset = false;  ///< a constant beside the curve, of each record its own
};

/// How to refine. The least-squares landscape has many minima: starts are many, a coarse simulation
/// screens them, and the best are followed down. Where none of them meets the curve within its
/// noise, more starts are drawn, wider and wider.
struct RefineOptions : ReceiverUnknowns {
    double noise = 1e-3;  ///< standard deviation on each of Mx and My, in units of M, > 0
    /// Of the noise at lags of 1, 2, ... samples, each within -1 ... 1; empty: it is white. See
    /// noise_correlation.h.
    std::vector<double> noise_correlation;
    /// (points): each sample's standard deviation over `noise`, > 0; infinite: the sample does not
    /// count. Empty: all are alike.
    std::vector<double> relative_noise;
    /// Relative standard deviation of noise^2, where it is an estimate: >= 0.
    double noise_uncertainty = 0.0;
    int screened = 64;    ///< starts that are screened at first, >= 1; the others where none fits
    int refined = 16;     ///< starts that are followed after a screening, >= 1
    int iterations = 20;  ///< of each, at most, >= 1
    int widenings = 10;   ///< how often starts are drawn anew where none fits, at most, >= 0
    /// The starts given are followed as curves that turn evenly besides, of any phase: alpha_z is
    /// taken from how they turn (nmrsim/alpha_z_aliases.h), where there is such a symmetry.
    bool turning = false;
    /// Where none fits at last, the best is returned as it is: nothing beside it is followed.
    bool brief = false;
    int drawn = 256;                    ///< starts that each of these draws and screens, >= 1
    double screening_tolerance = 1e-2;  ///< of the simulation that screens
    double tolerance = 1e-3;            ///< of the one that follows
    /// Of the last steps; 0: so fine that its error is a tenth of what the noise leaves uncertain.
    double final_tolerance = 0.0;
    bool fit_time_zero = false;       ///< the clock's zero is unknown too
    double time_zero_range_us = 1.0;  ///< within +- this [us], > 0
    std::uint64_t seed = 0;           ///< of the starts that are drawn
    int threads = 0;                  ///< 0 for all cores; the result does not depend on it

    void validate() const;
};

/// Roots of a covariance's diagonal.
std::vector<double> deviations_of(const Eigen::MatrixXd& covariance);

/// A minimum of chi-square.
struct Minimum {
    std::vector<double> parameters;  ///< (unknowns), in their units
    double chi_square = 0.0;
    Eigen::MatrixXd covariance;  ///< (unknowns, unknowns), from the Fisher information there
};

/// What became of one curve.
struct Refinement {
    std::vector<double> estimate;  ///< (unknowns), in their units, inside the prior
    /// (unknowns, unknowns): where the noise is as it was said to be, the inverse of the Fisher
    /// information, for correlated noise what that does to least squares. Where chi-square is more
    /// than five of its standard deviations too large, or the residual is correlated and nothing
    /// was said of it, from the residual's own size and correlation. The prior's own variance is a
    /// bound; gain, phase and time zero, where fitted, are marginalised.
    /// Source: W. K. Newey and K. D. West, Econometrica 55, 703 (1987).
    Eigen::MatrixXd covariance;
    std::complex<double> factor = 1.0;  ///< gain and receiver phase, where fitted
    double time_zero_us =
        0.0;  ///< where fitted: sample k of the curve is the model's at t_k + this
    /// At the estimate, over the noise that a slow curve sees: of correlated noise as many samples
    /// count as are effective.
    double chi_square = 0.0;
    double degrees = 0.0;  ///< of freedom: what chi-square should be
    /// Standard deviation of chi-square, what is not known of the noise's size included.
    double chi_square_deviation = 0.0;
    /// White noise whose likelihood is as wide as `covariance` says, in units of M.
    double effective_noise = 0.0;
    /// Other minima that the noise cannot tell from the best: chi-square within 12 (by the
    /// effective noise), farther than five standard deviations.
    std::vector<Minimum> rivals;
    /// Points along the floors of the valleys in which these minima lie, where chi-square bends
    /// within the noise (alpha_z about a flip of 90 degrees, where only alpha_z cos(theta) shows):
    /// chi-square within 16, each with a covariance that reaches to the next. Empty where minima
    /// and their covariances say it all.
    std::vector<Minimum> valleys;
    /// The last step was below a hundredth of the standard deviations, or below a tenth where
    /// chi-square falls no further, for the simulation's own error; and valleys were followed to
    /// their ends.
    bool converged = false;
    /// Correlation of neighbouring samples of the residual, Mx and My together; white noise leaves
    /// 0 within its standard deviation.
    double residual_correlation = 0.0;
    double residual_correlation_deviation = 0.0;
    std::size_t simulations = 0;  ///< curves simulated; one with its derivatives counts as five
    int widenings = 0;            ///< how often starts were drawn anew

    std::vector<double> deviations() const { return deviations_of(covariance); }  ///< (unknowns)
    std::size_t minima() const { return 1 + rivals.size(); }  ///< that the noise cannot tell apart
    /// Whether chi-square is within so many of its standard deviations from `degrees`.
    bool within_noise(double deviations = 5.0) const;
};

/// Refines one curve by Levenberg and Marquardt's method within the prior's box, from many starts
/// at once.
///
/// It ends as soon as a fit is consistent with the noise and those beside it have been followed as
/// well; otherwise it draws starts anew around the best fits with their inflated covariance, around
/// the given ones, and from the prior.
///
/// Args: experiment: its prior names the unknowns. signal: (2, points), Mx and My. starts: (count,
/// unknowns), row-major, at least one; those outside the prior are moved to its edge.
/// time_zeros_us: (count), where each start has the clock's zero, if that is fitted; or none: at 0.
/// Throws: std::invalid_argument for wrong sizes, values that are not finite, a gain or phase that
/// both the prior and the options leave open, or a kernel of finite range, whose echo depends on
/// its unknown draw of offsets as well. Source: J. J. More, Lecture Notes in Mathematics 630, 105
/// (1978); gain and phase by variable projection, L. Kaufman, BIT 15, 49 (1975).
Refinement refine(const nmrsim::Experiment& experiment, std::span<const float> signal,
                  std::span<const double> starts, const RefineOptions& options = {},
                  std::span<const double> time_zeros_us = {});

/// The largest |M| of a curve, (2, points).
double peak_of(std::span<const float> signal);

/// Standard deviation of white noise on a curve that is sampled more densely than it varies, from
/// its differences of the eighth order.
///
/// Args: signal: (2, points), Mx and My, at least 16 points.
/// Returns: in units of M; exact in the mean for white Gaussian noise, too large by the curve's own
/// content above a third of the sampling rate. Samples that are exactly 0 (a receiver that is off)
/// are left out.
double estimated_noise(std::span<const float> signal);

}  // namespace nmrinverse
