#include "ensemble_simulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "ensemble_inputs.h"
#include "ensemble_steps.h"
#include "lattice_steps.h"
#include "nmrsim/parameters.h"
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

/// What rounding alone leaves of the error, over the largest |M| (10,000 steps, measured 1e-14).
constexpr double kRounding = 1e-13;

constexpr int kMostTangentsAtOnce = 3;

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

/// How long steps are: pieces between samples are cut evenly into steps of at most `longest_us`,
/// and each of these into `parts`.
struct StepSize {
    double longest_us = 0.0;
    int parts = 1;
};

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
                                 const StepSize& size) {
    const bool laboratory = experiment.accuracy.frame == Frame::laboratory;
    EnsembleSteps<Scalar> steps(inputs, experiment.lattice,
                                laboratory ? CounterRotating::stepped : CounterRotating::averaged,
                                experiment.accuracy.magnus_order);
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
        const double fastest =
            steps.fastest() + std::hypot(part(stretch.drive_x, 0), part(stretch.drive_y, 0));
        const double longest = std::min(size.longest_us, kLargestTurn / fastest);
        const auto advance_to = [&](const Scalar& target) {
            const Scalar span = target - now;
            const double length = part(span, 0);
            if (std::abs(length) <= same && !has_slope(span)) return;
            const int count =
                size.parts *
                std::max(1, static_cast<int>(std::ceil(length / longest * (1.0 - kSameTime))));
            const Scalar one = (1.0 / count) * span;
            for (int k = 0; k < count; ++k) {
                steps.advance(now + static_cast<double>(k) * one, one,
                              std::abs(part(one, 0)) * fastest);
            }
            now = target;
        };
        std::size_t end = next;
        while (end < inputs.sample.size() &&
               (final || part(inputs.sample[end], 0) < part(stretch.end, 0) - same)) {
            ++end;
        }
        // Steps longer than the samples' spacing: through the whole stretch, then between them.
        const double length = part(stretch.end, 0) - part(now, 0);
        if (interpolates && static_cast<double>(end - next) * longest > kSpacings * length) {
            Track<Scalar> track;
            const Scalar begin = now;
            const int count =
                size.parts *
                std::max(1, static_cast<int>(std::ceil(length / longest * (1.0 - kSameTime))));
            const Scalar one = (1.0 / count) * (stretch.end - begin);
            track.time.push_back(begin);
            track.mean.push_back(steps.mean());
            for (int k = 0; k < count; ++k) {
                steps.advance(begin + static_cast<double>(k) * one, one, part(one, 0) * fastest);
                track.time.push_back(begin + static_cast<double>(k + 1) * one);
                track.mean.push_back(steps.mean());
            }
            now = stretch.end;
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

/// Where halving starts [us].
double first_step_us(const Experiment& experiment, const EnsembleInputs<double>& inputs) {
    double mean_square = 0.0, weight = 0.0;
    for (std::size_t i = 0; i < inputs.offset.size(); ++i) {
        mean_square += std::abs(inputs.weight[i]) * inputs.offset[i] * inputs.offset[i];
        weight += std::abs(inputs.weight[i]);
    }
    double norm = inputs.kernel.empty() ? weight : 0.0;
    for (const double f : inputs.kernel) norm += std::abs(f);
    const double field =
        kSpinLength * norm *
        std::max(std::abs(inputs.plane) + std::abs(inputs.counter), std::abs(inputs.z));
    double drive = 0.0;
    for (std::size_t e = 0; e < inputs.flip.size(); ++e) {
        if (inputs.duration[e] > 0.0) {
            drive = std::max(drive, std::abs(inputs.flip[e]) / inputs.duration[e]);
        }
    }
    const double rate = field + drive + std::sqrt(mean_square / std::max(weight, 1e-300)) +
                        inputs.transverse + inputs.longitudinal;
    const double scale = std::pow(experiment.accuracy.tolerance / 1e-4, 0.25);
    double step = rate > 0.0 ? kFirstTurn * scale / rate : inputs.sample.back() + 1.0;
    if (experiment.accuracy.frame == Frame::laboratory && inputs.counter != 0.0) {
        step = std::min(step, kTwoPi / inputs.carrier / kStepsPerCarrier * std::min(scale, 1.0));
    }
    return step;
}

struct Refined {
    Signal signal;
    StepSize size;  ///< what keeps the tolerance, for the derivatives
};

/// The curve at a step that keeps the tolerance: two answers, one with twice the steps.
Refined refine(const Experiment& experiment, const EnsembleInputs<double>& inputs) {
    // Fourth order: with twice the steps a sixteenth of the error, and the difference of the two is
    // fifteen times that.
    constexpr double kOrderPower = 16.0;
    const Acquisition& acquisition = experiment.acquisition;
    const double tolerance = experiment.accuracy.tolerance;
    const bool forced = experiment.accuracy.steps_per_point.has_value() && acquisition.points > 1;
    double step = forced ? (acquisition.stop_us - acquisition.start_us) / (acquisition.points - 1) /
                               *experiment.accuracy.steps_per_point
                         : first_step_us(experiment, inputs);
    for (int k = 0;; ++k) {
        const Signal coarse = as_signal(inputs, evolve<double>(experiment, inputs, {step, 1}));
        Signal fine = as_signal(inputs, evolve<double>(experiment, inputs, {step, 2}));
        const double largest = std::max(peak_magnitude(fine), 1e-300);
        const double error = largest_difference(fine, coarse) / (kOrderPower - 1.0) / largest;
        if (forced || error <= (1.0 - kNodeShare) * tolerance || k == kMostRefinements) {
            // The nodes, under the uniform kernel, were chosen to stay below their share; forced
            // ones are taken at their word.
            const bool integrates =
                inputs.kernel.empty() && experiment.line.spins == 0 && !experiment.accuracy.nodes;
            fine.estimated_error =
                std::max(error, kRounding) + (integrates ? kNodeShare * tolerance : 0.0);
            const bool coarse_keeps = kOrderPower * error <= tolerance;
            return {std::move(fine), {step, coarse_keeps && !forced ? 1 : 2}};
        }
        step *= std::max(std::pow(0.5 * tolerance / error, 0.25), 1.0 / 16.0);
    }
}

template <int size>
void add_slopes(const Experiment& experiment, const EnsembleInputs<double>& plain,
                const std::vector<std::vector<double>>& slopes, const StepSize& step_size,
                SignalJacobian& result) {
    const std::vector<Vec3<Dual<size>>> m =
        evolve(experiment, with_slopes<size>(plain, slopes), step_size);
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
    return refine(experiment, ensemble_inputs(experiment, ensemble_nodes(experiment))).signal;
}

SimulationCost ensemble_cost(const Experiment& experiment) {
    const EnsembleInputs<double> inputs = ensemble_inputs(experiment, ensemble_nodes(experiment));
    const double step_us = first_step_us(experiment, inputs);
    SimulationCost cost;
    cost.elements = static_cast<double>(inputs.offset.size());
    // One run and one of twice the steps; a step ends at each sample.
    double now = 0.0;
    for (const double sample : inputs.sample) {
        cost.steps += 3.0 * std::ceil((sample - now) / step_us * (1.0 - kSameTime));
        now = sample;
    }
    // Six turns of some ten terms a step, each a cross product and a sum, and four fields.
    const double field = inputs.kernel.empty() ? 6.0 : 15.0 * std::log2(cost.elements + 1.0);
    cost.flops = cost.spin_steps() * (6.0 * 10.0 * 15.0 + 4.0 * field);
    return cost;
}

SignalJacobian simulate_ensemble_with_jacobian(const Experiment& experiment,
                                               std::span<const std::string> parameters) {
    const EnsembleNodes nodes = ensemble_nodes(experiment);
    const EnsembleInputs<double> inputs = ensemble_inputs(experiment, nodes);
    std::vector<std::vector<double>> slopes;
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
        slopes.push_back(input_slopes(experiment, nodes, name));
    }
    Refined refined = refine(experiment, inputs);
    SignalJacobian result;
    result.parameters.assign(parameters.begin(), parameters.end());
    result.signal = std::move(refined.signal);
    for (std::size_t next = 0; next < slopes.size(); next += kMostTangentsAtOnce) {
        const std::size_t end = std::min(slopes.size(), next + kMostTangentsAtOnce);
        const std::vector<std::vector<double>> some(
            slopes.begin() + static_cast<std::ptrdiff_t>(next),
            slopes.begin() + static_cast<std::ptrdiff_t>(end));
        switch (some.size()) {
            case 1:
                add_slopes<1>(experiment, inputs, some, refined.size, result);
                break;
            case 2:
                add_slopes<2>(experiment, inputs, some, refined.size, result);
                break;
            default:
                add_slopes<3>(experiment, inputs, some, refined.size, result);
        }
    }
    return result;
}

}  // namespace nmrsim
