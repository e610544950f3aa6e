#include "network/embedding_net.h"

#include <fmt/format.h>

namespace nmrinverse {

ResidualBlock::ResidualBlock(int width, int hidden)
    : norm_(width), widen_(width, hidden), narrow_(hidden, width) {
    narrow_.clear();  // starts as the identity
}

torch::Tensor ResidualBlock::operator()(const torch::Tensor& x) const {
    return x + narrow_(torch::silu(widen_(norm_(x))));
}

void ResidualBlock::name(const std::string& prefix, NamedWeights& weights) const {
    norm_.name(prefix + ".norm", weights);
    widen_.name(prefix + ".widen", weights);
    narrow_.name(prefix + ".narrow", weights);
}

GatedReading::GatedReading(int inputs, int width, int gates)
    : norm_(width), read_(inputs, gates), weigh_(width, gates), combine_(gates, width) {
    combine_.clear();  // starts as the identity
}

torch::Tensor GatedReading::operator()(const torch::Tensor& x, const torch::Tensor& inputs) const {
    return x + combine_(read_(inputs) * weigh_(norm_(x)));
}

void GatedReading::name(const std::string& prefix, NamedWeights& weights) const {
    norm_.name(prefix + ".norm", weights);
    read_.name(prefix + ".read", weights);
    weigh_.name(prefix + ".weigh", weights);
    combine_.name(prefix + ".combine", weights);
}

EmbeddingNet::EmbeddingNet(int inputs, int width, int hidden, int blocks,
                           const ConvolutionShape& convolutions, int gates)
    : shape_(convolutions) {
    if (shape_.channels > 0) {
        convolutions_ = ConvolutionNet(shape_);
        inputs += shape_.outputs() - shape_.channels * shape_.samples;
    }
    input_ = Linear(inputs, width);
    for (int b = 0; b < blocks; ++b) blocks_.emplace_back(width, hidden);
    if (gates > 0) {
        gated_ = GatedReading(inputs, width, gates);
        gated_at_ = blocks_.size() / 2;
    }
    norm_ = LayerNorm(width);
}

torch::Tensor EmbeddingNet::operator()(const torch::Tensor& inputs) const {
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
        if (gated_ && b == gated_at_) x = (*gated_)(x, seen);
        x = blocks_[b](x);
    }
    return norm_(x);
}

void EmbeddingNet::name(const std::string& prefix, NamedWeights& weights) const {
    convolutions_.name(prefix + ".convolutions", weights);
    input_.name(prefix + ".input", weights);
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
        blocks_[b].name(fmt::format("{}.block{}", prefix, b), weights);
    }
    if (gated_) gated_->name(prefix + ".gated", weights);
    norm_.name(prefix + ".norm", weights);
}

}  // namespace nmrinverse
