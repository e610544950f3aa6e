#include "nmrsim/sequence.h"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>
#include <string>

namespace nmrsim {

namespace {

void require_finite(const std::string& name, double value) {
    if (!std::isfinite(value)) {
        throw std::invalid_argument(fmt::format("sequence.{} must be finite, got {}", name, value));
    }
}

}  // namespace

void Sequence::validate() const {
    if (const auto* echo = std::get_if<HahnEcho>(&program)) {
        require_finite("flip_deg", echo->flip_deg);
        require_finite("refocus_ratio", echo->refocus_ratio);
        require_finite("flip_phase_deg", echo->flip_phase_deg);
        require_finite("refocus_phase_deg", echo->refocus_phase_deg);
        if (!(echo->tau_us > 0.0) || !std::isfinite(echo->tau_us)) {
            throw std::invalid_argument(
                fmt::format("sequence.tau_us must be finite and > 0, got {}", echo->tau_us));
        }
        return;
    }
    const auto& events = std::get<std::vector<Event>>(program);
    for (std::size_t i = 0; i < events.size(); ++i) {
        const std::string name = fmt::format("events[{}]", i);
        if (const auto* pulse = std::get_if<Pulse>(&events[i])) {
            require_finite(name + ".pulse_deg", pulse->flip_deg);
            require_finite(name + ".phase_deg", pulse->phase_deg);
        } else {
            const double duration_us = std::get<Delay>(events[i]).duration_us;
            if (!(duration_us >= 0.0) || !std::isfinite(duration_us)) {
                throw std::invalid_argument(fmt::format(
                    "sequence.{}.delay_us must be finite and >= 0, got {}", name, duration_us));
            }
        }
    }
}

std::vector<Event> sequence_events(const Sequence& sequence) {
    if (const auto* echo = std::get_if<HahnEcho>(&sequence.program)) {
        return {Pulse{echo->flip_deg, echo->flip_phase_deg}, Delay{echo->tau_us},
                Pulse{echo->refocus_ratio * echo->flip_deg, echo->refocus_phase_deg}};
    }
    return std::get<std::vector<Event>>(sequence.program);
}

}  // namespace nmrsim
