#include "uniform/uniform_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>
#include <variant>

#include "model/spin_groups.h"
#include "nmrsim/units.h"
#include "uniform/uniform_error.h"

namespace nmrsim {
namespace {

// Share of the tolerance by which M may turn spins while they are followed in closed form.
constexpr double kQuietShare = 0.3;
constexpr double kQuieter = 0.3;  // in a finer plan

// Stretches of fewer settling times than this are stepped through; looks at M are so many in one.
constexpr double kShortStretch = 4.0;
constexpr double kLooksPerSettling = 4.0;

/// Weights of Lagrange's interpolation from so many records, by products from either end: a plan
/// has thousands of samples, and with all products anew it would cost as much as a tenth of a
/// curve.
class LagrangeWeights {
public:
    explicit LagrangeWeights(int order)
        : scale_(static_cast<std::size_t>(order)), after_(scale_.size() + 1) {
        for (int a = 0; a < order; ++a) {
            double product = 1.0;
            for (int b = 0; b < order; ++b) {
                if (b != a) product *= static_cast<double>(a - b);
            }
            scale_[static_cast<std::size_t>(a)] = 1.0 / product;
        }
    }

    /// At `u`, records being at 0 ... order - 1.
    void at(double u, double* weight) {
        const std::size_t order = scale_.size();
        after_[order] = 1.0;
        for (std::size_t a = order; a-- > 0;) {
            after_[a] = after_[a + 1] * (u - static_cast<double>(a));
        }
        double before = 1.0;
        for (std::size_t a = 0; a < order; ++a) {
            weight[a] = before * after_[a + 1] * scale_[a];
            before *= u - static_cast<double>(a);
        }
    }

private:
    std::vector<double> scale_;
    std::vector<double> after_;  // products of the factors from a on
};

/// Throws: std::runtime_error for more steps than can be followed.
int step_count(double duration_s, double step_s) {
    constexpr double kMostCounted = 1e9;
    const double steps = std::ceil(duration_s / step_s - 1e-9);
    if (!(steps <= kMostCounted)) {
        throw std::runtime_error(
            fmt::format("too many steps: {:.3g} us in steps of {:.3g} us; a larger "
                        "accuracy.tolerance, a shorter "
                        "sequence or weaker couplings need fewer",
                        duration_s / kSecondsPerUs, step_s / kSecondsPerUs));
    }
    return static_cast<int>(steps);
}

// Puts samples into the segment and finds the steps that their interpolation needs.
void place_samples(UniformSegment& segment, const std::vector<double>& time_us) {
    const int samples = segment.end_sample - segment.first_sample;
    const double step_us = segment.step_s / kSecondsPerUs;
    segment.first_record.resize(static_cast<std::size_t>(samples));
    segment.weight.resize(static_cast<std::size_t>(samples) * kInterpolationOrder);
    int lowest = 0, highest = 0;
    LagrangeWeights weights(kInterpolationOrder);
    for (int k = 0; k < samples; ++k) {
        const auto sample =
            static_cast<std::size_t>(segment.first_sample) + static_cast<std::size_t>(k);
        const double u = (time_us[sample] - segment.start_us) / step_us;
        const int first = first_record(u);
        segment.first_record[static_cast<std::size_t>(k)] = first;
        weights.at(u - first, &segment.weight[static_cast<std::size_t>(k) * kInterpolationOrder]);
        lowest = std::min(lowest, first);
        highest = std::max(highest, first + kInterpolationOrder - 1);
    }
    segment.steps_before = -lowest;
    segment.steps_after = std::max(0, highest - segment.steps);
    if (segment.last) {
        // Nothing needs the state at the end: just the records.
        segment.steps = highest;
        segment.steps_after = 0;
    }
    for (int& first : segment.first_record) first += segment.steps_before;
}

double tolerance_of(const Experiment& experiment, int level) {
    return std::max(experiment.accuracy.tolerance * std::pow(10.0, -level), kLeastTolerance);
}

double quiet_rad(const Experiment& experiment, int level) {
    // What M turns of an mz that has recovered is beside what relaxation has left of M.
    return kQuietShare * window_attenuation(experiment) * tolerance_of(experiment, level);
}

/// Of a segment. Where all turns are steps', during a pulse or by sites, a step's error goes with
/// the angle x by which the pulse and the coupling turn spins in it: of M, some 1e-6 x^order, and
/// what is off in Mz turns the frame until the last sample (measured: 1e-6 in the worst of five
/// echoes, flips of 1 to 180 degrees, alpha_z up to 900 kHz). No spin turns farther in a step than
/// the kernel's series bear.
///
/// Args: tolerance: of M, for echoes of the plan's level. last_us: the last sample [us].
double longest_step_s(const UniformPlan& plan, const UniformSpan& span, double tolerance,
                      double last_us) {
    if (!span.driven && !span.by_site) return plan.step.step_s;
    constexpr double kMostTurn = 2.0;  // of a step, by the offset or all else [rad]
    constexpr double kPulseShare = 0.2, kPulseError = 3e-6;
    const double frame_rad = std::max(1.0, span.coupling_rad_per_us * last_us);
    const double x = std::pow(kPulseShare * tolerance / (kPulseError * frame_rad),
                              1.0 / plan.step.scheme->order);
    // What samples are interpolated from turns as a whole, too.
    const double turn_per_s = (span.turn_rad_per_us + span.coupling_rad_per_us) / kSecondsPerUs;
    const double edge_per_s = kTwoPi * plan.nodes.reach_hz;
    return std::min({plan.step.step_s / (span.by_site ? 1.0 + turn_per_s / edge_per_s : 1.0),
                     kMostTurn / edge_per_s, std::min(kMostTurn, x) / turn_per_s});
}

/// Args: coarse: null, or a plan of which each segment is to have `factor` times the steps.
UniformPlan laid_out(const Experiment& experiment, UniformNodes nodes, UniformStep step,
                     const UniformPlan* coarse, double factor) {
    UniformPlan plan;
    plan.nodes = std::move(nodes);
    plan.step = step;
    plan.order = kInterpolationOrder;
    plan.quiet_rad = quiet_rad(experiment, step.level);
    plan.line_rate = kTwoPi * half_width_khz(experiment, plan.nodes) * kHzPerKhz;
    plan.time_us = acquisition_times_us(experiment);
    const double settling = settling_us(experiment, step.level);
    const double tolerance = tolerance_of(experiment, step.level);
    for (const UniformSpan& span : uniform_spans(experiment, step.level)) {
        UniformSegment segment;
        static_cast<UniformSpan&>(segment) = span;
        const double duration_s = segment.duration_us * kSecondsPerUs;
        const double longest_s = longest_step_s(plan, segment, tolerance, plan.time_us.back());
        segment.steps = step_count(duration_s, longest_s);
        if (coarse) {
            const double steps = duration_s / coarse->segments[plan.segments.size()].step_s;
            segment.steps =
                std::max(segment.steps, static_cast<int>(std::ceil(factor * steps - 1e-6)));
        }
        segment.step_s = segment.steps > 0 ? duration_s / segment.steps : longest_s;
        if (segment.long_stretch && segment.end_sample == segment.first_sample) {
            segment.steps_between_looks = std::max(
                1, static_cast<int>(settling / kLooksPerSettling * kSecondsPerUs / segment.step_s));
        }
        if (segment.end_sample > segment.first_sample) place_samples(segment, plan.time_us);
        plan.segments.push_back(std::move(segment));
    }
    return plan;
}

}  // namespace

bool is_ideal_pulse(const Event& event) {
    const Pulse* pulse = std::get_if<Pulse>(&event);
    return pulse && pulse->duration_us == 0.0;
}

long UniformPlan::passes() const {
    long steps = 0;
    for (const UniformSegment& s : segments) steps += s.steps + s.steps_before + s.steps_after;
    return steps * static_cast<long>(step.scheme->offset.size());
}

std::vector<UniformSpan> uniform_spans(const Experiment& experiment, int level) {
    const double settling = settling_us(experiment, level);
    const bool set = experiment.accuracy.nodes || experiment.accuracy.steps_per_point;
    const std::vector<double> time_us = acquisition_times_us(experiment);
    const std::vector<Event> events = sequence_events(experiment.sequence);
    const bool by_site = !relaxes_alike(experiment);
    const LargestTurns largest = by_site || has_finite_pulses(experiment.sequence)
                                     ? largest_turns(experiment)
                                     : LargestTurns{};
    const double stop_us = time_us.back();
    // A sample at the very time of a pulse is taken after it; times come with rounding.
    const double slack_us = 1e-9 * (1.0 + stop_us);

    std::vector<UniformSpan> spans;
    double now_us = 0.0;
    double left_us = 0.0;  // of a delay that a segment has cut
    std::size_t event = 0;
    int sample = 0;
    const int points = static_cast<int>(time_us.size());
    while (sample < points) {
        UniformSpan span;
        span.first_event = event;
        if (left_us == 0.0) {
            while (event < events.size() && is_ideal_pulse(events[event])) ++event;
        }
        span.end_event = event;
        span.start_us = now_us;
        const Pulse* pulse = event < events.size() ? std::get_if<Pulse>(&events[event]) : nullptr;
        if (left_us == 0.0 && pulse) {
            span.driven = true;
            span.duration_us = pulse->duration_us;
            span.turn_rad_per_us =
                largest.pulse_rad[event] / span.duration_us + largest.centre_rad_per_us;
            span.coupling_rad_per_us = largest.coupling_rad_per_us;
            span.first_sample = span.end_sample = sample;
            now_us += pulse->duration_us;
            spans.push_back(span);
            ++event;
            continue;
        }
        span.duration_us = left_us;
        for (; event < events.size() && std::holds_alternative<Delay>(events[event]); ++event) {
            span.duration_us += std::get<Delay>(events[event]).duration_us;
        }
        left_us = 0.0;
        const double whole_us = span.duration_us;
        // Nothing needs the state after the last sample.
        span.last = event == events.size() || stop_us < span.start_us + span.duration_us - slack_us;
        if (span.last) span.duration_us = std::max(0.0, stop_us - now_us);
        // A long stretch before the window can be followed in closed form, and stands alone.
        const double unsampled_us =
            std::min(time_us[static_cast<std::size_t>(sample)] - now_us, span.duration_us);
        span.long_stretch = !set && !by_site && unsampled_us > kShortStretch * settling;
        if (span.long_stretch && unsampled_us < span.duration_us - slack_us) {
            left_us = std::max(0.0, whole_us - unsampled_us);
            span.duration_us = unsampled_us;
            span.last = false;
        }
        span.by_site = by_site;
        span.turn_rad_per_us = largest.centre_rad_per_us;
        span.coupling_rad_per_us = largest.coupling_rad_per_us;
        now_us = span.start_us + span.duration_us;
        span.first_sample = sample;
        while (sample < points &&
               (span.last || time_us[static_cast<std::size_t>(sample)] < now_us - slack_us)) {
            ++sample;
        }
        span.end_sample = sample;
        spans.push_back(span);
    }
    return spans;
}

int first_record(double position) {
    return static_cast<int>(std::floor(position + 1e-9)) - kInterpolationOrder / 2 + 1;
}

int sample_weights(double position, double* weight) {
    thread_local LagrangeWeights weights(kInterpolationOrder);
    const int first = first_record(position);
    weights.at(position - first, weight);
    return first;
}

namespace {

/// Steps of a curve's own delay: so few numbers of them that curves with others can be alike.
int own_steps(const UniformSpan& span, double step_s) {
    constexpr int kPerOctave = 6;
    const int steps = step_count(span.duration_us * kSecondsPerUs, step_s);
    int some = 1;
    while (2 * some * kPerOctave <= steps) some *= 2;
    return (steps + some - 1) / some * some;
}

}  // namespace

bool alike(const std::vector<UniformSpan>& a, const std::vector<UniformSpan>& b, double step_s) {
    return std::ranges::equal(a, b, [&](const UniformSpan& one, const UniformSpan& other) {
        return one.end_event == other.end_event && one.last == other.last &&
               (one.last || own_steps(one, step_s) == own_steps(other, step_s));
    });
}

UniformPlan uniform_plan(const std::vector<double>& time_us, UniformNodes nodes, UniformStep step,
                         std::span<const std::vector<UniformSpan>> curves) {
    UniformPlan plan;
    plan.nodes = std::move(nodes);
    plan.step = step;
    plan.order = kInterpolationOrder;
    plan.time_us = time_us;
    for (std::size_t j = 0; j < curves.front().size(); ++j) {
        UniformSegment segment;
        static_cast<UniformSpan&>(segment) = curves.front()[j];
        segment.steps = segment.last ? 0 : own_steps(segment, step.step_s);
        segment.step_s = step.step_s;
        int lowest = 0, highest = 0;
        for (const std::vector<UniformSpan>& spans : curves) {
            const UniformSpan& span = spans[j];
            if (span.end_sample == span.first_sample) continue;
            const bool first = segment.end_sample == segment.first_sample;
            segment.first_sample =
                first ? span.first_sample : std::min(segment.first_sample, span.first_sample);
            segment.end_sample = std::max(segment.end_sample, span.end_sample);
            const double step_us =
                segment.last ? segment.step_s / kSecondsPerUs : span.duration_us / segment.steps;
            const auto position = [&](int sample) {
                return (time_us[static_cast<std::size_t>(sample)] - span.start_us) / step_us;
            };
            lowest = std::min(lowest, first_record(position(span.first_sample)));
            highest = std::max(
                highest, first_record(position(span.end_sample - 1)) + kInterpolationOrder - 1);
        }
        if (segment.end_sample > segment.first_sample) {
            // One more on either side: curves side by side share the place of their records.
            segment.steps_before = 1 - lowest;
            segment.steps_after = segment.last ? 0 : std::max(0, highest + 1 - segment.steps);
            if (segment.last) segment.steps = highest + 1;
        }
        plan.segments.push_back(std::move(segment));
    }
    return plan;
}

double settling_us(const Experiment& experiment, int level) {
    const double width = kTwoPi * narrowest_half_width_khz(experiment) * kHzPerKhz;
    return -std::log(quiet_rad(experiment, level)) / width / kSecondsPerUs;
}

UniformPlan uniform_plan(const Experiment& experiment, UniformNodes nodes, UniformStep step) {
    return laid_out(experiment, std::move(nodes), step, nullptr, 1.0);
}

UniformPlan uniform_plan(const Experiment& experiment, double magnitude, double hope,
                         double longest_us) {
    UniformNodes nodes = uniform_nodes(experiment, 0, longest_us);
    const int level = uniform_level(experiment, nodes, magnitude);
    if (level > 0) nodes = uniform_nodes(experiment, level, longest_us);
    const UniformStep step = uniform_step(experiment, nodes, level, magnitude, hope);
    return uniform_plan(experiment, std::move(nodes), step);
}

UniformPlan finer_plan(const Experiment& experiment, const UniformPlan& coarse, double more_steps,
                       double more_nodes) {
    UniformStep step = coarse.step;
    step.single = false;
    step.step_s /= more_steps;
    UniformPlan finer = laid_out(experiment, finer_nodes(experiment, coarse, more_nodes), step,
                                 &coarse, more_steps);
    finer.quiet_rad *= kQuieter;
    return finer;
}

}  // namespace nmrsim
