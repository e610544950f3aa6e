#include "general/ensemble_simulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "general/ensemble_refinement.h"
#include "model/dead_time.h"
#include "model/line_shape.h"
#include "nmrsim/parameters.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

constexpr int kMostTangentsAtOnce = 3;

template <int size>
void add_slopes(const Experiment& experiment, RefinedCurve& refined,
                const std::vector<std::vector<double>>& slopes, int threads,
                SignalJacobian& result) {
    const std::vector<Vec3<Dual<size>>> m =
        evolve(experiment, with_slopes<size>(refined.spins.inputs, slopes), refined.spins.rates,
               refined.size, refined.schedule, threads);
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
    if (is_uniform(experiment)) {
        if (line.spins > 0) return true;
    } else if (start.mx != 0.0 || start.my != 0.0 || start.mz != kSpinLength ||
               line.centre_khz != 0.0 || experiment.lattice.nz > 1) {
        return true;
    }
    return is_uniform(experiment) ? samples_pulses(experiment)
                                  : has_finite_pulses(experiment.sequence);
}

Signal simulate_ensemble(const Experiment& experiment) {
    return simulate_ensemble_in_team(experiment, 1);
}

Signal simulate_ensemble_in_team(const Experiment& experiment, int threads) {
    return refine(experiment, threads).signal;
}

SimulationCost ensemble_cost(const Experiment& experiment) {
    const EnsembleInputs<double> inputs = ensemble_inputs(experiment, ensemble_nodes(experiment));
    const EnsembleRates rates = ensemble_rates(experiment, inputs);
    const StepSize size = first_step_size(experiment, inputs, rates);
    SimulationCost cost;
    cost.elements = static_cast<double>(inputs.offset.size());
    // One run and one of twice the steps.
    cost.steps = 3.0 * most_steps(experiment, inputs, rates, size);
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
    RefinedCurve refined = refine(experiment, threads, by_counter);
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
