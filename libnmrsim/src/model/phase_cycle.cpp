#include "nmrsim/phase_cycle.h"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>

#include "model/sequence_names.h"

namespace nmrsim {

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
    if (!sequence.names.empty()) result.cycle_phase_deg = step.pulse_deg;
    if (auto* echo = std::get_if<HahnEcho>(&result.program)) {
        echo->flip_phase_deg = added_phase(echo->flip_phase_deg, step.pulse_deg.at(0));
        echo->refocus_phase_deg = added_phase(echo->refocus_phase_deg, step.pulse_deg.at(1));
        return result;
    }
    std::size_t next = 0;
    for (Event& event : std::get<std::vector<Event>>(result.program)) {
        if (auto* pulse = std::get_if<Pulse>(&event)) {
            pulse->phase_deg = added_phase(pulse->phase_deg, step.pulse_deg.at(next++));
        }
    }
    return result;
}

}  // namespace nmrsim
