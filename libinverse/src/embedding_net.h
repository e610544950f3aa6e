/// From a curve's features to what is worth knowing of it.
#pragma once

#include <torch/torch.h>

#include <vector>

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

/// Residual dense network.
///
/// Dense layers on the decimated curve: with a simulator that makes as many curves as one likes
/// they learn more in a given time on a CPU than convolutions do (docs/validation.md).
class EmbeddingNetImpl : public torch::nn::Module {
public:
    /// Args: inputs: numbers of a curve. width: of the residual stream and of the answer. hidden:
    /// of each block's hidden layer.
    EmbeddingNetImpl(int inputs, int width, int hidden, int blocks);

    /// Args: inputs: (n, inputs). Returns: (n, width), each row of mean 0 and variance 1 but for a
    /// learnt scale.
    torch::Tensor forward(const torch::Tensor& inputs);

private:
    torch::nn::Linear input_{nullptr};
    std::vector<ResidualBlock> blocks_;
    torch::nn::LayerNorm norm_{nullptr};
};
TORCH_MODULE(EmbeddingNet);

}  // namespace nmrinverse
