/// The kinds of networks that can be trained, and their names in files, options and reports.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nmrinverse {

/// Form of the posterior: how a density of one unknown departs from the mean and standard
/// deviation that it is anchored at.
enum class Head {
    flow,      ///< a logistic distribution, cut, whose cumulative a monotone spline bends
    gaussian,  ///< a normal distribution, cut at the interval's ends
};

/// What looks at a curve first.
enum class Embedding {
    dense,        ///< layers on all its numbers
    convolution,  ///< along it
};

/// What the network sees of a curve.
enum class CurveFeatures {
    all,         ///< all that is made of it
    plain,       ///< its numbers and no more
    phase_free,  ///< log amplitude and turn from sample to sample: whatever the receiver's phase
};

/// Where a network is trained. No GPU has run this yet.
enum class Device { cpu, cuda };

/// "flow", "dense", "phase-free", "cuda", ...
std::string name_of(Head head);
std::string name_of(Embedding embedding);
std::string name_of(CurveFeatures features);
std::string name_of(Device device);

/// Throws: std::invalid_argument for another name: "head must be flow or gaussian, got spline".
Head head_from_name(std::string_view name);
Embedding embedding_from_name(std::string_view name);
CurveFeatures features_from_name(std::string_view name);
Device device_from_name(std::string_view name);

/// The kind's name, "auto" where it is left open.
template <class Kind>
std::string name_or_auto(const std::optional<Kind>& kind) {
    return kind ? name_of(*kind) : "auto";
}

}  // namespace nmrinverse
