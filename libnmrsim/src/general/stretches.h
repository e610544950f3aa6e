/// A sequence as pieces in which nothing but the spins themselves changes.
#pragma once

#include <cmath>
#include <cstddef>
#include <variant>
#include <vector>

#include "general/ensemble_inputs.h"

namespace nmrsim {

/// Free evolution or a finite pulse, after ideal ones.
template <class Scalar>
struct Stretch {
    std::vector<std::size_t> pulses;  ///< ideal, events' indices
    Scalar begin = 0.0;               ///< [us]
    Scalar end = 0.0;
    Scalar duration = 0.0;  ///< of all but the last: times lose the digits of very short ones
    Scalar drive_x = 0.0;   ///< [rad/us]
    Scalar drive_y = 0.0;

    double drive() const { return std::hypot(part(drive_x, 0), part(drive_y, 0)); }
};

/// From time 0 to the last sample.
template <class Scalar>
std::vector<Stretch<Scalar>> stretches(const Experiment& experiment,
                                       const EnsembleInputs<Scalar>& inputs) {
    using std::cos;
    using std::sin;
    std::vector<Stretch<Scalar>> result(1);
    const std::vector<Event> events = sequence_events(experiment.sequence);
    for (std::size_t e = 0; e < events.size(); ++e) {
        const bool is_pulse = std::holds_alternative<Pulse>(events[e]);
        if (is_pulse && part(inputs.duration[e], 0) == 0.0) {
            result.back().pulses.push_back(e);
            continue;
        }
        Stretch<Scalar>& now = result.back();
        now.duration = inputs.duration[e];
        now.end = now.begin + now.duration;
        if (is_pulse) {
            const Scalar rate = inputs.flip[e] / inputs.duration[e];
            now.drive_x = rate * cos(inputs.phase[e]);
            now.drive_y = rate * sin(inputs.phase[e]);
        }
        const Scalar next = now.end;
        result.push_back({{}, next, next, 0.0, 0.0, 0.0});
    }
    result.back().end = inputs.sample.back();
    return result;
}

}  // namespace nmrsim
