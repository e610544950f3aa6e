#include "ensemble_simulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "dead_time.h"
#include "ensemble_inputs.h"
#include "ensemble_steps.h"
#include "finite_numbers.h"
#include "lattice_steps.h"
#include "nmrsim/parameters.h"
#include "nmrsim/stop.h"
#include "nmrsim/units.h"
#include "uniform_plan.h"

namespace nmrsim {
namespace {

/// First guess: so many turns of the typical spin a step at a tolerance of 1e-4 [rad]. Halving
/// corrects it; most curves need one.
constexpr double kFirstTurn = 0.5;

/// No spin turns by more in a step [rad]: the series of the turn stays short.
constexpr double kLargestTurn = 2.5;

/// Samples closer than the steps by more than this are interpolated from them.
constexpr double kSpacings = 1.5;

/// From so many steps. Too few for the tolerance, and halving finds it out.
constexpr std::size_t kInterpolationPoints = 14;

/// Steps a period of twice the Larmor frequency, laboratory frame, at a tolerance of 1e-4.
constexpr double kStepsPerCarrier = 12.0;

/// Halvings are given up after this many: the tolerance is below rounding.
constexpr int kMostRefinements = 8;

/// Estimates are bounds: what halving says of the steps and uncoupled spins of the nodes, times so
/// much.
constexpr double kStepMargin = 3.0;
constexpr double kNodeMargin = 4.0;

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
    Scalar drive_x = 0.0;  ///< [rad/us]
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
        now.end = now.begin + inputs.duration[e];
        if (is_pulse) {
            const Scalar rate = inputs.flip[e] / inputs.duration[e];
            now.drive_x = rate * cos(inputs.phase[e]);
            now.drive_y = rate * sin(inputs.phase[e]);
        }
        const Scalar next = now.end;
        result.push_back({{}, next, next, 0.0, 0.0});
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
    double turn = kFirstTurn;  ///< of the typical spin in a step [rad]
    int parts = 1;
    double forced_us = 0.0;  ///< where above 0: so long, whatever the rates are [us]

