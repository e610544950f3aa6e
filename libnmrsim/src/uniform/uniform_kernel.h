/// Inner loops of the uniform kernel, compiled for each instruction set.
///
/// The lanes of a vector are curves: no sum crosses lanes, and the turn about the mean field, one
/// for all nodes of a curve, needs no shuffles either. Of a curve alone they are nodes (`across`).
/// Arrays that hold a vector per entry are aligned to 64 bytes and written "[lanes]".
#pragma once

#include <cstddef>

#include "base/instruction_set.h"

namespace nmrsim {

/// One pass of a splitting step: the coupling turn of this pass, then an offset turn.
template <typename Real>
struct UniformPass {
    Real coupling;  ///< share of the step in the coupling turn [s]
    /// (nodes) tangent of half the offset turn's angle, 2 pi delta a h: three shears make the turn.
    /// Where steps are the curves' own, (nodes)[lanes].
    const Real* turn_tan;
    const Real* turn_sin;  ///< sine of the angle, likewise
    /// (1 + t, 3)[lanes] of each curve and its tangents: 1 - exp(-a h / T2), 1 - exp(-a h / T1),
    /// and the latter times the equilibrium mz. Null: no curve relaxes. Of step 0.
    const Real* loss;
};

/// How much of relaxation the curves of a group need.
enum class UniformRelaxation {
    none,
    same,  ///< tangents relax as the curve does: rates and weights depend on no parameter
    own,   ///< rates or weights have tangents
};

/// Records used to interpolate a sample. Fixed by benchmarks/accuracy_benchmark.cpp: with 18 the
/// step may be two thirds of the Nyquist limit of the line's edge at 1e-4.
inline constexpr int kInterpolationOrder = 18;

/// Most tangents (derivatives with respect to a parameter) that the kernels carry at once.
inline constexpr int kMostTangents = 3;

/// Several equal steps of several curves, and of their tangents where wanted: derivatives of every
/// quantity with respect to `tangents` parameters, beside it. "1 + t" counts the quantity first,
/// then its tangents.
template <typename Real>
struct UniformSteps {
    int nodes = 0;
    int tangents = 0;  ///< t, 0 to kMostTangents
    int passes = 0;    ///< passes a step
    int steps = 0;
    const UniformPass<Real>* pass = nullptr;  ///< (passes)
    Real last_coupling = 0;                   ///< coupling turn that ends a step [s]
    UniformRelaxation relaxation = UniformRelaxation::none;
    std::ptrdiff_t loss_stride = 0;  ///< from a step's loss to the next one's, where they differ
    bool own_steps = false;  ///< offset turns are the curves' own; relaxation is none or own
    /// One curve, whose nodes lie side by side: (nodes)[lanes] are as many times `lanes` of them,
    /// and whatever is a curve's stands in each lane. With own_steps.
    bool across = false;
    /// (nodes)[lanes] of each curve's line, or own: (nodes, 1 + t)[lanes]; where mz is regained.
    const Real* weight = nullptr;
    const Real* total_weight = nullptr;  ///< (1 + t)[lanes] sum of it
    const Real* strength = nullptr;      ///< (1 + t)[lanes] -2 pi alpha of each curve [rad/s]
    Real* state = nullptr;    ///< (nodes, 1 + t, 3)[lanes] weighted Bloch vectors, in place
    Real* total_z = nullptr;  ///< (1 + t)[lanes] sum of the z components, in place
    /// (steps + 1, 1 + t, 2)[lanes] sums of the x and y components at the steps' ends, the first at
    /// the start; may be null.
    Real* record = nullptr;
};

/// Interpolation of records at the samples, and the turn from the curves' frames to the
/// laboratory's rotating frame.
template <typename Real>
struct UniformSamples {
    int points = 0;
    int tangents = 0;                ///< t
    int order = 0;                   ///< records used for each sample
    const int* first = nullptr;      ///< (points) index of the first record used
    const Real* weight = nullptr;    ///< (points, order); null where the times are the curves' own:
    const Real* position = nullptr;  ///< (points) in records from the first one used, less
    const Real* shift = nullptr;     ///< [lanes] of each curve, at most 1/2
    const Real* record = nullptr;    ///< (records, 1 + t, 2)[lanes]
    const Real* phasor = nullptr;    ///< (points, 2)[lanes] cos and sin of each curve's frame phase
    const Real* phase_slope = nullptr;  ///< (points, t)[lanes] tangents of the frame phase
    Real* signal = nullptr;             ///< (points, 1 + t, 2)[lanes] Mx and My
};

/// The kernels for one instruction set.
template <typename Real>
struct UniformKernels {
    int lanes;
    void (*run_steps)(const UniformSteps<Real>&);
    void (*sample)(const UniformSamples<Real>&);
    /// Multiplies each node's vector by the lane's matrix, (1 + t, 9)[lanes] row-major.
    void (*turn)(int nodes, int tangents, const Real* matrix, Real* state);
};

namespace baseline {
UniformKernels<float> uniform_kernels_float();
UniformKernels<double> uniform_kernels_double();
}  // namespace baseline
namespace avx2 {
UniformKernels<float> uniform_kernels_float();
UniformKernels<double> uniform_kernels_double();
}  // namespace avx2
namespace avx512 {
UniformKernels<float> uniform_kernels_float();
UniformKernels<double> uniform_kernels_double();
}  // namespace avx512

}  // namespace nmrsim
