/// What least squares say of a fit's uncertainty, under the noise as it is known or as its residual
/// shows it.
#pragma once

#include <Eigen/Core>

#include "fit/curve_likelihood.h"
#include "fit/levenberg_marquardt.h"
#include "nmrinverse/refine.h"

namespace nmrinverse {

/// Covariance under white noise, on the unit box.
Eigen::MatrixXd box_covariance(const Linearised& at);

/// Covariance of the unknowns, in their units, from one on the unit box.
Eigen::MatrixXd covariance_of(const CurveLikelihood& likelihood, const Eigen::MatrixXd& on_box);

/// Correlation of neighbours in the real and in the imaginary parts of a residual, and the standard
/// deviation that white noise gives it.
void correlate(const Eigen::VectorXd& residual, Refinement& result);

/// Covariance of the best fit on the unit box, by the noise as it is known or, where that cannot be
/// it, by the residual.
///
/// Args: result: its chi-square and the residual's correlation are known.
///       excess: variance of a sample's noise as the likelihood takes it, over the given one.
Eigen::MatrixXd best_covariance(const Fit& end, const RefineOptions& options,
                                const Refinement& result, double excess);

}  // namespace nmrinverse
