/// A calibration at work: what estimates' densities are anchored at, and how they are bent.
#pragma once

#include "network/torch.h"

#include "network/box_density.h"
#include "network/calibration.h"
#include "network/posterior_net.h"

namespace nmrinverse {

/// Anchors of all unknowns, of the shape of the estimates, (members, n, unknowns) or without the
/// first.
Anchor anchors_of(const NetworkAnswer& answer, const Calibration& calibration);

/// A density whose cumulative the calibration's levels bend.
///
/// Args: plain: in double precision, as tails of networks that are too sure lie far out. levels:
/// as Anchor::levels.
DensityValue bent(const DensityValue& plain, const torch::Tensor& levels);

/// Levels of the plain cumulative for those of the bent one, (..., m).
torch::Tensor unbent(const torch::Tensor& level, const torch::Tensor& levels);

}  // namespace nmrinverse
