#include "lattice_steps.h"

#include <algorithm>
#include <cmath>

#include "lattice_simulator.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

/// Largest step h: kStepsPerCycle h (field + kLineShare line) = (tolerance / 1e-4)^(1/kOrder), with
/// the rates of longest_step_us(). benchmarks/accuracy_benchmark, 120 draws of each shipped
/// experiment at 1e-4 and 1e-6: all within, the largest error 0.3 to 0.96 of the tolerance. With 40
/// one draw in 100 of challenge-2024 was at 1.6 times it, and a chain of a power law at 1.5.
constexpr double kStepsPerCycle = 44.0;

/// Without relaxation 42 is enough at 1e-4 (published-echo, 100 draws at 40: all within, the
/// largest 0.84 of it; a chain of a power law 1.1 at 40); toward 1e-6 the factor goes to that of
/// all others.
constexpr double kLongerSteps = 44.0 / 42.0;
constexpr double kLongerStepsPower = 0.0101;  // (1e-2)^power = 42 / 44

/// Below this tolerance steps shrink a little faster than the order asks for, by its ratio to this
/// to the power: at 1e-10 a chain of a power law would be off by 2.3 times that.
constexpr double kTightTolerance = 1e-8;
constexpr double kTightPower = 0.08;
constexpr double kLineShare = 0.3;

/// Steps become no longer for a larger tolerance than this: the extrapolation, stable up to turns
/// of about 0.4 a step in the field, needs it.
constexpr double kLargestTolerance = 1e-2;

/// Nor does the fastest offset turn by more than this in a step [rad].
constexpr double kLargestTurn = 1.0;

/// What float and the modes left out add, as a share of the largest |M|, on 99% of draws at a
/// tolerance of 1e-4: 100 draws of published-echo 2.4e-5; of challenge-2020 and challenge-2024,
/// whose spins relax, 1.5e-4.
constexpr double kSingleError = 3e-5;
constexpr double kSingleErrorRelaxing = 1.5e-4;

/// Automatic precision computes in float from these tolerances on: on a lattice whose spins relax,
/// draws in float reach 1.6e-4 and at 1e-4 only 92 to 98% of them are within it.
constexpr double kSingleTolerance = 2e-5;
constexpr double kSingleToleranceRelaxing = 2e-4;

/// What rounding adds in double, where strong coupling amplifies it.
constexpr double kDoubleError = 1e-12;

/// Samples between steps are interpolated from so many of them, to 1e-6 at the largest step.
constexpr std::size_t kSampleNodes = 12;

/// Root mean fourth power of the line's offsets, over as many of its quantiles [kHz].
double line_rate_khz(const Line& line) {
    constexpr int kQuantiles = 512;
    double fourth = 0.0;
    for (int i = 0; i < kQuantiles; ++i) {
        const double khz = line_quantile(line, (i + 0.5) / kQuantiles) / kHzPerKhz;
        fourth += khz * khz * khz * khz / kQuantiles;
    }
    return std::pow(fourth, 0.25);
}

/// Offset that a lattice's spins hardly exceed [kHz]: the cut may lie far out of a narrow line.
double largest_offset_khz(const Line& line) {
    return line_quantile(line, 1.0 - 1e-9) / kHzPerKhz;
}

/// How fast the field changes [1/us]: as the spins turn about it (its bound), and as the line's
/// offsets come back through it (in a mean of the fourth power, the fourth derivative being what
/// matters).
double rate_per_us(const Experiment& experiment, double kernel_norm) {
    const Interaction& c = experiment.interaction;
    const double field_khz = kSpinLength * kernel_norm *
                             std::max(std::abs(c.alpha_plane_khz()), std::abs(c.alpha_z_khz));
    return kHzPerKhz * kSecondsPerUs * (field_khz + kLineShare * line_rate_khz(experiment.line));
}

}  // namespace

std::vector<Span> sequence_spans(const Sequence& sequence, double last_us) {
    std::vector<Span> spans(1);
    for (const Event& event : sequence_events(sequence)) {
        if (const Pulse* pulse = std::get_if<Pulse>(&event)) {
            if (spans.back().end_us > spans.back().start_us) {
                const double now = spans.back().end_us;
                if (now > last_us * (1.0 + kSameTime)) break;
                spans.push_back({{}, now, now});
            }
            spans.back().pulses.push_back(*pulse);
        } else {
            spans.back().end_us += std::get<Delay>(event).duration_us;
        }
    }
    spans.back().end_us = last_us;
    return spans;
}

int steps_in(double span_us, double longest_us) {
    return std::max(1, static_cast<int>(std::ceil(span_us / longest_us * (1.0 - kSameTime))));
}

