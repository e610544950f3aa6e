#include "uniform/uniform_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <deque>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "model/line_distribution.h"
#include "model/line_shape.h"
#include "nmrsim/units.h"
#include "uniform/uniform_error.h"

namespace nmrsim {
namespace {

// The coupling spreads the signal's frequencies by about this share of its own, kappa / 2 pi: the
// interpolation's error on coupled draws of the 2021 task is that of as much wider a line.
constexpr double kSpread = 1.0;

// Largest turn about the mean in one pass [rad]; the kernel's series are made for it.
constexpr double kLargestTurn = 0.7;

// Largest share that relaxation may take of the magnetization in one step: interpolation reaches
// nine steps back before a pulse, where what decays grows by exp(9 * 0.25).
constexpr double kLargestLoss = 0.25;

// Float holds a decay down to this share of its start.
constexpr double kLeastInSingle = 1e-25;

// Sizes of steps per factor of two.
constexpr double kStepsPerOctave = 3.0;

// Share of the tolerance that each source of error may use. Each is a bound for 99% of draws, and
// they seldom come together: 99% of 400 draws lie below 0.3 to 0.9 of the tolerance. The nodes' is
// kNodeShare.
constexpr double kInterpolationShare = 0.2;
constexpr double kSplittingShare = 1.2;

// What the nodes and the interpolation make of spins that several pulses turned, over what they
// make of a free decay.
constexpr double kOfPulses = 2.0;

// Beyond this ratio of the coupling to the line, or after more pulses, each of which turns what is
// off as well, the bounds are not calibrated. From the third pulse on what is off in Mz turns the
// frame, which the next pulse makes into Mz again: then the frame may not turn far either [rad].
constexpr double kCalibratedRatio = 50.0;
constexpr int kCalibratedPulses = 3;
constexpr int kPulsesOfAnyTurn = 2;
constexpr double kCalibratedTurn = 3.0;

// Float is used up to this share of the tolerance; its error and the steps' seldom meet.
constexpr double kSingleShare = 1.1;

// Share of the tolerance by which M may turn spins while they are followed in closed form.
constexpr double kQuietShare = 0.3;
constexpr double kQuieter = 0.1;  // in a finer plan

// Stretches of fewer settling times than this are stepped through; looks at M are so many in one.
constexpr double kShortStretch = 4.0;
constexpr double kLooksPerSettling = 4.0;

using Phasors = std::vector<std::complex<double>>;

// Error of the quadrature for uncoupled spins at each time.
std::vector<double> node_errors(const LineQuadrature& rule, const std::vector<double>& time_s,
                                const Phasors& exact, bool even) {
    std::vector<double> error;
    for (std::size_t j = 0; j < time_s.size(); ++j) {
        double sum = 0.0, across = 0.0;
        for (std::size_t i = 0; i < rule.weight.size(); ++i) {
            const double angle = kTwoPi * rule.offset_hz[i] * time_s[j];
            sum += rule.weight[i] * std::cos(angle);
            if (!even) across -= rule.weight[i] * std::sin(angle);
        }
        error.push_back(kSpinLength * std::abs(std::complex<double>(sum, across) - exact[j]));
    }
    return error;
}

UniformNodes as_nodes(LineQuadrature rule, const std::vector<double>& time_s, const Phasors& exact,
                      bool even) {
    UniformNodes nodes;
    const std::vector<double> error = node_errors(rule, time_s, exact, even);
    for (std::size_t j = 0; j < error.size(); ++j) {
        nodes.error_at.emplace_back(time_s[j] / kSecondsPerUs, error[j]);
    }
    std::ranges::sort(nodes.error_at);
    nodes.error = std::ranges::max(error);
    for (double w : rule.weight) nodes.total_weight += w;
    nodes.offset_hz = std::move(rule.offset_hz);
    nodes.weight = std::move(rule.weight);
    nodes.length_hz = std::move(rule.length_hz);
    return nodes;
}

// Error of the interpolation at step h: a component exp(2 pi i f t) is off by about
// sqrt(2 / (pi order)) sin(pi f h)^order at the worst point between two records. Toward the Nyquist
// limit that is too small by cos(pi f h), which the estimate of a curve counts.
double interpolation_error(const UniformNodes& nodes, double step_s, bool near_nyquist) {
    double sum = 0.0;
    const double half_way = std::sqrt(2.0 / (kPi * kInterpolationOrder));
    for (std::size_t i = 0; i < nodes.weight.size(); ++i) {
        const double phase = std::min(kPi * std::abs(nodes.offset_hz[i]) * step_s, 0.5 * kPi);
        double error = half_way * std::pow(std::sin(phase), kInterpolationOrder);
        if (near_nyquist) error = std::min(1.0, error / std::cos(phase));
        sum += std::abs(nodes.weight[i]) * error;
    }
    return kSpinLength * sum;
}

/// The longest step that the interpolation bears.
double longest_step(const Line& line, const UniformNodes& nodes, double tolerance) {
    double low = 0.0;
    // Nearer to the edge's Nyquist limit the formula above is too small.
    constexpr double kMostOfNyquist = 0.77;
    double high = kMostOfNyquist / (2.0 * line_reach_hz(line));
    for (int i = 0; i < 30; ++i) {
        const double middle = 0.5 * (low + high);
        const double error = interpolation_error(nodes, middle, false);
        const bool good = error <= kInterpolationShare * tolerance;
        (good ? low : high) = middle;
    }
    return low;
}

/// How much wider than the line the signal's frequencies lie.
double widened(const Experiment& experiment, const UniformNodes& nodes, double ratio) {
    return 1.0 + kSpread * ratio * half_width_khz(experiment, nodes) / experiment.line.cutoff_khz;
}

/// |M| where spins as long as longest_spin() are as long as 1/2: shorter ones see a weaker
/// coupling, and all else scales.
double relative(const Experiment& experiment, double magnitude) {
    return magnitude * (kSpinLength / longest_spin(experiment));
}

double fastest_rate(const Relaxation& relaxation) {
    return std::max(relaxation.longitudinal_rate(), relaxation.transverse_rate());
}

/// A line that a cut makes nearly a box lets go of the field slowly: roundings grow as with so many
/// times the coupling (measured: 6 times a Lorentzian's where the cut lies at the half width).
constexpr double kOfBox = 4.0;
/// Cuts at so many half widths leave a line as it is.
constexpr double kFarCut = 4.0;

/// Where mz relaxes, each node's is rounded the same way for many passes, and the next pulse turns
/// it into M: as a spin, and a coupling, so many times as large (measured: 5 times and 1.3).
constexpr double kSpinAlong = 6.0;
constexpr double kFeltAlong = 1.5;

/// Share of a Lorentzian, uncut, beyond three half widths.
constexpr double kFarOfLorentzian = 0.2;

/// How many times as strong a coupling's roundings the line's are.
double felt_more(const Line& line, const UniformNodes& nodes) {
    const LineShapeRow& shape = shape_of(line);
    for (double Line::*width : shape.widths) {
        if (line.cutoff_khz < kFarCut * line.*width) return kOfBox;
    }
    if (shape.felt_more > 0.0) return shape.felt_more;
    double far = 0.0;
    for (std::size_t i = 0; i < nodes.weight.size(); ++i) {
        if (std::abs(nodes.offset_hz[i]) > 3.0 * nodes.half_width_khz * kHzPerKhz) {
            far += nodes.weight[i] / nodes.total_weight;
        }
    }
    return std::pow(kOfBox, std::clamp(1.0 - far / kFarOfLorentzian, 0.5, 1.0));
}

/// Rounding over the whole sequence, with what relaxation and the frame's phase add.
double rounding_of(const Experiment& experiment, const UniformNodes& nodes, bool single,
                   double passes, double ratio, double magnitude, double step_s) {
    const double growth = 0.5 * kInterpolationOrder * fastest_rate(experiment.relaxation) * step_s;
    double felt = felt_more(experiment.line, nodes) * ratio;
    if (experiment.relaxation.longitudinal_rate() > 0.0) {
        felt *= kFeltAlong;
        magnitude /= kSpinAlong;
    }
    return rounding_error(single, passes, felt, magnitude) * std::exp(growth) +
           phase_rounding(experiment, single);
}

/// Pulses that the window can show; what is transverse at the start is as one.
int pulses_until(const Experiment& experiment, double stop_us) {
    int pulses = experiment.start.mx != 0.0 || experiment.start.my != 0.0 ? 1 : 0;
    double now_us = 0.0;
    for (const Event& event : sequence_events(experiment.sequence)) {
        if (const Delay* delay = std::get_if<Delay>(&event)) {
            now_us += delay->duration_us;
        } else if (now_us <= stop_us) {
            ++pulses;
        }
    }
    return pulses;
}

double largest_share(std::span<const double> shares) {
    double largest = 0.0;
    // Neighbouring steps' end turns are merged.
    largest = 2.0 * std::abs(shares.front());
    for (double share : shares) largest = std::max(largest, std::abs(share));
    return largest;
}

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
    constexpr double kMostSteps = 1e9;
    const double steps = std::ceil(duration_s / step_s - 1e-9);
    if (!(steps <= kMostSteps)) {
        throw std::runtime_error(
            fmt::format("too many steps: {:.3g} us in steps of {:.3g} us; a larger "
                        "accuracy.tolerance, a shorter "
                        "sequence or weaker couplings need fewer",
                        duration_s / kSecondsPerUs, step_s / kSecondsPerUs));
    }
    return static_cast<int>(steps);
}

/// The first record of a sample at this position, in steps from the segment's start.
int first_record(double position) {
    return static_cast<int>(std::floor(position + 1e-9)) - kInterpolationOrder / 2 + 1;
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

}  // namespace

long UniformPlan::passes() const {
    long steps = 0;
    for (const UniformSegment& s : segments) steps += s.steps + s.steps_before + s.steps_after;
    return steps * static_cast<long>(step.scheme->offset.size());
}

namespace {

/// One rule over the whole cut is made in the square of its nodes: beyond so many, panels are
/// cheaper.
constexpr int kMostGlobalNodes = 1024;
/// A rule of so few nodes needs no panels to compare with.
constexpr std::size_t kFewNodes = 512;

std::size_t node_count(const std::vector<int>& pieces) {
    std::size_t count = 0;
    for (const int n : pieces) count += static_cast<std::size_t>(n) * kPanelNodes;
    return count;
}

/// Composite rules from few nodes to many.
std::vector<std::vector<int>> panel_choices(const Line& line, double longest_s) {
    std::vector<std::vector<int>> choices;
    for (const int panels : {4, 6, 8, 12, 16, 24, 32, 48, 96}) {
        for (const double phase : {64.0, 48.0, 24.0}) {  // of a piece [rad]
            std::vector<int> pieces = panel_pieces(line, panels, longest_s, phase);
            // A table has its own panels, whatever their number here.
            if (std::ranges::find(choices, pieces) == choices.end()) {
                choices.push_back(std::move(pieces));
            }
        }
    }
    std::stable_sort(choices.begin(), choices.end(),
                     [](const auto& a, const auto& b) { return node_count(a) < node_count(b); });
    return choices;
}

UniformNodes find_nodes(const Experiment& experiment, double tolerance) {
    const Line& line = experiment.line;
    // Uncoupled spins say how many are enough: the coupled ones' dependence on the offset has the
    // same longest phase. Few nodes on a narrow line are off at short times, too.
    constexpr int kLate = 24, kEarly = 12;
    const double longest_s = std::max(experiment.acquisition.stop_us, 1e-3) * kSecondsPerUs;
    std::vector<double> time_s;
    time_s.reserve(kLate + kEarly);
    for (int j = 0; j < kLate; ++j) time_s.push_back(longest_s * (1.0 - 0.6 * j / kLate));
    for (int j = 0; j < kEarly; ++j) time_s.push_back(longest_s * 0.4 * j / kEarly);
    const Phasors exact = line_phasor(line, time_s);
    const bool even = shape_of(line).even;
    if (experiment.accuracy.nodes) {
        const int n = *experiment.accuracy.nodes;
        LineQuadrature rule = line_quadrature(line, n, line_stretch(n, tolerance));
        return as_nodes(std::move(rule), time_s, exact, even);
    }
    const auto good = [&](const LineQuadrature& rule) {
        return std::ranges::max(node_errors(rule, time_s, exact, even)) <= kNodeShare * tolerance;
    };
    LineQuadrature best;
    bool found = false;
    const double phase = kTwoPi * line_reach_hz(line) * longest_s;
    if (phase / kPi < kMostGlobalNodes) {
        constexpr int kBlock = 8;
        int low = static_cast<int>(phase / kPi) / kBlock;  // two nodes a wave are too few
        int high = low + 4;
        const auto rule_of = [&](int blocks) {
            const int n = kBlock * std::max(blocks, 1);
            return line_quadrature(line, n, line_stretch(n, tolerance));
        };
        best = rule_of(high);
        found = good(best);
        while (!found && kBlock * high < kMostGlobalNodes) {
            low = high;
            high += 4 + (high - static_cast<int>(phase / kPi) / kBlock) / 2;
            best = rule_of(high);
            found = good(best);
        }
        while (found && high - low > 1) {
            const int middle = (low + high) / 2;
            LineQuadrature rule = rule_of(middle);
            if (good(rule)) {
                high = middle;
                best = std::move(rule);
            } else {
                low = middle;
            }
        }
    }
    std::vector<int> pieces;
    if (!found || best.weight.size() > kFewNodes) {
        const std::size_t most =
            found ? best.weight.size() : std::numeric_limits<std::size_t>::max();
        const std::vector<std::vector<int>> choices = panel_choices(line, longest_s);
        for (std::size_t c = 0; c < choices.size() && node_count(choices[c]) < most; ++c) {
            LineQuadrature rule = line_quadrature(line, choices[c]);
            const bool last = c + 1 == choices.size() && !found;  // what rounding allows
            if (!last && !good(rule)) continue;
            best = std::move(rule);
            pieces = choices[c];
            break;
        }
    }
    UniformNodes nodes = as_nodes(std::move(best), time_s, exact, even);
    nodes.pieces = std::move(pieces);
    return nodes;
}

/// How a free decay falls, up to the longest time.
void fill_decay(const Experiment& experiment, UniformNodes& nodes) {
    constexpr int kTimes = 257;
    nodes.decay_spacing_us = std::max(experiment.acquisition.stop_us, 1e-3) / (kTimes - 1);
    std::vector<double> time_s;
    time_s.reserve(kTimes);
    for (int k = 0; k < kTimes; ++k) time_s.push_back(k * nodes.decay_spacing_us * kSecondsPerUs);
    for (const std::complex<double>& value : line_phasor(experiment.line, time_s)) {
        nodes.decay.push_back(std::abs(value));
    }
    // The magnitude may pass through zero between the times.
    double later = 0.0;
    for (auto value = nodes.decay.rbegin(); value != nodes.decay.rend(); ++value) {
        later = std::max(later, std::abs(*value));
        *value = later;
    }
}

/// What the choice of nodes depends on.
auto node_key(const Experiment& e, int level) {
    return std::tuple(e.line, e.acquisition.stop_us, e.accuracy.tolerance,
                      e.accuracy.nodes.value_or(0), level);
}

}  // namespace

UniformNodes uniform_nodes(const Experiment& experiment, int level) {
    // The search costs as much as a few curves: the last answers are kept.
    using Key = decltype(node_key(experiment, level));
    constexpr std::size_t kKept = 64;
    static std::mutex mutex;
    static std::deque<std::pair<Key, UniformNodes>> kept;
    const Key key = node_key(experiment, level);
    {
        const std::lock_guard lock(mutex);
        for (const auto& [known, nodes] : kept) {
            if (known == key) return nodes;
        }
    }
    const double tolerance =
        std::max(experiment.accuracy.tolerance * std::pow(10.0, -level), kLeastTolerance);
    UniformNodes nodes = find_nodes(experiment, tolerance);
    nodes.half_width_khz = line_half_width_khz(experiment.line);
    nodes.longest_step_s = longest_step(experiment.line, nodes, tolerance);
    fill_decay(experiment, nodes);
    const std::lock_guard lock(mutex);
    kept.emplace_front(key, nodes);
    if (kept.size() > kKept) kept.pop_back();
    return nodes;
}

double UniformNodes::error_until(double time_us) const {
    double largest = 0.0;
    for (const auto& [at_us, value] : error_at) {
        largest = std::max(largest, value);
        if (at_us >= time_us) break;
    }
    return largest;
}

int uniform_level(const Experiment& experiment, const UniformNodes& nodes, double magnitude) {
    if (experiment.accuracy.nodes) return 0;
    const double tolerance = std::max(experiment.accuracy.tolerance, kLeastTolerance);
    const double largest = magnitude > 0.0 ? magnitude : uncoupled_magnitude(experiment, nodes);
    const double echo = kSpinLength / relative(experiment, largest) *
                        node_amplification(coupling_ratio(experiment, nodes));
    const double frame = node_error_of_frame(experiment, nodes) / (kNodeShare * tolerance);
    return std::clamp(static_cast<int>(std::lround(std::log10(std::max(echo, frame)))), 0,
                      kMostLevels - 1);
}

UniformStep uniform_step(const Experiment& experiment, const UniformNodes& nodes, int level,
                         double largest, double hope) {
    const double tolerance = std::max(experiment.accuracy.tolerance, kLeastTolerance);
    const Acquisition& acquisition = experiment.acquisition;
    // Largest angular frequency that the coupling can reach [rad/s].
    const double kappa = kTwoPi * std::abs(experiment.interaction.alpha_plane_khz()) * kHzPerKhz *
                         longest_spin(experiment) * nodes.total_weight;
    const auto within_turn = [&](const SplittingScheme& scheme, double step_s) {
        if (kappa == 0.0) return step_s;
        return std::min(step_s, kLargestTurn / (kappa * largest_share(scheme.coupling)));
    };
    const double ratio = coupling_ratio(experiment, nodes);
    const double magnitude =
        relative(experiment, largest > 0.0 ? largest : uncoupled_magnitude(experiment, nodes));
    const double rate = fastest_rate(experiment.relaxation);
    const double most_s =
        rate > 0.0 ? kLargestLoss / rate : std::numeric_limits<double>::infinity();
    const int pulses = pulses_until(experiment, acquisition.stop_us);
    const bool calibrated =
        ratio <= kCalibratedRatio && pulses <= kCalibratedPulses &&
        (pulses <= kPulsesOfAnyTurn || frame_turn(experiment) <= kCalibratedTurn);
    const auto chosen = [&](const SplittingScheme& scheme, double step_s) {
        // However short the window, the interpolation of a sample takes its records.
        const double steps =
            std::max(acquisition.stop_us * kSecondsPerUs / step_s, 1.0 * kInterpolationOrder);
        const double passes = steps * static_cast<double>(scheme.offset.size());
        const bool fits = rounding_of(experiment, nodes, true, passes, ratio, magnitude, step_s) <=
                              kSingleShare * tolerance &&
                          rate * acquisition.stop_us * kSecondsPerUs < -std::log(kLeastInSingle);
        const Precision precision = experiment.accuracy.precision;
        const bool single =
            precision == Precision::automatic ? fits : precision == Precision::single;
        return UniformStep{&scheme, step_s, level, single, calibrated && (fits || !single)};
    };
    if (experiment.accuracy.steps_per_point) {
        const double spacing_us =
            acquisition.points > 1
                ? (acquisition.stop_us - acquisition.start_us) / (acquisition.points - 1)
                : std::max(acquisition.stop_us, 1e-3);
        const SplittingScheme& scheme = blanes_moan_4();
        const double asked_s = spacing_us * kSecondsPerUs / *experiment.accuracy.steps_per_point;
        return chosen(scheme, within_turn(scheme, std::min(asked_s, most_s)));
    }
    const double longest = nodes.longest_step_s;
    const double width = kTwoPi * half_width_khz(experiment, nodes) * kHzPerKhz;
    UniformStep best;
    double best_cost = std::numeric_limits<double>::infinity();
    for (const SplittingScheme* scheme : {&blanes_moan_4(), &blanes_moan_6()}) {
        double step = std::min(longest / widened(experiment, nodes, ratio), most_s);
        if (kappa > 0.0) {
            const double error = hope * splitting_error(*scheme, ratio, magnitude, rate / width);
            step = std::min(
                step, std::pow(kSplittingShare * tolerance / error, 1.0 / scheme->order) / width);
        }
        step = within_turn(*scheme, step);
        const double size =
            std::max(0.0, std::ceil(kStepsPerOctave * std::log2(longest / step) - 1e-9));
        step = longest * std::exp2(-size / kStepsPerOctave);
        const double cost = static_cast<double>(scheme->offset.size()) / step;
        if (cost < best_cost) {
            best_cost = cost;
            best = chosen(*scheme, step);
        }
    }
    return best;
}

namespace {

double quiet_rad(const Experiment& experiment, int level) {
    return kQuietShare *
           std::max(experiment.accuracy.tolerance * std::pow(10.0, -level), kLeastTolerance);
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
    plan.time_us = acquisition_times_us(experiment.acquisition);
    const double settling = settling_us(experiment, step.level);
    for (const UniformSpan& span : uniform_spans(experiment, step.level)) {
        UniformSegment segment{span};
        const double duration_s = segment.duration_us * kSecondsPerUs;
        segment.steps = step_count(duration_s, step.step_s);
        if (coarse) {
            const double steps = duration_s / coarse->segments[plan.segments.size()].step_s;
            segment.steps =
                std::max(segment.steps, static_cast<int>(std::ceil(factor * steps - 1e-6)));
        }
        segment.step_s = segment.steps > 0 ? duration_s / segment.steps : step.step_s;
        if (segment.long_stretch && segment.end_sample == segment.first_sample) {
            segment.steps_between_looks = std::max(
                1, static_cast<int>(settling / kLooksPerSettling * kSecondsPerUs / segment.step_s));
        }
        if (segment.end_sample > segment.first_sample) place_samples(segment, plan.time_us);
        plan.segments.push_back(std::move(segment));
    }
    return plan;
}

/// More nodes, of which none is where one of the others is.
UniformNodes finer_nodes(const Experiment& experiment, const UniformPlan& plan, double factor) {
    const Line& line = experiment.line;
    const UniformNodes& coarse = plan.nodes;
    LineQuadrature rule;
    UniformNodes nodes;
    if (coarse.pieces.empty()) {
        const double count = factor * static_cast<double>(coarse.weight.size());
        const int n = static_cast<int>(std::ceil(count)) + 7;
        const double tolerance = std::max(
            experiment.accuracy.tolerance * std::pow(10.0, -plan.step.level - 1), kLeastTolerance);
        rule = line_quadrature(line, n, line_stretch(n, tolerance));
    } else {
        // A third more panels, and the same longest phase of a piece over `factor`.
        const double panels = std::ceil(4.0 / 3.0 * static_cast<double>(coarse.pieces.size()));
        const double longest_s =
            factor * std::max(experiment.acquisition.stop_us, 1e-3) * kSecondsPerUs;
        constexpr double kPhase = 48.0;  // [rad]
        nodes.pieces = panel_pieces(line, static_cast<int>(panels), longest_s, kPhase);
        rule = line_quadrature(line, nodes.pieces);
    }
    for (const double w : rule.weight) nodes.total_weight += w;
    nodes.offset_hz = std::move(rule.offset_hz);
    nodes.weight = std::move(rule.weight);
    nodes.length_hz = std::move(rule.length_hz);
    nodes.half_width_khz = coarse.half_width_khz;
    return nodes;
}

}  // namespace

std::vector<UniformSpan> uniform_spans(const Experiment& experiment, int level) {
    const double settling = settling_us(experiment, level);
    const bool set = experiment.accuracy.nodes || experiment.accuracy.steps_per_point;
    const std::vector<double> time_us = acquisition_times_us(experiment.acquisition);
    const std::vector<Event> events = sequence_events(experiment.sequence);
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
            while (event < events.size() && std::holds_alternative<Pulse>(events[event])) ++event;
        }
        span.end_event = event;
        span.start_us = now_us;
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
        span.long_stretch = !set && unsampled_us > kShortStretch * settling;
        if (span.long_stretch && unsampled_us < span.duration_us - slack_us) {
            left_us = std::max(0.0, whole_us - unsampled_us);
            span.duration_us = unsampled_us;
            span.last = false;
        }
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
        UniformSegment segment{curves.front()[j]};
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
    const double width = kTwoPi * line_half_width_khz(experiment.line) * kHzPerKhz;
    return -std::log(quiet_rad(experiment, level)) / width / kSecondsPerUs;
}

