#include "uniform_plan.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <mutex>
#include <tuple>
#include <utility>

#include "nmrsim/units.h"

namespace nmrsim {
namespace {

// Records used to interpolate a sample. Fixed by benchmarks/accuracy_benchmark.cpp: with 18 the
// step may be two thirds of the Nyquist limit of the line's edge at 1e-4.
constexpr int kInterpolationOrder = 18;

// Largest turn about the mean in one pass [rad]; the kernel's series are made for it.
constexpr double kLargestTurn = 0.7;

// Sizes of steps per factor of two.
constexpr double kStepsPerOctave = 3.0;

// Share of the tolerance that each source of error may use.
constexpr double kNodeShare = 0.05;
constexpr double kInterpolationShare = 0.1;
constexpr double kSplittingShare = 0.6;

// Below this the tolerance is rounding's.
constexpr double kLeastTolerance = 1e-13;

// Largest error of the quadrature for uncoupled spins, up to the longest time.
double node_error(const LineQuadrature& rule, const std::vector<double>& time_s,
                  const std::vector<double>& exact) {
    double largest = 0.0;
    for (std::size_t j = 0; j < time_s.size(); ++j) {
        double sum = 0.0;
        for (std::size_t i = 0; i < rule.weight.size(); ++i) {
            sum += rule.weight[i] * std::cos(kTwoPi * rule.offset_hz[i] * time_s[j]);
        }
        largest = std::max(largest, std::abs(sum - exact[j]));
    }
    return kSpinLength * largest;
}

UniformNodes as_nodes(LineQuadrature rule) {
    UniformNodes nodes;
    for (double w : rule.weight) nodes.total_weight += w;
    nodes.offset_hz = std::move(rule.offset_hz);
    nodes.weight = std::move(rule.weight);
    return nodes;
}

// The stretch that suits n nodes at a tolerance: the map's branch points lie where the error does
// not see them (Hale and Trefethen 2008, section 3).
double stretch_for(int nodes, double tolerance) {
    return 1.0 / std::cosh(std::abs(std::log(tolerance)) / nodes);
}

// Error of the interpolation at step h: a component exp(2 pi i f t) is off by about
// sqrt(2 / (pi order)) sin(pi f h)^order at the worst point between two records.
double interpolation_error(const UniformNodes& nodes, double step_s) {
    double sum = 0.0;
    for (std::size_t i = 0; i < nodes.weight.size(); ++i) {
        const double phase = std::min(kPi * std::abs(nodes.offset_hz[i]) * step_s, 0.5 * kPi);
        sum += nodes.weight[i] * std::pow(std::sin(phase), kInterpolationOrder);
    }
    return kSpinLength * std::sqrt(2.0 / (kPi * kInterpolationOrder)) * sum;
}

/// The longest step that the interpolation bears.
double longest_step(const Line& line, const UniformNodes& nodes, double tolerance) {
    double low = 0.0;
    double high = 1.0 / (2.0 * line.cutoff_khz * kHzPerKhz);  // Nyquist of the edge
    for (int i = 0; i < 30; ++i) {
        const double middle = 0.5 * (low + high);
        const bool good = interpolation_error(nodes, middle) <= kInterpolationShare * tolerance;
        (good ? low : high) = middle;
    }
    return low;
}

double largest_share(std::span<const double> shares) {
    double largest = 0.0;
    // Neighbouring steps' end turns are merged.
    largest = 2.0 * std::abs(shares.front());
    for (double share : shares) largest = std::max(largest, std::abs(share));
    return largest;
}

// Weights of Lagrange's interpolation at `u` from records 0 ... order - 1.
void lagrange_weights(double u, int order, double* weight) {
    for (int a = 0; a < order; ++a) {
        double product = 1.0;
        for (int b = 0; b < order; ++b) {
            if (b != a) product *= (u - b) / static_cast<double>(a - b);
        }
        weight[a] = product;
    }
}

// Puts samples into the segment and finds the steps that their interpolation needs.
void place_samples(UniformSegment& segment, const std::vector<double>& time_us, bool last) {
    const int samples = segment.end_sample - segment.first_sample;
    const double step_us = segment.step_s / kSecondsPerUs;
    const int half = kInterpolationOrder / 2;
    segment.first_record.resize(static_cast<std::size_t>(samples));
    segment.weight.resize(static_cast<std::size_t>(samples * kInterpolationOrder));
    int lowest = 0, highest = 0;
    for (int k = 0; k < samples; ++k) {
        const double u =
            (time_us[static_cast<std::size_t>(segment.first_sample + k)] - segment.start_us) /
            step_us;
        const int first = static_cast<int>(std::floor(u + 1e-9)) - half + 1;
        segment.first_record[static_cast<std::size_t>(k)] = first;
        lagrange_weights(u - first, kInterpolationOrder,
                         &segment.weight[static_cast<std::size_t>(k * kInterpolationOrder)]);
        lowest = std::min(lowest, first);
        highest = std::max(highest, first + kInterpolationOrder - 1);
    }
    segment.steps_before = -lowest;
    segment.steps_after = std::max(0, highest - segment.steps);
    if (last) {
        // Nothing needs the state at the end: just the records.
        segment.steps = highest;
        segment.steps_after = 0;
    }
    for (int& first : segment.first_record) first += segment.steps_before;
}

}  // namespace

long UniformPlan::passes() const {
    long steps = 0;
    for (const UniformSegment& s : segments) steps += s.steps + s.steps_before + s.steps_after;
    return steps * static_cast<long>(step.scheme->offset.size());
}

namespace {

UniformNodes find_nodes(const Experiment& experiment) {
    const Line& line = experiment.line;
    const double tolerance = std::max(experiment.accuracy.tolerance, kLeastTolerance);
    if (experiment.accuracy.nodes) {
        const int n = *experiment.accuracy.nodes;
        return as_nodes(line_quadrature(line, n, stretch_for(n, tolerance)));
    }
    // Uncoupled spins say how many are enough: the coupled ones' dependence on the offset has the
    // same longest phase.
    constexpr int kTimes = 24;
    const double longest_s = std::max(experiment.acquisition.stop_us, 1e-3) * kSecondsPerUs;
    std::vector<double> time_s;
    for (int j = 0; j < kTimes; ++j) time_s.push_back(longest_s * (1.0 - 0.6 * j / kTimes));
    const std::vector<double> exact = line_characteristic(line, time_s);
    const double phase = kTwoPi * line.cutoff_khz * kHzPerKhz * longest_s;
    constexpr int kBlock = 8;
    int low = static_cast<int>(phase / kPi) / kBlock;  // two nodes a wave are too few
    int high = low + 4;
    const auto rule_of = [&](int blocks) {
        const int n = kBlock * std::max(blocks, 1);
        return line_quadrature(line, n, stretch_for(n, tolerance));
    };
    const auto good = [&](const LineQuadrature& rule) {
        return node_error(rule, time_s, exact) <= kNodeShare * tolerance;
    };
    constexpr int kMostBlocks = 1 << 14;
    LineQuadrature best = rule_of(high);
    while (!good(best) && high < kMostBlocks) {
        low = high;
        high += 4 + (high - static_cast<int>(phase / kPi) / kBlock) / 2;
        best = rule_of(high);
    }
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        LineQuadrature rule = rule_of(middle);
        if (good(rule)) {
            high = middle;
            best = std::move(rule);
        } else {
            low = middle;
        }
    }
    return as_nodes(std::move(best));
}

/// What the choice of nodes depends on.
auto node_key(const Experiment& e) {
    return std::tuple(e.line.shape, e.line.half_width_khz, e.line.cutoff_khz, e.line.renormalize,
                      e.acquisition.stop_us, e.accuracy.tolerance, e.accuracy.nodes.value_or(0));
}

}  // namespace

