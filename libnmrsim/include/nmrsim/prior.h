/// What is unknown, and in which range.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace nmrsim {

struct Experiment;

/// One unknown, uniform in [low, high]; `name` is a row of the parameter table.
struct PriorRange {
    std::string name;
    double low = 0.0;
    double high = 1.0;
};

using Prior = std::vector<PriorRange>;

/// Throws std::invalid_argument for an unknown name, a name given twice, or a range that is empty
/// or outside the parameter's bounds.
void validate_prior(const Prior& prior);

/// Draw `index` of the prior with `seed`, a function of these two alone; (unknowns) in the prior's
/// order.
std::vector<double> draw_parameters(const Prior& prior, std::uint64_t seed, std::uint64_t index);

/// `experiment` with the unknowns of its prior set to `values`, (unknowns) in the prior's order.
Experiment with_parameters(const Experiment& experiment, std::span<const double> values);

}  // namespace nmrsim
