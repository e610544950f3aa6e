/// From a curve's features to what is worth knowing of it.
#pragma once

#include <torch/torch.h>

#include <vector>

#include "network/convolution_net.h"

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

/// x + W3 ((W1 inputs) * (W2 norm(x))): looks at the inputs again through filters that what is
/// known of them by now has weighted.
///
/// Which combination of a curve's points holds an unknown depends on the others: with a drawn
/// ensemble, how the scatter of the draw comes back in the echo depends on the coupling, and must
/// be taken off before a weak unknown shows (docs/developer/decisions.md).
class GatedReadingImpl : public torch::nn::Module {
public:
    /// Args: gates: filters, each with a weight of its own.
    GatedReadingImpl(int inputs, int width, int gates);
    torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& inputs);

private:
    torch::nn::LayerNorm norm_{nullptr};
    torch::nn::Linear read_{nullptr};
    torch::nn::Linear weigh_{nullptr};
    torch::nn::Linear combine_{nullptr};
};
TORCH_MODULE(GatedReading);

/// Residual dense network, on a curve's numbers as they are or on what convolutions make of them.
///
/// With a simulator that makes as many curves as one likes, dense layers on the decimated curve
/// learn more in a given time on a CPU; where curves are few, convolutions do
/// (docs/developer/decisions.md).
class EmbeddingNetImpl : public torch::nn::Module {
public:
    /// Args: inputs: numbers of a curve. width: of the residual stream and of the answer. hidden:
    /// of each block's hidden layer. convolutions: over the first channels * samples inputs,
    /// channel by channel; none where it has no channels. gates: of a gated reading of what the
    /// first layer sees, after the first half of the blocks; 0: none.
    EmbeddingNetImpl(int inputs, int width, int hidden, int blocks,
                     const ConvolutionShape& convolutions = {}, int gates = 0);

    /// Args: inputs: (n, inputs). Returns: (n, width), each row of mean 0 and variance 1 but for a
    /// learnt scale.
    torch::Tensor forward(const torch::Tensor& inputs);

private:
    ConvolutionShape shape_;
    ConvolutionNet convolutions_{nullptr};
    torch::nn::Linear input_{nullptr};
    std::vector<ResidualBlock> blocks_;
    GatedReading gated_{nullptr};
    std::size_t gated_at_ = 0;  ///< before this block
    torch::nn::LayerNorm norm_{nullptr};
};
TORCH_MODULE(EmbeddingNet);

}  // namespace nmrinverse
