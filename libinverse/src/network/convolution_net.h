/// Convolutions over a curve's samples, in front of the dense layers.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace nmrinverse {

/// Sizes of the convolutions.
struct ConvolutionShape {
    int channels = 0;  ///< of the curve, >= 1; 0: no convolutions
    int samples = 0;   ///< of each channel, >= 1
    int filters =
        32;  ///< of the first stage, a multiple of 8; each later one has half as many more

    /// Filters of each stage: the first takes every fourth sample, later ones every second, until
    /// at most 8 are left; the filters grow to three times the first stage's.
    std::vector<int> stages() const;
    /// Samples left after all stages.
    int left() const;
    /// Numbers that come out of a curve.
    int outputs() const;

    /// Throws: std::invalid_argument that names the inequality.
    void validate() const;
};

/// Names and shapes of the weights under `prefix`, in the order of ConvolutionNet::parameters().
std::vector<std::pair<std::string, std::vector<std::int64_t>>> weight_shapes(
    const ConvolutionShape& shape, const std::string& prefix);

/// Two convolutions beside a shortcut: silu(norm(b silu(norm(a x))) + s x).
///
/// The norm is over groups of filters (Y. Wu, K. He, arXiv 1803.08494), which needs no statistics
/// of the batch: averaged weights and single curves see the same network.
class ConvolutionStageImpl : public torch::nn::Module {
public:
    ConvolutionStageImpl(int from, int to, int stride);
    torch::Tensor forward(const torch::Tensor& x);

private:
    torch::nn::Conv1d first_{nullptr};
    torch::nn::GroupNorm first_norm_{nullptr};
    torch::nn::Conv1d second_{nullptr};
    torch::nn::GroupNorm second_norm_{nullptr};
    torch::nn::Conv1d shortcut_{nullptr};
};
TORCH_MODULE(ConvolutionStage);

/// Stages one after the other.
class ConvolutionNetImpl : public torch::nn::Module {
public:
    explicit ConvolutionNetImpl(const ConvolutionShape& shape);

    /// Args: x: (n, channels, samples). Returns: (n, outputs).
    torch::Tensor forward(const torch::Tensor& x);

private:
    std::vector<ConvolutionStage> stages_;
};
TORCH_MODULE(ConvolutionNet);

}  // namespace nmrinverse
