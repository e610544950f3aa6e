/// A first look at drawn echoes: what an earlier model reads of a curve, and by that, what the
/// curve keeps beyond its mean field.
#pragma once

#include "network/torch.h"

#include <cstddef>
#include <span>

#include "nmrinverse/model.h"
#include "nmrsim/mean_field.h"

namespace nmrinverse {

class FirstLook {
public:
    /// Throws: std::invalid_argument where the model's experiment has no mean field to take off
    /// (nmrsim::MeanFieldResidual), or the model has a first look of its own.
    explicit FirstLook(Model model);

    const Model& model() const { return model_; }

    /// Pairs of numbers beside a curve: the samples of the residual, and again over their root mean
    /// square, its logarithm, and one pair an unknown.
    int samples() const;

    /// Pairs mirror as M+ does; single numbers lie on the axis that curves may be mirrored in.
    ///
    /// Args: signal: (count, 2, points). threads: 0 for all cores. Returns: (count, 2, samples).
    torch::Tensor look(std::span<const float> signal, std::size_t count, int threads) const;

private:
    Model model_;
    nmrsim::MeanFieldResidual residual_;
    double axis_ = 0.0;  ///< [rad]
};

}  // namespace nmrinverse