UniformPlan uniform_plan(const Experiment& experiment, UniformNodes nodes, UniformStep step) {
    return laid_out(experiment, std::move(nodes), step, nullptr, 1.0);
}

UniformPlan uniform_plan(const Experiment& experiment, double magnitude, double hope) {
    UniformNodes nodes = uniform_nodes(experiment);
    const int level = uniform_level(experiment, nodes, magnitude);
    if (level > 0) nodes = uniform_nodes(experiment, level);
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

double estimated_error(const Experiment& experiment, const UniformPlan& plan, double largest) {
    if (largest == 0.0) return 0.0;
    double step_s = 0.0;
    for (const UniformSegment& segment : plan.segments) step_s = std::max(step_s, segment.step_s);
    const SplittingScheme& scheme = *plan.step.scheme;
    const double ratio = coupling_ratio(experiment, plan.nodes);
    const double width = kTwoPi * half_width_khz(experiment, plan.nodes) * kHzPerKhz;
    // What the offsets alone do has decayed as the spins have.
    const double share = relative(experiment, largest) / last_pulse_attenuation(experiment);
    const double rate = fastest_rate(experiment.relaxation);
    return splitting_error(scheme, ratio, share, rate / width) *
               std::pow(width * step_s, scheme.order) +
           kOfPulses *
               (plan.nodes.error * node_amplification(ratio) +
                interpolation_error(plan.nodes, step_s * widened(experiment, plan.nodes, ratio),
                                    true)) /
               share +
           node_error_of_frame(experiment, plan.nodes) +
           rounding_of(experiment, plan.nodes, plan.step.single, static_cast<double>(plan.passes()),
                       ratio, share, step_s);
}

}  // namespace nmrsim
