/// Densities of one number on the unit interval; none lets probability leak outside.
#pragma once

#include "network/torch.h"

#include "nmrinverse/network_kinds.h"

namespace nmrinverse {

/// A form with its size.
struct DensityShape {
    Head form = Head::flow;
    int pieces = 16;  ///< of the spline

    /// Free numbers of one density; all zeros are the plain distribution about its anchor.
    int parameters() const;
};

/// What densities are about: on [0, 1], before they are cut.
struct Anchor {
    torch::Tensor mean;         ///< (...)
    torch::Tensor sd;           ///< (...), > 0
    torch::Tensor levels = {};  ///< (..., kLevelKnots), UnknownCalibration::by_level; or undefined
};

struct DensityValue {
    torch::Tensor cumulative;   ///< (...), in [0, 1]
    torch::Tensor log_density;  ///< (...)
};

/// Densities at u.
///
/// Args: free: (..., shape.parameters()). u: (...), in [0, 1].
DensityValue density_at(const DensityShape& shape, const torch::Tensor& free, const Anchor& anchor,
                        const torch::Tensor& u);

/// Quantiles, in double precision.
///
/// Args: free: (..., shape.parameters()). level: (..., m), in [0, 1]. Returns: (..., m).
torch::Tensor density_quantile(const DensityShape& shape, const torch::Tensor& free,
                               const Anchor& anchor, const torch::Tensor& level);

/// The density of a choice among c: constant on each of c equal cells.
///
/// Args: logits: (..., c). u: (...), in [0, 1].
DensityValue cells_at(const torch::Tensor& logits, const torch::Tensor& u);

/// Args: logits: (..., c). level: (..., m). Returns: (..., m).
torch::Tensor cells_quantile(const torch::Tensor& logits, const torch::Tensor& level);

/// Where a rising function of [0, 1] takes a level, by bisection to 2^-40.
///
/// Args: cumulative: maps (..., m) to (..., m). level: (..., m), double precision.
template <class Function>
torch::Tensor bisected(const Function& cumulative, const torch::Tensor& level) {
    torch::Tensor low = torch::zeros_like(level);
    for (double half = 0.5; half > 0x1p-41; half *= 0.5) {
        const torch::Tensor middle = low + half;
        low = torch::where(cumulative(middle) < level, middle, low);
    }
    return low;
}

}  // namespace nmrinverse
