/// Pulse sequences.
#pragma once

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

namespace nmrsim {

/// A pulse. Ideal: U = exp(+i theta (Ix cos phi + Iy sin phi)) in no time. Finite: a field that
/// turns a spin at resonance by as much while it lasts.
struct Pulse {
    double flip_deg = 90.0;    ///< theta [degree]
    double phase_deg = 0.0;    ///< phi [degree]: 0, 90, 180, 270 are x, y, -x, -y
    double duration_us = 0.0;  ///< 0: an ideal pulse; otherwise offsets and coupling act during it
                               ///< [us], >= 0

    bool operator==(const Pulse&) const = default;
};

/// Free evolution under offsets, coupling and relaxation.
struct Delay {
    double duration_us = 0.0;  ///< [us], >= 0

    bool operator==(const Delay&) const = default;
};

using Event = std::variant<Pulse, Delay>;

/// Pulse, wait tau, pulse refocus_ratio times as strong; the echo comes near 2 tau. The sequence
/// begins where the first pulse does.
struct HahnEcho {
    double flip_deg = 90.0;          ///< flip angle of the first pulse [degree]
    double refocus_ratio = 2.0;      ///< second flip angle over the first
    double flip_phase_deg = 0.0;     ///< phase of the first pulse [degree]
    double refocus_phase_deg = 0.0;  ///< phase of the second pulse [degree]
    /// Between the pulses' centres [us], > 0 and >= half of both durations.
    double tau_us = 50.0;
    double flip_duration_us = 0.0;     ///< of the first pulse, 0 for an ideal one [us], >= 0
    double refocus_duration_us = 0.0;  ///< of the second pulse [us], >= 0
};

/// A name that a sequence's text gives a value: "let tau = 50us".
struct SequenceName {
    std::string name;  ///< also of its row of the parameter table
    double value;      ///< [its unit]
    std::string unit;  ///< "us", "degree", or "" of a plain number
};

/// Spins whose pulses are so strong.
struct PulseStrength {
    double strength = 1.0;  ///< over the nominal one, finite
    double weight = 1.0;    ///< share of the spins in any unit, >= 0

    bool operator==(const PulseStrength&) const = default;
};

/// A Hahn echo or any list of events. After the last event the spins evolve to the end of the
/// acquisition. A sample at the very time of a pulse is taken after it.
struct Sequence {
    std::variant<HahnEcho, std::vector<Event>> program = HahnEcho{};
    /// Strength of the pulses: every flip angle acts times this, finite. A sweep of it is one of
    /// pulse strength for any sequence.
    double pulse_scale = 1.0;
    /// Spins' pulses differ in strength: a Gaussian of this standard deviation about pulse_scale,
    /// as a share of it, >= 0. Each spin's pulses are all of one strength.
    double pulse_spread = 0.0;
    /// In place of the Gaussian: the strengths that there are, over pulse_scale; none: 1 for all.
    std::vector<PulseStrength> strengths = {};
    /// Of a sequence given as text with names (sequence_text.h), of which `program` follows.
    std::vector<SequenceName> names = {};
    std::string text = {};                     ///< what stands behind the names' own items
    std::vector<double> cycle_phase_deg = {};  ///< added to the phases that the text says, (pulses)

    void validate() const;
};

/// The events of a sequence, in order, pulse_scale multiplied in; its spread is not.
std::vector<Event> sequence_events(const Sequence& sequence);

inline constexpr std::size_t kAllPulses = static_cast<std::size_t>(-1);

/// How many pulses it has.
std::size_t pulse_count(const Sequence& sequence);

/// Whether a pulse of it takes time.
bool has_finite_pulses(const Sequence& sequence);

/// When the last of the first `pulses` pulses ends [us]; a count beyond what there are is all of
/// them. Throws: std::invalid_argument where there is none.
double pulse_end_us(const Sequence& sequence, std::size_t pulses = kAllPulses);

/// When the last of the first `pulses` pulses brings spins together again [us].
///
/// Its centre is as long before that as what it refocuses has run apart: since the centre of the
/// pulse before, or, in a train, since that one's own echo, where it came in between and that pulse
/// turned no less. A Hahn echo comes at 2 tau, those of a train halfway between its pulses.
/// Throws: std::invalid_argument for fewer than two pulses.
double echo_us(const Sequence& sequence, std::size_t pulses = kAllPulses);

}  // namespace nmrsim