UniformNodes uniform_nodes(const Experiment& experiment) {
    // The search costs as much as a few curves: the last answers are kept.
    using Key = decltype(node_key(experiment));
    constexpr std::size_t kKept = 8;
    static std::mutex mutex;
    static std::deque<std::pair<Key, UniformNodes>> kept;
    const Key key = node_key(experiment);
    {
        const std::lock_guard lock(mutex);
        for (const auto& [known, nodes] : kept) {
            if (known == key) return nodes;
        }
    }
    UniformNodes nodes = find_nodes(experiment);
    nodes.longest_step_s = longest_step(experiment.line, nodes,
                                        std::max(experiment.accuracy.tolerance, kLeastTolerance));
    const std::lock_guard lock(mutex);
    kept.emplace_front(key, nodes);
    if (kept.size() > kKept) kept.pop_back();
    return nodes;
}

UniformStep uniform_step(const Experiment& experiment, const UniformNodes& nodes) {
    const double tolerance = std::max(experiment.accuracy.tolerance, kLeastTolerance);
    const Acquisition& acquisition = experiment.acquisition;
    // Largest angular frequency that the coupling can reach [rad/s].
    const double kappa = kTwoPi * std::abs(experiment.interaction.alpha_plane_khz()) * kHzPerKhz *
                         kSpinLength * nodes.total_weight;
    const auto within_turn = [&](const SplittingScheme& scheme, double step_s) {
        if (kappa == 0.0) return step_s;
        return std::min(step_s, kLargestTurn / (kappa * largest_share(scheme.coupling)));
    };
    if (experiment.accuracy.steps_per_point) {
        const double spacing_us =
            acquisition.points > 1
                ? (acquisition.stop_us - acquisition.start_us) / (acquisition.points - 1)
                : std::max(acquisition.stop_us, 1e-3);
        const SplittingScheme& scheme = blanes_moan_4();
        return {&scheme, within_turn(scheme, spacing_us * kSecondsPerUs /
                                                 *experiment.accuracy.steps_per_point)};
    }
    const double longest = nodes.longest_step_s;
    const double width = kTwoPi * experiment.line.half_width_khz * kHzPerKhz;
    UniformStep best;
    double best_cost = std::numeric_limits<double>::infinity();
    for (const SplittingScheme* scheme : {&blanes_moan_4(), &blanes_moan_6()}) {
        double step = longest;
        if (kappa > 0.0) {
            const double amplification = scheme->error_constant * std::pow(kappa / width, 1.5);
            step = std::min(
                step,
                std::pow(kSplittingShare * tolerance / amplification, 1.0 / scheme->order) / kappa);
        }
        step = within_turn(*scheme, step);
        const double level =
            std::max(0.0, std::ceil(kStepsPerOctave * std::log2(longest / step) - 1e-9));
        step = longest * std::exp2(-level / kStepsPerOctave);
        const double cost = static_cast<double>(scheme->offset.size()) / step;
        if (cost < best_cost) {
            best_cost = cost;
            best = {scheme, step};
        }
    }
    return best;
}

