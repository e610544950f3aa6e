/// Levenberg and Marquardt's method on the unit box, from many starts in step.
#pragma once

#include <Eigen/Core>
#include <complex>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <vector>

namespace nmrinverse {

/// Chi-square about a position, to second order by Gauss and Newton.
struct Linearised {
    double chi_square = std::numeric_limits<double>::infinity();
    std::complex<double> factor = 1.0;  ///< what the receiver did to the curve, best fitted
    double turns = 0.0;                 ///< and by how much it turned over the curve, if free
    Eigen::MatrixXd information;        ///< (k, k), J^T J / noise^2
    Eigen::VectorXd gradient;           ///< (k), of chi-square / 2
    Eigen::VectorXd residual;           ///< (values), over the noise; may be left out
    /// (values, k), the residual's derivatives; may be left out.
    std::shared_ptr<const Eigen::MatrixXd> slopes;
};

/// What is left free beside what was asked for, so that a search does not stop at a phase that has
/// wrapped: chi-square has fewer and wider minima then.
enum class Freedom {
    as_asked,
    phase,     ///< of the receiver
    frequency  ///< of the receiver, and its phase
};

/// A linearisation as free as it was wanted, and the one that was asked for.
struct Linearisations {
    Linearised free;
    Linearised as_asked;
    bool same_minimum = false;  ///< so near each other that the freedom has done its service
};

/// Where a start has got to.
struct Fit {
    Eigen::VectorXd position;  ///< (k), in [0, 1]
    Freedom freedom = Freedom::as_asked;
    Linearised at;          ///< there, as free as that
    Linearised as_asked;    ///< there, used while that is more
    Eigen::VectorXd trial;  ///< (k), what is evaluated next
    double damping = 0.3;
    int iterations = 0;
    bool converged = false;  ///< nothing more to gain
    bool at_rest = false;    ///< converged, or given up

    /// Takes the freedom away; the fit goes on from where it is.
    void tighten();
};

/// Linearises at trials with these freedoms.
using Linearise = std::function<std::vector<Linearisations>(std::span<const Eigen::VectorXd>,
                                                            std::span<const Freedom>)>;

/// Moves a fit that turns evenly to where the model turns so by itself; false where that is not.
using Jump = std::function<bool(Fit&)>;

/// The step that minimises the damped second-order model, unknowns that it would push out of the
/// box held at its edge; position + step is inside.
Eigen::VectorXd damped_step(const Eigen::VectorXd& position, const Linearised& at, double damping);

/// The fall of chi-square that the second-order model predicts for a step.
double predicted_fall(const Linearised& at, const Eigen::VectorXd& step);

/// One iteration of all fits that are not at rest: evaluates their trials in one batch, keeps those
/// that are better, sets the next trials.
///
/// A fit with a freedom loses it where it has come to rest or the two chi-squares mean the same
/// minimum; `jump`, where given, moves it first where it has come to rest. One without comes to
/// rest where less than `small_fall` of chi-square is predicted to be left, after `iterations`, or
/// where no damping helps. Returns: whether any moves on.
bool iterate(std::vector<Fit>& fits, const Linearise& linearise, double small_fall, int iterations,
             const Jump& jump = {});

}  // namespace nmrinverse
