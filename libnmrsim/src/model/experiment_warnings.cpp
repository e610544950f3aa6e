#include "nmrsim/experiment_warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string_view>

#include "model/dead_time.h"
#include "model/derived_rows.h"
#include "model/kernels.h"
#include "model/line_shape.h"
#include "nmrsim/parameters.h"
#include "nmrsim/series.h"
#include "nmrsim/units.h"

namespace nmrsim {

namespace {

// Beyond these a value is more likely in another unit. Pulses last from ns to ms, echoes us to s;
// couplings and lines of solids stay below 10 MHz, magnets below 10 GHz.
constexpr double kLeastTimeUs = 1e-3;
constexpr double kMostTimeUs = 1e6;
constexpr double kMostPulseUs = 1e4;
constexpr double kMostFrequencyKhz = 1e4;
constexpr double kMostLarmorMhz = 1e4;

using Warnings = std::vector<std::string>;

void warn_of_time(Warnings& warnings, const std::string& key, double value_us, double most_us) {
    if (value_us > 0.0 && value_us < kLeastTimeUs) {
        warnings.push_back(fmt::format(
            "{} = {:g} us is very short: is it in seconds or milliseconds?", key, value_us));
    } else if (value_us > most_us) {
        warnings.push_back(
            fmt::format("{} = {:g} us is very long: is it in nanoseconds?", key, value_us));
    }
}

/// Whether `angle` is near a multiple of `unit` between it and a turn.
bool looks_like_radians(double angle, double unit) {
    const double multiple = std::round(std::abs(angle) / unit);
    // How near to a twelfth of pi a small angle must be to look like radians: "1.57", "3.14".
    constexpr double kNearRadians = 1e-3;
    return multiple >= 1.0 && std::abs(angle) < 1.001 * kTwoPi &&
           std::abs(std::abs(angle) - multiple * unit) < kNearRadians * std::abs(angle);
}

void warn_of_angle(Warnings& warnings, const std::string& key, double angle_deg, double unit) {
    if (looks_like_radians(angle_deg, unit)) {
        warnings.push_back(
            fmt::format("{} = {:g} degrees looks like radians: {:g} rad are {:g} degrees", key,
                        angle_deg, angle_deg, angle_deg / kRadiansPerDegree));
    }
}

void warn_of_frequency(Warnings& warnings, const std::string& key, double value_khz) {
    if (std::abs(value_khz) > kMostFrequencyKhz) {
        warnings.push_back(
            fmt::format("{} = {:g} kHz is very large: is it in Hz?", key, value_khz));
    }
}

void warn_of_sequence(Warnings& warnings, const Sequence& sequence) {
    // Phases in use are quarters of a turn; flip angles may be any twelfth of half a turn.
    constexpr double kFlipUnit = kPi / 12.0;
    constexpr double kPhaseUnit = kPi / 4.0;
    // A second pulse is some times the first; a larger number is an angle.
    constexpr double kMostRatio = 20.0;
    if (const auto* echo = std::get_if<HahnEcho>(&sequence.program)) {
        warn_of_time(warnings, "sequence.tau_us", echo->tau_us, kMostTimeUs);
        warn_of_time(warnings, "sequence.flip_duration_us", echo->flip_duration_us, kMostPulseUs);
        warn_of_time(warnings, "sequence.refocus_duration_us", echo->refocus_duration_us,
                     kMostPulseUs);
        warn_of_angle(warnings, "sequence.flip_deg", echo->flip_deg, kFlipUnit);
        warn_of_angle(warnings, "sequence.flip_phase_deg", echo->flip_phase_deg, kPhaseUnit);
        warn_of_angle(warnings, "sequence.refocus_phase_deg", echo->refocus_phase_deg, kPhaseUnit);
        if (std::abs(echo->refocus_ratio) > kMostRatio) {
            warnings.push_back(
                fmt::format("sequence.refocus_ratio = {:g} is a ratio of flip angles, not an "
                            "angle: the second pulse has {:g} degrees",
                            echo->refocus_ratio, echo->refocus_ratio * echo->flip_deg));
        }
        return;
    }
    const auto& events = std::get<std::vector<Event>>(sequence.program);
    for (std::size_t i = 0; i < events.size(); ++i) {
        const std::string key = fmt::format("sequence.events[{}].", i);
        // A train says it once.
        const std::size_t before = warnings.size();
        if (const auto* pulse = std::get_if<Pulse>(&events[i])) {
            warn_of_angle(warnings, key + "pulse_deg", pulse->flip_deg, kFlipUnit);
            warn_of_angle(warnings, key + "phase_deg", pulse->phase_deg, kPhaseUnit);
            warn_of_time(warnings, key + "duration_us", pulse->duration_us, kMostPulseUs);
        } else {
            warn_of_time(warnings, key + "delay_us", std::get<Delay>(events[i]).duration_us,
                         kMostTimeUs);
        }
        if (warnings.size() > before) return;
    }
}

void warn_of_window(Warnings& warnings, const Experiment& e) {
    const Acquisition& a = e.acquisition;
    const double start_us = first_sample_us(e), stop_us = last_sample_us(e);
    warn_of_time(warnings, "acquisition.stop_us", stop_us, kMostTimeUs);
    const double last_us = pulse_count(e.sequence) > 0 ? pulse_end_us(e.sequence) : 0.0;
    if (stop_us < last_us) {
        warnings.push_back(
            fmt::format("acquisition.stop_us = {:g} us is before the last pulse ends, at {:g} us: "
                        "no sample sees it",
                        stop_us, last_us));
    }
    const double rate_per_us = e.relaxation.transverse_rate() * kSecondsPerUs;
    // exp(-14) < 1e-6: no receiver sees it.
    constexpr double kDeadDecay = 14.0;
    if (rate_per_us * (start_us - last_us) > kDeadDecay) {
        warnings.push_back(fmt::format(
            "acquisition.start_us = {:g} us is {:g} us after the last pulse, T2 is {:g} "
            "us: all signal has died",
            start_us, start_us - last_us, 1.0 / rate_per_us));
    } else if (rate_per_us * sample_spacing_us(e) > kDeadDecay) {
        warnings.push_back(
            fmt::format("T2 = {:g} us is far below the {:g} us between samples: are the rates of "
                        "relaxation in 1/s?",
                        1.0 / rate_per_us, sample_spacing_us(e)));
    }
    const auto* echo = std::get_if<HahnEcho>(&e.sequence.program);
    // After this many dephasing times of the line, exp(-10) = 5e-5 of an echo is left.
    constexpr double kDeadDephasing = 10.0;
    if (echo && (e.line.shape != LineShape::table || e.line.table.size() > 1)) {
        const double echo_at_us = echo_us(e.sequence);
        const double dephasing_us =
            1.0 / (kTwoPi * line_half_width_khz(e.line) * kHzPerKhz * kSecondsPerUs);
        if (start_us - echo_at_us > kDeadDephasing * dephasing_us) {
            warnings.push_back(
                fmt::format("acquisition.start_us = {:g} us is long after the echo, at {:g} us: "
                            "the line dephases in {:.3g} us",
                            start_us, echo_at_us, dephasing_us));
        }
    }
    if (a.dead_time_us > 0.0 && dead_samples(e).size() == sample_count(e)) {
        warnings.push_back(
            fmt::format("acquisition.dead_time_us = {:g} us covers the whole window: every sample "
                        "reads 0",
                        a.dead_time_us));
    }
    if (a.noise > kSpinLength * a.gain) {
        warnings.push_back(
            fmt::format("acquisition.noise = {:g} is more than the signal, at most {:g}", a.noise,
                        kSpinLength * a.gain));
    }
}

void warn_of_line(Warnings& warnings, const Experiment& e) {
    for (const Parameter& row : parameter_table()) {
        const bool frequency = std::string_view(row.unit) == "kHz";
        if (std::string_view(row.table) != "line" || !frequency || !row.applies(e)) continue;
        warn_of_frequency(warnings, fmt::format("line.{}", row.name), row.get(e));
    }
    const Line& line = e.line;
    if (has_width(line, &Line::half_width_khz) && line.half_width_khz > line.cutoff_khz) {
        warnings.push_back(
            fmt::format("line.half_width_khz = {:g} is more than line.cutoff_khz = {:g}: most of "
                        "the line is cut off",
                        line.half_width_khz, line.cutoff_khz));
    }
    if (line.larmor_mhz > kMostLarmorMhz) {
        warnings.push_back(fmt::format(
            "line.larmor_mhz = {:g} MHz is very large: is it in kHz or Hz?", line.larmor_mhz));
    }
}

void warn_of_interaction(Warnings& warnings, const Experiment& e) {
    const Interaction& interaction = e.interaction;
    warn_of_frequency(warnings, "interaction.alpha_x_khz", interaction.alpha_x_khz);
    if (interaction.alpha_y_khz) {
        warn_of_frequency(warnings, "interaction.alpha_y_khz", *interaction.alpha_y_khz);
    }
    warn_of_frequency(warnings, "interaction.alpha_z_khz", interaction.alpha_z_khz);
    if (!row_of(interaction.kernel).has_range) return;
    const double xi = parameter("xi").get(e);
    const bool meant = std::any_of(e.prior.begin(), e.prior.end(), [&](const PriorRange& range) {
        if (plain_row(range.name) != "xi") return false;
        const double drawn = parameter(range.name).get(e);
        const double rounding = 1e-9 * std::abs(drawn);  // of a derived row
        return drawn >= range.low - rounding && drawn <= range.high + rounding;
    });
    // A side of one site is no direction: chains and planes.
    int side = std::numeric_limits<int>::max();
    for (const int n : {e.lattice.nx, e.lattice.ny, e.lattice.nz}) {
        if (n > 1) side = std::min(side, n);
    }
    if (side < 2.0 * xi && !meant) {
        warnings.push_back(
            fmt::format("lattice: a side of {} sites is less than twice the kernel's range xi = "
                        "{:g}: spins couple around the lattice's edge",
                        side, xi));
    }
}

void warn_of_accuracy(Warnings& warnings, const Experiment& e) {
    const double cutoff_per_us = e.line.cutoff_khz * kHzPerKhz * kSecondsPerUs;
    // Measured on challenge-2021 at alpha 5, 75 and 150 kHz (uniform) and on published-echo with 32
    // x 32 sites at the same alpha (lattice): error of M at the value given. Nodes over 2 cutoff
    // stop, the evenly spaced ones that the phases need: 1.12 5e-3, 1.20 2e-4.
    constexpr double kLeastNodeRatio = 1.2;
    if (e.accuracy.nodes && is_uniform(e)) {
        const double needed = kLeastNodeRatio * 2.0 * cutoff_per_us * last_sample_us(e);
        if (*e.accuracy.nodes < needed) {
            warnings.push_back(fmt::format(
                "accuracy.nodes = {} is too few for offsets up to {:g} kHz and times "
                "up to {:g} us: at least {:.0f}, or \"auto\"",
                *e.accuracy.nodes, e.line.cutoff_khz, last_sample_us(e), std::ceil(needed)));
        }
    }
    if (!e.accuracy.steps_per_point || sample_spacing_us(e) == 0.0) return;
    const double step_us = sample_spacing_us(e) / *e.accuracy.steps_per_point;
    const auto coarse = [&](const char* what, double turn, double most) {
        if (turn <= most) return;
        warnings.push_back(
            fmt::format("accuracy.steps_per_point = {:g} makes steps of {:g} us, in which {} turns "
                        "spins by {:.2g} rad: at least {:.2g}, or \"auto\"",
                        *e.accuracy.steps_per_point, step_us, what, turn,
                        *e.accuracy.steps_per_point * turn / most));
    };
    const Interaction& interaction = e.interaction;
    double alpha_khz =
        std::max(std::abs(interaction.alpha_plane_khz()), std::abs(interaction.alpha_z_khz));
    if (is_uniform(e)) {
        // Along z the mean stays as it is between pulses: only the plane's turns.
        alpha_khz = std::abs(interaction.alpha_plane_khz());
    } else {
        double norm = 0.0;
        for (const double f : kernel_table(interaction, e.lattice)) norm += std::abs(f);
        alpha_khz *= norm;
    }
    // Turn of the largest offset in a step [rad]: 1.7 5e-6, 2.5 2e-4 to 8e-4.
    constexpr double kMostOffsetTurn = 2.0;
    coarse("the largest offset", kTwoPi * cutoff_per_us * step_us, kMostOffsetTurn);
    // Turn by the coupling in a step [rad]: uniform 0.47 6e-5, 0.70 8e-4; lattice 0.14 7e-5, 0.28
    // 2e-3.
    constexpr double kMostUniformTurn = 0.5;
    constexpr double kMostLatticeTurn = 0.2;
    coarse("the coupling", kTwoPi * alpha_khz * kHzPerKhz * kSecondsPerUs * kSpinLength * step_us,
           is_uniform(e) ? kMostUniformTurn : kMostLatticeTurn);
}

void add_once(Warnings& warnings, const Warnings& more) {
    for (const std::string& warning : more) {
        if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end()) {
            warnings.push_back(warning);
        }
    }
}

}  // namespace

std::vector<std::string> experiment_warnings(const Experiment& experiment) {
    Warnings warnings;
    if (!experiment.series.empty()) {
        for (const Experiment& record : series_records(experiment)) {
            add_once(warnings, experiment_warnings(record));
        }
        return warnings;
    }
    warn_of_interaction(warnings, experiment);
    warn_of_line(warnings, experiment);
    warn_of_sequence(warnings, experiment.sequence);
    warn_of_window(warnings, experiment);
    warn_of_accuracy(warnings, experiment);
    return warnings;
}

std::vector<std::string> prior_warnings(const Experiment& experiment) {
    Warnings warnings = experiment_warnings(experiment);
    for (const PriorRange& range : experiment.prior) {
        std::vector<double> ends = {range.low, range.high};
        if (range.categorical()) {
            ends.clear();
            for (std::size_t i = 0; i < range.choices.size(); ++i) ends.push_back(choice_value(i));
        }
        for (const double end : ends) {
            Experiment one = experiment;
            try {
                set_parameter(one, range.name, end);
            } catch (const std::invalid_argument&) {
                continue;  // an end that is never drawn, as xi = 0
            }
            add_once(warnings, experiment_warnings(one));
        }
    }
    return warnings;
}

}  // namespace nmrsim
