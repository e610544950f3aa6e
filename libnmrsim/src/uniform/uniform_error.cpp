#include "uniform/uniform_error.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "model/line_shape.h"
#include "model/spin_groups.h"
#include "nmrsim/units.h"
#include "uniform/uniform_plan.h"

namespace nmrsim {
namespace {

// Rounding in float: 99% of draws of the 2021 task lie below
// sqrt(passes / kPasses) (kRounding + kRoundingOfSpin / magnitude + kAmplified ratio^kGrowth).
constexpr double kPasses = 1500.0;
constexpr double kRounding = 1.0e-5;
constexpr double kRoundingOfSpin = 2.0e-7;
constexpr double kAmplified = 1.2e-5;
constexpr double kGrowth = 1.75;
constexpr double kDoubleOverSingle = 0x1p-29;

// Rounding of Mz, a sum over the nodes, and the phase 2 pi alpha_z t [rad] up to which the figures
// above cover what it does.
constexpr double kRoundingOfMz = 3e-8;
constexpr double kCoveredPhase = 600.0;

// Up to this ratio the nodes' error is that of uncoupled spins.
constexpr double kUnamplifiedRatio = 4.0;

// Below this the window holds no signal worth the name.
constexpr double kLeastMagnitude = 1e-4;

struct TimedPulse {
    double time_us;
    double flip_rad;
};

/// What is transverse at the start counts as what a pulse has made.
std::vector<TimedPulse> timed_pulses(const Experiment& experiment) {
    std::vector<TimedPulse> pulses;
    double now_us = 0.0;
    const StartState& start = experiment.start;
    const double transverse = std::hypot(start.mx, start.my);
    if (transverse > 0.0) pulses.push_back({0.0, std::atan2(transverse, start.mz)});
    for (const Event& event : sequence_events(experiment.sequence)) {
        if (const Pulse* pulse = std::get_if<Pulse>(&event)) {
            pulses.push_back(
                {now_us + 0.5 * pulse->duration_us, pulse->flip_deg * kRadiansPerDegree});
            now_us += pulse->duration_us;
        } else {
            now_us += std::get<Delay>(event).duration_us;
        }
    }
    return pulses;
}

/// How fast the frame turns for Mz = 1 [rad/us].
double frame_rate(const Experiment& experiment) {
    return kTwoPi * kHzPerKhz * kSecondsPerUs *
           std::abs(experiment.interaction.alpha_z_khz - experiment.interaction.alpha_plane_khz());
}

}  // namespace

double longest_spin(const Experiment& experiment) {
    const StartState& start = experiment.start;
    const double length = std::hypot(start.mx, start.my, start.mz);
    return std::max({length, largest_equilibrium_mz(experiment), kLeastMagnitude * kSpinLength});
}

double half_width_khz(const Experiment& experiment, const UniformNodes& nodes) {
    const bool measured = shape_of(experiment.line).widths.empty();
    return measured ? nodes.half_width_khz : narrowest_half_width_khz(experiment);
}

double coupling_ratio(const Experiment& experiment, const UniformNodes& nodes) {
    return std::abs(experiment.interaction.alpha_plane_khz()) * longest_spin(experiment) *
           nodes.total_weight / half_width_khz(experiment, nodes);
}

double uncoupled_magnitude(const Experiment& experiment, const UniformNodes& nodes) {
    const std::vector<TimedPulse> pulses = timed_pulses(experiment);
    const double start_us = first_sample_us(experiment);
    const double stop_us = last_sample_us(experiment);
    const Relaxation relaxation = slowest_relaxation(experiment);
    const double longitudinal = relaxation.longitudinal_rate() * kSecondsPerUs;
    const double attenuation = last_pulse_attenuation(experiment);
    // The line's decay at the window's time nearest to `centre_us`, the window starting no earlier
    // than `after_us`.
    const auto decay = [&](double made_us, double after_us, double centre_us) {
        const double from = std::max(start_us, after_us);
        if (from > stop_us) return 0.0;
        const double distance =
            std::max({0.0, from - centre_us, centre_us - stop_us}) / nodes.decay_spacing_us;
        const std::size_t k = static_cast<std::size_t>(std::lround(distance));
        const double time_us = std::clamp(centre_us, from, stop_us);
        const double left = std::exp(-relaxation.transverse_loss(made_us * kSecondsPerUs,
                                                                 time_us * kSecondsPerUs)) /
                            attenuation;
        return k < nodes.decay.size() ? nodes.decay[k] * std::min(left, 1.0) : 0.0;
    };
    const StartState& start = experiment.start;
    const double rest = relaxation.equilibrium_mz();
    double largest = 0.0;
    double now_us = 0.0;
    double mz = start.mx == 0.0 && start.my == 0.0 ? std::abs(start.mz)
                                                   : std::hypot(start.mx, start.my, start.mz);
    for (std::size_t p = 0; p < pulses.size(); ++p) {
        if (longitudinal > 0.0) {
            // Of either sign: an inverted Mz may have passed zero.
            const double kept = std::exp(-longitudinal * (pulses[p].time_us - now_us));
            mz = std::max(mz * kept, std::abs(rest) * (1.0 - kept) - mz * kept);
            now_us = pulses[p].time_us;
        }
        const double transverse = mz * std::abs(std::sin(pulses[p].flip_rad));
        double kept = transverse;
        largest = std::max(largest,
                           kept * decay(pulses[p].time_us, pulses[p].time_us, pulses[p].time_us));
        for (std::size_t q = p + 1; q < pulses.size(); ++q) {
            const double refocused = std::pow(std::sin(0.5 * pulses[q].flip_rad), 2);
            largest = std::max(largest, kept * refocused *
                                            decay(pulses[p].time_us, pulses[q].time_us,
                                                  2.0 * pulses[q].time_us - pulses[p].time_us));
            // Half of what the pulse stores along z, any later one brings back.
            double stored = 0.5 * kept * std::abs(std::sin(pulses[q].flip_rad));
            const double apart_us = pulses[q].time_us - pulses[p].time_us;
            for (std::size_t r = q + 1; r < pulses.size(); ++r) {
                const double at_us = pulses[r].time_us;
                const double relaxed = std::exp(-longitudinal * (at_us - pulses[q].time_us));
                largest =
                    std::max(largest, stored * relaxed * std::abs(std::sin(pulses[r].flip_rad)) *
                                          decay(at_us - apart_us, at_us, at_us + apart_us));
                stored *= std::abs(std::cos(pulses[r].flip_rad));
                if (stored < kLeastMagnitude * kSpinLength) break;
            }
            kept *= 1.0 - refocused;
            if (kept < kLeastMagnitude * kSpinLength) break;
        }
        mz *= std::abs(std::cos(pulses[p].flip_rad));
    }
    return std::max(largest, kLeastMagnitude);
}

namespace {

/// What relaxation leaves at the window's start of what the last pulse until `until_us` made.
double attenuation_since(const Experiment& experiment, double until_us) {
    const Relaxation relaxation = slowest_relaxation(experiment);
    if (relaxation.transverse_rate() == 0.0) return 1.0;
    double last_us = 0.0;
    for (const TimedPulse& pulse : timed_pulses(experiment)) {
        if (pulse.time_us <= until_us) last_us = pulse.time_us;
    }
    const double first_us = std::max(last_us, first_sample_us(experiment));
    return std::exp(-relaxation.transverse_loss(last_us * kSecondsPerUs, first_us * kSecondsPerUs));
}

}  // namespace

double last_pulse_attenuation(const Experiment& experiment) {
    return attenuation_since(experiment, last_sample_us(experiment));
}

double window_attenuation(const Experiment& experiment) {
    return attenuation_since(experiment, first_sample_us(experiment));
}

double node_amplification(double ratio) {
    return std::max(1.0, ratio / kUnamplifiedRatio);
}

double splitting_error(const SplittingScheme& scheme, double ratio, double magnitude,
                       double relaxation_ratio) {
    return scheme.offset_error * ratio / magnitude *
               std::pow(1.0 + relaxation_ratio, scheme.order) +
           scheme.coupling_error * std::pow(ratio, scheme.order + 1);
}

double frame_turn(const Experiment& experiment) {
    return frame_rate(experiment) * last_sample_us(experiment);
}

double phase_rounding(const Experiment& experiment, bool single) {
    const double turns = frame_turn(experiment);
    const double error = kRoundingOfMz * std::max(0.0, turns - kCoveredPhase);
    return single ? error : error * kDoubleOverSingle;
}

double node_error_of_frame(const Experiment& experiment, const UniformNodes& nodes) {
    // Mz after the first pulse is as exact as the sum of the weights, which is the error at time 0.
    const double stop_us = last_sample_us(experiment);
    double first_us = stop_us, second_us = stop_us, last_us = 0.0;
    std::size_t count = 0;
    for (const TimedPulse& pulse : timed_pulses(experiment)) {
        if (pulse.time_us > stop_us) break;
        ++count;
        if (count == 1) first_us = pulse.time_us;
        if (count == 2) second_us = pulse.time_us;
        last_us = pulse.time_us;
    }
    return frame_rate(experiment) * ((stop_us - first_us) * nodes.error_until(0.0) +
                                     (stop_us - second_us) * nodes.error_until(last_us));
}

double rounding_error(bool single, double passes, double ratio, double magnitude) {
    const double error = std::sqrt(passes / kPasses) * (kRounding + kRoundingOfSpin / magnitude +
                                                        kAmplified * std::pow(ratio, kGrowth));
    return single ? error : error * kDoubleOverSingle;
}

}  // namespace nmrsim
