#include "network/embedding_net.h"

#include <fmt/format.h>

namespace nmrinverse {

ResidualBlockImpl::ResidualBlockImpl(int width, int hidden) {
    norm_ = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
    widen_ = register_module("widen", torch::nn::Linear(width, hidden));
    narrow_ = register_module("narrow", torch::nn::Linear(hidden, width));
    torch::nn::init::zeros_(narrow_->weight);  // starts as the identity
    torch::nn::init::zeros_(narrow_->bias);
}

torch::Tensor ResidualBlockImpl::forward(const torch::Tensor& x) {
    return x + narrow_(torch::silu(widen_(norm_(x))));
}

GatedReadingImpl::GatedReadingImpl(int inputs, int width, int gates) {
    norm_ = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
    read_ = register_module("read", torch::nn::Linear(inputs, gates));
    weigh_ = register_module("weigh", torch::nn::Linear(width, gates));
    combine_ = register_module("combine", torch::nn::Linear(gates, width));
    torch::nn::init::zeros_(combine_->weight);  // starts as the identity
    torch::nn::init::zeros_(combine_->bias);
}

torch::Tensor GatedReadingImpl::forward(const torch::Tensor& x, const torch::Tensor& inputs) {
    return x + combine_(read_(inputs) * weigh_(norm_(x)));
}

EmbeddingNetImpl::EmbeddingNetImpl(int inputs, int width, int hidden, int blocks,
                                   const ConvolutionShape& convolutions, int gates)
    : shape_(convolutions) {
    if (shape_.channels > 0) {
        convolutions_ = register_module("convolutions", ConvolutionNet(shape_));
        inputs += shape_.outputs() - shape_.channels * shape_.samples;
    }
    input_ = register_module("input", torch::nn::Linear(inputs, width));
    for (int b = 0; b < blocks; ++b) {
        blocks_.push_back(register_module(fmt::format("block{}", b), ResidualBlock(width, hidden)));
    }
    if (gates > 0) {
        gated_ = register_module("gated", GatedReading(inputs, width, gates));
        gated_at_ = blocks_.size() / 2;
    }
    norm_ = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
}

torch::Tensor EmbeddingNetImpl::forward(const torch::Tensor& inputs) {
    torch::Tensor x = inputs;
    if (shape_.channels > 0) {
        const std::int64_t numbers = shape_.channels * shape_.samples;
        const torch::Tensor curve =
            x.slice(1, 0, numbers).reshape({-1, shape_.channels, shape_.samples});
        x = torch::cat({convolutions_(curve), x.slice(1, numbers)}, 1);
    }
    const torch::Tensor seen = x;
    x = input_(seen);
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
        if (gated_ && b == gated_at_) x = gated_(x, seen);
        x = blocks_[b](x);
    }
    return norm_(x);
}

}  // namespace nmrinverse
