#include "nmrsim/phase_cycle.h"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>

namespace nmrsim {

namespace {

/// The sum within half a turn, where every row of the parameter table allows it; untouched where
/// nothing is added.
double added(double phase_deg, double change_deg) {
    return change_deg == 0.0 ? phase_deg : std::remainder(phase_deg + change_deg, 360.0);
}

}  // namespace

void PhaseCycle::validate(const Sequence& sequence) const {
    const std::size_t pulses = pulse_count(sequence);
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (steps[i].pulse_deg.size() != pulses) {
            throw std::invalid_argument(
                fmt::format("phase_cycle.pulses[{}] must have a phase for each of the {} pulses of "
                            "the sequence, got {}",
                            i, pulses, steps[i].pulse_deg.size()));
        }
        for (const double phase_deg : steps[i].pulse_deg) {
            if (!std::isfinite(phase_deg)) {
                throw std::invalid_argument(
                    fmt::format("phase_cycle.pulses[{}] must be finite, got {}", i, phase_deg));
            }
        }
        if (!std::isfinite(steps[i].receiver_deg)) {
            throw std::invalid_argument(fmt::format(
                "phase_cycle.receiver[{}] must be finite, got {}", i, steps[i].receiver_deg));
        }
    }
}

Sequence with_phases(const Sequence& sequence, const PhaseCycleStep& step) {
    Sequence result = sequence;
    if (auto* echo = std::get_if<HahnEcho>(&result.program)) {
        echo->flip_phase_deg = added(echo->flip_phase_deg, step.pulse_deg.at(0));
        echo->refocus_phase_deg = added(echo->refocus_phase_deg, step.pulse_deg.at(1));
        return result;
    }
    std::size_t next = 0;
    for (Event& event : std::get<std::vector<Event>>(result.program)) {
        if (auto* pulse = std::get_if<Pulse>(&event)) {
            pulse->phase_deg = added(pulse->phase_deg, step.pulse_deg.at(next++));
        }
    }
    return result;
}

}  // namespace nmrsim
