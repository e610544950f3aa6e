#include "uniform/uniform_batch.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <iterator>
#include <numeric>
#include <utility>
#include <vector>

#include "model/dead_time.h"
#include "model/finite_numbers.h"
#include "model/spin_groups.h"
#include "uniform/uniform_answer.h"
#include "uniform/uniform_curve.h"
#include "uniform/uniform_error.h"
#include "uniform/uniform_simulator.h"
#include "uniform/uniform_storage.h"

namespace nmrsim {
namespace {

/// Curves that share a plan, and which they are.
struct Bucket {
    UniformStep step;
    Line line;      ///< that the nodes are made for
    double spread;  ///< of the pulses' strength, likewise
    bool stored;    ///< whether long delays are shortened
    std::vector<std::size_t> index;
    std::vector<double> expected;  ///< largest |M| that the step was chosen for
    /// (curves, segments) where times are the curves' own.
    std::vector<std::vector<UniformSpan>> spans;
    UniformTables<float> single;  ///< one of the two, as the step says
    UniformTables<double> twice;

    const UniformPlan& plan() const { return step.single ? single.plan : twice.plan; }
    long passes() const { return plan().passes(); }
};

/// Half widths of lines that share nodes differ by no more than this factor.
constexpr double kWidthsPerOctave = 4.0;

/// The line whose nodes do for this one: of the same cut, and as narrow or a little narrower.
Line line_of_nodes(Line line) {
    const auto narrower = [](double width) {
        return std::exp2(std::floor(kWidthsPerOctave * std::log2(width)) / kWidthsPerOctave);
    };
    line.half_width_khz = narrower(line.half_width_khz);
    line.gaussian_half_width_khz = narrower(line.gaussian_half_width_khz);
    return line;
}

/// The spread of the pulses' strength whose nodes do for this one: as large or a little larger.
double spread_of_nodes(double spread) {
    return spread > 0.0 ? std::exp2(0.5 * std::ceil(2.0 * std::log2(spread))) : 0.0;
}

bool same_widths(const Line& a, const Line& b) {
    return a.half_width_khz == b.half_width_khz &&
           a.gaussian_half_width_khz == b.gaussian_half_width_khz;
}

/// Nodes of each line, spread and level, found as they are needed.
class NodeLevels {
public:
    /// Args: experiment: with the widest pulses of the batch. longest_us, spare: as
    /// uniform_nodes()'s.
    NodeLevels(Experiment experiment, double longest_us, bool spare)
        : experiment_(std::move(experiment)), longest_us_(longest_us), spare_(spare) {}

