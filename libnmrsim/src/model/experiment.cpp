#include "nmrsim/experiment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>

#include "model/acquisition.h"
#include "model/spin_groups.h"
#include "nmrsim/parameters.h"
#include "nmrsim/series.h"
#include "nmrsim/units.h"

namespace nmrsim {

namespace {

/// 512 nodes are past rounding for every shipped experiment; more than this is a typing error.
constexpr int kMostNodes = 1'000'000;

void validate_accuracy(const Accuracy& accuracy) {
    if (!(accuracy.tolerance > 0.0 && accuracy.tolerance < 1.0)) {
        throw std::invalid_argument(
            fmt::format("accuracy.tolerance must be in (0, 1), got {}", accuracy.tolerance));
    }
    if (accuracy.nodes && (*accuracy.nodes < 1 || *accuracy.nodes > kMostNodes)) {
        throw std::invalid_argument(
            fmt::format("accuracy.nodes must be in [1, {}], got {}", kMostNodes, *accuracy.nodes));
    }
    if (accuracy.steps_per_point &&
        !(*accuracy.steps_per_point > 0.0 && *accuracy.steps_per_point <= 1e6)) {
        throw std::invalid_argument(fmt::format(
            "accuracy.steps_per_point must be in (0, 1e+06], got {}", *accuracy.steps_per_point));
    }
    if (accuracy.magnus_order < 1 || accuracy.magnus_order > 3) {
        throw std::invalid_argument(
            fmt::format("accuracy.magnus_order must be in [1, 3], got {}", accuracy.magnus_order));
    }
}

void validate_challenge(const Experiment& experiment) {
    if (!experiment.challenge.empty() && find_categorical(experiment.prior)) {
        // A line of such a file could not say what does not apply to its kernel.
        throw std::invalid_argument(
            "challenge.columns must be left out where the kernel is an unknown");
    }
    if (experiment.score.curves < 1) {
        throw std::invalid_argument(
            fmt::format("challenge.score_curves must be >= 1, got {}", experiment.score.curves));
    }
    std::set<std::string> names;
    for (const ChallengeColumn& column : experiment.challenge) {
        if (column.name.empty() || column.name.find_first_of("\t\r\n") != std::string::npos) {
            throw std::invalid_argument(fmt::format(
                "challenge.columns name must be a word without tabs, got \"{}\"", column.name));
        }
        if (!names.insert(column.name).second) {
            throw std::invalid_argument(
                fmt::format("challenge.columns names must differ, got {} twice", column.name));
        }
        if (!parameter(column.parameter).applies(experiment)) {
            throw std::invalid_argument(
                fmt::format("challenge.columns {}: {} does not apply to this experiment",
                            column.name, column.parameter));
        }
        if (!std::isfinite(column.scale) || column.scale == 0.0) {
            throw std::invalid_argument(
                fmt::format("challenge.columns {}: scale must be finite and not 0, got {}",
                            column.name, column.scale));
        }
    }
}

}  // namespace

void StartState::validate() const {
    const double length = std::hypot(mx, my, mz);
    if (!(length <= kSpinLength * (1.0 + 1e-12))) {
        throw std::invalid_argument(
            fmt::format("start: the length of ({}, {}, {}) must be <= {}, got {}", mx, my, mz,
                        kSpinLength, length));
    }
}

void Experiment::validate() const {
    start.validate();
    interaction.validate();
    if (!is_uniform(*this)) lattice.validate();
    line.validate();
    relaxation.validate();
    sequence.validate();
    validate_spin_groups(*this);
    phase_cycle.validate(sequence);
    validate_acquisition(*this);
    validate_accuracy(accuracy);
    for (const Parameter& row : parameter_table()) {
        if (row.derived || row.categorical || !row.applies(*this)) continue;
        const double value = row.get(*this);
        if (!(value >= row.lower && value <= row.upper)) {
            throw std::invalid_argument(fmt::format("{}.{} must be in [{:g}, {:g}], got {}",
                                                    row.table, row.name, row.lower, row.upper,
                                                    value));
        }
    }
    validate_prior(prior);
    if (const PriorRange* kernel = find_categorical(prior)) {
        if (!std::isfinite(parameter(kernel->name).get(*this))) {
            throw std::invalid_argument(
                fmt::format("interaction.kernel must be one of prior.kernel's choices ({}), got {}",
                            fmt::join(kernel->choices, ", "), kernel_name(interaction.kernel)));
        }
    }
    for (const PriorRange& range : prior) {
        if (!applies_to_draws(*this, range.name)) {
            throw std::invalid_argument(
                fmt::format("prior.{} does not apply to this experiment (kernel {})", range.name,
                            kernel_name(interaction.kernel)));
        }
    }
    validate_challenge(*this);
    if (series.empty()) return;
    const std::vector<Experiment> records = series_records(*this);
    for (std::size_t i = 0; i < records.size(); ++i) {
        try {
            records[i].validate();
        } catch (const std::invalid_argument& error) {
            throw std::invalid_argument(fmt::format("series[{}]: {}", i, error.what()));
        }
    }
}

double largest_cut_khz(const Experiment& experiment) {
    double shift_khz = 0.0;
    for (const Site& site : experiment.sites) {
        shift_khz = std::max(shift_khz, std::abs(site.shift_khz));
    }
    return experiment.line.cutoff_khz + shift_khz;
}

bool is_uniform(const Experiment& experiment) {
    return std::holds_alternative<UniformKernel>(experiment.interaction.kernel);
}

}  // namespace nmrsim
