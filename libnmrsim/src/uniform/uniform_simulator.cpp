#include "uniform/uniform_simulator.h"

#include <utility>

#include "base/instruction_set.h"
#include "uniform/uniform_group.h"

namespace nmrsim {
namespace {

template <typename Real>
PassTables<Real> make_tables(const UniformPlan& plan, double step_s) {
    const SplittingScheme& scheme = *plan.step.scheme;
    const std::size_t nodes = plan.nodes.weight.size(), size = padded(nodes);
    const std::size_t passes = scheme.offset.size();
    PassTables<Real> tables;
    tables.pass.resize(passes);
    tables.values.resize(2 * size * passes);
    tables.last_coupling = static_cast<Real>(scheme.coupling[passes] * step_s);
    for (std::size_t p = 0; p < passes; ++p) {
        UniformPass<Real>& pass = tables.pass[p];
        const double h = scheme.offset[p] * step_s;
        tables.time_s.push_back(h);
        Real* turn_tan = &tables.values[2 * size * p];
        Real* turn_sin = turn_tan + size;
        // The scheme is a palindrome: a pass whose twin has come already uses the twin's table.
        const std::size_t twin = passes - 1 - p;
        if (twin < p) {
            pass = tables.pass[twin];
        } else {
            for (std::size_t i = 0; i < nodes; ++i) {
                const double angle = kTwoPi * plan.nodes.offset_hz[i] * h;
                const double half = half_tangent(angle);
                turn_tan[i] = static_cast<Real>(half);
                turn_sin[i] = static_cast<Real>(2.0 * half / (1.0 + half * half));
            }
            pass.turn_tan = turn_tan;
            pass.turn_sin = turn_sin;
            pass.loss = nullptr;
        }
        pass.coupling = static_cast<Real>(scheme.coupling[p] * step_s);
    }
    return tables;
}

}  // namespace

template <typename Real>
UniformKernels<Real> uniform_kernels() {
    if constexpr (sizeof(Real) == 4) {
        return NMRSIM_BEST(uniform_kernels_float)();
    } else {
        return NMRSIM_BEST(uniform_kernels_double)();
    }
}

template UniformKernels<float> uniform_kernels();
template UniformKernels<double> uniform_kernels();

int uniform_lanes(bool single_precision) {
    return single_precision ? uniform_kernels<float>().lanes : uniform_kernels<double>().lanes;
}

template <typename Real>
UniformTables<Real> uniform_tables(UniformPlan plan) {
    UniformTables<Real> tables;
    for (const UniformSegment& segment : plan.segments) {
        SegmentTables<Real> entry;
        entry.forward = make_tables<Real>(plan, segment.step_s);
        if (segment.steps_before > 0) {
            entry.backward = make_tables<Real>(plan, -segment.step_s);
        }
        entry.weight.assign(segment.weight.begin(), segment.weight.end());
        tables.segments.push_back(std::move(entry));
    }
    tables.plan = std::move(plan);
    return tables;
}

template <typename Real, typename Out>
UniformRun run_uniform(const UniformTables<Real>& tables, std::span<const UniformCurve> curves,
                       std::span<Out> signal, UniformLanes lanes) {
    thread_local Workspace<Real> work;
    UniformGroup<Real> group(tables, curves, lanes, work);
    return group.run(signal);
}

template UniformTables<float> uniform_tables(UniformPlan);
template UniformTables<double> uniform_tables(UniformPlan);
template UniformRun run_uniform(const UniformTables<float>&, std::span<const UniformCurve>,
                                std::span<float>, UniformLanes);
template UniformRun run_uniform(const UniformTables<float>&, std::span<const UniformCurve>,
                                std::span<double>, UniformLanes);
template UniformRun run_uniform(const UniformTables<double>&, std::span<const UniformCurve>,
                                std::span<float>, UniformLanes);
template UniformRun run_uniform(const UniformTables<double>&, std::span<const UniformCurve>,
                                std::span<double>, UniformLanes);

}  // namespace nmrsim
