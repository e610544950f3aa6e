/// Student's density.
#pragma once

#include <Eigen/Core>

#include "nmrsim/random.h"

namespace nmrinverse {

bool in_unit_box(const Eigen::VectorXd& position);

/// A multivariate Student density.
class StudentDensity {
public:
    /// Args: scale: (k, k), the covariance that it has up to tail / (tail - 2). tail: degrees of
    /// freedom, > 0.
    StudentDensity(Eigen::VectorXd centre, const Eigen::MatrixXd& scale, double tail);

    bool finite() const;  ///< whether the scale is one: positive definite, no NaN
    Eigen::VectorXd draw(nmrsim::CounterRandom& random) const;
    double log_density(const Eigen::VectorXd& position) const;
    Eigen::VectorXd log_densities(const Eigen::MatrixXd& positions) const;  ///< of (k, n): (n)

private:
    Eigen::VectorXd centre_;
    Eigen::MatrixXd root_;  ///< lower triangle, root_ root_^T the scale
    double tail_;
    double log_factor_ = 0.0;
};

}  // namespace nmrinverse
