/// From curves to what the features are made of.
#pragma once

#include "network/torch.h"

#include <cstddef>
#include <memory>
#include <span>

#include "curve/low_pass.h"
#include "model/first_look.h"

namespace nmrinverse {

/// Low-passed curves, and beside them what a first look tells, where there is one.
struct Reduction {
    LowPass low_pass;
    std::shared_ptr<const FirstLook> first = {};

    /// Of a reduced curve.
    std::int64_t samples() const { return low_pass.samples + (first ? first->samples() : 0); }
};

/// Args: signal: (count, 2, points). threads: 0 for all cores. Returns: (count, 2, samples).
torch::Tensor reduced_curves(const Reduction& reduction, std::span<const float> signal,
                             std::size_t count, int threads);

}  // namespace nmrinverse
