/// From a posterior's guess to the best fit: least squares on the simulator's exact derivatives.
#pragma once

#include <Eigen/Core>
#include <complex>
#include <cstddef>
#include <span>
#include <vector>

#include "nmrsim/experiment.h"

namespace nmrinverse {

/// How to refine. The least-squares landscape has many minima: starts are many, a coarse simulation
/// screens them, and the best are followed down.
struct RefineOptions {
    double noise = 1e-3;  ///< standard deviation on each of Mx and My, in units of M, > 0
    int refined = 32;     ///< starts that are followed after screening, >= 1
    int iterations = 20;  ///< of each, at most, >= 1
    double screening_tolerance = 1e-3;  ///< of the simulation that screens
    double tolerance = 1e-4;            ///< of the one that follows
    double final_tolerance = 1e-6;      ///< of the last steps from the best one
    bool fit_gain = false;              ///< a real factor of the curve is unknown too
    bool fit_phase = false;             ///< a phase of the receiver is unknown too
    int threads = 0;                    ///< 0 for all cores

    void validate() const;
};

/// A minimum of chi-square.
struct Minimum {
    std::vector<double> parameters;  ///< (unknowns), in their units
    double chi_square = 0.0;
};

/// What became of one curve.
struct Refinement {
    std::vector<double> estimate;  ///< (unknowns), in their units, inside the prior
    Eigen::MatrixXd covariance;    ///< (unknowns, unknowns), the inverse of the Fisher information
    std::complex<double> factor = 1.0;  ///< gain and receiver phase, where fitted
    double chi_square = 0.0;            ///< at the estimate
    double degrees = 0.0;               ///< of freedom: what chi-square should be
    /// Other minima that the noise cannot tell from the best: chi-square within 12, farther than
    /// five standard deviations.
    std::vector<Minimum> rivals;
    bool converged = false;  ///< the last step was below a hundredth of the standard deviations

    std::vector<double> deviations() const;  ///< (unknowns), roots of the covariance's diagonal
};

/// Refines one curve by Levenberg and Marquardt's method within the prior's box, from all starts at
/// once.
///
/// Args: experiment: its prior names the unknowns. signal: (2, points), Mx and My. starts: (count,
/// unknowns), row-major, at least one; those outside the prior are moved to its edge.
/// Throws: std::invalid_argument for wrong sizes, values that are not finite, or a kernel of finite
/// range, whose echo depends on its unknown draw of offsets as well.
/// Source: J. J. More, Lecture Notes in Mathematics 630, 105 (1978).
Refinement refine(const nmrsim::Experiment& experiment, std::span<const float> signal,
                  std::span<const double> starts, const RefineOptions& options = {});

}  // namespace nmrinverse
