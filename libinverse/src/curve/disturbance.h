/// What lies between the spins and the curve on the desk: receiver and noise.
#pragma once

#include "network/torch.h"

#include "curve/curve_features.h"
#include "nmrinverse/receiver_spread.h"

namespace nmrinverse {

/// A noise level for each of n curves, log-uniform over the range of the features' spec, (n).
torch::Tensor noise_levels(const FeatureSpec& spec, std::int64_t count,
                           const torch::Generator& random);

/// Curves of which half, drawn at random, are mirrored in the axis: exp(2 i axis) conj(M+).
///
/// Args: reduced: (n, 2, samples).
torch::Tensor mirrored_by_chance(const torch::Tensor& reduced, double axis_deg,
                                 const torch::Generator& random);

/// Curves as a receiver hands them on: turned, amplified, and with noise of the given levels.
///
/// Args: reduced: (n, 2, samples), low-passed. noise: (n), on each point before the low-pass.
torch::Tensor disturbed(const Features& features, const ReceiverSpread& receiver,
                        const torch::Tensor& reduced, const torch::Tensor& noise,
                        const torch::Generator& random);

}  // namespace nmrinverse
