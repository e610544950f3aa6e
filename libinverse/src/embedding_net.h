/// The network: features in, estimates out.
#pragma once

#include <torch/torch.h>

#include <string>
#include <utility>
#include <vector>

namespace nmrinverse {

/// Sizes of the network.
struct NetworkOptions {
    int inputs = 0;    ///< numbers of a curve, >= 1
    int unknowns = 0;  ///< >= 1
    int width = 64;    ///< of the residual stream
    int hidden = 256;  ///< of each block's hidden layer
    int blocks = 6;    ///< residual blocks
    int members = 1;   ///< networks side by side, whose answers are combined

    /// Throws: std::invalid_argument that names the inequality.
    void validate() const;
};

std::string to_json(const NetworkOptions& options);
NetworkOptions network_options_from_json(const std::string& text);

/// Names and shapes of the weights, in the order of EmbeddingNet::parameters().
std::vector<std::pair<std::string, std::vector<std::int64_t>>> weight_shapes(
    const NetworkOptions& options);

/// x + W2 silu(W1 norm(x))
class ResidualBlockImpl : public torch::nn::Module {
public:
    ResidualBlockImpl(int width, int hidden);
    torch::Tensor forward(const torch::Tensor& x);

private:
    torch::nn::LayerNorm norm_{nullptr};
    torch::nn::Linear widen_{nullptr};
    torch::nn::Linear narrow_{nullptr};
};
TORCH_MODULE(ResidualBlock);

/// What a network says of n curves, in unit-box coordinates.
struct NetworkAnswer {
    torch::Tensor mean;    ///< (..., n, unknowns)
    torch::Tensor log_sd;  ///< (..., n, unknowns), logarithm of the standard deviation
};

/// Residual dense network with two heads: the estimate of each unknown, and the logarithm of its
/// standard deviation.
///
/// Dense layers on the decimated curve: with a simulator that makes as many curves as one likes
/// they learn more in a given time on a CPU than convolutions do (docs/validation.md).
class DenseNetImpl : public torch::nn::Module {
public:
    explicit DenseNetImpl(const NetworkOptions& options);
    /// Args: inputs: (n, inputs).
    NetworkAnswer forward(const torch::Tensor& inputs);

private:
    int unknowns_;
    torch::nn::Linear input_{nullptr};
    std::vector<ResidualBlock> blocks_;
    torch::nn::LayerNorm norm_{nullptr};
    torch::nn::Linear heads_{nullptr};
};
TORCH_MODULE(DenseNet);

/// One or more dense networks that start from different weights. Where curves are few, each member
/// makes errors of its own: their mean is better than each of them, and how far they disagree tells
/// what they do not know (B. Lakshminarayanan et al., arXiv 1612.01474).
class EmbeddingNetImpl : public torch::nn::Module {
public:
    explicit EmbeddingNetImpl(const NetworkOptions& options);

    const NetworkOptions& options() const { return options_; }

    /// Each member's answer, with a leading dimension (members).
    ///
    /// Args: inputs: (n, inputs).
    NetworkAnswer forward(const torch::Tensor& inputs);

private:
    NetworkOptions options_;
    std::vector<DenseNet> members_;
};
TORCH_MODULE(EmbeddingNet);

/// Mean and standard deviation of the mixture of all members' Gaussians, (n, unknowns).
NetworkAnswer combined(const NetworkAnswer& members);

}  // namespace nmrinverse