    /// With a drive of so many rad/us, spins turning by at most `fastest`; `last_us` where nothing
    /// moves at all.
    double longest_us(const Rates& rates, double drive, double fastest, double last_us) const {
        double longest = last_us + 1.0;
        if (forced_us > 0.0) {
            longest = forced_us;
        } else {
            const double rate = rates.typical + drive;
            if (rate > 0.0) longest = std::min(longest, turn / rate);
            if (rates.carrier > 0.0) {
                const double share = std::min(turn / kFirstTurn, 1.0);
                longest = std::min(longest, kTwoPi / rates.carrier / kStepsPerCarrier * share);
            }
        }
        return fastest > 0.0 ? std::min(longest, kLargestTurn / fastest) : longest;
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
            steps.advance(time, one, std::abs(part(one, 0)) * fastest);
        };
        const auto advance_to = [&](const Scalar& target) {
            const Scalar span = target - now;
            const double length = part(span, 0);
            if (std::abs(length) <= same && !has_slope(span)) return;
            const long count = size.parts * steps_that_cover(length, longest);
            const Scalar one = (1.0 / static_cast<double>(count)) * span;
            for (long k = 0; k < count; ++k) advance(now + static_cast<double>(k) * one, one);
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
        if (interpolates && length > same &&
            static_cast<double>(end - next) * longest > kSpacings * length) {
            Track<Scalar> track;
            const Scalar begin = now;
            const long count = size.parts * steps_that_cover(length, longest);
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
        if (final) break;
        advance_to(stretch.end);
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

/// Where halving starts.
StepSize first_size(const Experiment& experiment) {
    StepSize size;
    const Acquisition& acquisition = experiment.acquisition;
    if (experiment.accuracy.steps_per_point && acquisition.points > 1) {
        size.forced_us = (acquisition.stop_us - acquisition.start_us) / (acquisition.points - 1) /
                         *experiment.accuracy.steps_per_point;
    }
    size.turn = kFirstTurn * std::pow(experiment.accuracy.tolerance / 1e-4, 0.25);
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

/// Additions and multiplications of a spin's step: six turns of some ten terms, each a cross
/// product and a sum, and four fields.
double flops_of_step(const EnsembleInputs<double>& inputs) {
    const double spins = static_cast<double>(inputs.offset.size());
    const double field = inputs.kernel.empty() ? 6.0 : 15.0 * std::log2(spins + 1.0);
    return 6.0 * 10.0 * 15.0 + 4.0 * field;
}

struct Refined {
    EnsembleNodes nodes;
    EnsembleInputs<double> inputs;
    Rates rates;
    Signal signal;
    StepSize size;  ///< what keeps the tolerance, for the derivatives
};

/// The curve on nodes and at a step that keep the tolerance: two answers, one with twice the steps.
Refined refine(const Experiment& experiment, int threads, bool by_counter = false) {
    // Fourth order: with twice the steps a sixteenth of the error, and the difference of the two is
    // fifteen times that.
    constexpr double kOrderPower = 16.0;
    const double tolerance = experiment.accuracy.tolerance;
    Refined result;
    result.nodes = ensemble_nodes(experiment);
    result.inputs = ensemble_inputs(experiment, result.nodes);
    result.rates = rates_of(experiment, result.inputs, by_counter);
    StepSize size = first_size(experiment);
    for (int k = 0;; ++k) {
        require_time(3.0 * steps_of(experiment, result.inputs, result.rates, size) *
                     flops_of_step(result.inputs) *
                     static_cast<double>(result.inputs.offset.size()));
        const auto answer = [&](int parts) {
            size.parts = parts;
            return as_signal(result.inputs, evolve<double>(experiment, result.inputs, result.rates,
                                                           size, threads));
        };
        const Signal coarse = answer(1);
        // The nodes were chosen for the echo that uncoupled spins would make.
        const double about = std::max(heard_peak(experiment, coarse), 1e-300);
        if (needs_more_nodes(experiment, result.nodes, about)) {
            result.nodes = ensemble_nodes(experiment, about);
            result.inputs = ensemble_inputs(experiment, result.nodes);
            result.rates = rates_of(experiment, result.inputs, by_counter);
            continue;
        }
        Signal fine = answer(2);
        const double largest = std::max(heard_peak(experiment, fine), 1e-300);
        const double error = kStepMargin * heard_difference(experiment, fine, coarse) /
                             (kOrderPower - 1.0) / largest;
        const double of_nodes = kNodeMargin * result.nodes.error / largest;
        const bool forced = size.forced_us > 0.0;
        // What more steps do not mend is not asked of them.
        const double share = std::max(tolerance - of_nodes, 0.5 * tolerance);
        if (forced || error <= share || k >= kMostRefinements) {
            fine.estimated_error = error + of_nodes + kRounding / largest;
            const bool coarse_keeps = kOrderPower * error <= tolerance;
            size.parts = coarse_keeps && !forced ? 1 : 2;
            result.size = size;
            result.signal = std::move(fine);
            return result;
        }
        size.turn *= std::clamp(std::pow(0.5 * share / error, 0.25), 1.0 / 16.0, 0.8);
    }
}

template <int size>
void add_slopes(const Experiment& experiment, const Refined& refined,
                const std::vector<std::vector<double>>& slopes, int threads,
                SignalJacobian& result) {
    const std::vector<Vec3<Dual<size>>> m =
        evolve(experiment, with_slopes<size>(refined.inputs, slopes), refined.rates, refined.size,
               threads);
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
        if (line.shape == LineShape::voigt || line.shape == LineShape::table) return true;
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
    SimulationCost cost;
    cost.elements = static_cast<double>(inputs.offset.size());
    // One run and one of twice the steps.
    cost.steps =
        3.0 * steps_of(experiment, inputs, rates_of(experiment, inputs), first_size(experiment));
    cost.flops = cost.spin_steps() * flops_of_step(inputs);
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
        slopes.push_back(input_slopes(experiment, refined.nodes, name));
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
