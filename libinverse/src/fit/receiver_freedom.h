/// What a receiver's unknown gain, phase and frequency do to a curve: real parts above imaginary
/// ones, (2 points).
#pragma once

#include <Eigen/Core>
#include <complex>

namespace nmrinverse {

/// Multiplies it.
void turn(std::complex<double> by, Eigen::Ref<Eigen::VectorXd> curve);

/// Turns it by so many turns over the window, evenly.
void turn_evenly(double turns, Eigen::Ref<Eigen::VectorXd> curve);

/// Takes a direction out of columns.
void project_out(const Eigen::Ref<const Eigen::VectorXd>& direction,
                 Eigen::Ref<Eigen::MatrixXd> columns);

/// Sum of conj(model) (x + i y).
std::complex<double> correlation(const Eigen::VectorXd& model, const Eigen::VectorXd& x,
                                 const Eigen::VectorXd& y);

/// The turns over the window, at most six, that bring the model nearest to x + i y, by a scan of
/// the correlation's spectrum and parabolas through its peak.
double best_turns(const Eigen::VectorXd& model, const Eigen::VectorXd& x, const Eigen::VectorXd& y);

}  // namespace nmrinverse
