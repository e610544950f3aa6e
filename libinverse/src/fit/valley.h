/// The valley of chi-square through a fit, where it is so long that it bends.
#pragma once

#include <Eigen/Core>
#include <vector>

#include "fit/curve_likelihood.h"
#include "fit/levenberg_marquardt.h"

namespace nmrinverse {

/// A point on the floor of a valley.
struct ValleyPoint {
    Eigen::VectorXd position;
    Linearised at;
    Eigen::MatrixXd
        covariance;  ///< on the unit box: across the valley, and along to the next points
};

/// The floor of a valley, in order along it.
struct Valley {
    std::vector<ValleyPoint> floor;
    /// Both ends are the box's or where chi-square is out of range: not where steps gave out.
    bool whole = true;
};

/// Whether the valley through a fit may bend within the noise: it is long, or chi-square two
/// standard deviations along it is not what the second-order model predicts.
bool may_bend(CurveLikelihood& likelihood, const Fit& fit);

/// The floor of the valley through a fit, followed along the direction in which chi-square changes
/// least, as far as chi-square stays within `range` of its least there, or to the edge of the box.
///
/// Steps are as long as the bend and the information along the valley allow; after each, the other
/// directions are brought to their minimum by Gauss and Newton's method.
/// Returns: no points where none is finite.
/// Source: predictor and corrector, E. L. Allgower and K. Georg, Introduction to Numerical
/// Continuation Methods, SIAM (2003), chapter 2.
Valley follow_valley(CurveLikelihood& likelihood, const Fit& fit, double range);

}  // namespace nmrinverse
