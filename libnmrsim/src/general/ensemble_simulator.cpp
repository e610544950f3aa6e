#include "general/ensemble_simulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "base/required_time.h"
#include "general/ensemble_inputs.h"
#include "general/ensemble_steps.h"
#include "lattice/lattice_steps.h"
#include "model/dead_time.h"
#include "model/finite_numbers.h"
#include "model/line_shape.h"
#include "nmrsim/parameters.h"
#include "nmrsim/stop.h"
#include "nmrsim/units.h"
#include "uniform/uniform_plan.h"

namespace nmrsim {
namespace {

/// How steps are made.
struct Method {
    bool eighth = false;  ///< EnsembleSteps::advance_eighth(), not advance()
    int order = 4;
    /// First guess: so many turns of the typical spin, or of the fastest, a step at a tolerance of
    /// 1e-4 [rad]. A second answer corrects it; most curves need one.
    double first_turn = 0.5;
    double largest_turn = 2.5;  ///< of any spin [rad]
    /// What the better answer's error is at most, as a share of the two answers' difference: 1/15
    /// and 1/255 where steps are short enough for the order to tell.
    double share = 1.0 / 3.0;
};

/// Offsets are turned exactly: the series of the turn stays short.
constexpr Method kFourth;
/// It is stable up to 3.8 rad or so, and the spins' own field may turn with them; answers of steps
/// of 1.5 rad and half of that may still agree by chance.
constexpr Method kEighth = {true, 8, 1.4, 1.0, 1.0 / 20.0};
constexpr double kUsualRadians = 100.0;  ///< of a sequence that first_turn is for
/// In longer steps than this [rad] its order does not show yet, and the share is this one.
constexpr double kLongTurn = 0.8;
constexpr double kLongShare = 1.0 / 15.0;

/// Two answers that differ by this share of the largest |M| say nothing of the order.
constexpr double kSaturated = 0.3;
/// At which the error of kEighth's steps is a hundred times rounding.
constexpr double kShortestTurn = 0.2;
/// At which it is rounding.
constexpr double kRoundingTurn = 0.1;

/// Samples are interpolated from steps in which no spin turns by more [rad].
constexpr double kInterpolatedTurn = 1.0;

/// Samples closer than the steps by more than this are interpolated from them.
constexpr double kSpacings = 1.5;

/// From the ends of so many steps; no fewer, or the error would not fall as that of the steps does.
constexpr std::size_t kInterpolationPoints = 14;

/// Steps a period of twice the Larmor frequency, laboratory frame, at a tolerance of 1e-4.
constexpr double kStepsPerCarrier = 12.0;

/// Smaller |M| is no signal.
constexpr double kLeastPeak = 1e-300;

/// Halvings are given up after this many: the tolerance is below rounding.
constexpr int kMostRefinements = 8;

/// An estimate is a bound: what uncoupled spins say of the nodes, times so much.
constexpr double kNodeMargin = 4.0;

/// The better answer's nodes are for a tolerance of so many powers of ten less: coupled spins may
/// make more of their error than uncoupled ones, by thousands, and the difference to fewer nodes
/// tells.
constexpr int kMoreLevels = 2;

/// What rounding alone leaves of the error of M (10,000 steps, measured 1e-14).
constexpr double kRounding = 1e-13;

constexpr int kMostTangentsAtOnce = 3;

/// More steps than any computer takes.
constexpr double kMostSteps = 1e12;

/// Free evolution or a finite pulse, after ideal ones.
template <class Scalar>
struct Stretch {
    std::vector<std::size_t> pulses;  ///< ideal, events' indices
    Scalar begin = 0.0;               ///< [us]
    Scalar end = 0.0;
    Scalar duration = 0.0;  ///< of all but the last: times lose the digits of very short ones
    Scalar drive_x = 0.0;   ///< [rad/us]
    Scalar drive_y = 0.0;
};

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

/// How fast things change, from which follows how long steps are.
struct Rates {
    double typical = 0.0;  ///< of the field and the typical spin, without a drive [rad/us]
    double fastest = 0.0;  ///< that a spin can turn and relax, without a drive [rad/us]
    double carrier = 0.0;  ///< what turns at twice the Larmor frequency and is stepped [rad/us]
};

/// Pieces between samples are cut evenly into steps of at most longest_us(), and each of these into
/// `parts`.
struct StepSize {
    Method method = kFourth;
    double turn = kFourth.first_turn;  ///< in a step, as method.first_turn [rad]
    int parts = 1;
    double forced_us = 0.0;  ///< where above 0: so long, whatever the rates are [us]

