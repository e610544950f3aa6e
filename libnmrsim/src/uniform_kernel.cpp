#include "uniform_kernel.h"

namespace nmrsim {
namespace NMRSIM_ISA {
namespace {

#if defined(NMRSIM_ISA_avx512)
constexpr int kVectorBytes = 64;
#elif defined(NMRSIM_ISA_avx2)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <typename Real>
struct Vector;
template <>
struct Vector<float> {
    typedef float type __attribute__((vector_size(kVectorBytes), may_alias));
};
template <>
struct Vector<double> {
    typedef double type __attribute__((vector_size(kVectorBytes), may_alias));
};

template <typename Real>
using V = typename Vector<Real>::type;

template <typename Real>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(Real));

template <typename Real>
inline const V<Real>* vectors(const Real* p) {
    return reinterpret_cast<const V<Real>*>(p);
}
template <typename Real>
inline V<Real>* vectors(Real* p) {
    return reinterpret_cast<V<Real>*>(p);
}

/// 3 x 3 turn of each lane.
template <typename Real>
struct Turn {
    V<Real> xx, xy, xz, yx, yy, yz, zx, zy, zz;
};

/// exp of the cross product with (x, y, z) = angle * axis, by the series of sin(a)/a and
/// (1 - cos a)/a^2 in a^2; the plan keeps a <= 1.6, where twelve terms reach 1e-16.
template <typename Real>
inline Turn<Real> turn_about(V<Real> x, V<Real> y, V<Real> z) {
    const V<Real> a2 = x * x + y * y + z * z;
    // Terms (-1)^k a2^k / (2k + 1)! and (-1)^k a2^k / (2k + 2)!.
    constexpr int kTerms = sizeof(Real) == 4 ? 7 : 12;
    constexpr double kOdd[12] = {1.0,
                                 -1.0 / 6,
                                 1.0 / 120,
                                 -1.0 / 5040,
                                 1.0 / 362880,
                                 -1.0 / 39916800,
                                 1.0 / 6227020800.0,
                                 -1.0 / 1307674368000.0,
                                 1.0 / 355687428096000.0,
                                 -1.0 / 121645100408832000.0,
                                 1.0 / 51090942171709440000.0,
                                 -1.0 / 25852016738884976640000.0};
    V<Real> sine = static_cast<Real>(kOdd[kTerms - 1]) - V<Real>{};
    V<Real> cosine = static_cast<Real>(kOdd[kTerms - 1] / (2 * kTerms)) - V<Real>{};
    for (int k = kTerms - 2; k >= 0; --k) {
        sine = sine * a2 + static_cast<Real>(kOdd[k]);
        cosine = cosine * a2 + static_cast<Real>(kOdd[k] / (2 * k + 2));
    }
    const V<Real> cx = cosine * x, cy = cosine * y, cz = cosine * z;
    const V<Real> sx = sine * x, sy = sine * y, sz = sine * z;
    const V<Real> xy = cx * y, xz = cx * z, yz = cy * z;
    const V<Real> x2 = cx * x, y2 = cy * y, z2 = cz * z;
    return {Real(1) - y2 - z2, xy - sz,           xz + sy,  //
            xy + sz,           Real(1) - x2 - z2, yz - sx,  //
            xz - sy,           yz + sx,           Real(1) - x2 - y2};
}

/// Sums of the transverse components over the nodes.
template <typename Real>
struct Sums {
    V<Real> x, y;
};

/// The turn, then each node's own offset turn, and the sums after it. 15 fused multiply-adds a
/// node.
template <typename Real, bool kRelaxes>
inline Sums<Real> pass_over_nodes(const UniformPass<Real>& pass, const Turn<Real>& r, int nodes,
                                  V<Real>* __restrict state) {
    const Real* __restrict turn_cos = pass.turn_cos;
    const Real* __restrict turn_sin = pass.turn_sin;
    Sums<Real> sums{};
    for (int i = 0; i < nodes; ++i) {
        const V<Real> x = state[3 * i], y = state[3 * i + 1], z = state[3 * i + 2];
        const V<Real> tx = r.xx * x + r.xy * y + r.xz * z;
        const V<Real> ty = r.yx * x + r.yy * y + r.yz * z;
        V<Real> tz = r.zx * x + r.zy * y + r.zz * z;
        const V<Real> nx = turn_cos[i] * tx + turn_sin[i] * ty;
        const V<Real> ny = turn_cos[i] * ty - turn_sin[i] * tx;
        if constexpr (kRelaxes) tz = tz * pass.longitudinal_decay + pass.recovery[i];
        state[3 * i] = nx;
        state[3 * i + 1] = ny;
        state[3 * i + 2] = tz;
        sums.x += nx;
        sums.y += ny;
    }
    return sums;
}

template <typename Real, bool kRelaxes>
void run_steps_with(const UniformSteps<Real>& job) {
    V<Real>* state = vectors(job.state);
    const V<Real> strength = *vectors(job.strength);
    V<Real> total_z = *vectors(job.total_z);
    Sums<Real> sums{};
    for (int i = 0; i < job.nodes; ++i) {
        sums.x += state[3 * i];
        sums.y += state[3 * i + 1];
    }
    V<Real>* record = job.record ? vectors(job.record) : nullptr;
    if (record) {
        record[0] = sums.x;
        record[1] = sums.y;
    }
    // The coupling turn that ends a step and the one that starts the next are about the same
    // vector.
    Real carried = 0;
    for (int step = 0; step < job.steps; ++step) {
        for (int p = 0; p < job.passes; ++p) {
            const UniformPass<Real>& pass = job.pass[p];
            const V<Real> scale = strength * (pass.coupling + carried);
            carried = 0;
            const Turn<Real> turn =
                turn_about<Real>(scale * sums.x, scale * sums.y, scale * total_z);
            sums = pass_over_nodes<Real, kRelaxes>(pass, turn, job.nodes, state);
            if constexpr (kRelaxes) {
                total_z = total_z * pass.longitudinal_decay + pass.total_recovery;
            }
        }
        carried = job.last_coupling;
        if (record) {
            record[2 * (step + 1)] = sums.x;
            record[2 * (step + 1) + 1] = sums.y;
        }
    }
    if (job.steps > 0) {
        const V<Real> scale = strength * carried;
        const Turn<Real> r = turn_about<Real>(scale * sums.x, scale * sums.y, scale * total_z);
        for (int i = 0; i < job.nodes; ++i) {
            const V<Real> x = state[3 * i], y = state[3 * i + 1], z = state[3 * i + 2];
            state[3 * i] = r.xx * x + r.xy * y + r.xz * z;
            state[3 * i + 1] = r.yx * x + r.yy * y + r.yz * z;
            state[3 * i + 2] = r.zx * x + r.zy * y + r.zz * z;
        }
    }
    *vectors(job.total_z) = total_z;
}

template <typename Real>
void run_steps(const UniformSteps<Real>& job) {
    if (job.passes > 0 && job.pass[0].recovery) {
        run_steps_with<Real, true>(job);
    } else {
        run_steps_with<Real, false>(job);
    }
}

template <typename Real>
void sample(const UniformSamples<Real>& job) {
    const V<Real>* record = vectors(job.record);
    const V<Real>* phasor = vectors(job.phasor);
    V<Real>* signal = vectors(job.signal);
    for (int k = 0; k < job.points; ++k) {
        const V<Real>* from = record + 2 * job.first[k];
        const Real* weight = job.weight + k * job.order;
        V<Real> x{}, y{};
        for (int j = 0; j < job.order; ++j) {
            x += weight[j] * from[2 * j];
            y += weight[j] * from[2 * j + 1];
        }
        // M+ = M+ of the frame * exp(-i phase)
        const V<Real> c = phasor[2 * k], s = phasor[2 * k + 1];
        signal[2 * k] = c * x + s * y;
        signal[2 * k + 1] = c * y - s * x;
    }
}

template <typename Real>
void turn(int nodes, const Real* matrix, Real* state_pointer) {
    const V<Real>* r = vectors(matrix);
    V<Real>* state = vectors(state_pointer);
    for (int i = 0; i < nodes; ++i) {
        const V<Real> x = state[3 * i], y = state[3 * i + 1], z = state[3 * i + 2];
        state[3 * i] = r[0] * x + r[1] * y + r[2] * z;
        state[3 * i + 1] = r[3] * x + r[4] * y + r[5] * z;
        state[3 * i + 2] = r[6] * x + r[7] * y + r[8] * z;
    }
}

}  // namespace

UniformKernels<float> uniform_kernels_float() {
    return {kLanes<float>, run_steps<float>, sample<float>, turn<float>};
}
UniformKernels<double> uniform_kernels_double() {
    return {kLanes<double>, run_steps<double>, sample<double>, turn<double>};
}

}  // namespace NMRSIM_ISA
}  // namespace nmrsim
