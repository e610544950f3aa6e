#include "nmrsim/simulate.h"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <stdexcept>

#include "batch_state.h"
#include "lattice_simulator.h"
#include "nmrsim/parameters.h"
#include "nmrsim/sensitivity.h"
#include "spin_simulation.h"
#include "uniform_batch.h"
#include "uniform_simulator.h"

namespace nmrsim {
namespace {

/// Additions and multiplications of a pass, per node: a 3 x 3 turn, an offset turn, two sums.
constexpr double kFlopsPerNodePass = 30.0;

/// Curves one by one, each with a plan (uniform) or a lattice of its own.
void batch_one_by_one(const Experiment& shared, std::span<const double> parameters,
                      std::span<const std::uint64_t> lattice_seeds, std::span<float> signal,
                      int threads, BatchState& state) {
    const std::size_t unknowns = shared.prior.size();
    const std::size_t count = parameters.size() / unknowns;
    const std::size_t points = static_cast<std::size_t>(shared.acquisition.points);
#pragma omp parallel num_threads(threads)
    {
        LatticeWorkspace workspace;
#pragma omp for schedule(dynamic)
        for (std::size_t i = 0; i < count; ++i) {
            state.run(1, [&] {
                Experiment one =
                    with_parameters(shared, parameters.subspan(i * unknowns, unknowns));
                if (!lattice_seeds.empty()) one.lattice.seed = lattice_seeds[i];
                one.validate();
                const Signal curve =
                    is_uniform(one) ? simulate(one) : simulate_lattice(one, workspace);
                for (std::size_t k = 0; k < points; ++k) {
                    signal[2 * i * points + k] = static_cast<float>(curve.mx[k]);
                    signal[(2 * i + 1) * points + k] = static_cast<float>(curve.my[k]);
                }
            });
        }
    }
}

}  // namespace

void require_simulator(const Experiment& experiment) {
    if (has_finite_pulses(experiment.sequence)) {
        throw std::invalid_argument(
            "sequence: pulses with a duration are not simulated yet; set it to 0 for ideal ones");
    }
    const Acquisition& receiver = experiment.acquisition;
    if (!experiment.phase_cycle.empty() || receiver.receiver_phase_deg != 0.0 ||
        receiver.gain != 1.0 || receiver.dead_time_us != 0.0) {
        throw std::invalid_argument("phase_cycle and the receiver's settings are not built yet");
    }
}

Signal simulate(const Experiment& experiment) {
    experiment.validate();
    require_simulator(experiment);
    if (is_uniform(experiment)) {
        return simulate_with_jacobian(experiment, {}).signal;
    }
    thread_local LatticeWorkspace workspace;
    return simulate_lattice(experiment, workspace);
}

std::size_t simulate_batch(const Experiment& experiment, std::span<const double> parameters,
                           std::span<const std::uint64_t> lattice_seeds, std::span<float> signal,
                           int threads, const BatchProgress& progress) {
    experiment.validate();
    require_simulator(experiment);
    validate_prior(experiment.prior);
    const std::size_t unknowns = experiment.prior.size();
    const std::size_t points = static_cast<std::size_t>(experiment.acquisition.points);
    if (unknowns == 0) throw std::invalid_argument("prior must name at least one unknown");
    const std::size_t count = parameters.size() / unknowns;
    if (parameters.size() != count * unknowns || signal.size() != count * 2 * points ||
        (!lattice_seeds.empty() && lattice_seeds.size() != count)) {
        throw std::invalid_argument(fmt::format(
            "simulate_batch: {} parameters, {} seeds and {} samples do not fit {} unknowns and {} "
            "points",
            parameters.size(), lattice_seeds.size(), signal.size(), unknowns, points));
    }
    if (threads <= 0) threads = omp_get_num_procs();
    BatchState state(progress);
    const bool shared_plans =
        is_uniform(experiment) &&
        std::all_of(experiment.prior.begin(), experiment.prior.end(),
                    [](const PriorRange& range) { return shares_plan(range.name.c_str()); });
    if (shared_plans) {
        run_uniform_batch(experiment, parameters, {}, threads, state,
                          [&](std::size_t i, const float* rows) {
                              std::copy_n(rows, 2 * points, &signal[i * 2 * points]);
                          });
    } else {
        batch_one_by_one(experiment, parameters, lattice_seeds, signal, threads, state);
    }
    return state.finish();
}

SimulationCost simulation_cost(const Experiment& experiment) {
    experiment.validate();
    require_simulator(experiment);
    SimulationCost cost;
    if (is_uniform(experiment)) {
        const UniformPlan plan = uniform_plan(experiment);
        cost.elements = static_cast<double>(plan.nodes.weight.size());
        cost.steps = static_cast<double>(plan.passes());
        cost.flops = kFlopsPerNodePass * cost.spin_steps();
        return cost;
    }
    return lattice_cost(experiment);
}

}  // namespace nmrsim
