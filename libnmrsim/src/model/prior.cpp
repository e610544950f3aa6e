#include "nmrsim/prior.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "model/derived_rows.h"
#include "model/kernels.h"
#include "model/sequence_names.h"
#include "nmrsim/experiment.h"
#include "nmrsim/nearest_name.h"
#include "nmrsim/parameters.h"

namespace nmrsim {

namespace {

/// Samples of one set share their times, and how they are computed is not a property of the spins.
bool can_be_unknown(const Parameter& row) {
    const std::string_view table = row.table;
    if (is_receiver_parameter(row.name)) return true;
    return table != "acquisition" && table != "accuracy" && std::string_view(row.name) != "d_base";
}

/// The kernel is the one row with choices.
void validate_choices(const PriorRange& range) {
    const std::vector<std::string>& known = kernel_names();
    for (std::size_t i = 0; i < range.choices.size(); ++i) {
        const std::string& choice = range.choices[i];
        if (std::find(known.begin(), known.end(), choice) == known.end()) {
            const std::vector<std::string> finite(known.begin() + 1, known.end());
            throw std::invalid_argument(fmt::format("prior.{} must name some of {}, got \"{}\"{}",
                                                    range.name, fmt::join(finite, ", "), choice,
                                                    did_you_mean(choice, finite)));
        }
        if (choice == known.front()) {
            throw std::invalid_argument(
                fmt::format("prior.{} must be of kernels of finite range, got {}: it has no "
                            "lattice, which the others need",
                            range.name, choice));
        }
        if (std::count(range.choices.begin(), range.choices.end(), choice) > 1) {
            throw std::invalid_argument(fmt::format(
                "prior.{} must name each choice once, got {} twice", range.name, choice));
        }
    }
    if (range.choices.size() < 2) {
        throw std::invalid_argument(fmt::format("prior.{} must have at least 2 choices, got {}",
                                                range.name, range.choices.size()));
    }
    if (range.low != 0.0 || range.high != static_cast<double>(range.choices.size())) {
        throw std::invalid_argument(
            fmt::format("prior.{} must have the range [0, {}], got [{}, {}]", range.name,
                        range.choices.size(), range.low, range.high));
    }
}

}  // namespace

PriorRange categorical_unknown(std::string name, std::vector<std::string> choices) {
    const double high = static_cast<double>(choices.size());
    return {std::move(name), 0.0, high, std::move(choices)};
}

std::size_t choice_of(const PriorRange& range, double value) {
    if (!(value >= 1.0) || range.choices.empty()) return 0;
    const double last = static_cast<double>(range.choices.size() - 1);
    return static_cast<std::size_t>(std::min(std::floor(value), last));
}

double choice_value(std::size_t index) {
    return static_cast<double>(index) + 0.5;
}

const PriorRange* find_categorical(const Prior& prior) {
    const auto found = std::find_if(prior.begin(), prior.end(),
                                    [](const PriorRange& range) { return range.categorical(); });
    return found == prior.end() ? nullptr : &*found;
}

std::vector<std::string> names_of(const Prior& prior) {
    std::vector<std::string> names;
    for (const PriorRange& range : prior) names.push_back(range.name);
    return names;
}

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
        if (seen.contains("alpha_x_khz") && seen["alpha_x_khz"] == "summed_khz" &&
            seen.contains("xi") && seen["xi"] == "summed_by_xi_khz") {
            throw std::invalid_argument(
                "prior.summed_khz and prior.summed_by_xi_khz say the same value: keep one");
        }
        if (row.categorical && !range.categorical()) {
            throw std::invalid_argument(fmt::format("prior.{} must be a list of choices, as in {}",
                                                    range.name, kExampleOfChoices));
        }
        if (!row.categorical && range.categorical()) {
            throw std::invalid_argument(
                fmt::format("prior.{} must be a range of numbers, got {} choices", range.name,
                            range.choices.size()));
        }
        if (row.categorical) {
            validate_choices(range);
            continue;
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

std::vector<double> draw_parameters(const Prior& prior, std::uint64_t seed, std::uint64_t index,
                                    RandomStream stream) {
    CounterRandom random(seed, index, stream);
    std::vector<double> values;
    values.reserve(prior.size());
    for (const PriorRange& range : prior) {
        const double value = range.low + (range.high - range.low) * random.uniform();
        values.push_back(range.categorical() ? choice_value(choice_of(range, value)) : value);
    }
    return values;
}

std::vector<double> draw_many(const Prior& prior, std::size_t count, std::uint64_t seed,
                              std::uint64_t first_index) {
    std::vector<double> all;
    all.reserve(count * prior.size());
    for (std::size_t i = 0; i < count; ++i) {
        const std::vector<double> one = draw_parameters(prior, seed, first_index + i);
        all.insert(all.end(), one.begin(), one.end());
    }
    return all;
}

Experiment with_parameters(const Experiment& experiment, std::span<const double> values) {
    const Prior& prior = experiment.prior;
    if (values.size() != prior.size()) {
        throw std::invalid_argument(fmt::format("expected {} values, one for each unknown, got {}",
                                                prior.size(), values.size()));
    }
    Experiment result = experiment;
    // Which other rows apply is up to the kernel.
    const PriorRange* kernel = find_categorical(prior);
    if (kernel) {
        set_parameter(result, kernel->name,
                      values[static_cast<std::size_t>(kernel - prior.data())]);
    }
    // Names together: their sequence is read once. What they make of it has no bounds of its own.
    bool named = false;
    for (std::size_t i = 0; i < prior.size(); ++i) {
        const Parameter& row = parameter(prior[i].name);
        if (row.getter) continue;
        require_in_bounds(result, row, values[i]);
        set_name(result.sequence, row.name, values[i]);
        named = true;
    }
    if (named) {
        follow_names(result);
        result.sequence.validate();
    }
    // A derived row is a function of the plain ones, so it comes after all of them.
    for (const bool derived : {false, true}) {
        for (std::size_t i = 0; i < prior.size(); ++i) {
            const Parameter& row = parameter(prior[i].name);
            if (row.derived != derived || row.categorical || !row.getter) continue;
            if (kernel && !row.applies(result)) continue;
            set_parameter(result, prior[i].name, values[i]);
        }
    }
    return result;
}

bool applies_to_draws(const Experiment& experiment, std::string_view name) {
    const Parameter& row = parameter(name);
    if (row.applies(experiment)) return true;
    const PriorRange* kernel = find_categorical(experiment.prior);
    if (!kernel) return false;
    Experiment one = experiment;
    return std::any_of(kernel->choices.begin(), kernel->choices.end(), [&](const auto& choice) {
        one.interaction.kernel = other_kernel(experiment.interaction.kernel, choice);
        return row.applies(one);
    });
}

}  // namespace nmrsim
