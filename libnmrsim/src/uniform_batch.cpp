#include "uniform_batch.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "uniform_simulator.h"

namespace nmrsim {
namespace {

/// Curves that share a plan, and which they are.
struct Bucket {
    UniformStep step;
    std::vector<std::size_t> index;
};

std::vector<Bucket> sort_by_step(const Experiment& shared, const UniformNodes& nodes,
                                 std::span<const double> parameters) {
    const std::size_t unknowns = shared.prior.size();
    std::vector<Bucket> buckets;
    for (std::size_t i = 0; i < parameters.size() / unknowns; ++i) {
        const Experiment one = with_parameters(shared, parameters.subspan(i * unknowns, unknowns));
        const UniformStep step = uniform_step(one, nodes);
        auto bucket = std::find_if(buckets.begin(), buckets.end(),
                                   [&](const Bucket& b) { return b.step == step; });
        if (bucket == buckets.end()) bucket = buckets.insert(buckets.end(), {step, {}});
        bucket->index.push_back(i);
    }
    return buckets;
}

template <typename Real>
void run_as(const Experiment& shared, std::span<const double> parameters,
            std::span<const std::string> tangents, int threads, BatchState& state,
            const UniformSink& sink) {
    const std::size_t unknowns = shared.prior.size();
    const std::size_t rows_size =
        (1 + tangents.size()) * 3 * static_cast<std::size_t>(shared.acquisition.points);
    const std::size_t lanes = static_cast<std::size_t>(uniform_lanes(sizeof(Real) == 4));
    const UniformNodes nodes = uniform_nodes(shared);
    const std::vector<Bucket> buckets = sort_by_step(shared, nodes, parameters);

    struct Task {
        const UniformTables<Real>* tables;
        std::span<const std::size_t> index;
    };
    std::vector<std::unique_ptr<UniformTables<Real>>> tables;
    std::vector<Task> tasks;
    for (const Bucket& bucket : buckets) {
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
                const Experiment one =
                    with_parameters(shared, parameters.subspan(i * unknowns, unknowns));
                curves.push_back(uniform_curve(one));
                for (const std::string& name : tangents) {
                    curves.back().tangents.push_back(uniform_tangent(one, name.c_str()));
                }
            }
            thread_local std::vector<float> all;
            all.resize(curves.size() * rows_size);
            run_uniform<Real, float>(*task.tables, curves, all);
            for (std::size_t j = 0; j < curves.size(); ++j) {
                sink(task.index[j], &all[j * rows_size]);
            }
        });
    }
}

}  // namespace

void run_uniform_batch(const Experiment& shared, std::span<const double> parameters,
                       std::span<const std::string> tangents, int threads, BatchState& state,
                       const UniformSink& sink) {
    if (uniform_in_single(shared.accuracy)) {
        run_as<float>(shared, parameters, tangents, threads, state, sink);
    } else {
        run_as<double>(shared, parameters, tangents, threads, state, sink);
    }
}

}  // namespace nmrsim
