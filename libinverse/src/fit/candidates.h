/// Draws of a density that a polynomial gives, wherever it bends.
#pragma once

#include <Eigen/Core>
#include <span>
#include <vector>

#include "fit/surrogate.h"
#include "nmrsim/random.h"

namespace nmrinverse {

/// Draws of a mixture of Student densities and what a polynomial says there.
struct Candidates {
    std::vector<Eigen::VectorXd> positions;
    std::vector<double> log_mixture, log_likelihood;
    double tried = 0.0;      ///< those outside the cube among them
    double effective = 0.0;  ///< as draws of the polynomial's density

    /// Weights for a power of the polynomial's likelihood, their sum 1; none where all vanish.
    /// log_total: log of the sum of what they are in proportion to.
    std::vector<double> shares(double power, double& log_total) const;
};

/// Args: samples: (k, n), on the unit cube, where the polynomial was fitted, with weights whose sum
/// is 1. enough: candidates that should be effective. tail: degrees of freedom of the Student
/// densities that they are drawn from.
Candidates candidates_of(const Surrogate& surrogate, const Eigen::MatrixXd& samples,
                         std::span<const double> weights, double enough, double tail,
                         nmrsim::CounterRandom& random);

/// What the candidates come from is as wide as this power of the polynomial's likelihood.
inline constexpr double kCandidatesPower = 0.4;

}  // namespace nmrinverse
