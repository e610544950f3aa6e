// Sizes of the network: limits, JSON and the weights that follow from them.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "network/json_fields.h"
#include "network/posterior_net.h"

namespace nmrinverse {
namespace {

constexpr const char* kDense = "residual-dense";
constexpr const char* kConvolutional = "residual-convolutional";

// Limits against a file that asks for all memory.
constexpr int kWidestLayer = 1 << 14;
constexpr int kDeepest = 256;
constexpr int kMostMembers = 64;
constexpr int kMostPieces = 256;
constexpr int kMostChoices = 256;

}  // namespace

template <Of<NetworkOptions> Options, class Visit>
void for_each_field(Options& options, const Visit& visit) {
    visit("inputs", options.inputs);
    visit("unknowns", options.unknowns);
    visit("width", options.width);
    visit("hidden", options.hidden);
    visit("blocks", options.blocks);
    visit("members", options.members);
    visit("pieces", options.head.pieces);
    visit("joint", options.joint);
    visit("choices", options.choices);
}

template <Of<ConvolutionShape> Shape, class Visit>
void for_each_field(Shape& shape, const Visit& visit) {
    visit("channels", shape.channels);
    visit("samples", shape.samples);
    visit("filters", shape.filters);
}

int NetworkOptions::density_parameters() const {
    const int most = choices.empty() ? 0 : *std::max_element(choices.begin(), choices.end());
    return std::max(head.parameters(), most);
}

void NetworkOptions::validate() const {
    const auto require = [](const char* name, int value, int most) {
        if (value < 1 || value > most) {
            throw std::invalid_argument(
                fmt::format("network.{} must be in [1, {}], got {}", name, most, value));
        }
    };
    require("inputs", inputs, 1 << 22);
    require("unknowns", unknowns, 1024);
    require("width", width, kWidestLayer);
    require("hidden", hidden, kWidestLayer);
    require("blocks", blocks, kDeepest);
    require("members", members, kMostMembers);
    require("pieces", head.pieces, kMostPieces);
    require("joint", joint, kWidestLayer);
    if (gates != 0) require("gates", gates, kWidestLayer);
    if (convolutions.channels != 0) {
        convolutions.validate();
        // Beside the curve there are single numbers.
        if (convolutions.channels * convolutions.samples > inputs) {
            throw std::invalid_argument(
                fmt::format("network.inputs must be >= {} channels of {} samples, got {}",
                            convolutions.channels, convolutions.samples, inputs));
        }
    }
    if (choices.size() != static_cast<std::size_t>(unknowns)) {
        throw std::invalid_argument(
            fmt::format("network.choices must have {} numbers, got {}", unknowns, choices.size()));
    }
    for (const int count : choices) {
        if (count < 0 || count == 1 || count > kMostChoices) {
            throw std::invalid_argument(fmt::format(
                "network.choices must be 0 or in [2, {}], got {}", kMostChoices, count));
        }
    }
}

std::string to_json(const NetworkOptions& options) {
    nlohmann::json json = fields_to_json(options);
    json["kind"] = kDense;
    json["head"] = name_of(options.head.form);
    if (options.convolutions.channels > 0) {
        json["kind"] = kConvolutional;
        json.update(fields_to_json(options.convolutions));
    }
    if (options.gates > 0) json["gates"] = options.gates;
    return json.dump();
}

NetworkOptions network_options_from_json(const std::string& text) {
    try {
        const nlohmann::json json = nlohmann::json::parse(text);
        const std::string kind = json.at("kind").get<std::string>();
        if (kind != kDense && kind != kConvolutional) {
            throw std::invalid_argument(
                fmt::format("network.kind must be {} or {}, got {}", kDense, kConvolutional, kind));
        }
        NetworkOptions options;
        fields_from_json(json, options);
        options.head.form = head_from_name(json.at("head").get<std::string>());
        options.gates = json.value("gates", 0);  // most models have none
        if (kind == kConvolutional) {
            fields_from_json(json, options.convolutions);
            options.convolutions.validate();
        }
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
    const std::int64_t numbers = options.density_parameters();
    std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes;
    const auto linear = [&](const std::string& name, std::int64_t from, std::int64_t to) {
        shapes.push_back({name + ".weight", {to, from}});
        shapes.push_back({name + ".bias", {to}});
    };
    const auto norm = [&](const std::string& name) {
        shapes.push_back({name + ".weight", {width}});
        shapes.push_back({name + ".bias", {width}});
    };
    for (int m = 0; m < options.members; ++m) {
        const std::string member = fmt::format("member{}.", m);
        std::int64_t inputs = options.inputs;
        if (options.convolutions.channels > 0) {
            const ConvolutionShape& shape = options.convolutions;
            const auto own = weight_shapes(shape, member + "embedding.convolutions.");
            shapes.insert(shapes.end(), own.begin(), own.end());
            inputs += shape.outputs() - shape.channels * shape.samples;
        }
        linear(member + "embedding.input", inputs, width);
        for (int b = 0; b < options.blocks; ++b) {
            const std::string block = fmt::format("{}embedding.block{}.", member, b);
            norm(block + "norm");
            linear(block + "widen", width, hidden);
            linear(block + "narrow", hidden, width);
        }
        if (options.gates > 0) {
            const std::string gated = member + "embedding.gated.";
            norm(gated + "norm");
            linear(gated + "read", inputs, options.gates);
            linear(gated + "weigh", width, options.gates);
            linear(gated + "combine", options.gates, width);
        }
        norm(member + "embedding.norm");
        linear(member + "estimate", width, 2 * options.unknowns);
        linear(member + "marginals", width, options.unknowns * numbers);
        for (int k = 1; k < options.unknowns; ++k) {
            linear(fmt::format("{}before{}", member, k), width + 2 * k, options.joint);
            linear(fmt::format("{}free{}", member, k), options.joint, numbers);
        }
    }
    return shapes;
}

}  // namespace nmrinverse
