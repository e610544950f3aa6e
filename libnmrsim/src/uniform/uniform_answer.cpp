#include "uniform/uniform_answer.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>
#include <vector>

#include "base/required_time.h"
#include "model/dead_time.h"
#include "model/finite_numbers.h"
#include "nmrsim/units.h"
#include "uniform/uniform_curve.h"
#include "uniform/uniform_error.h"
#include "uniform/uniform_kernel.h"
#include "uniform/uniform_plan.h"
#include "uniform/uniform_simulator.h"
#include "uniform/uniform_storage.h"

namespace nmrsim {
namespace {

/// A run has so many times the steps of the one before it that this share of its splitting error is
/// left; where that was far off, up to kMostSteps times as many.
constexpr double kLeft = 0.15;
constexpr double kMostSteps = 4.0;
/// Nodes of a run over those of the one before it; where that was off.
constexpr double kMoreNodes = 1.15, kManyNodes = 1.4;

/// Of the bounds on the splitting's error: the first run of a curve that is repeated anyway.
constexpr double kHope = 1e-3;

/// Of estimates over what the step's order says of the difference, and their least and largest
/// share of it.
constexpr double kMargin = 5.0, kLeastOfIt = 0.5, kMostOfIt = 3.0;
/// A first run is right enough where its error with the smaller margin is; its estimate has the
/// larger one.
constexpr double kMarginOfFirst = 2.0, kMarginOfEstimate = 3.0;

/// The next run aims at this share of the tolerance.
constexpr double kAim = 0.25;

/// Phases of a train of pulses go apart for so many times its longest delay, at first; where that
/// was too little, for kMoreOfTrain times as long.
constexpr double kOfTrain = 4.0, kMoreOfTrain = 2.0;

/// Below this no double follows |M|.
constexpr double kLeastError = 1e-13;

/// Runs of a curve, and those that do not halve the difference.
constexpr int kMostRuns = 16, kMostInVain = 2;

/// A calibrated run of so many additions and multiplications, some seconds of long delays, is not
/// followed by one that takes twice as long where its bound is no more than a few tolerances.
constexpr double kDear = 2e9, kFewTolerances = 3.0;

double flops(const UniformPlan& plan, long passes) {
    constexpr double kOfPass = 20.0;  // per vector of nodes
    const double lanes = uniform_lanes(plan.step.single);
    return kOfPass * static_cast<double>(plan.nodes.weight.size()) / lanes *
           static_cast<double>(passes);
}

/// What is asked for, and what is followed in its place.
struct AnswerTask {
    const Experiment& asked;
    const StoredExperiment& stored;

    const Experiment& followed() const { return stored.experiment; }

    /// Time in which spins' phases may go apart.
    double longest_us() const {
        return stored.longest_us > 0.0 ? stored.longest_us
                                       : std::max(last_sample_us(followed()), kLeastTimeUs);
    }

    /// Of a train most phases go apart between two pulses alone; what a coupling and angles other
    /// than 180 degrees make of the others, runs on more nodes tell.
    double first_longest_us() const {
        if (!is_train(followed())) return longest_us();
        double longest_us = 0.0, between_us = 0.0;
        for (const Event& event : sequence_events(followed().sequence)) {
            const Delay* delay = std::get_if<Delay>(&event);
            between_us = delay ? between_us + delay->duration_us : 0.0;
            longest_us = std::max(longest_us, between_us);
        }
        return std::min(this->longest_us(), kOfTrain * longest_us);
    }

