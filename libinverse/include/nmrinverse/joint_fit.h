/// Several curves of one material fitted at once, as a sweep of the pulses' strength gives them.
#pragma once

#include <Eigen/Core>
#include <complex>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "nmrinverse/refine.h"
#include "nmrsim/experiment.h"

namespace nmrinverse {

struct JointOptions {
    /// Unknowns that each curve has its own of; all others are common. Gain, phase and time zero,
    /// where fitted, are always each curve's own.
    std::vector<std::string> per_curve = {"flip_deg"};
    RefineOptions refine;  ///< of the fits of each curve alone and of the joint one
    /// (curves): when each was sampled; empty: all as the experiment says.
    std::vector<nmrsim::Acquisition> windows;
    /// (curves): standard deviation of each curve's noise, in units of M; empty: refine.noise.
    std::vector<double> noise;
    /// (curves): of each curve's noise, see RefineOptions; empty: refine.noise_correlation.
    std::vector<std::vector<double>> noise_correlation;
    std::vector<double> noise_uncertainty;  ///< (curves), likewise
    int drawn = 8;  ///< of each curve's starts whose common unknowns are tried on all, >= 0

    /// Throws: std::invalid_argument.
    void validate(const nmrsim::Experiment& experiment, std::size_t curves) const;
};

/// What became of the curves together.
struct JointFit {
    std::size_t curves = 0;
    std::size_t unknowns = 0;
    std::vector<double> estimate;    ///< (curves, unknowns); common unknowns are the same in each
    std::vector<double> deviations;  ///< (curves, unknowns), standard deviations
    /// (n, n): the common unknowns in the prior's order, then each curve's own; from the Fisher
    /// information, gain, phase and time zero marginalised.
    Eigen::MatrixXd covariance;
    std::vector<std::string> names;  ///< (n): "alpha_x_khz", "flip_deg of curve 2", from 1
    std::vector<std::complex<double>> factor;  ///< (curves): gain and phase, where fitted
    std::vector<double> time_zero_us;          ///< (curves), where fitted
    std::vector<double> chi_square_of;         ///< (curves), at the joint estimate
    double chi_square = 0.0;                   ///< their sum
    double degrees = 0.0;                      ///< of freedom: what it should be
    double chi_square_deviation = 0.0;         ///< its standard deviation
    bool converged = false;  ///< the last step was below a hundredth of the standard deviations
    std::size_t rivals = 0;  ///< other minima that the noise cannot tell from this one
    std::vector<Refinement> alone;  ///< (curves): the fit of each by itself

    /// Whether chi-square is within so many of its standard deviations from `degrees`.
    bool within_noise(double deviations_allowed = 5.0) const;
};

/// Least squares over all curves at once, on the exact derivatives.
///
/// Each curve is refined alone first. The minima found, their weighted means (all, and all but one)
/// and some of each curve's starts propose the common unknowns; each proposal is scored on all
/// curves, with each curve's own unknowns at the best of what its minimum and its starts say, and
/// the best ones are followed down together.
///
/// Args: signals: (curves, 2, points) or, with windows, each (2, its points), at least two curves.
/// starts: (curves, draws, unknowns), such
/// as draws of each curve's posterior. Throws: std::invalid_argument as refine(), and for sizes
/// that do not fit.
JointFit fit_jointly(const nmrsim::Experiment& experiment, std::span<const float> signals,
                     std::span<const double> starts, const JointOptions& options = {});

}  // namespace nmrinverse
