/// How well an experiment can tell its parameters: Fisher information and Cramer-Rao bound.
#pragma once

#include <Eigen/Core>
#include <span>
#include <string>
#include <vector>

#include "nmrsim/experiment.h"
#include "nmrsim/sensitivity.h"

namespace nmrsim {

/// What the noise of a curve leaves of its parameters.
struct FisherInformation {
    std::vector<std::string> parameters;  ///< (k)
    Eigen::MatrixXd matrix;               ///< (k, k), 1 / (units of the two parameters)
};

/// J^T J / sigma^2, J the derivatives of Mx and My at all samples: independent Gaussian noise of
/// standard deviation `noise` on each.
///
/// Throws: std::invalid_argument unless noise > 0.
/// Source: S. M. Kay, Fundamentals of Statistical Signal Processing I (1993), section 3.9.
FisherInformation fisher_information(const SignalJacobian& jacobian, double noise);

/// Least covariance that an unbiased estimate can have, (k, k), the inverse of the information.
///
/// A combination of parameters that no sample depends on, to 1e-12 of the best known one, has an
/// infinite variance; then those it involves have an infinite entry on the diagonal, and their
/// other entries are 0.
Eigen::MatrixXd cramer_rao_bound(const FisherInformation& information);

/// The standard deviations from it, (k).
std::vector<double> cramer_rao_deviations(const FisherInformation& information);

/// The unknowns of the prior that have a bound: a choice has no derivative, and the bound is that
/// of the experiment's own.
std::vector<std::string> bounded_unknowns(const Experiment& experiment);

/// What acquisition.noise leaves of each parameter of the Jacobian, "parameter,unit,value,bound"
/// one a line, the bound a standard deviation.
std::string bounds_to_csv(const Experiment& experiment, const SignalJacobian& jacobian);

}  // namespace nmrsim
