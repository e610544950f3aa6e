#include "general/ensemble_refinement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "base/required_time.h"
#include "model/dead_time.h"
#include "model/finite_numbers.h"

namespace nmrsim {
namespace {

// Smaller |M| is no signal.
constexpr double kLeastPeak = 1e-300;

// Halvings are given up after this many: the tolerance is below rounding.
constexpr int kMostRefinements = 8;

// The better answer's nodes are for a tolerance of so many powers of ten less: coupled spins may
// make more of their error than uncoupled ones, by thousands, and the difference to fewer nodes
// tells.
constexpr int kMoreLevels = 2;

// Of the tolerance: what uncoupled spins and steps that agree say of errors far below it is not
// taken at its word.
constexpr double kLeastEstimate = 1e-4;

// What rounding alone leaves of the error of M (10,000 steps, measured 1e-14).
constexpr double kRounding = 1e-13;

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

}  // namespace

RefinedCurve refine(const Experiment& experiment, int threads, bool by_counter) {
    // What the nodes add to the two answers' difference has all but gone from the better one.
    const double tolerance = experiment.accuracy.tolerance;
    const auto spins_on = [&](EnsembleNodes nodes) {
        EnsembleSpins spins{std::move(nodes), {}, {}};
        spins.inputs = ensemble_inputs(experiment, spins.nodes);
        spins.rates = ensemble_rates(experiment, spins.inputs, by_counter);
        return spins;
    };
    StepSize size;
    StepSchedule schedule;
    const auto answer = [&](const EnsembleSpins& spins, int parts) {
        size.parts = parts;
        return as_signal(spins.inputs, evolve<double>(experiment, spins.inputs, spins.rates, size,
                                                      schedule, threads));
    };
    const auto finer = [&](const EnsembleSpins& spins, int levels) {
        EnsembleNodes nodes = finer_nodes(experiment, spins.nodes, levels);
        return nodes.level == spins.nodes.level ? spins : spins_on(std::move(nodes));
    };
    EnsembleSpins few = spins_on(ensemble_nodes(experiment));
    EnsembleSpins more = finer(few, kMoreLevels);
    size = first_step_size(experiment, few.inputs, few.rates);
    for (int k = 0;; ++k) {
        size.parts = 1;
        schedule = {};
        const auto flops = [&](const EnsembleSpins& spins) {
            return most_steps(experiment, spins.inputs, spins.rates, size) *
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
        // An estimate is a bound: what uncoupled spins say of the nodes, times so much.
        constexpr double kNodeMargin = 4.0;
        const double of_nodes = kNodeMargin * more.nodes.error / largest;
        const bool forced = size.forced_us > 0.0;
        // What more steps do not mend is not asked of them.
        const double share = std::max(tolerance - of_nodes, 0.5 * tolerance);
        if (forced || error <= share || k >= kMostRefinements) {
            fine.estimated_error = error + of_nodes + kRounding / largest +
                                   (forced ? 0.0 : kLeastEstimate * tolerance);
            size.parts = 2;
            return {std::move(more), std::move(fine), size, std::move(schedule)};
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
        // Two answers that differ by this share of the largest |M| say nothing of the order. Turns
        // at which the error of kEighth's steps is a hundred times rounding, and at which it is.
        constexpr double kSaturated = 0.3;
        constexpr double kShortestTurn = 0.2;
        constexpr double kRoundingTurn = 0.1;
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

}  // namespace nmrsim
