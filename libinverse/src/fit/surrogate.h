/// A polynomial in the place of a log likelihood: cheap, and good where that was sampled.
#pragma once

#include <Eigen/Core>

#include "fit/monomials.h"

namespace nmrinverse {

class Surrogate {
public:
    /// By weighted least squares, of the highest degree up to four that twice as many samples as it
    /// has coefficients determine; samples far below the largest value do not count.
    ///
    /// Args: positions: (k, n). values: (n), logarithms of the likelihood, -inf among them.
    Surrogate(const Eigen::MatrixXd& positions, const Eigen::VectorXd& values);

    bool usable() const { return coefficients_.size() > 0; }  ///< were there samples enough

    /// (n): at most little above the largest value that it was fitted to; -inf beyond the samples.
    Eigen::VectorXd operator()(const Eigen::MatrixXd& positions) const;

private:
    Monomials monomials_;
    Eigen::VectorXd mean_;
    Eigen::MatrixXd root_;  ///< of the covariance of the samples that count
    Eigen::VectorXd coefficients_;
    double largest_ = 0.0;
    double reach_ = 0.0;  ///< square of the distance beyond which it is not asked
};

}  // namespace nmrinverse
