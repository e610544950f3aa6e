/// Convolutions over a curve's samples, in front of the dense layers.
#pragma once

#include "network/torch.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "network/layers.h"

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

/// Names and shapes of the weights under `prefix`, in the order of ConvolutionNet::name().
std::vector<std::pair<std::string, std::vector<std::int64_t>>> weight_shapes(
    const ConvolutionShape& shape, const std::string& prefix);

/// Two convolutions beside a shortcut: silu(norm(b silu(norm(a x))) + s x).
///
/// The norm is over groups of filters (Y. Wu, K. He, arXiv 1803.08494), which needs no statistics
/// of the batch: averaged weights and single curves see the same network.
class ConvolutionStage {
public:
    ConvolutionStage(int from, int to, int stride);
    torch::Tensor operator()(const torch::Tensor& x) const;
    void name(const std::string& prefix, NamedWeights& weights) const;

private:
    Convolution first_;
    GroupNorm first_norm_;
    Convolution second_;
    GroupNorm second_norm_;
    Convolution shortcut_;
};

/// Stages one after the other.
class ConvolutionNet {
public:
    ConvolutionNet() = default;
    explicit ConvolutionNet(const ConvolutionShape& shape);

    /// Args: x: (n, channels, samples). Returns: (n, outputs).
    torch::Tensor operator()(const torch::Tensor& x) const;
    void name(const std::string& prefix, NamedWeights& weights) const;

private:
    std::vector<ConvolutionStage> stages_;
};

}  // namespace nmrinverse
