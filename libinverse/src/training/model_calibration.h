/// What a calibration costs.
#pragma once

#include "network/torch.h"

#include "curve/curve_features.h"
#include "network/posterior_net.h"

namespace nmrinverse {

/// About what calibrated_on() will take [s], whatever the network has learnt.
///
/// Args: as there.
double calibration_seconds(const Features& features, PosteriorNet& net,
                           const torch::Tensor& reduced, const torch::Tensor& truth,
                           const torch::Device& device);

}  // namespace nmrinverse