    /// Args: magnitude: as uniform_plan()'s.
    UniformPlan plan(double hope, double magnitude) const {
        UniformPlan plan = uniform_plan(followed(), magnitude, hope, first_longest_us());
        add_rests(stored, plan);
        return plan;
    }
    /// The plan's steps on other nodes.
    UniformPlan on_nodes(const UniformPlan& coarse, int level, double longest_us) const {
        UniformPlan plan =
            uniform_plan(followed(), uniform_nodes(followed(), level, longest_us), coarse.step);
        add_rests(stored, plan);
        return plan;
    }
    UniformPlan finer(const UniformPlan& coarse, double more_steps, double more_nodes) const {
        UniformPlan plan = finer_plan(followed(), coarse, more_steps, more_nodes);
        add_rests(stored, plan);
        return plan;
    }
};

/// Thrown where the delays cannot be shortened.
struct CannotStore {
    bool yet;  ///< M had not fallen: more patience may help
};

/// Args: passes: receives how many the curve took.
template <typename Real>
SignalJacobian run_in(const Experiment& experiment, const UniformPlan& plan,
                      std::span<const std::string> parameters, long& passes) {
    const UniformTables<Real> tables = uniform_tables<Real>(plan);
    SignalJacobian result;
    result.parameters.assign(parameters.begin(), parameters.end());
    result.signal.time_us = acquisition_times_us(experiment);
    const std::size_t points = tables.plan.time_us.size();
    // The kernels carry a few tangents at once; more parameters take more passes.
    std::size_t next = 0;
    do {
        UniformCurve curve = uniform_curve(experiment, plan.nodes);
        const std::size_t n =
            std::min(parameters.size() - next, static_cast<std::size_t>(kMostTangents));
        for (std::size_t t = 0; t < n; ++t) {
            curve.tangents.push_back(uniform_tangent(experiment, plan.nodes, parameters[next + t]));
        }
        std::vector<double> all((1 + n) * 3 * points);
        const UniformRun made =
            run_uniform<Real, double>(tables, std::span(&curve, 1), all, UniformLanes::nodes);
        if (made.loud.front()) throw CannotStore{true};
        passes = made.passes;
        const auto part = [&](std::size_t row, std::size_t component) {
            const auto begin =
                all.begin() + static_cast<std::ptrdiff_t>((row * 3 + component) * points);
            return std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(points));
        };
        result.signal.mx = part(0, 0);
        result.signal.my = part(0, 1);
        result.signal.mz = part(0, 2);
        for (std::size_t t = 1; t <= n; ++t) {
            result.dmx.push_back(part(t, 0));
            result.dmy.push_back(part(t, 1));
            result.dmz.push_back(part(t, 2));
        }
        next += n;
    } while (next < parameters.size());
    return result;
}

SignalJacobian run(const AnswerTask& task, const UniformPlan& plan,
                   std::span<const std::string> parameters, long& passes) {
    require_time(plan, parameters.size());
    return plan.step.single ? run_in<float>(task.asked, plan, parameters, passes)
                            : run_in<double>(task.asked, plan, parameters, passes);
}

SignalJacobian run(const AnswerTask& task, const UniformPlan& plan,
                   std::span<const std::string> parameters) {
    long passes = 0;
    return run(task, plan, parameters, passes);
}

/// How far apart two runs are, and the largest |M| that is heard.
struct Comparison {
    double difference = 0.0;  ///< of M; that of Mz counts as a share of the larger of Mz and M
    double peak = 0.0;

