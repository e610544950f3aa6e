/// What a calibration costs.
#pragma once

#include "network/torch.h"

#include <cstdint>

#include "curve/curve_features.h"
#include "network/posterior_net.h"

namespace nmrinverse {

/// What calibrated_on() will take [s].
struct CalibrationTime {
    double once = 0.0;
    double each_curve = 0.0;

    double of(std::int64_t curves) const { return once + each_curve * static_cast<double>(curves); }
};

/// About so much, whatever the network has learnt.
///
/// Args: as calibrated_on().
CalibrationTime calibration_time(const Features& features, PosteriorNet& net,
                                 const torch::Tensor& reduced, const torch::Tensor& truth,
                                 const torch::Device& device);

}  // namespace nmrinverse
