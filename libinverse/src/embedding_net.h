/// From a curve's features to what is worth knowing of it.
#pragma once

#include <torch/torch.h>

#include <vector>

#include "convolution_net.h"

namespace nmrinverse {

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

/// Residual dense network, on a curve's numbers as they are or on what convolutions make of them.
///
/// With a simulator that makes as many curves as one likes, dense layers on the decimated curve
/// learn more in a given time on a CPU; where curves are few, convolutions do
/// (docs/validation.md).
class EmbeddingNetImpl : public torch::nn::Module {
public:
    /// Args: inputs: numbers of a curve. width: of the residual stream and of the answer. hidden:
    /// of each block's hidden layer. convolutions: over the first channels * samples inputs,
    /// channel by channel; none where it has no channels.
    EmbeddingNetImpl(int inputs, int width, int hidden, int blocks,
                     const ConvolutionShape& convolutions = {});

    /// Args: inputs: (n, inputs). Returns: (n, width), each row of mean 0 and variance 1 but for a
    /// learnt scale.
    torch::Tensor forward(const torch::Tensor& inputs);

private:
    ConvolutionShape shape_;
    ConvolutionNet convolutions_{nullptr};
    torch::nn::Linear input_{nullptr};
    std::vector<ResidualBlock> blocks_;
    torch::nn::LayerNorm norm_{nullptr};
};
TORCH_MODULE(EmbeddingNet);

}  // namespace nmrinverse