double longest_step_us(const Experiment& experiment, double kernel_norm) {
    const double per_us = rate_per_us(experiment, kernel_norm);
    const bool relaxes = experiment.relaxation.transverse_rate() > 0.0;
    const auto longer = [&](double tolerance) {
        if (relaxes) return 1.0;
        return std::max(
            1.0, kLongerSteps * std::pow(std::min(tolerance / 1e-4, 1.0), kLongerStepsPower));
    };
    const auto step_for = [&](double tolerance) {
        const double relative =
            std::pow(std::min(tolerance, kLargestTolerance) / 1e-4, 1.0 / kOrder) *
            std::pow(std::min(tolerance / kTightTolerance, 1.0), kTightPower) * longer(tolerance);
        const double turn_per_us =
            kTwoPi * kHzPerKhz * kSecondsPerUs * largest_offset_khz(experiment.line);
        return std::min(relative / (kStepsPerCycle * per_us), kLargestTurn / turn_per_us);
    };
    const Acquisition& acquisition = experiment.acquisition;
    if (experiment.accuracy.steps_per_point && acquisition.points > 1) {
        const double asked = (acquisition.stop_us - acquisition.start_us) /
                             (acquisition.points - 1) / *experiment.accuracy.steps_per_point;
        return std::min(asked, step_for(1.0));
    }
    return step_for(experiment.accuracy.tolerance);
}

bool lattice_in_single(const Experiment& experiment) {
    const Accuracy& accuracy = experiment.accuracy;
    if (accuracy.precision != Precision::automatic) {
        return accuracy.precision == Precision::single;
    }
    const bool relaxes = experiment.relaxation.transverse_rate() > 0.0;
    return accuracy.tolerance >= (relaxes ? kSingleToleranceRelaxing : kSingleTolerance);
}

double estimated_lattice_error(const Experiment& experiment, double kernel_norm, double step_us,
                               bool single) {
    const bool relaxes = experiment.relaxation.transverse_rate() > 0.0;
    const double rounding = !single ? kDoubleError : relaxes ? kSingleErrorRelaxing : kSingleError;
    return 1e-4 *
               std::pow(kStepsPerCycle * step_us * rate_per_us(experiment, kernel_norm), kOrder) +
           rounding;
}

void MagnetizationTrack::start(double at_us, const std::array<double, 3>& m) {
    time_us.assign(1, at_us);
    mean.assign(1, m);
}

void MagnetizationTrack::add(double at_us, const std::array<double, 3>& m) {
    time_us.push_back(at_us);
    mean.push_back(m);
}

std::array<double, 3> MagnetizationTrack::at(double us) const {
    const std::size_t n = std::min(kSampleNodes, time_us.size());
    const std::size_t after = static_cast<std::size_t>(
        std::lower_bound(time_us.begin(), time_us.end(), us) - time_us.begin());
    const std::size_t first = std::min(after > n / 2 ? after - n / 2 : 0, time_us.size() - n);
    std::array<double, 3> sum = {0.0, 0.0, 0.0};
    for (std::size_t p = first; p < first + n; ++p) {
        double value = 1.0;
        for (std::size_t q = first; q < first + n; ++q) {
            if (q != p) value *= (us - time_us[q]) / (time_us[p] - time_us[q]);
        }
        for (std::size_t k = 0; k < 3; ++k) sum[k] += value * mean[p][k];
    }
    return sum;
}

SimulationCost lattice_cost(const Experiment& experiment) {
    double norm = 0.0;
    for (const double f : kernel_table(experiment.interaction, experiment.lattice)) {
        norm += std::abs(f);
    }
    const double longest = longest_step_us(experiment, norm);
    SimulationCost cost;
    cost.elements = experiment.lattice.sites();
    for (const Span& span :
         sequence_spans(experiment.sequence, acquisition_times_us(experiment.acquisition).back())) {
        if (span.end_us > span.start_us) {
            cost.steps += steps_in(span.end_us - span.start_us, longest) + kRampLevels;
        }
    }
    // The turn takes 75 operations a site, the field's polynomial 4 a component and past field, the
    // field itself, as if by FFT whatever is used, 5 log2 N forward and as many back a component.
    const bool relaxes = experiment.relaxation.transverse_rate() > 0.0;
    const double components = experiment.interaction.alpha_z_khz != 0.0 ? 3.0 : 2.0;
    const double turn = (relaxes ? 2.0 : 1.0) * (75.0 + components * 4.0 * kOrder);
    const double field = 5.0 * components * std::log2(std::max(2.0, cost.elements));
    cost.flops = cost.elements * cost.steps * (turn + field);
    return cost;
}

}  // namespace nmrsim
