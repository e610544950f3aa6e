#include "nmrsim/prior.h"

#include <fmt/format.h>

#include <map>
#include <stdexcept>
#include <string_view>

#include "derived_rows.h"
#include "detection.h"
#include "nmrsim/experiment.h"
#include "nmrsim/parameters.h"
#include "nmrsim/random.h"

namespace nmrsim {

namespace {

/// Samples of one set share their times, and how they are computed is not a property of the spins.
bool can_be_unknown(const Parameter& row) {
    const std::string_view table = row.table;
    if (is_receiver_parameter(row.name)) return true;
    return table != "acquisition" && table != "accuracy" && std::string_view(row.name) != "d_base";
}

}  // namespace

void validate_prior(const Prior& prior) {
    std::map<std::string_view, std::string> seen;
    for (const PriorRange& range : prior) {
        const Parameter& row = parameter(range.name);
        if (!can_be_unknown(row)) {
            throw std::invalid_argument(fmt::format("prior.{}: {}.{} cannot be an unknown",
                                                    range.name, row.table, row.name));
        }
        // summed_khz and alpha_x_khz say one value in two ways.
        const auto [other, first] = seen.emplace(plain_row(row.name), range.name);
        if (!first) {
            throw std::invalid_argument(
                other->second == range.name
                    ? fmt::format("prior.{} is given twice", range.name)
                    : fmt::format("prior.{} and prior.{} say the same value: keep one",
                                  other->second, range.name));
        }
        if (!(range.low < range.high)) {
            throw std::invalid_argument(fmt::format("prior.{} must have low < high, got [{}, {}]",
                                                    range.name, range.low, range.high));
        }
        if (!(range.low >= row.lower && range.high <= row.upper)) {
            throw std::invalid_argument(
                fmt::format("prior.{} must lie in [{:g}, {:g}], got [{}, {}]", range.name,
                            row.lower, row.upper, range.low, range.high));
        }
    }
}

std::vector<double> draw_parameters(const Prior& prior, std::uint64_t seed, std::uint64_t index) {
    CounterRandom random(seed, index, RandomStream::parameters);
    std::vector<double> values;
    values.reserve(prior.size());
    for (const PriorRange& range : prior) {
        values.push_back(range.low + (range.high - range.low) * random.uniform());
    }
    return values;
}

Experiment with_parameters(const Experiment& experiment, std::span<const double> values) {
    const Prior& prior = experiment.prior;
    if (values.size() != prior.size()) {
        throw std::invalid_argument(fmt::format("expected {} values, one for each unknown, got {}",
                                                prior.size(), values.size()));
    }
    Experiment result = experiment;
    // A derived row is a function of the plain ones, so it comes after all of them.
    for (const bool derived : {false, true}) {
        for (std::size_t i = 0; i < prior.size(); ++i) {
            if (parameter(prior[i].name).derived == derived) {
                set_parameter(result, prior[i].name, values[i]);
            }
        }
    }
    return result;
}

}  // namespace nmrsim
