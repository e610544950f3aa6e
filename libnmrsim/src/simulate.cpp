#include "nmrsim/simulate.h"

#include <fmt/format.h>

#include <algorithm>
#include <complex>
#include <stdexcept>
#include <vector>

#include "detection.h"
#include "ensemble_simulator.h"
#include "finite_numbers.h"
#include "lattice_simulator.h"
#include "nmrsim/parameters.h"
#include "spin_simulation.h"
#include "uniform_plan.h"

namespace nmrsim {
namespace {

/// Additions and multiplications of a pass, per node: nine shears and two sums.
constexpr double kFlopsPerNodePass = 20.0;

Signal simulate_unchecked(const Experiment& experiment, int threads) {
    experiment.validate();
    if (reads_spins_directly(experiment)) return simulate_spins(experiment, threads);
    Experiment spins = spin_experiment(experiment).experiment;
    Signal mean;
    double error = 0.0;  // of the mean, were the runs' errors all alike
    for (const CycleRun& run : cycle_runs(experiment)) {
        spins.sequence = run.sequence;
        const Signal signal = simulate_spins(spins, threads);
        if (mean.time_us.empty()) {
            mean.time_us = signal.time_us;
            for (auto* m : {&mean.mx, &mean.my, &mean.mz}) m->assign(signal.points(), 0.0);
        }
        add_weighted<double>(run.weight, signal.mx, signal.my, mean.mx, mean.my);
        for (std::size_t k = 0; k < signal.points(); ++k) {
            mean.mz[k] += std::abs(run.weight) * signal.mz[k];
        }
        error += std::abs(run.weight) * signal.estimated_error * peak_magnitude(signal);
    }
    const double peak = peak_magnitude(mean);
    if (peak > 0.0) mean.estimated_error = error / peak;
    read<double>(receiver_of(experiment), mean.mx, mean.my);
    return mean;
}

std::size_t simulate_batch_unchecked(const Experiment& experiment,
                                     std::span<const double> parameters,
                                     std::span<const std::uint64_t> lattice_seeds,
                                     std::span<float> signal, int threads,
                                     const BatchProgress& progress) {
    experiment.validate();
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
    if (reads_spins_directly(experiment)) {
        return simulate_spins_batch(experiment, parameters, lattice_seeds, signal, threads,
                                    progress);
    }

    const SpinExperiment spins = spin_experiment(experiment);
    Experiment one_run = spins.experiment;
    const std::vector<CycleRun> runs = cycle_runs(experiment);
    const std::size_t chunk = cycle_chunk(experiment);
    std::vector<float> of_run, mean;
    for (std::size_t first = 0; first < count; first += chunk) {
        const std::size_t size = std::min(chunk, count - first);
        const std::span<const double> originals =
            parameters.subspan(first * unknowns, size * unknowns);
        const std::vector<double> values = spins.parameters(originals, unknowns);
        of_run.resize(size * 2 * points);
        mean.assign(size * 2 * points, 0.0f);
        for (std::size_t r = 0; r < runs.size(); ++r) {
            BatchProgress report;
            if (progress) {
                report = [&](std::size_t done) {
                    return progress(first + (r * size + done) / runs.size());
                };
            }
            one_run.sequence = runs[r].sequence;
            const std::size_t done = simulate_spins_batch(
                one_run, values,
                lattice_seeds.empty() ? lattice_seeds : lattice_seeds.subspan(first, size), of_run,
                threads, report);
            if (done < size) return first;
            for (std::size_t i = 0; i < size; ++i) {
                const auto row = [&](std::vector<float>& all, std::size_t component) {
                    return std::span(all).subspan((2 * i + component) * points, points);
                };
                add_weighted<float>(runs[r].weight, row(of_run, 0), row(of_run, 1), row(mean, 0),
                                    row(mean, 1));
            }
        }
        for (std::size_t i = 0; i < size; ++i) {
            const std::span<float> curve = std::span(mean).subspan(2 * i * points, 2 * points);
            read(
                receiver_of(with_parameters(experiment, originals.subspan(i * unknowns, unknowns))),
                curve.first(points), curve.last(points));
        }
        std::copy(mean.begin(), mean.end(),
                  signal.begin() + static_cast<std::ptrdiff_t>(first * 2 * points));
    }
    return count;
}

}  // namespace

Signal simulate(const Experiment& experiment, int threads) {
    Signal signal = simulate_unchecked(experiment, threads);
    for (const auto* m : {&signal.mx, &signal.my, &signal.mz}) require_finite<double>(*m);
    return signal;
}

std::size_t simulate_batch(const Experiment& experiment, std::span<const double> parameters,
                           std::span<const std::uint64_t> lattice_seeds, std::span<float> signal,
                           int threads, const BatchProgress& progress) {
    const std::size_t done =
        simulate_batch_unchecked(experiment, parameters, lattice_seeds, signal, threads, progress);
    const std::size_t points = static_cast<std::size_t>(experiment.acquisition.points);
    // A batch that was stopped has gaps, since it does not take the curves in order.
    if (done * 2 * points == signal.size()) require_finite<float>(signal);
    return done;
}

SimulationCost simulation_cost(const Experiment& experiment) {
    experiment.validate();
    SimulationCost cost;
    if (needs_ensemble(experiment)) {
        cost = ensemble_cost(experiment);
    } else if (is_uniform(experiment)) {
        const UniformPlan plan = uniform_plan(experiment);
        cost.elements = static_cast<double>(plan.nodes.weight.size());
        cost.steps = static_cast<double>(plan.passes());
        cost.flops = kFlopsPerNodePass * cost.spin_steps();
    } else {
        cost = lattice_cost(experiment);
    }
    const double runs = static_cast<double>(cycle_runs(experiment).size());
    cost.steps *= runs;
    cost.flops *= runs;
    return cost;
}

}  // namespace nmrsim
