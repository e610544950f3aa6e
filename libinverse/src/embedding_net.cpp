#include "embedding_net.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace nmrinverse {
namespace {

// Standard deviations are kept between these, in unit-box coordinates: the prior's own is 0.29.
constexpr double kLogSdLow = -9.0;
constexpr double kLogSdHigh = -0.5;

// Limits against a file that asks for all memory.
constexpr int kWidest = 1 << 14;
constexpr int kDeepest = 256;
constexpr int kMostMembers = 64;

}  // namespace

void NetworkOptions::validate() const {
    const auto require = [](const char* name, int value, int most) {
        if (value < 1 || value > most) {
            throw std::invalid_argument(
                fmt::format("network.{} must be in [1, {}], got {}", name, most, value));
        }
    };
    require("inputs", inputs, 1 << 22);
    require("unknowns", unknowns, 1024);
    require("width", width, kWidest);
    require("hidden", hidden, kWidest);
    require("blocks", blocks, kDeepest);
    require("members", members, kMostMembers);
}

std::string to_json(const NetworkOptions& options) {
    return nlohmann::json{{"kind", "residual-dense"},     {"inputs", options.inputs},
                          {"unknowns", options.unknowns}, {"width", options.width},
                          {"hidden", options.hidden},     {"blocks", options.blocks},
                          {"members", options.members}}
        .dump();
}

NetworkOptions network_options_from_json(const std::string& text) {
    try {
        const nlohmann::json json = nlohmann::json::parse(text);
        const std::string kind = json.at("kind").get<std::string>();
        if (kind != "residual-dense") {
            throw std::invalid_argument(
                fmt::format("network.kind must be residual-dense, got {}", kind));
        }
        NetworkOptions options;
        json.at("inputs").get_to(options.inputs);
        json.at("unknowns").get_to(options.unknowns);
        json.at("width").get_to(options.width);
        json.at("hidden").get_to(options.hidden);
        json.at("blocks").get_to(options.blocks);
        json.at("members").get_to(options.members);
        options.validate();
        return options;
    } catch (const nlohmann::json::exception& error) {
        throw std::invalid_argument(fmt::format("network: {}", error.what()));
    }
}

std::vector<std::pair<std::string, std::vector<std::int64_t>>> weight_shapes(
    const NetworkOptions& options) {
    const std::int64_t width = options.width;
    const std::int64_t hidden = options.hidden;
    std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes;
    for (int m = 0; m < options.members; ++m) {
        const std::string member = fmt::format("member{}.", m);
        shapes.push_back({member + "input.weight", {width, options.inputs}});
        shapes.push_back({member + "input.bias", {width}});
        for (int b = 0; b < options.blocks; ++b) {
            const std::string block = fmt::format("{}block{}.", member, b);
            shapes.push_back({block + "norm.weight", {width}});
            shapes.push_back({block + "norm.bias", {width}});
            shapes.push_back({block + "widen.weight", {hidden, width}});
            shapes.push_back({block + "widen.bias", {hidden}});
            shapes.push_back({block + "narrow.weight", {width, hidden}});
            shapes.push_back({block + "narrow.bias", {width}});
        }
        shapes.push_back({member + "norm.weight", {width}});
        shapes.push_back({member + "norm.bias", {width}});
        shapes.push_back({member + "heads.weight", {2 * options.unknowns, width}});
        shapes.push_back({member + "heads.bias", {2 * options.unknowns}});
    }
    return shapes;
}

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

DenseNetImpl::DenseNetImpl(const NetworkOptions& options) : unknowns_(options.unknowns) {
    input_ = register_module("input", torch::nn::Linear(options.inputs, options.width));
    for (int b = 0; b < options.blocks; ++b) {
        blocks_.push_back(register_module(fmt::format("block{}", b),
                                          ResidualBlock(options.width, options.hidden)));
    }
    norm_ =
        register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.width})));
    heads_ = register_module("heads", torch::nn::Linear(options.width, 2 * unknowns_));
    // Starts at the prior's mean and, roughly, its standard deviation.
    torch::nn::init::zeros_(heads_->weight);
    torch::nn::init::constant_(heads_->bias, 0.5);
    torch::NoGradGuard no_grad;
    heads_->bias.slice(0, unknowns_).fill_(-1.2);
}

NetworkAnswer DenseNetImpl::forward(const torch::Tensor& inputs) {
    torch::Tensor x = input_(inputs);
    for (ResidualBlock& block : blocks_) x = block(x);
    const torch::Tensor heads = heads_(norm_(x));
    return {heads.slice(1, 0, unknowns_), heads.slice(1, unknowns_).clamp(kLogSdLow, kLogSdHigh)};
}

EmbeddingNetImpl::EmbeddingNetImpl(const NetworkOptions& options) : options_(options) {
    options_.validate();
    for (int m = 0; m < options_.members; ++m) {
        members_.push_back(register_module(fmt::format("member{}", m), DenseNet(options_)));
    }
}

NetworkAnswer EmbeddingNetImpl::forward(const torch::Tensor& inputs) {
    std::vector<torch::Tensor> means;
    std::vector<torch::Tensor> log_sds;
    for (DenseNet& member : members_) {
        const NetworkAnswer answer = member(inputs);
        means.push_back(answer.mean);
        log_sds.push_back(answer.log_sd);
    }
    return {torch::stack(means), torch::stack(log_sds)};
}

NetworkAnswer combined(const NetworkAnswer& members) {
    if (members.mean.size(0) == 1) return {members.mean[0], members.log_sd[0]};
    const torch::Tensor mean = members.mean.mean(0);
    const torch::Tensor variance =
        (members.mean - mean).square().mean(0) + (2.0 * members.log_sd).exp().mean(0);
    return {mean, 0.5 * variance.log()};
}

}  // namespace nmrinverse
