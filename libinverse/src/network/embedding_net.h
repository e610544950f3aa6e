/// From a curve's features to what is worth knowing of it.
#pragma once

#include "network/torch.h"

#include <optional>
#include <string>
#include <vector>

#include "network/convolution_net.h"
#include "network/layers.h"

namespace nmrinverse {

/// x + W2 silu(W1 norm(x))
class ResidualBlock {
public:
    ResidualBlock(int width, int hidden);
    torch::Tensor operator()(const torch::Tensor& x) const;
    void name(const std::string& prefix, NamedWeights& weights) const;

private:
    LayerNorm norm_;
    Linear widen_;
    Linear narrow_;
};

/// x + W3 ((W1 inputs) * (W2 norm(x))): looks at the inputs again through filters that what is
/// known of them by now has weighted.
///
/// Which combination of a curve's points holds an unknown depends on the others: with a drawn
/// ensemble, how the scatter of the draw comes back in the echo depends on the coupling, and must
/// be taken off before a weak unknown shows (docs/developer/decisions.md).
class GatedReading {
public:
    /// Args: gates: filters, each with a weight of its own.
    GatedReading(int inputs, int width, int gates);
    torch::Tensor operator()(const torch::Tensor& x, const torch::Tensor& inputs) const;
    void name(const std::string& prefix, NamedWeights& weights) const;

private:
    LayerNorm norm_;
    Linear read_;
    Linear weigh_;
    Linear combine_;
};

/// Residual dense network, on a curve's numbers as they are or on what convolutions make of them.
///
/// With a simulator that makes as many curves as one likes, dense layers on the decimated curve
/// learn more in a given time on a CPU; where curves are few, convolutions do
/// (docs/developer/decisions.md).
class EmbeddingNet {
public:
    EmbeddingNet() = default;
    /// Args: inputs: numbers of a curve. width: of the residual stream and of the answer. hidden:
    /// of each block's hidden layer. convolutions: over the first channels * samples inputs,
    /// channel by channel; none where it has no channels. gates: of a gated reading of what the
    /// first layer sees, after the first half of the blocks; 0: none.
    EmbeddingNet(int inputs, int width, int hidden, int blocks,
                 const ConvolutionShape& convolutions = {}, int gates = 0);

    /// Args: inputs: (n, inputs). Returns: (n, width), each row of mean 0 and variance 1 but for a
    /// learnt scale.
    torch::Tensor operator()(const torch::Tensor& inputs) const;
    void name(const std::string& prefix, NamedWeights& weights) const;

private:
    ConvolutionShape shape_;
    ConvolutionNet convolutions_;
    Linear input_;
    std::vector<ResidualBlock> blocks_;
    std::optional<GatedReading> gated_;
    std::size_t gated_at_ = 0;  ///< before this block
    LayerNorm norm_;
};

}  // namespace nmrinverse
