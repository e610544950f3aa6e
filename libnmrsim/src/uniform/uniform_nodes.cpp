#include "uniform/uniform_plan.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <deque>
#include <limits>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>

#include "base/aligned_array.h"
#include "model/line_distribution.h"
#include "model/line_gauss.h"
#include "model/line_shape.h"
#include "model/spin_groups.h"
#include "nmrsim/units.h"
#include "uniform/uniform_error.h"

namespace nmrsim {
namespace {

// Share of the tolerance that the interpolation of samples may use; see uniform_step.cpp.
constexpr double kInterpolationShare = 0.2;

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

/// The rule of one site's line.
struct LineRule {
    LineQuadrature rule;
    std::vector<int> pieces;
};

/// Blocks of each site's spins, one for each strength of the pulses.
void put_together(const std::vector<SiteSpins>& sites, const std::vector<LineRule>& rules,
                  const std::vector<StrengthNode>& strengths, UniformNodes& nodes) {
    for (std::size_t s = 0; s < sites.size(); ++s) {
        const LineQuadrature& rule = rules[s].rule;
        nodes.pieces.push_back(rules[s].pieces);
        for (const StrengthNode& strength : strengths) {
            UniformBlock block;
            block.begin = nodes.weight.size();
            block.end = block.begin + rule.weight.size();
            block.site = s;
            block.share = sites[s].share * strength.weight;
            block.shift_hz = sites[s].shift_khz * kHzPerKhz;
            block.strength = sites[s].pulse_scale * strength.strength;
            block.strength_slope = sites[s].pulse_scale * strength.slope;
            nodes.blocks.push_back(block);
            for (std::size_t i = 0; i < rule.weight.size(); ++i) {
                nodes.offset_hz.push_back(rule.offset_hz[i] + block.shift_hz);
                nodes.weight.push_back(rule.weight[i] * block.share);
            }
            nodes.length_hz.insert(nodes.length_hz.end(), rule.length_hz.begin(),
                                   rule.length_hz.end());
            if (sites.size() * strengths.size() == 1) continue;
            // Vectors of nodes belong to one block.
            nodes.offset_hz.resize(padded(nodes.offset_hz.size()), nodes.offset_hz.back());
            nodes.weight.resize(nodes.offset_hz.size(), 0.0);
            if (!rule.length_hz.empty()) nodes.length_hz.resize(nodes.offset_hz.size(), 0.0);
            nodes.blocks.back().end = nodes.offset_hz.size();
        }
    }
    for (const double w : nodes.weight) nodes.total_weight += w;
    for (const double offset : nodes.offset_hz) {
        nodes.reach_hz = std::max(nodes.reach_hz, std::abs(offset));
    }
}

/// The longest step that the interpolation bears.
double longest_step(const Experiment& experiment, const UniformNodes& nodes, double tolerance) {
    double low = 0.0;
    // Nearer to the edge's Nyquist limit the formula above is too small.
    constexpr double kMostOfNyquist = 0.77;
    double high = kMostOfNyquist / (2.0 * largest_site_offset_khz(experiment) * kHzPerKhz);
    for (int i = 0; i < 30; ++i) {
        const double middle = 0.5 * (low + high);
        const double error = interpolation_error(nodes, middle, false);
        const bool good = error <= kInterpolationShare * tolerance;
        (good ? low : high) = middle;
    }
    return low;
}

/// Beyond so many nodes of one rule over the whole cut, panels.
constexpr int kMostGlobalNodes = 16384;
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

/// Times at which nodes are compared with the line itself.
std::vector<double> times_of_errors(double longest_s) {
    // Uncoupled spins say how many are enough: the coupled ones' dependence on the offset has the
    // same longest phase. Few nodes on a narrow line are off at short times, too.
    constexpr int kLate = 24, kEarly = 12;
    std::vector<double> time_s;
    time_s.reserve(kLate + kEarly);
    for (int j = 0; j < kLate; ++j) time_s.push_back(longest_s * (1.0 - 0.6 * j / kLate));
    for (int j = 0; j < kEarly; ++j) time_s.push_back(longest_s * 0.4 * j / kEarly);
    return time_s;
}

/// Gauss's rule for the line itself, of fewest nodes; none where it would take long to make, or
/// where rounding is not far below what is asked.
///
/// Args: error: of a rule.
template <class Error>
std::optional<LineQuadrature> gauss_rule(const Line& line, double phase, double tolerance,
                                         const Error& error) {
    // About so many nodes more than one a wave, for each power of ten (measured): one more is had
    // for 2% of them.
    constexpr double kNodesOfDigit = 2.5, kSpare = 0.1;
    constexpr double kMostNodes = 1024.0, kLeastAllowed = 1e-12;
    const double allowed = kSpare * kNodeShare * tolerance;
    if (phase / kPi > kMostNodes || allowed < kLeastAllowed) return std::nullopt;
    const double more = -kNodesOfDigit * std::log10(allowed);
    const int few = static_cast<int>(phase / kPi) + 1;
    const int most = few + static_cast<int>(4.0 * more + 0.1 * few);
    const LineGauss gauss(line, most, line_stretch(few + static_cast<int>(more), allowed));
    for (int n = few + static_cast<int>(more); n <= most;) {
        LineQuadrature rule = gauss.rule(n);
        const double off = error(rule);
        if (off <= allowed) return rule;
        n += std::max(1, static_cast<int>(kNodesOfDigit * std::log10(off / allowed)));
    }
    return std::nullopt;
}

/// Args: spare: whether many curves share the rule, so that it may take longer to make.
LineRule find_rule(const Line& line, const Phasors& exact, const std::vector<double>& time_s,
                   double longest_s, double tolerance, std::optional<int> asked, bool spare) {
    const bool even = shape_of(line).even;
    if (asked) return {line_quadrature(line, *asked, line_stretch(*asked, tolerance)), {}};
    const auto error = [&](const LineQuadrature& rule) {
        return std::ranges::max(node_errors(rule, time_s, exact, even));
    };
    const auto good = [&](const LineQuadrature& rule) {
        return error(rule) <= kNodeShare * tolerance;
    };
    LineQuadrature best;
    bool found = false;
    const double phase = kTwoPi * line_reach_hz(line) * longest_s;
    if (spare) {
        if (auto rule = gauss_rule(line, phase, tolerance, error)) return {std::move(*rule), {}};
    }
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
    return {std::move(best), std::move(pieces)};
}

/// How much what is off in Mz turns the frame until the last sample, 1 at least [rad].
double largest_frame_turn(const Experiment& experiment) {
    return std::max(1.0,
                    largest_turns(experiment).coupling_rad_per_us * last_sample_us(experiment));
}

UniformNodes find_nodes(const Experiment& experiment, double tolerance, double longest_us,
                        bool spare) {
    const double longest_s = longest_us * kSecondsPerUs;
    const std::vector<double> time_s = times_of_errors(longest_s);
    const std::vector<SiteSpins> sites = site_spins(experiment);
    std::vector<LineRule> rules;
    std::vector<double> error(time_s.size(), 0.0);
    for (const SiteSpins& site : sites) {
        const Phasors exact = line_phasor(site.line, time_s);
        rules.push_back(find_rule(site.line, exact, time_s, longest_s, tolerance,
                                  experiment.accuracy.nodes, spare));
        const std::vector<double> own =
            node_errors(rules.back().rule, time_s, exact, shape_of(site.line).even);
        for (std::size_t j = 0; j < own.size(); ++j) error[j] += site.share * own[j];
    }
    UniformNodes nodes;
    nodes.longest_us = longest_us;
    put_together(
        sites, rules,
        strength_rule(experiment.sequence, kNodeShare * tolerance / largest_frame_turn(experiment)),
        nodes);
    for (std::size_t j = 0; j < error.size(); ++j) {
        nodes.error_at.emplace_back(time_s[j] / kSecondsPerUs, error[j]);
    }
    std::ranges::sort(nodes.error_at);
    nodes.error = std::ranges::max(error);
    return nodes;
}

/// How a free decay falls, up to the longest time.
void fill_decay(const Experiment& experiment, UniformNodes& nodes) {
    constexpr int kTimes = 257;
    nodes.decay_spacing_us = nodes.longest_us / (kTimes - 1);
    std::vector<double> time_s;
    time_s.reserve(kTimes);
    for (int k = 0; k < kTimes; ++k) time_s.push_back(k * nodes.decay_spacing_us * kSecondsPerUs);
    nodes.decay.assign(kTimes, 0.0);
    for (const SiteSpins& site : site_spins(experiment)) {
        const Phasors phasors = line_phasor(site.line, time_s);
        for (std::size_t k = 0; k < kTimes; ++k) {
            nodes.decay[k] += site.share * std::abs(phasors[k]);
        }
    }
    // The magnitude may pass through zero between the times.
    double later = 0.0;
    for (auto value = nodes.decay.rbegin(); value != nodes.decay.rend(); ++value) {
        later = std::max(later, std::abs(*value));
        *value = later;
    }
}

/// What the choice of nodes depends on.
auto node_key(const Experiment& e, int level, double longest_us, bool spare) {
    // Pulses matter where their strength is spread.
    const bool spread = has_strengths(e.sequence);
    return std::tuple(e.line, e.sites, spread ? sequence_events(e.sequence) : std::vector<Event>(),
                      spread ? largest_turns(e).coupling_rad_per_us : 0.0, e.sequence.pulse_spread,
                      e.sequence.strengths, last_sample_us(e), longest_us, e.accuracy.tolerance,
                      e.accuracy.nodes.value_or(0), level, spare);
}

}  // namespace

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

UniformNodes uniform_nodes(const Experiment& experiment, int level, double longest_us, bool spare) {
    if (longest_us == 0.0) longest_us = std::max(last_sample_us(experiment), kLeastTimeUs);
    // The search costs as much as a few curves: the last answers are kept.
    using Key = decltype(node_key(experiment, level, longest_us, spare));
    constexpr std::size_t kKept = 64;
    static std::mutex mutex;
    static std::deque<std::pair<Key, UniformNodes>> kept;
    const Key key = node_key(experiment, level, longest_us, spare);
    {
        const std::lock_guard lock(mutex);
        for (const auto& [known, nodes] : kept) {
            if (known == key) return nodes;
        }
    }
    const double tolerance =
        std::max(experiment.accuracy.tolerance * std::pow(10.0, -level), kLeastTolerance);
    UniformNodes nodes = find_nodes(experiment, tolerance, longest_us, spare);
    nodes.half_width_khz = narrowest_half_width_khz(experiment);
    nodes.longest_step_s = longest_step(experiment, nodes, tolerance);
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

UniformNodes finer_nodes(const Experiment& experiment, const UniformPlan& plan, double factor) {
    const UniformNodes& coarse = plan.nodes;
    const double tolerance = std::max(
        experiment.accuracy.tolerance * std::pow(10.0, -plan.step.level - 1), kLeastTolerance);
    const std::vector<SiteSpins> sites = site_spins(experiment);
    const std::size_t strengths = coarse.blocks.size() / sites.size();
    std::vector<LineRule> rules;
    for (std::size_t s = 0; s < sites.size(); ++s) {
        const Line& line = sites[s].line;
        const std::vector<int>& pieces = coarse.pieces[s];
        LineRule rule;
        if (pieces.empty()) {
            const UniformBlock& block = coarse.blocks[s * strengths];
            const double count = factor * static_cast<double>(block.end - block.begin);
            const int n = static_cast<int>(std::ceil(count)) + 7;
            rule.rule = line_quadrature(line, n, line_stretch(n, tolerance));
        } else {
            // A third more panels, and the same longest phase of a piece over `factor`.
            const double panels = std::ceil(4.0 / 3.0 * static_cast<double>(pieces.size()));
            const double longest_s = factor * coarse.longest_us * kSecondsPerUs;
            constexpr double kPhase = 48.0;  // [rad]
            rule.pieces = panel_pieces(line, static_cast<int>(panels), longest_s, kPhase);
            rule.rule = line_quadrature(line, rule.pieces);
        }
        rules.push_back(std::move(rule));
    }
    UniformNodes nodes;
    const bool spread = experiment.sequence.pulse_spread != 0.0;
    put_together(sites, rules,
                 strength_rule(experiment.sequence, static_cast<int>(strengths + (spread ? 2 : 0))),
                 nodes);
    nodes.half_width_khz = coarse.half_width_khz;
    nodes.longest_us = factor * coarse.longest_us;
    return nodes;
}

}  // namespace nmrsim