    /// What the better answer's error is at most, as a share of the two answers' difference.
    double share() const { return method.eighth && turn > kLongTurn ? kLongShare : method.share; }

    /// With a drive of so many rad/us, spins turning by at most `fastest`; `last_us` where nothing
    /// moves at all.
    double longest_us(const Rates& rates, double drive, double fastest, double last_us) const {
        double longest = last_us + 1.0;
        if (forced_us > 0.0) {
            longest = forced_us;
        } else {
            const double rate = method.eighth ? fastest : rates.typical + drive;
            if (rate > 0.0) longest = std::min(longest, turn / rate);
            if (rates.carrier > 0.0) {
                const double share = std::min(turn / method.first_turn, 1.0);
                longest = std::min(longest, kTwoPi / rates.carrier / kStepsPerCarrier * share);
            }
        }
        return fastest > 0.0 ? std::min(longest, method.largest_turn / fastest) : longest;
    }
};

/// Steps of equal length that cover `length_us`, none longer than `longest_us`.
///
/// Throws: std::runtime_error where they are too many to be counted.
long steps_that_cover(double length_us, double longest_us) {
    const double count = std::ceil(length_us / longest_us * (1.0 - kSameTime));
    if (!(count < kMostSteps)) {
        throw std::runtime_error(
            fmt::format("too many steps: {} us in steps of {:.1e} us", length_us, longest_us));
    }
    return std::max(1L, static_cast<long>(count));
}

/// Magnetization at the ends of steps.
template <class Scalar>
struct Track {
    std::vector<Scalar> time;  ///< [us]
    std::vector<Vec3<Scalar>> mean;

