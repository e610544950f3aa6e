#include "uniform/uniform_storage.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <variant>

#include "model/line_shape.h"
#include "model/spin_groups.h"
#include "nmrsim/units.h"
#include "uniform/uniform_error.h"

namespace nmrsim {
namespace {

/// Share of the tolerance that what is transverse may use.
constexpr double kStorageShare = 0.2;

/// M has fallen, and its echoes have come, after so many settling times and so many times what came
/// before the delay; a delay is cut where at least so many times as much remains.
constexpr double kSettlings = 2.5, kEchoes = 2.0, kWorth = 1.5;
/// Each patience gives so many times as much.
constexpr double kPatience = 2.0;

/// M is to stay quiet for this share of what is left of a delay after it.
constexpr double kQuietAfter = 0.25;

/// Looks at M in what is left of a delay.
constexpr int kLeastLooks = 8;

/// Every combination of signs of the delays gives a time at which an echo may come.
constexpr std::size_t kMostStored = 6;

/// Delays between two groups of pulses.
struct Stretch {
    std::size_t first_event = 0, end_event = 0;
    double pulses_us = 0.0;  ///< of the pulses before it
    double duration_us = 0.0;
    double followed_us = 0.0;

    bool stored() const { return followed_us < duration_us; }
};

/// Args: events: pulse_scale multiplied in.
Sequence by_events(const Sequence& sequence, std::vector<Event> events) {
    Sequence result;
    result.program = std::move(events);
    result.pulse_spread = sequence.pulse_spread;
    result.strengths = sequence.strengths;
    return result;
}

std::vector<Stretch> stretches_of(const std::vector<Event>& events) {
    std::vector<Stretch> stretches;
    double pulses_us = 0.0;
    for (std::size_t e = 0; e < events.size(); ++e) {
        const Delay* delay = std::get_if<Delay>(&events[e]);
        if (!delay) {
            pulses_us += std::get<Pulse>(events[e]).duration_us;
            continue;
        }
        if (stretches.empty() || stretches.back().end_event < e) {
            stretches.push_back({e, e, pulses_us, 0, 0});
            pulses_us = 0.0;
        }
        stretches.back().end_event = e + 1;
        stretches.back().duration_us += delay->duration_us;
    }
    return stretches;
}

/// Largest |mean of exp(2 pi i delta t)| over the line at times from `time_s` on: that of the whole
/// line, and what the edges of the cut make.
double coherence(const Line& line, double time_s) {
    const double uncut = shape_of(line).coherence(line, time_s);
    const double edge = 2.0 * line_density(line, line.cutoff_khz * kHzPerKhz) / (kTwoPi * time_s);
    Line cut = line;
    cut.renormalize = false;
    return std::min(1.0, (uncut + edge) / line_weight(cut));
}

/// What all combinations of the stored delays' phases leave of M at the last sample and before.
double stored_error(const Experiment& experiment, const std::vector<double>& stored_us,
                    double others_us) {
    const double rate = slowest_relaxation(experiment).transverse_rate() * kSecondsPerUs;
    std::size_t combinations = 1;
    for (std::size_t k = 0; k < stored_us.size(); ++k) combinations *= 3;
    double error = 0.0;
    for (std::size_t c = 0; c < combinations / 2; ++c) {  // the others have all signs turned round
        double apart_us = 0.0, transverse_us = 0.0;
        std::size_t digits = c;
        for (const double duration_us : stored_us) {
            const int sign = static_cast<int>(digits % 3) - 1;
            digits /= 3;
            apart_us += sign * duration_us;
            transverse_us += std::abs(sign) * duration_us;
        }
        const double time_us = std::abs(apart_us) - others_us;
        double left = 1.0;
        if (time_us > 0.0) {
            left = 0.0;
            for (const SiteSpins& site : site_spins(experiment)) {
                left += site.share * coherence(site.line, time_us * kSecondsPerUs);
            }
        }
        error = std::max(error, left * std::exp(-rate * transverse_us));
    }
    return kSpinLength * error;
}

/// Args: allowed: error of M.
StoredExperiment store(const Experiment& experiment, int patience, double allowed) {
    StoredExperiment result{experiment};
    const double settling = settling_us(experiment);
    if (experiment.accuracy.nodes || experiment.accuracy.steps_per_point ||
        !relaxes_alike(experiment) || may_be_stretched(experiment) ||
        !shape_of(experiment.line).coherence) {
        return result;
    }
    std::vector<Event> events = sequence_events(experiment.sequence);
    std::vector<Stretch> stretches = stretches_of(events);
    const double first_us = first_sample_us(experiment);
    double shortest_us = 0.0;  // of a delay that may be cut
    for (;;) {
        std::vector<double> stored_us;
        double end_us = 0.0, now_us = 0.0, cut_us = 0.0;  // now: of the shortened sequence
        double stored_for_us = 0.0;                       // of it, what phases do not go apart by
        result.longest_us = 0.0;
        for (Stretch& stretch : stretches) {
            end_us += stretch.pulses_us + stretch.duration_us;
            now_us += stretch.pulses_us;
            stretch.followed_us = stretch.duration_us;
            const double followed_us =
                std::pow(kPatience, patience) * (kSettlings * settling + kEchoes * now_us);
            if (end_us <= first_us && stretch.end_event < events.size() &&
                stretch.duration_us > shortest_us && stretch.duration_us > kWorth * followed_us) {
                stretch.followed_us = followed_us;
                stored_us.push_back(stretch.duration_us);
                cut_us += stretch.duration_us - followed_us;
                result.longest_us = std::max(
                    result.longest_us, now_us - stored_for_us + (1.0 + kQuietAfter) * followed_us);
                stored_for_us += followed_us;
            }
            now_us += stretch.followed_us;
        }
        if (stored_us.empty()) return {experiment};
        const double others_us = last_sample_us(experiment) - cut_us;
        result.longest_us = std::max(result.longest_us, others_us - stored_for_us);
        result.error = stored_us.size() <= kMostStored
                           ? stored_error(experiment, stored_us, others_us)
                           : kSpinLength;
        if (result.error <= allowed) {
            result.experiment.acquisition = counted_from_start(experiment, -cut_us);
            break;
        }
        shortest_us = std::ranges::min(stored_us);
    }
    result.rest_us.assign(events.size(), 0.0);
    for (const Stretch& stretch : stretches) {
        if (!stretch.stored()) continue;
        for (std::size_t e = stretch.first_event; e < stretch.end_event; ++e) {
            events[e] = Delay{e == stretch.first_event ? stretch.followed_us : 0.0};
        }
        result.rest_us[stretch.first_event] = stretch.duration_us - stretch.followed_us;
    }
    result.experiment.sequence = by_events(experiment.sequence, std::move(events));
    return result;
}

}  // namespace

bool StoredExperiment::keeps_tolerance(double magnitude) const {
    return rest_us.empty() || error <= kStorageShare * experiment.accuracy.tolerance * magnitude;
}

Experiment StoredExperiment::shortened(const Experiment& other) const {
    Experiment result = other;
    if (rest_us.empty()) return result;
    std::vector<Event> events = sequence_events(other.sequence);
    const std::vector<Event> cut = sequence_events(experiment.sequence);
    for (std::size_t e = 0; e < events.size(); ++e) {
        if (std::holds_alternative<Delay>(events[e])) events[e] = cut[e];
    }
    result.sequence = by_events(other.sequence, std::move(events));
    result.acquisition = experiment.acquisition;
    return result;
}

StoredExperiment store_long_delays(const Experiment& experiment, int patience) {
    if (patience > kMostPatience) return {experiment};
    double magnitude = kSpinLength;
    for (;;) {
        StoredExperiment stored =
            store(experiment, patience, kStorageShare * experiment.accuracy.tolerance * magnitude);
        if (stored.rest_us.empty()) return stored;
        magnitude = uncoupled_magnitude(stored.experiment,
                                        uniform_nodes(stored.experiment, 0, stored.longest_us));
        if (stored.keeps_tolerance(magnitude)) return stored;
    }
}

void add_rests(const StoredExperiment& stored, UniformPlan& plan) {
    if (stored.rest_us.empty()) return;
    for (std::size_t j = 0; j + 1 < plan.segments.size(); ++j) {
        UniformSegment& segment = plan.segments[j];
        for (std::size_t e = segment.end_event; e < plan.segments[j + 1].first_event; ++e) {
            segment.rest_us += stored.rest_us[e];
        }
        if (segment.rest_us == 0.0) continue;
        segment.quiet_us = kQuietAfter * segment.duration_us;
        if (segment.steps_between_looks == 0) {
            segment.steps_between_looks = std::max(1, segment.steps / kLeastLooks);
        }
    }
}

}  // namespace nmrsim
