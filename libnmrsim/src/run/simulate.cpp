#include "nmrsim/simulate.h"

#include <fmt/format.h>

#include <algorithm>
#include <complex>
#include <stdexcept>
#include <vector>

#include "base/batch_state.h"
#include "general/ensemble_simulator.h"
#include "lattice/lattice_simulator.h"
#include "model/dead_time.h"
#include "model/finite_numbers.h"
#include "nmrsim/parameters.h"
#include "nmrsim/threads.h"
#include "run/detection.h"
#include "run/series_runs.h"
#include "run/spin_simulation.h"
#include "uniform/uniform_plan.h"
#include "uniform/uniform_storage.h"

namespace nmrsim {
namespace {

/// Additions and multiplications of a pass, per node: nine shears and two sums.
constexpr double kFlopsPerNodePass = 20.0;

Signal simulate_unchecked(const Experiment& experiment, int threads) {
    experiment.validate();
    if (!experiment.series.empty()) {
        Signal series;
        for (const Experiment& record : series_records(experiment)) {
            append(simulate_unchecked(record, threads), series);
        }
        return series;
    }
    if (reads_spins_directly(experiment)) return simulate_spins(experiment, threads);
    return receive(experiment,
                   [&](const Experiment& spins) {
                       return std::vector<Signal>{simulate_spins(spins, threads)};
                   })
        .front();
}

std::size_t simulate_batch_unchecked(const Experiment& experiment,
                                     std::span<const double> parameters,
                                     std::span<const std::uint64_t> lattice_seeds,
                                     std::span<float> signal, int threads,
                                     const BatchProgress& progress) {
    experiment.validate();
    const std::size_t unknowns = experiment.prior.size();
    const std::size_t points = sample_count(experiment);
    if (unknowns == 0) throw std::invalid_argument("prior must name at least one unknown");
    const std::size_t count = parameters.size() / unknowns;
    if (parameters.size() != count * unknowns || signal.size() != count * 2 * points ||
        (!lattice_seeds.empty() && lattice_seeds.size() != count)) {
        throw std::invalid_argument(fmt::format(
            "simulate_batch: {} parameters, {} seeds and {} samples do not fit {} unknowns and {} "
            "points",
            parameters.size(), lattice_seeds.size(), signal.size(), unknowns, points));
    }
    if (!experiment.series.empty()) {
        std::vector<float> of_record;
        const bool whole = for_each_record(
            experiment, [&](const Experiment& record, std::size_t r, const RecordPlace& place) {
                BatchProgress report;
                if (progress) {
                    report = [&](std::size_t done) {
                        return progress((r * count + done) / experiment.series.size());
                    };
                }
                of_record.resize(count * 2 * place.points);
                if (simulate_batch_unchecked(record, parameters, lattice_seeds, of_record, threads,
                                             report) < count) {
                    return false;
                }
                place.put(of_record, signal);
                return true;
            });
        return whole ? count : 0;
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
    std::vector<double> peaks;
    for (std::size_t first = 0; first < count; first += chunk) {
        const std::size_t size = std::min(chunk, count - first);
        const std::span<const double> originals =
            parameters.subspan(first * unknowns, size * unknowns);
        const std::vector<double> values = spins.parameters(originals, unknowns);
        const auto row = [&](std::vector<float>& all, std::size_t i, std::size_t component) {
            return std::span(all).subspan((2 * i + component) * points, points);
        };
        std::vector<Receiver> receivers;
        for (std::size_t i = 0; i < size; ++i) {
            receivers.push_back(receiver_of(
                with_parameters(experiment, originals.subspan(i * unknowns, unknowns))));
        }
        const auto peak_of = [&](std::vector<float>& all, std::size_t i) {
            return heard_peak(receivers[i].dead, row(all, i, 0), row(all, i, 1));
        };
        of_run.resize(size * 2 * points);
        mean.assign(size * 2 * points, 0.0f);
        peaks.assign(size, 0.0);
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
                add_weighted<float>(runs[r].weight, row(of_run, i, 0), row(of_run, i, 1),
                                    row(mean, i, 0), row(mean, i, 1));
                peaks[i] += std::abs(runs[r].weight) * peak_of(of_run, i);
            }
        }
        // Where runs cancel, one by one, with a smaller tolerance and in double.
        const BatchProgress none;
        BatchState state(none);
#pragma omp parallel for schedule(dynamic) num_threads(team_size(threads))
        for (std::size_t i = 0; i < size; ++i) {
            state.run(1, [&] {
                if (keeps_tolerance(cycle_share(peak_of(mean, i), peaks[i]))) {
                    read(receivers[i], row(mean, i, 0), row(mean, i, 1));
                    return;
                }
                Experiment one =
                    with_parameters(experiment, originals.subspan(i * unknowns, unknowns));
                if (!lattice_seeds.empty()) one.lattice.seed = lattice_seeds[first + i];
                const Signal curve = simulate_unchecked(one, 1);
                std::copy(curve.mx.begin(), curve.mx.end(), row(mean, i, 0).begin());
                std::copy(curve.my.begin(), curve.my.end(), row(mean, i, 1).begin());
            });
        }
        state.finish();
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
    const std::size_t points = sample_count(experiment);
    // A batch that was stopped has gaps, since it does not take the curves in order.
    if (done * 2 * points == signal.size()) require_finite<float>(signal);
    return done;
}

SimulationCost simulation_cost(const Experiment& experiment) {
    experiment.validate();
    SimulationCost cost;
    if (!experiment.series.empty()) {
        for (const Experiment& record : series_records(experiment)) {
            const SimulationCost of_record = simulation_cost(record);
            cost.elements = std::max(cost.elements, of_record.elements);
            cost.steps += of_record.steps;
            cost.flops += of_record.flops;
        }
        return cost;
    }
    if (needs_ensemble(experiment)) {
        cost = ensemble_cost(experiment);
    } else if (is_uniform(experiment)) {
        const UniformPlan plan = uniform_plan(store_long_delays(experiment, 0).experiment);
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
