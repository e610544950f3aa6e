#include "nmrsim/experiment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <set>
#include <stdexcept>

#include "nmrsim/parameters.h"
#include "nmrsim/units.h"

namespace nmrsim {

namespace {

/// Keeps a mistyped number of samples from asking for all memory.
constexpr int kMostPoints = 10'000'000;
/// 512 nodes are past rounding for every shipped experiment; more than this is a typing error.
constexpr int kMostNodes = 1'000'000;

void validate_acquisition(const Acquisition& acquisition) {
    if (!(acquisition.start_us >= 0.0) || !std::isfinite(acquisition.start_us)) {
        throw std::invalid_argument(fmt::format(
            "acquisition.start_us must be finite and >= 0, got {}", acquisition.start_us));
    }
    if (acquisition.points < 1 || acquisition.points > kMostPoints) {
        throw std::invalid_argument(fmt::format("acquisition.points must be in [1, {}], got {}",
                                                kMostPoints, acquisition.points));
    }
    if (acquisition.points == 1) {
        if (acquisition.stop_us != acquisition.start_us) {
            throw std::invalid_argument(
                fmt::format("acquisition.stop_us must be start_us = {} for a single point, got {}",
                            acquisition.start_us, acquisition.stop_us));
        }
    } else if (!(acquisition.stop_us > acquisition.start_us) ||
               !std::isfinite(acquisition.stop_us)) {
        throw std::invalid_argument(
            fmt::format("acquisition.stop_us must be finite and > start_us = {}, got {}",
                        acquisition.start_us, acquisition.stop_us));
    }
    if (!(acquisition.noise >= 0.0) || !std::isfinite(acquisition.noise)) {
        throw std::invalid_argument(
            fmt::format("acquisition.noise must be finite and >= 0, got {}", acquisition.noise));
    }
    if (!std::isfinite(acquisition.receiver_phase_deg)) {
        throw std::invalid_argument(
            fmt::format("acquisition.receiver_phase_deg must be finite, got {}",
                        acquisition.receiver_phase_deg));
    }
    if (!(acquisition.gain > 0.0) || !std::isfinite(acquisition.gain)) {
        throw std::invalid_argument(
            fmt::format("acquisition.gain must be finite and > 0, got {}", acquisition.gain));
    }
    if (!(acquisition.dead_time_us >= 0.0) || !std::isfinite(acquisition.dead_time_us)) {
        throw std::invalid_argument(fmt::format(
            "acquisition.dead_time_us must be finite and >= 0, got {}", acquisition.dead_time_us));
    }
}

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
    phase_cycle.validate(sequence);
    validate_acquisition(acquisition);
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
}

std::vector<double> acquisition_times_us(const Acquisition& acquisition) {
    std::vector<double> times(static_cast<std::size_t>(acquisition.points));
    const double span = acquisition.stop_us - acquisition.start_us;
    const double intervals = acquisition.points - 1;
    for (int i = 0; i < acquisition.points; ++i) {
        times[static_cast<std::size_t>(i)] =
            i == 0 ? acquisition.start_us : acquisition.start_us + span * (i / intervals);
    }
    if (acquisition.points > 1) times.back() = acquisition.stop_us;
    return times;
}

bool is_uniform(const Experiment& experiment) {
    return std::holds_alternative<UniformKernel>(experiment.interaction.kernel);
}

}  // namespace nmrsim
