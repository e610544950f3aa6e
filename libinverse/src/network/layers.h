/// Layers with weights, which begin as those of torch.nn do.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "network/torch.h"

namespace nmrinverse {

/// Weights by their names; copies share them.
using NamedWeights = std::vector<std::pair<std::string, torch::Tensor>>;

/// What every layer has: a weight and a bias.
struct Layer {
    torch::Tensor weight;
    torch::Tensor bias;

    /// Appends PREFIX.weight and PREFIX.bias.
    void name(const std::string& prefix, NamedWeights& weights) const;
    /// All of them 0.
    void clear();
};

/// x W^T + b, (..., in) to (..., out).
struct Linear : Layer {
    Linear() = default;
    Linear(std::int64_t in, std::int64_t out);
    torch::Tensor operator()(const torch::Tensor& x) const;
};

/// Each row to mean 0 and variance 1, then scaled and shifted, (..., width).
struct LayerNorm : Layer {
    LayerNorm() = default;
    explicit LayerNorm(std::int64_t width);
    torch::Tensor operator()(const torch::Tensor& x) const;
};

/// Over the last axis, padded by half of the kernel, (n, in, samples) to (n, out, samples /
/// stride).
struct Convolution : Layer {
    Convolution() = default;
    Convolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride);
    torch::Tensor operator()(const torch::Tensor& x) const;

private:
    std::int64_t stride_ = 1;
};

/// Each group of channels to mean 0 and variance 1, then each channel scaled and shifted,
/// (n, channels, samples).
struct GroupNorm : Layer {
    GroupNorm() = default;
    GroupNorm(std::int64_t groups, std::int64_t channels);
    torch::Tensor operator()(const torch::Tensor& x) const;

private:
    std::int64_t groups_ = 1;
};

}  // namespace nmrinverse
