#include "nmrsim/simulate.h"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>

#include "lattice_simulator.h"
#include "nmrsim/parameters.h"
#include "uniform_simulator.h"

namespace nmrsim {
namespace {

/// Additions and multiplications of a pass, per node: a 3 x 3 turn, an offset turn, two sums.
constexpr double kFlopsPerNodePass = 30.0;

template <typename Real>
Signal simulate_uniform_as(const Experiment& experiment) {
    UniformNodes nodes = uniform_nodes(experiment);
    const UniformStep step = uniform_step(experiment, nodes);
    const UniformTables<Real> tables = uniform_tables<Real>(
        uniform_plan(experiment, std::move(nodes), step), experiment.relaxation);
    const UniformCurve curve = uniform_curve(experiment);
    Signal signal;
    signal.time_us = tables.plan.time_us;
    const std::size_t points = signal.time_us.size();
    std::vector<double> all(3 * points);
    run_uniform<Real, double>(tables, std::span(&curve, 1), all);
    const auto part = [&](std::size_t j) {
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(j * points);
        return std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(points));
    };
    signal.mx = part(0);
    signal.my = part(1);
    signal.mz = part(2);
    return signal;
}

/// Counts curves, tells `progress` from the first thread, and keeps the first exception.
class BatchState {
public:
    BatchState(const BatchProgress& progress) : progress_(progress) {}

    bool stopped() const { return stop_.load(std::memory_order_relaxed); }

    /// Runs `work` unless the batch was stopped, then adds `curves` to those done.
    template <typename Work>
    void run(std::size_t curves, const Work& work) {
        if (stopped()) return;
        try {
            work();
            const std::size_t done = done_.fetch_add(curves) + curves;
            if (progress_ && omp_get_thread_num() == 0 && !progress_(done)) stop_ = true;
        } catch (...) {
            stop_ = true;
#pragma omp critical(nmrsim_batch_error)
            if (!error_) error_ = std::current_exception();
        }
    }

    std::size_t finish() const {
        if (error_) std::rethrow_exception(error_);
        return done_;
    }

private:
    const BatchProgress& progress_;
    std::atomic<std::size_t> done_ = 0;
    std::atomic<bool> stop_ = false;
    std::exception_ptr error_;
};

/// Curves that share a plan, and which they are.
struct UniformBucket {
    UniformStep step;
    std::vector<std::size_t> index;
};

/// Curves with one plan for each size of step.
template <typename Real>
void batch_with_shared_plans(const Experiment& shared, std::span<const double> parameters,
                             std::span<float> signal, int threads, BatchState& state) {
    const std::size_t unknowns = shared.prior.size();
    const std::size_t count = parameters.size() / unknowns;
    const std::size_t points = static_cast<std::size_t>(shared.acquisition.points);
    const std::size_t lanes = static_cast<std::size_t>(uniform_lanes(sizeof(Real) == 4));
    const UniformNodes nodes = uniform_nodes(shared);

    std::vector<UniformBucket> buckets;
    for (std::size_t i = 0; i < count; ++i) {
        const Experiment one = with_parameters(shared, parameters.subspan(i * unknowns, unknowns));
        const UniformStep step = uniform_step(one, nodes);
        auto bucket = std::find_if(buckets.begin(), buckets.end(),
                                   [&](const UniformBucket& b) { return b.step == step; });
        if (bucket == buckets.end()) bucket = buckets.insert(buckets.end(), {step, {}});
        bucket->index.push_back(i);
    }
    struct Task {
        const UniformTables<Real>* tables;
        std::span<const std::size_t> index;
    };
    std::vector<std::unique_ptr<UniformTables<Real>>> tables;
    std::vector<Task> tasks;
    for (const UniformBucket& bucket : buckets) {
        tables.push_back(std::make_unique<UniformTables<Real>>(
            uniform_tables<Real>(uniform_plan(shared, nodes, bucket.step), shared.relaxation)));
        for (std::size_t i = 0; i < bucket.index.size(); i += lanes) {
            const std::size_t n = std::min(lanes, bucket.index.size() - i);
            tasks.push_back({tables.back().get(), std::span(bucket.index).subspan(i, n)});
        }
    }
    // The longest first, so that no thread is left with one at the end.
    std::stable_sort(tasks.begin(), tasks.end(), [](const Task& a, const Task& b) {
        return a.tables->plan.passes() > b.tables->plan.passes();
    });
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (std::size_t t = 0; t < tasks.size(); ++t) {
        const Task& task = tasks[t];
        state.run(task.index.size(), [&] {
            std::vector<UniformCurve> curves;
            for (std::size_t i : task.index) {
                curves.push_back(uniform_curve(
                    with_parameters(shared, parameters.subspan(i * unknowns, unknowns))));
            }
            thread_local std::vector<float> all;
            all.resize(curves.size() * 3 * points);
            run_uniform<Real, float>(*task.tables, curves, all);
            for (std::size_t j = 0; j < curves.size(); ++j) {
                std::copy_n(&all[j * 3 * points], 2 * points, &signal[task.index[j] * 2 * points]);
            }
        });
    }
}

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

Signal simulate(const Experiment& experiment) {
    experiment.validate();
    if (is_uniform(experiment)) {
        return uniform_in_single(experiment.accuracy) ? simulate_uniform_as<float>(experiment)
                                                      : simulate_uniform_as<double>(experiment);
    }
    thread_local LatticeWorkspace workspace;
    return simulate_lattice(experiment, workspace);
}

std::size_t simulate_batch(const Experiment& experiment, std::span<const double> parameters,
                           std::span<const std::uint64_t> lattice_seeds, std::span<float> signal,
                           int threads, const BatchProgress& progress) {
    experiment.validate();
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
    if (shared_plans && uniform_in_single(experiment.accuracy)) {
        batch_with_shared_plans<float>(experiment, parameters, signal, threads, state);
    } else if (shared_plans) {
        batch_with_shared_plans<double>(experiment, parameters, signal, threads, state);
    } else {
        batch_one_by_one(experiment, parameters, lattice_seeds, signal, threads, state);
    }
    return state.finish();
}

SimulationCost simulation_cost(const Experiment& experiment) {
    experiment.validate();
    SimulationCost cost;
    if (is_uniform(experiment)) {
        UniformNodes nodes = uniform_nodes(experiment);
        const UniformStep step = uniform_step(experiment, nodes);
        const UniformPlan plan = uniform_plan(experiment, std::move(nodes), step);
        cost.elements = static_cast<double>(plan.nodes.weight.size());
        cost.steps = static_cast<double>(plan.passes());
        cost.flops = kFlopsPerNodePass * cost.spin_steps();
        return cost;
    }
    return lattice_cost(experiment);
}

}  // namespace nmrsim
