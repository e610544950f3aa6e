/// Pulse sequences.
#pragma once

#include <variant>
#include <vector>

namespace nmrsim {

/// An ideal pulse: takes no time. U = exp(+i theta (Ix cos phi + Iy sin phi)).
struct Pulse {
    double flip_deg = 90.0;  ///< theta [degree]
    double phase_deg = 0.0;  ///< phi [degree]: 0, 90, 180, 270 are x, y, -x, -y
};

/// Free evolution under offsets, coupling and relaxation.
struct Delay {
    double duration_us = 0.0;  ///< [us], >= 0
};

using Event = std::variant<Pulse, Delay>;

/// Pulse, wait tau, pulse refocus_ratio times as strong; the echo comes near 2 tau.
struct HahnEcho {
    double flip_deg = 90.0;          ///< flip angle of the first pulse [degree]
    double refocus_ratio = 2.0;      ///< second flip angle over the first
    double flip_phase_deg = 0.0;     ///< phase of the first pulse [degree]
    double refocus_phase_deg = 0.0;  ///< phase of the second pulse [degree]
    double tau_us = 50.0;            ///< between the pulses [us], > 0
};

/// A Hahn echo or any list of events. After the last event the spins evolve to the end of the
/// acquisition. A sample at the very time of a pulse is taken after it.
struct Sequence {
    std::variant<HahnEcho, std::vector<Event>> program = HahnEcho{};

    void validate() const;
};

/// The events of a sequence, in order.
std::vector<Event> sequence_events(const Sequence& sequence);

}  // namespace nmrsim
