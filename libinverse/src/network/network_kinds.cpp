#include "nmrinverse/network_kinds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <span>
#include <stdexcept>
#include <vector>

namespace nmrinverse {
namespace {

// In the order of the enumerators.
constexpr const char* kHeads[] = {"flow", "gaussian"};
constexpr const char* kEmbeddings[] = {"dense", "convolution"};
constexpr const char* kFeatures[] = {"all", "plain", "phase-free"};
constexpr const char* kDevices[] = {"cpu", "cuda"};

template <class Kind>
Kind from_name(const char* what, std::span<const char* const> names, std::string_view name) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (name == names[i]) return Kind(i);
    }
    throw std::invalid_argument(
        fmt::format("{} must be {}, got {}", what, fmt::join(names, " or "), name));
}

}  // namespace

std::string name_of(Head head) {
    return kHeads[static_cast<std::size_t>(head)];
}
std::string name_of(Embedding embedding) {
    return kEmbeddings[static_cast<std::size_t>(embedding)];
}
std::string name_of(CurveFeatures features) {
    return kFeatures[static_cast<std::size_t>(features)];
}
std::string name_of(Device device) {
    return kDevices[static_cast<std::size_t>(device)];
}

Head head_from_name(std::string_view name) {
    return from_name<Head>("head", kHeads, name);
}
Embedding embedding_from_name(std::string_view name) {
    return from_name<Embedding>("embedding", kEmbeddings, name);
}
CurveFeatures features_from_name(std::string_view name) {
    return from_name<CurveFeatures>("features", kFeatures, name);
}
Device device_from_name(std::string_view name) {
    return from_name<Device>("device", kDevices, name);
}

}  // namespace nmrinverse