    const UniformNodes& at(const Line& line, double spread, int level) {
        auto known = std::ranges::find_if(lines_, [&](const OfLine& one) {
            return same_widths(one.line, line) && one.spread == spread;
        });
        if (known == lines_.end()) {
            lines_.push_back({line, spread, std::vector<UniformNodes>(kMostLevels)});
            known = std::prev(lines_.end());
        }
        UniformNodes& nodes = known->nodes[static_cast<std::size_t>(level)];
        if (nodes.weight.empty()) {
            Experiment experiment = experiment_;
            experiment.line = line;
            experiment.sequence.pulse_spread = spread;
            nodes = uniform_nodes(experiment, level, longest_us_, spare_);
        }
        return nodes;
    }

private:
    struct OfLine {
        Line line;
        double spread;
        std::vector<UniformNodes> nodes;  // (levels)
    };
    const Experiment experiment_;
    const double longest_us_;
    const bool spare_;
    std::deque<OfLine> lines_;
};

struct Sorted {
    StoredExperiment stored;
    std::vector<Bucket> buckets;
    std::vector<std::size_t> alone;  ///< curves that need runs of their own
};

/// Args: curves: which of the parameters' rows.
Sorted sort_by_step(const Experiment& shared, std::span<const double> parameters,
                    std::span<const std::size_t> curves, int patience,
                    std::span<const std::string> tangents) {
    const std::size_t unknowns = shared.prior.size();
    const OwnUnknowns own(shared.prior);
    const bool slopes = !tangents.empty();
    const bool one_line = !own.line && std::ranges::none_of(tangents, changes_line);
    // Where delays, line and relaxation are the same in all of them.
    Sorted sorted{
        own.delays() ? StoredExperiment{shared} : store_long_delays(shared, patience), {}, {}};
    const StoredExperiment& stored = sorted.stored;
    const Experiment widest = with_widest_pulses(shared);
    NodeLevels nodes_of_whole(widest, 0.0, one_line),
        nodes_of_stored(stored.shortened(widest), stored.longest_us, one_line);
    std::vector<Bucket>& buckets = sorted.buckets;
    const bool set = shared.accuracy.nodes || shared.accuracy.steps_per_point;
    for (const std::size_t i : curves) {
        const Experiment whole =
            with_parameters(shared, parameters.subspan(i * unknowns, unknowns));
        if (own.start) whole.start.validate();
        Experiment one = stored.shortened(whole);
        if (own.delays() && !set && !store_long_delays(whole, patience).rest_us.empty()) {
            sorted.alone.push_back(i);
            continue;
        }
        const Line line = own.line ? line_of_nodes(one.line) : shared.line;
        const double spread = spread_of_nodes(one.sequence.pulse_spread);
        double magnitude = uncoupled_magnitude(one, nodes_of_stored.at(line, spread, 0));
        const bool stores = !stored.rest_us.empty() && stored.keeps_tolerance(magnitude);
        if (!stores && !stored.rest_us.empty()) {
            one = whole;
            magnitude = uncoupled_magnitude(one, nodes_of_whole.at(line, spread, 0));
        }
        NodeLevels& nodes = stores ? nodes_of_stored : nodes_of_whole;
        const int level = uniform_level(one, nodes.at(line, spread, 0), magnitude);
        const UniformStep step = uniform_step(one, nodes.at(line, spread, level), level, magnitude);
        std::vector<UniformSpan> spans;
        if (own.times) spans = uniform_spans(one, level);
        const bool long_stretch = std::ranges::any_of(spans, &UniformSpan::long_stretch);
        if ((!step.calibrated && !set) || long_stretch || (set && own.times)) {
            sorted.alone.push_back(i);
            continue;
        }
        auto bucket = std::find_if(buckets.begin(), buckets.end(), [&](const Bucket& b) {
            return b.step == step && b.stored == stores &&
                   (b.spans.empty() || alike(b.spans.front(), spans, step.step_s)) &&
                   same_widths(b.line, line) && b.spread == spread;
        });
        if (bucket == buckets.end()) {
            bucket =
                buckets.insert(buckets.end(), {step, line, spread, stores, {}, {}, {}, {}, {}});
        }
        bucket->index.push_back(i);
        bucket->expected.push_back(set ? 0.0 : magnitude);
        if (own.times) bucket->spans.push_back(std::move(spans));
    }
    for (Bucket& bucket : buckets) {
        NodeLevels& nodes = bucket.stored ? nodes_of_stored : nodes_of_whole;
        const UniformNodes& of_bucket = nodes.at(
            bucket.line, bucket.spread,
            slopes && own.line && !set ? level_of_slopes(bucket.step.level) : bucket.step.level);
        UniformPlan plan;
        if (own.times) {
            plan = uniform_plan(acquisition_times_us(shared), of_bucket, bucket.step, bucket.spans);
        } else {
            plan = uniform_plan(bucket.stored ? stored.experiment : shared, of_bucket, bucket.step);
        }
        if (bucket.stored) add_rests(stored, plan);
        require_time(plan, 0);
        if (bucket.step.single) {
            bucket.single = uniform_tables<float>(std::move(plan));
        } else {
            bucket.twice = uniform_tables<double>(std::move(plan));
        }
    }
    return sorted;
}

/// Curves that fill the lanes, or one that needs runs of its own.
struct Task {
    const Bucket* bucket;  ///< null: no bucket
    std::span<const std::size_t> index;
    std::span<const double> expected;
    std::span<const std::vector<UniformSpan>> spans;  ///< none: the bucket's
    double cost;
};

std::vector<Task> tasks_of(const Sorted& sorted) {
    std::vector<Task> tasks;
    for (const std::size_t& curve : sorted.alone) {
        tasks.push_back({nullptr, std::span(&curve, 1), {}, {}, HUGE_VAL});
    }
    for (const Bucket& bucket : sorted.buckets) {
        const std::size_t lanes = static_cast<std::size_t>(uniform_lanes(bucket.step.single));
        for (std::size_t i = 0; i < bucket.index.size(); i += lanes) {
            const std::size_t n = std::min(lanes, bucket.index.size() - i);
            tasks.push_back({&bucket, std::span(bucket.index).subspan(i, n),
                             std::span(bucket.expected).subspan(i, n),
                             bucket.spans.empty() ? std::span<const std::vector<UniformSpan>>()
                                                  : std::span(bucket.spans).subspan(i, n),
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
        // No more tangents than the kernels carry at once.
        std::size_t shares =
            std::max<std::size_t>((tangents + kMostTangents - 1) / std::size_t{kMostTangents}, 1);
        if (t >= tasks.size() - last) {
            shares = std::clamp(threads / last, shares, std::max(tangents, std::size_t{1}));
        }
        for (std::size_t s = shares; s-- > 0;) {
            parts.push_back({&tasks[t], tangents * s / shares, tangents * (s + 1) / shares});
        }
    }
    return parts;
}

/// A curve smaller than its steps were chosen for by more than this has runs of its own: the steps
/// may be too long.
constexpr double kEnough = 0.1;

/// A curve of shortened delays that is smaller than expected by more than this has, too.
constexpr double kNearly = 2.0;

/// A curve with runs of its own, as (1 + tangents, 3, points).
void answer_alone(const Experiment& one, std::span<const std::string> tangents, float* rows) {
    const SignalJacobian answer = answer_uniform(one, tangents);
    require_right(one, answer.signal);
    const auto put = [&](const std::vector<double>& component) {
        rows = std::copy(component.begin(), component.end(), rows);
    };
    const auto put_row = [&](const std::vector<double>& mx, const std::vector<double>& my,
                             const std::vector<double>& mz) {
        put(mx);
        put(my);
        put(mz);
    };
    put_row(answer.signal.mx, answer.signal.my, answer.signal.mz);
    for (std::size_t t = 0; t < tangents.size(); ++t) {
        put_row(answer.dmx[t], answer.dmy[t], answer.dmz[t]);
    }
}

/// Simulates some of the curves. Returns those of which M has not fallen at the end of a delay that
/// was shortened, ascending: they want more patience.
std::vector<std::size_t> run_some(const Experiment& shared, std::span<const double> parameters,
                                  std::span<const std::size_t> curves, int patience,
                                  std::span<const std::string> tangents, int threads,
                                  BatchState& state, const UniformSink& sink) {
    const std::size_t unknowns = shared.prior.size();
    const std::size_t row_size = 3 * sample_count(shared);
    const std::size_t points = sample_count(shared);
    const std::vector<std::size_t> dead = dead_samples(shared);
    const Sorted sorted = sort_by_step(shared, parameters, curves, patience, tangents);
    const std::vector<Task> tasks = tasks_of(sorted);
    const std::vector<Part> parts =
        parts_of(tasks, tangents.size(), static_cast<std::size_t>(threads));
    const bool own_line = OwnUnknowns(shared.prior).line;
    std::vector<std::size_t> loud;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (std::size_t p = 0; p < parts.size(); ++p) {
        const Part& part = parts[p];
        const Task& task = *part.task;
        std::size_t done = 0;
        state.run(0, [&] {
            const std::size_t count = part.end - part.first;
            const std::span<const std::string> names = tangents.subspan(part.first, count);
            const auto experiment = [&](std::size_t i) {
                return with_parameters(shared, parameters.subspan(i * unknowns, unknowns));
            };
            thread_local std::vector<float> all;
            all.resize(task.index.size() * (1 + count) * row_size);
            const auto rows = [&](std::size_t j) { return &all[j * (1 + count) * row_size]; };
            UniformRun run;
            if (task.bucket) {
                std::vector<UniformCurve> group;
                for (std::size_t i : task.index) {
                    const Experiment one = experiment(i);
                    const UniformNodes& nodes = task.bucket->plan().nodes;
                    group.push_back(uniform_curve(one, nodes, own_line));
                    for (const std::string& name : names) {
                        group.back().tangents.push_back(uniform_tangent(one, nodes, name));
                    }
                }
                for (std::size_t j = 0; j < task.spans.size(); ++j) group[j].spans = task.spans[j];
                run = task.bucket->step.single
                          ? run_uniform<float, float>(task.bucket->single, group, all)
                          : run_uniform<double, float>(task.bucket->twice, group, all);
            }
            for (std::size_t j = 0; j < task.index.size(); ++j) {
                if (task.bucket && run.loud[j]) {
#pragma omp critical(nmrsim_uniform_loud)
                    loud.push_back(task.index[j]);
                    continue;
                }
                const std::span<const float> mx(rows(j), points), my(rows(j) + points, points);
                const double peak = heard_peak(dead, mx, my);
                if (!task.bucket || peak < kEnough * task.expected[j] ||
                    (task.bucket->stored && !sorted.stored.keeps_tolerance(kNearly * peak))) {
                    answer_alone(experiment(task.index[j]), names, rows(j));
                }
                sink(task.index[j], part.first, count, rows(j));
                ++done;
            }
        });
        if (part.first == 0) state.run(done, [] {});
    }
    std::ranges::sort(loud);
    loud.erase(std::unique(loud.begin(), loud.end()), loud.end());
    return loud;
}

}  // namespace

void run_uniform_batch(const Experiment& shared, std::span<const double> parameters,
                       std::span<const std::string> tangents, int threads, BatchState& state,
                       const UniformSink& sink) {
    std::vector<std::size_t> curves(parameters.size() / shared.prior.size());
    std::iota(curves.begin(), curves.end(), std::size_t{0});
    for (int patience = 0; !curves.empty() && !state.stopped(); ++patience) {
        curves = run_some(shared, parameters, curves, patience, tangents, threads, state, sink);
    }
}

}  // namespace nmrsim
