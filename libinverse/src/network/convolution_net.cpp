#include "network/convolution_net.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace nmrinverse {
namespace {

constexpr int kKernel = 7;      // samples under a filter
constexpr int kGroups = 8;      // of filters that are normed together
constexpr int kFewestLeft = 8;  // samples at which stages end
constexpr int kMostGrowth = 3;  // of the filters, from the first stage to the last
constexpr int kMostFilters = 1024;

/// Every so many samples that stage `index` takes.
int stride_of(std::size_t index) {
    return index == 0 ? 4 : 2;
}

/// Samples that are left of `samples` after one stage.
int after_stage(int samples, std::size_t index) {
    return (samples - 1) / stride_of(index) + 1;
}

}  // namespace

std::vector<int> ConvolutionShape::stages() const {
    std::vector<int> result;
    const int step = filters / 2 / kGroups * kGroups;
    int length = samples;
    do {
        const int grown = filters + static_cast<int>(result.size()) * std::max(step, kGroups);
        length = after_stage(length, result.size());
        result.push_back(std::min(grown, kMostGrowth * filters));
    } while (length > kFewestLeft);
    return result;
}

int ConvolutionShape::left() const {
    int length = samples;
    for (std::size_t i = 0; i < stages().size(); ++i) length = after_stage(length, i);
    return length;
}

int ConvolutionShape::outputs() const {
    return left() * stages().back();
}

void ConvolutionShape::validate() const {
    const auto require = [](bool holds, const char* condition, int value) {
        if (!holds) {
            throw std::invalid_argument(fmt::format("network.{}, got {}", condition, value));
        }
    };
    require(channels >= 1 && channels <= 64, "channels must be in [1, 64]", channels);
    require(samples >= 1 && samples <= 1 << 20, "samples must be in [1, 1048576]", samples);
    require(filters >= kGroups && filters <= kMostFilters && filters % kGroups == 0,
            "filters must be a multiple of 8 in [8, 1024]", filters);
}

std::vector<std::pair<std::string, std::vector<std::int64_t>>> weight_shapes(
    const ConvolutionShape& shape, const std::string& prefix) {
    std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes;
    const auto layer = [&](const std::string& name, std::vector<std::int64_t> weight) {
        const std::int64_t to = weight.front();
        shapes.push_back({name + ".weight", std::move(weight)});
        shapes.push_back({name + ".bias", {to}});
    };
    std::int64_t from = shape.channels;
    int index = 0;
    for (const std::int64_t to : shape.stages()) {
        const std::string stage = fmt::format("{}stage{}.", prefix, index++);
        layer(stage + "first", {to, from, kKernel});
        layer(stage + "first_norm", {to});
        layer(stage + "second", {to, to, kKernel});
        layer(stage + "second_norm", {to});
        layer(stage + "shortcut", {to, from, 1});
        from = to;
    }
    return shapes;
}

ConvolutionStage::ConvolutionStage(int from, int to, int stride)
    : first_(from, to, kKernel, stride),
      first_norm_(kGroups, to),
      second_(to, to, kKernel, 1),
      second_norm_(kGroups, to),
      shortcut_(from, to, 1, stride) {}

torch::Tensor ConvolutionStage::operator()(const torch::Tensor& x) const {
    const torch::Tensor inner = torch::silu(first_norm_(first_(x)));
    return torch::silu(second_norm_(second_(inner)) + shortcut_(x));
}

void ConvolutionStage::name(const std::string& prefix, NamedWeights& weights) const {
    first_.name(prefix + ".first", weights);
    first_norm_.name(prefix + ".first_norm", weights);
    second_.name(prefix + ".second", weights);
    second_norm_.name(prefix + ".second_norm", weights);
    shortcut_.name(prefix + ".shortcut", weights);
}

ConvolutionNet::ConvolutionNet(const ConvolutionShape& shape) {
    int from = shape.channels;
    for (const int to : shape.stages()) {
        stages_.emplace_back(from, to, stride_of(stages_.size()));
        from = to;
    }
}

torch::Tensor ConvolutionNet::operator()(const torch::Tensor& x) const {
    torch::Tensor result = x;
    for (const ConvolutionStage& stage : stages_) result = stage(result);
    return result.flatten(1);
}

void ConvolutionNet::name(const std::string& prefix, NamedWeights& weights) const {
    for (std::size_t s = 0; s < stages_.size(); ++s) {
        stages_[s].name(fmt::format("{}.stage{}", prefix, s), weights);
    }
}

}  // namespace nmrinverse
