/// Student's density on the unit box, truncated to it.
#pragma once

#include <Eigen/Core>

#include "nmrsim/random.h"

namespace nmrinverse {

bool in_unit_box(const Eigen::VectorXd& position);

/// A multivariate Student density, truncated to the unit box and normalised there.
class StudentDensity {
public:
    /// Args: scale: (k, k), the covariance that it has up to tail / (tail - 2). tail: degrees of
    /// freedom, > 0. random: for the estimate of how much of it is inside.
    StudentDensity(Eigen::VectorXd centre, const Eigen::MatrixXd& scale, double tail,
                   nmrsim::CounterRandom& random);

    /// Whether enough of it is inside the box to draw from.
    bool useful() const;
    Eigen::VectorXd draw(nmrsim::CounterRandom& random) const;
    double log_density(const Eigen::VectorXd& position) const;  ///< inside the box

private:
    Eigen::VectorXd free_draw(nmrsim::CounterRandom& random) const;

    Eigen::VectorXd centre_;
    Eigen::MatrixXd root_;  ///< lower triangle, root_ root_^T the scale
    double tail_;
    double mass_ = 0.0;  ///< inside the box
    double log_factor_ = 0.0;
};

}  // namespace nmrinverse
