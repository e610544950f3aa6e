/// The uniform kernel: the ensemble as an integral over the line.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/aligned_array.h"
#include "nmrsim/experiment.h"
#include "uniform/uniform_curve.h"
#include "uniform/uniform_kernel.h"
#include "uniform/uniform_plan.h"

namespace nmrsim {

/// How many curves the kernels compute side by side.
int uniform_lanes(bool single_precision);

/// A segment's passes in one direction of time.
template <typename Real>
struct PassTables {
    std::vector<UniformPass<Real>> pass;  ///< point into `values`; no losses
    std::vector<double> time_s;           ///< (passes) of the offset turns
    Real last_coupling = 0;
    AlignedArray<Real> values;  ///< each table padded()
};

template <typename Real>
struct SegmentTables {
    PassTables<Real> forward, backward;
    std::vector<Real> weight;  ///< (samples, order) of the interpolation
};

/// A plan with its tables in the kernels' precision, made once for many curves.
template <typename Real>
struct UniformTables {
    UniformPlan plan;
    std::vector<SegmentTables<Real>> segments;
};

template <typename Real>
UniformTables<Real> uniform_tables(UniformPlan plan);

/// How a group of curves was followed.
struct UniformRun {
    long passes = 0;  ///< over the nodes
    /// (curves) Whether M was still to be heard of where a segment's rest_us begins: the curve is
    /// wrong.
    std::vector<bool> loud;
};

/// What lies side by side in the lanes.
enum class UniformLanes {
    curves,
    nodes,  ///< of one curve
};

/// Simulates up to uniform_lanes() curves on the calling thread. What a curve gives does not depend
/// on its neighbours, and up to rounding not on `lanes`. Several curves, or one whose times are its
/// own, lie side by side whatever is asked for.
///
/// Args: signal: (curves, 1 + tangents, 3, points), receives Mx, My and Mz of each curve, then
/// their tangents.
template <typename Real, typename Out>
UniformRun run_uniform(const UniformTables<Real>& tables, std::span<const UniformCurve> curves,
                       std::span<Out> signal, UniformLanes lanes = UniformLanes::curves);

}  // namespace nmrsim
