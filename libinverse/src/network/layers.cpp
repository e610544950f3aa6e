#include "network/layers.h"

#include <cmath>

namespace nmrinverse {
namespace {

/// Added to variances before the root.
constexpr double kEpsilon = 1e-5;

/// Uniform within 1 / sqrt(numbers that a sum is over), either way.
torch::Tensor uniform(torch::IntArrayRef sizes, std::int64_t summed) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(summed));
    torch::NoGradGuard no_grad;
    return torch::empty(sizes).uniform_(-bound, bound).requires_grad_();
}

}  // namespace

void Layer::name(const std::string& prefix, NamedWeights& weights) const {
    weights.emplace_back(prefix + ".weight", weight);
    weights.emplace_back(prefix + ".bias", bias);
}

void Layer::clear() {
    torch::NoGradGuard no_grad;
    weight.zero_();
    bias.zero_();
}

Linear::Linear(std::int64_t in, std::int64_t out) {
    weight = uniform({out, in}, in);
    bias = uniform({out}, in);
}

torch::Tensor Linear::operator()(const torch::Tensor& x) const {
    return torch::linear(x, weight, bias);
}

LayerNorm::LayerNorm(std::int64_t width) {
    weight = torch::ones({width}).requires_grad_();
    bias = torch::zeros({width}).requires_grad_();
}

torch::Tensor LayerNorm::operator()(const torch::Tensor& x) const {
    return torch::layer_norm(x, weight.sizes(), weight, bias, kEpsilon);
}

Convolution::Convolution(std::int64_t in, std::int64_t out, std::int64_t kernel,
                         std::int64_t stride)
    : stride_(stride) {
    weight = uniform({out, in, kernel}, in * kernel);
    bias = uniform({out}, in * kernel);
}

torch::Tensor Convolution::operator()(const torch::Tensor& x) const {
    return torch::conv1d(x, weight, bias, stride_, weight.size(2) / 2);
}

GroupNorm::GroupNorm(std::int64_t groups, std::int64_t channels) : groups_(groups) {
    weight = torch::ones({channels}).requires_grad_();
    bias = torch::zeros({channels}).requires_grad_();
}

torch::Tensor GroupNorm::operator()(const torch::Tensor& x) const {
    return torch::group_norm(x, groups_, weight, bias, kEpsilon);
}

}  // namespace nmrinverse