UniformPlan uniform_plan(const Experiment& experiment, UniformNodes nodes, UniformStep step) {
    UniformPlan plan;
    plan.nodes = std::move(nodes);
    plan.step = step;
    plan.order = kInterpolationOrder;
    plan.time_us = acquisition_times_us(experiment.acquisition);
    const std::vector<Event> events = sequence_events(experiment.sequence);
    const double stop_us = plan.time_us.back();
    // A sample at the very time of a pulse is taken after it; times come with rounding.
    const double slack_us = 1e-9 * (1.0 + stop_us);

    double now_us = 0.0;
    std::size_t event = 0;
    int sample = 0;
    const int points = static_cast<int>(plan.time_us.size());
    while (sample < points) {
        UniformSegment segment;
        segment.first_event = event;
        while (event < events.size() && std::holds_alternative<Pulse>(events[event])) ++event;
        segment.end_event = event;
        segment.start_us = now_us;
        for (; event < events.size() && std::holds_alternative<Delay>(events[event]); ++event) {
            segment.duration_us += std::get<Delay>(events[event]).duration_us;
        }
        const bool last = event == events.size();
        if (last) segment.duration_us = std::max(0.0, stop_us - now_us);
        now_us = segment.start_us + segment.duration_us;
        segment.first_sample = sample;
        while (sample < points &&
               (last || plan.time_us[static_cast<std::size_t>(sample)] < now_us - slack_us)) {
            ++sample;
        }
        segment.end_sample = sample;
        const double duration_s = segment.duration_us * kSecondsPerUs;
        segment.steps = static_cast<int>(std::ceil(duration_s / step.step_s - 1e-9));
        segment.step_s = segment.steps > 0 ? duration_s / segment.steps : step.step_s;
        if (segment.end_sample > segment.first_sample) place_samples(segment, plan.time_us, last);
        plan.segments.push_back(std::move(segment));
    }
    return plan;
}

UniformPlan uniform_plan(const Experiment& experiment) {
    UniformNodes nodes = uniform_nodes(experiment);
    const UniformStep step = uniform_step(experiment, nodes);
    return uniform_plan(experiment, std::move(nodes), step);
}

}  // namespace nmrsim
