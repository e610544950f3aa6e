#include "nmrsim/sequence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace nmrsim {

namespace {

void require_not_negative(const std::string& name, double value) {
    if (!(value >= 0.0) || !std::isfinite(value)) {
        throw std::invalid_argument(
            fmt::format("sequence.{} must be finite and >= 0, got {}", name, value));
    }
}

void require_finite(const std::string& name, double value) {
    if (!std::isfinite(value)) {
        throw std::invalid_argument(fmt::format("sequence.{} must be finite, got {}", name, value));
    }
}

void validate_strengths(const Sequence& sequence) {
    double sum = 0.0;
    for (std::size_t i = 0; i < sequence.strengths.size(); ++i) {
        const std::string name = fmt::format("strengths[{}]", i);
        require_finite(name + " strength", sequence.strengths[i].strength);
        require_not_negative(name + " weight", sequence.strengths[i].weight);
        sum += sequence.strengths[i].weight;
    }
    if (sequence.strengths.empty()) return;
    if (!(sum > 0.0) || !std::isfinite(sum)) {
        throw std::invalid_argument(
            fmt::format("sequence.strengths: the weights must sum to more than 0, got {}", sum));
    }
    if (sequence.pulse_spread > 0.0) {
        throw std::invalid_argument(
            "sequence.pulse_spread and sequence.strengths say the same: keep one");
    }
}

/// From the end of the first pulse to the start of the second [us].
double delay_of(const HahnEcho& echo) {
    return echo.tau_us - 0.5 * (echo.flip_duration_us + echo.refocus_duration_us);
}

}  // namespace

void Sequence::validate() const {
    require_finite("pulse_scale", pulse_scale);
    require_not_negative("pulse_spread", pulse_spread);
    validate_strengths(*this);
    if (const auto* echo = std::get_if<HahnEcho>(&program)) {
        require_finite("flip_deg", echo->flip_deg);
        require_finite("refocus_ratio", echo->refocus_ratio);
        require_finite("flip_phase_deg", echo->flip_phase_deg);
        require_finite("refocus_phase_deg", echo->refocus_phase_deg);
        if (!(echo->tau_us > 0.0) || !std::isfinite(echo->tau_us)) {
            throw std::invalid_argument(
                fmt::format("sequence.tau_us must be finite and > 0, got {}", echo->tau_us));
        }
        require_not_negative("flip_duration_us", echo->flip_duration_us);
        require_not_negative("refocus_duration_us", echo->refocus_duration_us);
        if (!(delay_of(*echo) >= 0.0)) {
            throw std::invalid_argument(fmt::format(
                "sequence.tau_us must be >= half of both pulses' durations = {}, got {}",
                echo->tau_us - delay_of(*echo), echo->tau_us));
        }
        return;
    }
    const auto& events = std::get<std::vector<Event>>(program);
    for (std::size_t i = 0; i < events.size(); ++i) {
        const std::string name = fmt::format("events[{}]", i);
        if (const auto* pulse = std::get_if<Pulse>(&events[i])) {
            require_finite(name + ".pulse_deg", pulse->flip_deg);
            require_finite(name + ".phase_deg", pulse->phase_deg);
            require_not_negative(name + ".duration_us", pulse->duration_us);
        } else {
            require_not_negative(name + ".delay_us", std::get<Delay>(events[i]).duration_us);
        }
    }
}

std::vector<Event> sequence_events(const Sequence& sequence) {
    if (const auto* echo = std::get_if<HahnEcho>(&sequence.program)) {
        const double flip_deg = sequence.pulse_scale * echo->flip_deg;
        return {Pulse{flip_deg, echo->flip_phase_deg, echo->flip_duration_us},
                Delay{delay_of(*echo)},
                Pulse{echo->refocus_ratio * flip_deg, echo->refocus_phase_deg,
                      echo->refocus_duration_us}};
    }
    std::vector<Event> events = std::get<std::vector<Event>>(sequence.program);
    for (Event& event : events) {
        if (auto* pulse = std::get_if<Pulse>(&event)) pulse->flip_deg *= sequence.pulse_scale;
    }
    return events;
}

std::size_t pulse_count(const Sequence& sequence) {
    if (std::holds_alternative<HahnEcho>(sequence.program)) return 2;
    const auto& events = std::get<std::vector<Event>>(sequence.program);
    return static_cast<std::size_t>(
        std::count_if(events.begin(), events.end(),
                      [](const Event& event) { return std::holds_alternative<Pulse>(event); }));
}

bool has_finite_pulses(const Sequence& sequence) {
    if (const auto* echo = std::get_if<HahnEcho>(&sequence.program)) {
        return echo->flip_duration_us > 0.0 || echo->refocus_duration_us > 0.0;
    }
    const auto& events = std::get<std::vector<Event>>(sequence.program);
    return std::any_of(events.begin(), events.end(), [](const Event& event) {
        const auto* pulse = std::get_if<Pulse>(&event);
        return pulse && pulse->duration_us > 0.0;
    });
}

namespace {

struct TimedPulse {
    double flip_deg;
    double centre_us;
    double end_us;
};

/// The first `most` pulses.
std::vector<TimedPulse> timed_pulses(const Sequence& sequence, std::size_t most) {
    std::vector<TimedPulse> pulses;
    double now_us = 0.0;
    for (const Event& event : sequence_events(sequence)) {
        const auto* pulse = std::get_if<Pulse>(&event);
        const double duration_us = pulse ? pulse->duration_us : std::get<Delay>(event).duration_us;
        if (pulse) {
            if (pulses.size() == most) break;
            pulses.push_back({pulse->flip_deg, now_us + 0.5 * duration_us, now_us + duration_us});
        }
        now_us += duration_us;
    }
    return pulses;
}

}  // namespace

double pulse_end_us(const Sequence& sequence, std::size_t pulses) {
    const std::vector<TimedPulse> all = timed_pulses(sequence, pulses);
    if (all.empty()) throw std::invalid_argument("a time from a pulse needs one before it");
    return all.back().end_us;
}

double echo_us(const Sequence& sequence, std::size_t pulses) {
    const std::vector<TimedPulse> all = timed_pulses(sequence, pulses);
    if (all.size() < 2) {
        throw std::invalid_argument(
            fmt::format("a time from an echo needs two pulses before it, found {}", all.size()));
    }
    double echo = all.front().centre_us;
    for (std::size_t n = 1; n < all.size(); ++n) {
        const double before = all[n - 1].centre_us, now = all[n].centre_us;
        const bool train = n > 1 && echo > before && echo < now &&
                           std::abs(all[n - 1].flip_deg) >= std::abs(all[n].flip_deg);
        const double together = train ? echo : before;
        echo = now + (now - together);
    }
    return echo;
}

}  // namespace nmrsim
