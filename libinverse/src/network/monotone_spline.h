/// Monotone rational-quadratic splines of the unit interval onto itself.
#pragma once

#include "network/torch.h"

namespace nmrinverse {

/// Knots of splines with `bins` pieces each; leading dimensions as in the numbers they came from.
struct MonotoneSpline {
    torch::Tensor x;      ///< (..., bins + 1), from 0 to 1, rising
    torch::Tensor y;      ///< (..., bins + 1), from 0 to 1, rising
    torch::Tensor slope;  ///< (..., bins + 1), > 0
};

/// Free numbers of one spline: widths, heights and slopes.
constexpr int spline_parameters(int bins) {
    return 3 * bins + 1;
}

/// Any real numbers to a spline; all zeros give the identity.
///
/// Args: free: (..., spline_parameters(bins)).
MonotoneSpline make_monotone_spline(const torch::Tensor& free, int bins);

/// A spline's values and the logarithm of its slope there.
struct SplineValue {
    torch::Tensor y;          ///< (...), in [0, 1]
    torch::Tensor log_slope;  ///< (...)
};

/// Args: x: (...), in [0, 1], the splines' leading dimensions.
/// Source: C. Durkan, A. Bekasov, I. Murray, G. Papamakarios, arXiv 1906.04032, equations 4 and 5.
SplineValue evaluate(const MonotoneSpline& spline, const torch::Tensor& x);

/// Where the splines take the values y.
///
/// Args: y: (..., m), in [0, 1]. Returns: (..., m). Source: the same, equations 6 to 8.
torch::Tensor invert(const MonotoneSpline& spline, const torch::Tensor& y);

}  // namespace nmrinverse