    Comparison(const AnswerTask& task, const Signal& coarse, const Signal& fine)
        : difference(heard_difference(task.asked, coarse, fine)),
          peak(heard_peak(task.asked, fine)) {
        if (!task.stored.keeps_tolerance(peak)) throw CannotStore{false};
        double of_z = 0.0, largest_z = 0.0;
        for (std::size_t k = 0; k < fine.points(); ++k) {
            of_z = std::max(of_z, std::abs(coarse.mz[k] - fine.mz[k]));
            largest_z = std::max(largest_z, std::abs(fine.mz[k]));
        }
        if (largest_z > peak) of_z *= peak / largest_z;
        difference = std::max(difference, of_z);
        if (!std::isfinite(difference)) difference = HUGE_VAL;
    }
};

/// What is left of a splitting error with `more` times the steps.
double left_over(const UniformPlan& plan, double more) {
    return std::pow(more, -plan.step.scheme->order);
}

double more_steps_of(const UniformPlan& plan) {
    return std::pow(kLeft, -1.0 / plan.step.scheme->order);
}

/// Rounding of M in double precision: a walk over the passes, which coupling amplifies.
double rounding(const Experiment& experiment, const UniformPlan& plan) {
    const double ratio = coupling_ratio(experiment, plan.nodes);
    return 5e-16 * (1.0 + std::sqrt(static_cast<double>(plan.passes()))) *
           (1.0 + std::log10(1.0 + ratio));
}

/// Whether the curve is smaller than the plan was made for: then both of two runs may miss it
/// alike. One that no double follows to the tolerance is as large as one that doubles just follow.
///
/// Args: magnitude: receives how large it is, where it is smaller.
bool is_smaller(const AnswerTask& task, const UniformPlan& plan, const Signal& signal,
                double& magnitude) {
    const double tolerance = std::max(task.followed().accuracy.tolerance, kLeastTolerance);
    const double peak = std::max(heard_peak(task.asked, signal), kLeastError / tolerance);
    if (uniform_level(task.followed(), uniform_nodes(task.followed(), 0, plan.nodes.longest_us),
                      peak) <= plan.step.level) {
        return false;
    }
    magnitude = peak;
    return true;
}

/// The run of a train on the first nodes that say what those before them did.
///
/// Args: fine: on `plan`'s nodes; receives the better one, as `plan` its plan. allowed: difference.
///
/// Returns: whether there was a better one.
bool follow_more_phases(const AnswerTask& task, UniformPlan& plan, SignalJacobian& fine,
                        double allowed) {
    bool any = false;
    while (plan.nodes.longest_us < task.longest_us()) {
        any = true;
        UniformPlan more =
            task.on_nodes(plan, plan.step.level,
                          std::min(task.longest_us(), kMoreOfTrain * plan.nodes.longest_us));
        SignalJacobian better = run(task, more, {});
        const double difference = Comparison(task, fine.signal, better.signal).difference;
        plan = std::move(more);
        fine = std::move(better);
        if (difference <= allowed) break;
    }
    return any;
}

/// The finer of the first two runs that agree to the tolerance, with its estimate.
///
/// Args: coarse: of `plan`; receives the plan of what is returned.
SignalJacobian agreed(const AnswerTask& task, std::span<const std::string> parameters,
                      SignalJacobian coarse, UniformPlan& plan) {
    const Experiment& experiment = task.followed();
    const double tolerance = std::max(experiment.accuracy.tolerance, kLeastTolerance);
    double more_steps = more_steps_of(plan), more_nodes = kMoreNodes;
    double before = HUGE_VAL;
    int in_vain = 0;
    for (int runs = 2;; ++runs) {
        UniformPlan finer = task.finer(plan, more_steps, more_nodes);
        SignalJacobian fine = run(task, finer, {});
        const Comparison c(task, coarse.signal, fine.signal);
        const double rest = left_over(plan, more_steps);
        const double share = std::clamp(kMargin * rest / (1.0 - rest), kLeastOfIt, kMostOfIt);
        const double error = share * c.difference + rounding(experiment, finer) + task.stored.error;
        const double allowed =
            std::max({tolerance * c.peak, kLeastError, 2.0 * rounding(experiment, finer)});
        plan = std::move(finer);
        in_vain = c.difference > 0.5 * before ? in_vain + 1 : 0;
        before = c.difference;
        if (error <= allowed || in_vain == kMostInVain || runs == kMostRuns) {
            if (!parameters.empty()) {
                // What a coupling amplifies, derivatives have more of.
                plan = task.finer(plan, more_steps_of(plan), kMoreNodes);
                fine = run(task, plan, parameters);
            }
            fine.signal.estimated_error = c.peak > 0.0 ? error / c.peak : 0.0;
            return fine;
        }
        if (follow_more_phases(task, plan, fine, kAim * allowed)) {
            // Nothing is known of the steps yet.
            more_steps = more_steps_of(plan);
            more_nodes = kMoreNodes;
            before = HUGE_VAL;
            in_vain = 0;
            coarse = std::move(fine);
            continue;
        }
        const double needed = std::pow(error / (kAim * allowed), 1.0 / plan.step.scheme->order);
        more_steps = std::isfinite(needed) ? std::clamp(needed, more_steps_of(plan), kMostSteps)
                                           : kMostSteps;
        // What does not fall is chaos or rounding, and does not want the smallest steps.
        if (in_vain > 0) more_steps = more_steps_of(plan);
        more_nodes = kManyNodes;
        coarse = std::move(fine);
    }
}

SignalJacobian answer(const AnswerTask& task, std::span<const std::string> parameters) {
    const Experiment& experiment = task.followed();
    const double tolerance = std::max(experiment.accuracy.tolerance, kLeastTolerance);
    double magnitude = 0.0;
    const auto first_plan = [&] {
        UniformPlan plan = task.plan(1.0, magnitude);
        const bool slopes = std::ranges::any_of(parameters, changes_line);
        if (!slopes || experiment.accuracy.nodes) return plan;
        // Exact enough for how the line's weights change, too.
        return task.on_nodes(plan, level_of_slopes(plan.step.level), plan.nodes.longest_us);
    };
    UniformPlan plan = first_plan();
    if (experiment.accuracy.nodes || experiment.accuracy.steps_per_point) {
        SignalJacobian result = run(task, plan, parameters);
        result.signal.estimated_error =
            estimated_error(experiment, plan, heard_peak(task.asked, result.signal));
        return result;
    }
    if (plan.step.calibrated) {
        long passes = 0;
        SignalJacobian result = run(task, plan, parameters, passes);
        if (is_smaller(task, plan, result.signal, magnitude)) {
            plan = first_plan();
            result = run(task, plan, parameters, passes);
        }
        if (flops(plan, passes) > kDear) {
            const double estimate =
                estimated_error(experiment, plan, heard_peak(task.asked, result.signal));
            if (estimate <= kFewTolerances * tolerance) {
                // The bound alone is too small at times: no more than the tolerance is claimed.
                result.signal.estimated_error = std::max(estimate, tolerance);
                return result;
            }
        }
        const UniformPlan finer = task.finer(plan, more_steps_of(plan), kMoreNodes);
        const SignalJacobian fine = run(task, finer, {});
        const Comparison c(task, result.signal, fine.signal);
        const double difference = c.difference / (1.0 - kLeft);
        const double allowed = std::max(tolerance * c.peak, kLeastError);
        const double error =
            kMarginOfFirst * difference + rounding(experiment, finer) + task.stored.error;
        if (error <= allowed) {
            const double estimate =
                std::min(allowed, kMarginOfEstimate * difference + rounding(experiment, finer) +
                                      task.stored.error);
            result.signal.estimated_error = c.peak > 0.0 ? estimate / c.peak : 0.0;
            return result;
        }
    }
    const auto coarse_run = [&] {
        plan = task.plan(kHope, magnitude);
        plan.step.single = false;
        return run(task, plan, {});
    };
    SignalJacobian coarse = coarse_run();
    if (is_smaller(task, plan, coarse.signal, magnitude)) coarse = coarse_run();
    SignalJacobian result = agreed(task, parameters, std::move(coarse), plan);
    if (experiment.accuracy.precision != Precision::single) return result;
    plan.step.single = true;
    SignalJacobian single = run(task, plan, parameters);
    const Comparison c(task, single.signal, result.signal);
    const double error = result.signal.estimated_error + kMarginOfFirst * c.difference / c.peak;
    if (!(error <= tolerance)) return result;
    single.signal.estimated_error = error;
    return single;
}

}  // namespace

void require_time(const UniformPlan& plan, std::size_t tangents) {
    require_time(flops(plan, plan.passes()) * static_cast<double>(1 + tangents));
}

SignalJacobian answer_uniform(const Experiment& experiment,
                              std::span<const std::string> parameters) {
    for (int patience = 0;; ++patience) {
        const StoredExperiment stored = store_long_delays(experiment, patience);
        try {
            return answer({experiment, stored}, parameters);
        } catch (const CannotStore& reason) {
            if (!reason.yet) patience = kMostPatience;
        }
    }
}

}  // namespace nmrsim