    /// At any time between, by the polynomial through the nearest ones.
    Vec3<Scalar> at(const Scalar& t) const {
        const std::size_t n = std::min(kInterpolationPoints, time.size());
        const double when = part(t, 0);
        std::size_t after = 0;
        while (after < time.size() && part(time[after], 0) < when) ++after;
        const std::size_t first = std::min(after > n / 2 ? after - n / 2 : 0, time.size() - n);
        Vec3<Scalar> sum;
        for (std::size_t p = first; p < first + n; ++p) {
            Scalar value = 1.0;
            for (std::size_t q = first; q < first + n; ++q) {
                if (q != p) value = value * ((t - time[q]) / (time[p] - time[q]));
            }
            sum = sum + value * mean[p];
        }
        return sum;
    }
};

/// Magnetization at the samples, (points).
template <class Scalar>
std::vector<Vec3<Scalar>> evolve(const Experiment& experiment, const EnsembleInputs<Scalar>& inputs,
                                 const Rates& rates, const StepSize& size, int threads) {
    const bool laboratory = experiment.accuracy.frame == Frame::laboratory;
    EnsembleSteps<Scalar> steps(inputs, experiment.lattice,
                                laboratory ? CounterRotating::stepped : CounterRotating::averaged,
                                experiment.accuracy.magnus_order, threads);
    // What turns at twice the Larmor frequency is not smooth on the steps' scale.
    const bool interpolates = !laboratory && !steps.averages_beyond_first();
    std::vector<Vec3<Scalar>> signal;
    const double last = part(inputs.sample.back(), 0);
    const double same = kSameTime * std::max(last, 1e-3);
    Scalar now = 0.0;
    std::size_t next = 0;
    const auto parts = stretches(experiment, inputs);
    for (std::size_t p = 0; p < parts.size() && next < inputs.sample.size(); ++p) {
        const Stretch<Scalar>& stretch = parts[p];
        const bool final = p + 1 == parts.size();
        for (const std::size_t e : stretch.pulses) steps.pulse(inputs.flip[e], inputs.phase[e]);
        steps.set_drive(stretch.drive_x, stretch.drive_y);
        steps.to_slow(now);
        const double drive = std::hypot(part(stretch.drive_x, 0), part(stretch.drive_y, 0));
        const double fastest = rates.fastest + drive;
        const double longest = size.longest_us(rates, drive, fastest, last);
        const auto advance = [&](const Scalar& time, const Scalar& one) {
            throw_if_stopped();
            if (size.method.eighth) {
                steps.advance_eighth(time, one);
            } else {
                steps.advance(time, one, std::abs(part(one, 0)) * fastest);
            }
        };
        const auto advance_by = [&](const Scalar& span) {
            const double length = part(span, 0);
            if (!(length > 0.0) && !has_slope(span)) return;
            const long count = size.parts * steps_that_cover(length, longest);
            const Scalar one = (1.0 / static_cast<double>(count)) * span;
            for (long k = 0; k < count; ++k) advance(now + static_cast<double>(k) * one, one);
        };
        const auto advance_to = [&](const Scalar& target) {
            advance_by(target - now);
            now = target;
        };
        std::size_t end = next;
        while (end < inputs.sample.size() &&
               (final || part(inputs.sample[end], 0) < part(stretch.end, 0) - same)) {
            ++end;
        }
        // Steps longer than the samples' spacing: through the whole stretch, then between them.
        // What follows the last sample is nobody's business.
        const Scalar until = end == inputs.sample.size() ? inputs.sample.back() : stretch.end;
        const double length = part(until, 0) - part(now, 0);
        const double smooth = fastest > 0.0 ? kInterpolatedTurn / fastest : longest;
        const double fewest = static_cast<double>(kInterpolationPoints - 1);
        if (interpolates && length > same &&
            static_cast<double>(end - next) > kSpacings * std::max(length / longest, fewest)) {
            Track<Scalar> track;
            const Scalar begin = now;
            const long count =
                size.parts * steps_that_cover(length, std::min({longest, smooth, length / fewest}));
            const Scalar one = (1.0 / static_cast<double>(count)) * (until - begin);
            track.time.push_back(begin);
            track.mean.push_back(steps.mean());
            for (long k = 0; k < count; ++k) {
                advance(begin + static_cast<double>(k) * one, one);
                track.time.push_back(begin + static_cast<double>(k + 1) * one);
                track.mean.push_back(steps.mean());
            }
            now = until;
            for (; next < end; ++next) signal.push_back(track.at(inputs.sample[next]));
            continue;
        }
        for (; next < inputs.sample.size() &&
               (final || part(inputs.sample[next], 0) < part(stretch.end, 0) - same);
             ++next) {
            advance_to(inputs.sample[next]);
            if (steps.averages_beyond_first()) {
                const SpinVectors<Scalar> slow = steps.spins;
                steps.to_fast(now);
                signal.push_back(steps.mean());
                steps.spins = slow;
            } else {
                signal.push_back(steps.mean());
            }
        }
        if (final || next == inputs.sample.size()) break;
        if (part(now, 0) == part(stretch.begin, 0)) {
            advance_by(stretch.duration);
            now = stretch.end;
        } else {
            advance_to(stretch.end);
        }
        steps.to_fast(now);
    }
    return signal;
}

Signal as_signal(const EnsembleInputs<double>& inputs, const std::vector<Vec3<double>>& m) {
    Signal signal;
    signal.time_us = inputs.sample;
    for (const Vec3<double>& one : m) {
        signal.mx.push_back(one.x);
        signal.my.push_back(one.y);
        signal.mz.push_back(one.z);
    }
    return signal;
}

/// Args: by_counter: whether a derivative is asked for that the counter-rotating coupling has.
Rates rates_of(const Experiment& experiment, const EnsembleInputs<double>& inputs,
               bool by_counter = false) {
    double mean_square = 0.0, weight = 0.0, edge = 0.0;
    for (std::size_t i = 0; i < inputs.offset.size(); ++i) {
        mean_square += std::abs(inputs.weight[i]) * inputs.offset[i] * inputs.offset[i];
        weight += std::abs(inputs.weight[i]);
        edge = std::max(edge, std::abs(inputs.offset[i]));
    }
    double norm = inputs.kernel.empty() ? weight : 0.0;
    for (const double f : inputs.kernel) norm += std::abs(f);
    const double field =
        kSpinLength * norm *
        std::max(std::abs(inputs.plane) + std::abs(inputs.counter), std::abs(inputs.z));
    const double losses = inputs.transverse + inputs.longitudinal;
    Rates rates;
    rates.typical = field + std::sqrt(mean_square / std::max(weight, 1e-300)) + losses;
    rates.fastest = field + edge + losses;
    const bool stepped = experiment.accuracy.frame == Frame::laboratory;
    if (stepped && (inputs.counter != 0.0 || by_counter)) rates.carrier = inputs.carrier;
    return rates;
}

/// Where refining starts, by a method.
StepSize first_size(const Experiment& experiment, const Method& method) {
    StepSize size;
    size.method = method;
    const Acquisition& acquisition = experiment.acquisition;
    if (experiment.accuracy.steps_per_point && acquisition.points > 1) {
        size.forced_us = (acquisition.stop_us - acquisition.start_us) / (acquisition.points - 1) /
                         *experiment.accuracy.steps_per_point;
    }
    size.turn =
        method.first_turn * std::pow(experiment.accuracy.tolerance / 1e-4, 1.0 / method.order);
    return size;
}

/// Steps of one answer, about.
double steps_of(const Experiment& experiment, const EnsembleInputs<double>& inputs,
                const Rates& rates, const StepSize& size) {
    const double last = inputs.sample.back();
    double steps = static_cast<double>(inputs.sample.size());
    for (const Stretch<double>& stretch : stretches(experiment, inputs)) {
        const double length = std::min(stretch.end, last) - stretch.begin;
        if (!(length > 0.0)) continue;
        const double drive = std::hypot(stretch.drive_x, stretch.drive_y);
        steps += 1.0 + length / size.longest_us(rates, drive, rates.fastest + drive, last);
    }
    return size.parts * steps;
}

/// Additions and multiplications of a spin's step. Fourth order: six turns of some ten terms, each
/// a cross product and a sum, and four fields; eighth: eleven slopes, sums of seven and fields.
double flops_of_step(const EnsembleInputs<double>& inputs, const Method& method) {
    const double spins = static_cast<double>(inputs.offset.size());
    const double field = inputs.kernel.empty() ? 6.0 : 15.0 * std::log2(spins + 1.0);
    return method.eighth ? 11.0 * (15.0 + 7.0 * 6.0 + field) : 6.0 * 10.0 * 15.0 + 4.0 * field;
}

/// Where refining starts, by the cheaper method.
StepSize first_size(const Experiment& experiment, const EnsembleInputs<double>& inputs,
                    const Rates& rates) {
    const StepSize fourth = first_size(experiment, kFourth);
    if (fourth.forced_us > 0.0) return fourth;
    StepSize eighth = first_size(experiment, kEighth);
    // Errors gather: beyond that many radian steps are shorter from the start, or the coarse answer
    // would mean nothing.
    const double radians = rates.fastest * inputs.sample.back();
    eighth.turn *= std::pow(std::min(1.0, kUsualRadians / std::max(radians, 1e-300)),
                            1.0 / eighth.method.order);
    eighth.turn = std::min(eighth.turn, eighth.method.largest_turn);
    const auto flops = [&](const StepSize& size) {
        return steps_of(experiment, inputs, rates, size) * flops_of_step(inputs, size.method);
    };
    return flops(eighth) < flops(fourth) ? eighth : fourth;
}

/// The spins of some nodes.
struct Spins {
    EnsembleNodes nodes;
    EnsembleInputs<double> inputs;
    Rates rates;
};

struct Refined {
    Spins spins;
    Signal signal;
    StepSize size;  ///< what keeps the tolerance, for the derivatives
};

/// The curve on nodes and at a step that keep the tolerance: two answers, one with twice the steps
/// and more nodes.
Refined refine(const Experiment& experiment, int threads, bool by_counter = false) {
    // What the nodes add to the two answers' difference has all but gone from the better one.
    const double tolerance = experiment.accuracy.tolerance;
    const auto spins_on = [&](EnsembleNodes nodes) {
        Spins spins{std::move(nodes), {}, {}};
        spins.inputs = ensemble_inputs(experiment, spins.nodes);
        spins.rates = rates_of(experiment, spins.inputs, by_counter);
        return spins;
    };
    StepSize size;
    const auto answer = [&](const Spins& spins, int parts) {
        size.parts = parts;
        return as_signal(spins.inputs,
                         evolve<double>(experiment, spins.inputs, spins.rates, size, threads));
    };
    const auto finer = [&](const Spins& spins, int levels) {
        EnsembleNodes nodes = finer_nodes(experiment, spins.nodes, levels);
        return nodes.level == spins.nodes.level ? spins : spins_on(std::move(nodes));
    };
    Spins few = spins_on(ensemble_nodes(experiment));
    Spins more = finer(few, kMoreLevels);
    size = first_size(experiment, few.inputs, few.rates);
    for (int k = 0;; ++k) {
        size.parts = 1;
        const auto flops = [&](const Spins& spins) {
            return steps_of(experiment, spins.inputs, spins.rates, size) *
                   flops_of_step(spins.inputs, size.method) *
                   static_cast<double>(spins.inputs.offset.size());
        };
        require_time(flops(few) + 2.0 * flops(more));
        const Signal coarse = answer(few, 1);
        // The nodes were chosen for the echo that uncoupled spins would make.
        const double about = std::max(heard_peak(experiment, coarse), kLeastPeak);
        if (needs_more_nodes(experiment, few.nodes, about)) {
            few = spins_on(ensemble_nodes(experiment, about));
            more = finer(few, kMoreLevels);
            continue;
        }
        Signal fine = answer(more, 2);
        const double largest = std::max(heard_peak(experiment, fine), kLeastPeak);
        const auto error_of = [&](const Signal& a, const Signal& b) {
            return size.share() * relative_difference(experiment, b, a, kLeastPeak);
        };
        const double error = error_of(fine, coarse);
        const double of_nodes = kNodeMargin * more.nodes.error / largest;
        const bool forced = size.forced_us > 0.0;
        // What more steps do not mend is not asked of them.
        const double share = std::max(tolerance - of_nodes, 0.5 * tolerance);
        if (forced || error <= share || k >= kMostRefinements) {
            fine.estimated_error = error + of_nodes + kRounding / largest;
            size.parts = 2;
            return {std::move(more), std::move(fine), size};
        }
        double of_steps = error;
        if (more.nodes.level > few.nodes.level) {
            const Signal between = answer(more, 1);
            of_steps = error_of(fine, between);
            const double decades = std::log10(error_of(between, coarse) / share);
            if (decades > -kMoreLevels) {
                few = finer(few, std::max(kMoreLevels, static_cast<int>(std::ceil(decades))));
                more = finer(few, kMoreLevels);
            }
        }
        const bool saturated = !(of_steps <= kSaturated * size.share());
        // Errors have grown to the curve's own size: shorter steps pay only if these do.
        if (size.method.eighth && size.turn <= (saturated ? kShortestTurn : kRoundingTurn) &&
            !(of_steps <= share)) {
            throw std::runtime_error(fmt::format(
                "the simulation cannot keep accuracy.tolerance = {:.3g}: in this experiment errors "
                "of rounding grow to {:.1g} of the largest |M|",
                tolerance, std::min(1.0, of_steps / size.share())));
        }
        if (saturated) {
            size.method = kEighth;
            size.turn = kShortestTurn;
        } else if (of_steps > 0.5 * share) {
            const double power = 1.0 / size.method.order;
            size.turn *= std::clamp(std::pow(0.3 * share / of_steps, power), 1.0 / 16.0, 0.8);
        }
    }
}

template <int size>
void add_slopes(const Experiment& experiment, const Refined& refined,
                const std::vector<std::vector<double>>& slopes, int threads,
                SignalJacobian& result) {
    const std::vector<Vec3<Dual<size>>> m =
        evolve(experiment, with_slopes<size>(refined.spins.inputs, slopes), refined.spins.rates,
               refined.size, threads);
    for (std::size_t t = 0; t < slopes.size(); ++t) {
        std::array<std::vector<double>, 3> column;
        for (const Vec3<Dual<size>>& one : m) {
            column[0].push_back(one.x.slope[t]);
            column[1].push_back(one.y.slope[t]);
            column[2].push_back(one.z.slope[t]);
        }
        result.dmx.push_back(std::move(column[0]));
        result.dmy.push_back(std::move(column[1]));
        result.dmz.push_back(std::move(column[2]));
    }
}

}  // namespace

bool needs_ensemble(const Experiment& experiment) {
    const Interaction& interaction = experiment.interaction;
    const Line& line = experiment.line;
    const StartState& start = experiment.start;
    const bool counter_rotates =
        interaction.alpha_y_khz && *interaction.alpha_y_khz != interaction.alpha_x_khz;
    if (counter_rotates &&
        (experiment.accuracy.magnus_order > 1 || experiment.accuracy.frame == Frame::laboratory)) {
        return true;
    }
    if (start.mx != 0.0 || start.my != 0.0 || start.mz != kSpinLength) return true;
    if (line.centre_khz != 0.0) return true;
    if (is_uniform(experiment)) {
        if (line.spins > 0) return true;
        if (!shape_of(line).fast_converges) return true;
    } else if (experiment.lattice.nz > 1) {
        return true;
    }
    for (const Event& event : sequence_events(experiment.sequence)) {
        const auto* pulse = std::get_if<Pulse>(&event);
        if (pulse && pulse->duration_us > 0.0) return true;
    }
    return false;
}

Signal simulate_ensemble(const Experiment& experiment) {
    return simulate_ensemble_in_team(experiment, 1);
}

Signal simulate_ensemble_in_team(const Experiment& experiment, int threads) {
    return refine(experiment, threads).signal;
}

SimulationCost ensemble_cost(const Experiment& experiment) {
    const EnsembleInputs<double> inputs = ensemble_inputs(experiment, ensemble_nodes(experiment));
    const Rates rates = rates_of(experiment, inputs);
    const StepSize size = first_size(experiment, inputs, rates);
    SimulationCost cost;
    cost.elements = static_cast<double>(inputs.offset.size());
    // One run and one of twice the steps.
    cost.steps = 3.0 * steps_of(experiment, inputs, rates, size);
    cost.flops = cost.spin_steps() * flops_of_step(inputs, size.method);
    return cost;
}

SignalJacobian simulate_ensemble_with_jacobian(const Experiment& experiment,
                                               std::span<const std::string> parameters,
                                               int threads) {
    for (const std::string& name : parameters) {
        const Parameter& row = parameter(name);
        if (name == "noise" || name == "tolerance") {
            throw std::invalid_argument(
                fmt::format("no curve depends on {}.{}", row.table, row.name));
        }
        if (!row.applies(experiment)) {
            throw std::invalid_argument(
                fmt::format("{}.{} does not apply to this experiment", row.table, row.name));
        }
        if (!std::isfinite(row.get(experiment))) {
            throw std::invalid_argument(fmt::format("{}.{} must be finite for a derivative, got {}",
                                                    row.table, row.name, row.get(experiment)));
        }
        if (std::string_view(name).ends_with("_duration_us") && !(row.get(experiment) > 0.0)) {
            // An ideal pulse has no field that would act for a time.
            throw std::invalid_argument(fmt::format("{}.{} must be > 0 for a derivative, got {}",
                                                    row.table, row.name, row.get(experiment)));
        }
    }
    const bool by_counter = std::any_of(parameters.begin(), parameters.end(), [](const auto& name) {
        return name == "alpha_x_khz" || name == "alpha_y_khz";
    });
    const Refined refined = refine(experiment, threads, by_counter);
    std::vector<std::vector<double>> slopes;
    for (const std::string& name : parameters) {
        slopes.push_back(input_slopes(experiment, refined.spins.nodes, name));
    }
    SignalJacobian result;
    result.parameters.assign(parameters.begin(), parameters.end());
    result.signal = refined.signal;
    for (std::size_t next = 0; next < slopes.size(); next += kMostTangentsAtOnce) {
        const std::size_t end = std::min(slopes.size(), next + kMostTangentsAtOnce);
        const std::vector<std::vector<double>> some(
            slopes.begin() + static_cast<std::ptrdiff_t>(next),
            slopes.begin() + static_cast<std::ptrdiff_t>(end));
        switch (some.size()) {
            case 1:
                add_slopes<1>(experiment, refined, some, threads, result);
                break;
            case 2:
                add_slopes<2>(experiment, refined, some, threads, result);
                break;
            default:
                add_slopes<3>(experiment, refined, some, threads, result);
        }
    }
    return result;
}

}  // namespace nmrsim
