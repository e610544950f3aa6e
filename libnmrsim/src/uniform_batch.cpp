#include "uniform_batch.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "uniform_simulator.h"

namespace nmrsim {
namespace {

/// Curves that share a plan, and which they are.
struct Bucket {
    UniformStep step;
    std::vector<std::size_t> index;
    UniformTables<float> single;  ///< one of the two, as the step says
    UniformTables<double> twice;

    long passes() const { return (step.single ? single.plan : twice.plan).passes(); }
};

/// Nodes of each level, found as they are needed.
class NodeLevels {
public:
    explicit NodeLevels(const Experiment& experiment)
        : experiment_(experiment), nodes_(kMostLevels) {}

    const UniformNodes& at(int level) {
        UniformNodes& nodes = nodes_[static_cast<std::size_t>(level)];
        if (nodes.weight.empty()) nodes = uniform_nodes(experiment_, level);
        return nodes;
    }

private:
    const Experiment& experiment_;
    std::vector<UniformNodes> nodes_;
};

std::vector<Bucket> sort_by_step(const Experiment& shared, std::span<const double> parameters) {
    const std::size_t unknowns = shared.prior.size();
    NodeLevels nodes(shared);
    std::vector<Bucket> buckets;
    for (std::size_t i = 0; i < parameters.size() / unknowns; ++i) {
        const Experiment one = with_parameters(shared, parameters.subspan(i * unknowns, unknowns));
        const int level = uniform_level(one, nodes.at(0));
        const UniformStep step = uniform_step(one, nodes.at(level), level);
        auto bucket = std::find_if(buckets.begin(), buckets.end(),
                                   [&](const Bucket& b) { return b.step == step; });
        if (bucket == buckets.end()) bucket = buckets.insert(buckets.end(), {step, {}, {}, {}});
        bucket->index.push_back(i);
    }
    for (Bucket& bucket : buckets) {
        UniformPlan plan = uniform_plan(shared, nodes.at(bucket.step.level), bucket.step);
        if (bucket.step.single) {
            bucket.single = uniform_tables<float>(std::move(plan), shared.relaxation);
        } else {
            bucket.twice = uniform_tables<double>(std::move(plan), shared.relaxation);
        }
    }
    return buckets;
}

/// Curves that fill the lanes.
struct Task {
    const Bucket* bucket;
    std::span<const std::size_t> index;
    double cost;
};

std::vector<Task> tasks_of(const std::vector<Bucket>& buckets) {
    std::vector<Task> tasks;
    for (const Bucket& bucket : buckets) {
        const std::size_t lanes = static_cast<std::size_t>(uniform_lanes(bucket.step.single));
        for (std::size_t i = 0; i < bucket.index.size(); i += lanes) {
            const std::size_t n = std::min(lanes, bucket.index.size() - i);
            tasks.push_back({&bucket, std::span(bucket.index).subspan(i, n),
                             static_cast<double>(bucket.passes())});
        }
    }
    // The longest first, so that no thread is left with one at the end.
    std::stable_sort(tasks.begin(), tasks.end(),
                     [](const Task& a, const Task& b) { return a.cost > b.cost; });
    return tasks;
}

/// A task, or some of its tangents.
struct Part {
    const Task* task;
    std::size_t first, end;  ///< of the tangents
};

/// The last tasks, which are too few for all threads, are shared by them: each works out the curves
/// and some of their tangents.
std::vector<Part> parts_of(const std::vector<Task>& tasks, std::size_t tangents,
                           std::size_t threads) {
    const std::size_t last = tasks.size() % threads;
    std::vector<Part> parts;
    for (std::size_t t = 0; t < tasks.size(); ++t) {
        std::size_t shares = 1;
        if (t >= tasks.size() - last) {
            shares = std::clamp(threads / last, std::size_t{1}, std::max(tangents, std::size_t{1}));
        }
        for (std::size_t s = shares; s-- > 0;) {
            parts.push_back({&tasks[t], tangents * s / shares, tangents * (s + 1) / shares});
        }
    }
    return parts;
}

}  // namespace

void run_uniform_batch(const Experiment& shared, std::span<const double> parameters,
                       std::span<const std::string> tangents, int threads, BatchState& state,
                       const UniformSink& sink) {
    const std::size_t unknowns = shared.prior.size();
    const std::size_t row_size = 3 * static_cast<std::size_t>(shared.acquisition.points);
    const std::vector<Bucket> buckets = sort_by_step(shared, parameters);
    const std::vector<Task> tasks = tasks_of(buckets);
    const std::vector<Part> parts =
        parts_of(tasks, tangents.size(), static_cast<std::size_t>(threads));
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (std::size_t p = 0; p < parts.size(); ++p) {
        const Part& part = parts[p];
        const Task& task = *part.task;
        state.run(part.first == 0 ? task.index.size() : 0, [&] {
            std::vector<UniformCurve> curves;
            for (std::size_t i : task.index) {
                const Experiment one =
                    with_parameters(shared, parameters.subspan(i * unknowns, unknowns));
                curves.push_back(uniform_curve(one));
                for (std::size_t t = part.first; t < part.end; ++t) {
                    curves.back().tangents.push_back(uniform_tangent(one, tangents[t].c_str()));
                }
            }
            const std::size_t count = part.end - part.first;
            thread_local std::vector<float> all;
            all.resize(curves.size() * (1 + count) * row_size);
            if (task.bucket->step.single) {
                run_uniform<float, float>(task.bucket->single, curves, all);
            } else {
                run_uniform<double, float>(task.bucket->twice, curves, all);
            }
            for (std::size_t j = 0; j < curves.size(); ++j) {
                sink(task.index[j], part.first, count, &all[j * (1 + count) * row_size]);
            }
        });
    }
}

}  // namespace nmrsim
