#include "uniform/uniform_kernel.h"

#include <array>

#include "base/kernel_vector.h"

namespace nmrsim {
namespace NMRSIM_ISA {
namespace {

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

/// 3 x 3 turn of each lane, less the identity: the turns of one pass are small, and what is left
/// keeps its digits.
template <typename Real>
struct Turn {
    V<Real> xx, xy, xz, yx, yy, yz, zx, zy, zz;
};

template <typename Real>
struct Vector3 {
    V<Real> x, y, z;
};

template <typename Real>
inline Vector3<Real> cross(const Vector3<Real>& a, const Vector3<Real>& b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

template <typename Real>
inline Vector3<Real> apply(const Turn<Real>& r, const Vector3<Real>& v) {
    return {v.x + r.xx * v.x + r.xy * v.y + r.xz * v.z, v.y + r.yx * v.x + r.yy * v.y + r.yz * v.z,
            v.z + r.zx * v.x + r.zy * v.y + r.zz * v.z};
}

/// The functions of an angle a that a turn by a vector of length a, and its derivative, need.
template <typename Real>
struct TurnSeries {
    V<Real> sine;    ///< sin(a) / a
    V<Real> cosine;  ///< (1 - cos a) / a^2
    V<Real> cubic;   ///< (a - sin a) / a^3
};

/// By their series in a^2; the plan keeps a <= 0.7, where ten terms reach 1e-17.
template <typename Real>
inline TurnSeries<Real> turn_series(V<Real> a2) {
    constexpr int kTerms = sizeof(Real) == 4 ? 5 : 10;
    // (-1)^k / (2k + 1)!; the other two series divide it by 2k + 2 and by (2k + 2)(2k + 3).
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
    TurnSeries<Real> f{};
    for (int k = kTerms - 1; k >= 0; --k) {
        f.sine = f.sine * a2 + static_cast<Real>(kOdd[k]);
        f.cosine = f.cosine * a2 + static_cast<Real>(kOdd[k] / (2 * k + 2));
        f.cubic = f.cubic * a2 + static_cast<Real>(kOdd[k] / ((2 * k + 2) * (2 * k + 3)));
    }
    return f;
}

/// exp of the cross product with w, less the identity.
template <typename Real>
inline Turn<Real> turn_about(const Vector3<Real>& w, const TurnSeries<Real>& f) {
    const V<Real> cx = f.cosine * w.x, cy = f.cosine * w.y, cz = f.cosine * w.z;
    const V<Real> sx = f.sine * w.x, sy = f.sine * w.y, sz = f.sine * w.z;
    const V<Real> xy = cx * w.y, xz = cx * w.z, yz = cy * w.z;
    const V<Real> x2 = cx * w.x, y2 = cy * w.y, z2 = cz * w.z;
    return {-y2 - z2, xy - sz,  xz + sy,  //
            xy + sz,  -x2 - z2, yz - sx,  //
            xz - sy,  yz + sx,  -x2 - y2};
}

/// The turning rate of exp(w x) as w changes by dw: d exp(w x) = (rate x) exp(w x).
template <typename Real>
inline Vector3<Real> turning_rate(const Vector3<Real>& w, const Vector3<Real>& dw,
                                  const TurnSeries<Real>& f) {
    const Vector3<Real> once = cross<Real>(w, dw);
    const Vector3<Real> twice = cross<Real>(w, once);
    return {dw.x + f.cosine * once.x + f.cubic * twice.x,
            dw.y + f.cosine * once.y + f.cubic * twice.y,
            dw.z + f.cosine * once.z + f.cubic * twice.z};
}

/// Sums over the nodes, of the curves and their tangents.
template <typename Real, int kTangents>
struct Means {
    V<Real> x[1 + kTangents], y[1 + kTangents], z[1 + kTangents];
    V<Real> z_low[1 + kTangents];  ///< rounding of z where it relaxes: it turns the curve's frame
};

/// The turn of the given share of a step about the curves' means, and its turning rates.
template <typename Real, int kTangents>
struct Turns {
    Turn<Real> turn;
    Vector3<Real> rate[kTangents + 1];  // the last one is not used: no arrays of length 0
};

template <typename Real, int kTangents>
inline Turns<Real, kTangents> coupling_turns(const Means<Real, kTangents>& mean,
                                             const V<Real>* strength, Real share) {
    const V<Real> scale = strength[0] * share;
    const Vector3<Real> w{scale * mean.x[0], scale * mean.y[0], scale * mean.z[0]};
    const TurnSeries<Real> series = turn_series<Real>(w.x * w.x + w.y * w.y + w.z * w.z);
    Turns<Real, kTangents> turns;
    turns.turn = turn_about<Real>(w, series);
    for (int t = 1; t <= kTangents; ++t) {
        const V<Real> slope = strength[t] * share;
        const Vector3<Real> dw{slope * mean.x[0] + scale * mean.x[t],
                               slope * mean.y[0] + scale * mean.y[t],
                               slope * mean.z[0] + scale * mean.z[t]};
        turns.rate[t - 1] = turning_rate<Real>(w, dw, series);
    }
    return turns;
}

/// The turns about z that are left out of the nodes: they commute with the offset turns, so each
/// curve's nodes are kept in a frame that has them.
template <typename Real, int kTangents>
struct Frame {
    V<Real> x = V<Real>{} + Real(1), y{};  ///< cosine and sine of its phase
    V<Real> x_low{}, y_low{};              ///< their rounding, so that it does not gather
    V<Real> slope[kTangents + 1] = {};     ///< tangents of its phase
};

/// A turn without its part about z: about x, then about y, each by three shears. A shear's rounding
/// changes no length to first order, however often it is applied.
template <typename Real, int kTangents>
struct Swing {
    V<Real> tan_x, sin_x;  ///< tangent of half the angle about x, sine of the angle
    V<Real> tan_y, sin_y;
    V<Real> rate_x[kTangents + 1], rate_y[kTangents + 1];  ///< turning rates, none about z
};

/// 1 / sqrt(1 - a) for a < 0.45, by Newton's iteration from the series' first terms (1.3e-2).
template <typename Real>
inline V<Real> inverse_root(V<Real> a) {
    constexpr int kIterations = sizeof(Real) == 4 ? 2 : 4;
    V<Real> y = Real(1) + a * (Real(0.5) + a * (Real(0.375) + a * Real(0.3125)));
    const V<Real> half = Real(0.5) - Real(0.5) * a;
    for (int k = 0; k < kIterations; ++k) y = y * (Real(1.5) - half * y * y);
    return y;
}

/// Splits turns = (turn about z by a) (swing) and puts the former into the frame. With tangents,
/// d(swing) = (rate x) swing needs no part about z either: the frame's phase takes it.
template <typename Real, int kTangents>
inline Swing<Real, kTangents> swing_of(const Turns<Real, kTangents>& turns,
                                       Frame<Real, kTangents>& frame) {
    // The turn is Rz(a) Ry(b) Rx(g): its last row is (-sin b, cos b sin g, cos b cos g), its first
    // column (cos a cos b, sin a cos b, -sin b).
    const Turn<Real>& r = turns.turn;
    Swing<Real, kTangents> swing;
    swing.sin_y = -r.zx;
    const V<Real> sin2 = r.zx * r.zx;
    const V<Real> inverse = inverse_root<Real>(sin2);
    const V<Real> cos_y = inverse - sin2 * inverse;
    const V<Real> one_y = Real(1) + cos_y;
    const V<Real> one_x = cos_y + (Real(1) + r.zz);
    const V<Real> both = Real(1) / (one_y * one_x);
    swing.tan_y = swing.sin_y * both * one_x;
    swing.tan_x = r.zy * both * one_y;
    swing.sin_x = r.zy * inverse;
    const V<Real> a_sin = r.yx * inverse;
    const V<Real> a_loss = (r.xx + sin2 * both * one_x) * inverse;  // cos a - 1
    const V<Real> dx = frame.x * a_loss - frame.y * a_sin + frame.x_low;
    const V<Real> dy = frame.y * a_loss + frame.x * a_sin + frame.y_low;
    const V<Real> x = frame.x + dx, y = frame.y + dy;
    frame.x_low = dx - (x - frame.x);
    frame.y_low = dy - (y - frame.y);
    frame.x = x;
    frame.y = y;
    for (int t = 0; t < kTangents; ++t) {
        const Vector3<Real>& q = turns.rate[t];
        swing.rate_x[t] = q.x + q.x * a_loss + q.y * a_sin;
        swing.rate_y[t] = q.y + q.y * a_loss - q.x * a_sin;
        frame.slope[t] += q.z;
    }
    return swing;
}

/// The coupling turn, then each node's own offset turn, and the sums after it: 11 fused
/// multiply-adds a node without relaxation, and 15 more a tangent.
template <typename Real, UniformRelaxation kRelaxation, bool kOwnSteps, int kTangents>
inline void pass_over_nodes(const UniformPass<Real>& pass, const UniformSteps<Real>& job,
                            const Swing<Real, kTangents>& swing, Means<Real, kTangents>& mean) {
    constexpr bool kRelaxes = kRelaxation != UniformRelaxation::none;
    constexpr bool kOwn = kRelaxation == UniformRelaxation::own;
    const int nodes = job.nodes;
    V<Real>* __restrict state = vectors(job.state);
    const Real* __restrict turn_tan = pass.turn_tan;
    const Real* __restrict turn_sin = pass.turn_sin;
    const V<Real>* __restrict weight = vectors(job.weight);
    V<Real> across[1 + kTangents] = {}, along[1 + kTangents] = {}, gain[1 + kTangents] = {};
    if constexpr (kRelaxes) {
        const V<Real>* loss = vectors(pass.loss);
        for (int t = 0; t <= (kOwn ? kTangents : 0); ++t) {
            across[t] = loss[3 * t];
            along[t] = loss[3 * t + 1];
            gain[t] = loss[3 * t + 2];
        }
    }
    V<Real> sum_x[1 + kTangents] = {}, sum_y[1 + kTangents] = {};
    for (int i = 0; i < nodes; ++i) {
        V<Real> tan, sin;
        if constexpr (kOwnSteps) {
            tan = vectors(turn_tan)[i];
            sin = vectors(turn_sin)[i];
        } else {
            tan = turn_tan[i] - V<Real>{};
            sin = turn_sin[i] - V<Real>{};
        }
        V<Real>* __restrict m = state + 3 * (1 + kTangents) * i;
        const V<Real>* __restrict w = weight + (kOwn ? 1 + kTangents : 1) * i;
        const auto swung = [&](Vector3<Real> v) {
            v.y = v.y - swing.tan_x * v.z;
            v.z = v.z + swing.sin_x * v.y;
            v.y = v.y - swing.tan_x * v.z;
            v.z = v.z - swing.tan_y * v.x;
            v.x = v.x + swing.sin_y * v.z;
            v.z = v.z - swing.tan_y * v.x;
            return v;
        };
        Vector3<Real> before{};  // the curve's vector, turned, before it relaxes
        const auto finish = [&](int t, Vector3<Real> v) {
            v.x = v.x + tan * v.y;
            v.y = v.y - sin * v.x;
            v.x = v.x + tan * v.y;
            if constexpr (kRelaxes) {
                if (kOwn && t == 0) before = v;
                v.x = v.x - across[0] * v.x;
                v.y = v.y - across[0] * v.y;
                v.z = v.z - along[0] * v.z;
                if (t == 0) {
                    v.z = v.z + gain[0] * w[0];
                } else if constexpr (kOwn) {
                    v.x = v.x - across[t] * before.x;
                    v.y = v.y - across[t] * before.y;
                    v.z = v.z - along[t] * before.z + gain[t] * w[0] + gain[0] * w[t];
                }
            }
            m[3 * t] = v.x;
            m[3 * t + 1] = v.y;
            m[3 * t + 2] = v.z;
            sum_x[t] += v.x;
            sum_y[t] += v.y;
        };
        const Vector3<Real> turned = swung({m[0], m[1], m[2]});
        finish(0, turned);
#pragma GCC unroll 4
        for (int t = 1; t <= kTangents; ++t) {
            const Vector3<Real> v = swung({m[3 * t], m[3 * t + 1], m[3 * t + 2]});
            const V<Real> qx = swing.rate_x[t - 1], qy = swing.rate_y[t - 1];
            finish(t,
                   {v.x + qy * turned.z, v.y - qx * turned.z, v.z + qx * turned.y - qy * turned.x});
        }
    }
    const V<Real>* total = vectors(job.total_weight);
    const V<Real> curve_z = mean.z[0];
    for (int t = 0; t <= kTangents; ++t) {
        mean.x[t] = sum_x[t];
        mean.y[t] = sum_y[t];
        if constexpr (kRelaxes) {
            V<Real> change = mean.z_low[t] - mean.z[t] * along[0];
            if (t == 0) {
                change = change + gain[0] * total[0];
            } else if constexpr (kOwn) {
                change = change - along[t] * curve_z + gain[t] * total[0] + gain[0] * total[t];
            }
            const V<Real> z = mean.z[t] + change;
            mean.z_low[t] = change - (z - mean.z[t]);
            mean.z[t] = z;
        }
    }
}

/// Row t of a vector in the frame, as seen from outside it.
template <typename Real, int kTangents>
inline Vector3<Real> out_of_frame(const Frame<Real, kTangents>& frame, int t,
                                  const Vector3<Real>& curve, Vector3<Real> v) {
    if (t > 0) {
        v.x = v.x - frame.slope[t - 1] * curve.y;
        v.y = v.y + frame.slope[t - 1] * curve.x;
    }
    return {frame.x * v.x - frame.y * v.y, frame.y * v.x + frame.x * v.y, v.z};
}

template <typename Real, UniformRelaxation kRelaxation, bool kOwnSteps, int kTangents>
void run_steps_with(const UniformSteps<Real>& job) {
    V<Real>* state = vectors(job.state);
    const V<Real>* strength = vectors(job.strength);
    V<Real>* total_z = vectors(job.total_z);
    V<Real>* record = job.record ? vectors(job.record) : nullptr;
    Means<Real, kTangents> mean{};
    for (int t = 0; t <= kTangents; ++t) {
        mean.z[t] = total_z[t];
        for (int i = 0; i < job.nodes; ++i) {
            mean.x[t] += state[3 * ((1 + kTangents) * i + t)];
            mean.y[t] += state[3 * ((1 + kTangents) * i + t) + 1];
        }
    }
    Frame<Real, kTangents> frame;
    const auto keep_record = [&](int step) {
        if (!record) return;
        const Vector3<Real> curve{mean.x[0], mean.y[0], mean.z[0]};
        for (int t = 0; t <= kTangents; ++t) {
            const Vector3<Real> v =
                out_of_frame<Real, kTangents>(frame, t, curve, {mean.x[t], mean.y[t], mean.z[t]});
            record[2 * ((1 + kTangents) * step + t)] = v.x;
            record[2 * ((1 + kTangents) * step + t) + 1] = v.y;
        }
    };
    keep_record(0);
    // The coupling turn that ends a step and the one that starts the next are about the same
    // vector.
    Real carried = 0;
    for (int step = 0; step < job.steps; ++step) {
        for (int p = 0; p < job.passes; ++p) {
            const UniformPass<Real>& pass = job.pass[p];
            const Swing<Real, kTangents> swing = swing_of<Real, kTangents>(
                coupling_turns<Real, kTangents>(mean, strength, pass.coupling + carried), frame);
            carried = 0;
            pass_over_nodes<Real, kRelaxation, kOwnSteps, kTangents>(pass, job, swing, mean);
        }
        carried = job.last_coupling;
        keep_record(step + 1);
    }
    const Turns<Real, kTangents> turns = coupling_turns<Real, kTangents>(mean, strength, carried);
    for (int i = 0; i < job.nodes; ++i) {
        V<Real>* m = state + 3 * (1 + kTangents) * i;
        const Vector3<Real> turned = apply<Real>(turns.turn, {m[0], m[1], m[2]});
        for (int t = kTangents; t >= 0; --t) {
            Vector3<Real> v = turned;
            if (t > 0) {
                v = apply<Real>(turns.turn, {m[3 * t], m[3 * t + 1], m[3 * t + 2]});
                const Vector3<Real> change = cross<Real>(turns.rate[t - 1], turned);
                v = {v.x + change.x, v.y + change.y, v.z + change.z};
            }
            v = out_of_frame<Real, kTangents>(frame, t, turned, v);
            m[3 * t] = v.x;
            m[3 * t + 1] = v.y;
            m[3 * t + 2] = v.z;
        }
    }
    for (int t = 0; t <= kTangents; ++t) total_z[t] = mean.z[t];
}

template <typename Real, int kTangents>
void run_steps_for(const UniformSteps<Real>& job) {
    if (job.own_steps) {
        return job.relaxation == UniformRelaxation::none
                   ? run_steps_with<Real, UniformRelaxation::none, true, kTangents>(job)
                   : run_steps_with<Real, UniformRelaxation::own, true, kTangents>(job);
    }
    switch (job.relaxation) {
        case UniformRelaxation::none:
            return run_steps_with<Real, UniformRelaxation::none, false, kTangents>(job);
        case UniformRelaxation::same:
            return run_steps_with<Real, UniformRelaxation::same, false, kTangents>(job);
        case UniformRelaxation::own:
            return run_steps_with<Real, UniformRelaxation::own, false, kTangents>(job);
    }
}

template <typename Real>
void run_steps(const UniformSteps<Real>& job) {
    switch (job.tangents) {
        case 0:
            return run_steps_for<Real, 0>(job);
        case 1:
            return run_steps_for<Real, 1>(job);
        case 2:
            return run_steps_for<Real, 2>(job);
        default:
            return run_steps_for<Real, 3>(job);
    }
}

/// Lagrange's weights of records at 0 ... order - 1 for a position of each lane: (order)[lanes].
template <typename Real, int kOrder>
inline void lagrange_weights(V<Real> at, V<Real>* weight) {
    // 1 / ((-1)^(order - 1 - j) j! (order - 1 - j)!)
    static const auto scale = [] {
        std::array<Real, kOrder> values{};
        for (int a = 0; a < kOrder; ++a) {
            double product = 1.0;
            for (int b = 0; b < kOrder; ++b) {
                if (b != a) product *= static_cast<double>(a - b);
            }
            values[static_cast<std::size_t>(a)] = static_cast<Real>(1.0 / product);
        }
        return values;
    }();
    V<Real> product = V<Real>{} + Real(1);
    for (int j = kOrder - 1; j >= 0; --j) {
        weight[j] = product * scale[static_cast<std::size_t>(j)];
        product = product * (at - static_cast<Real>(j));
    }
    product = V<Real>{} + Real(1);
    for (int j = 0; j < kOrder; ++j) {
        weight[j] = weight[j] * product;
        product = product * (at - static_cast<Real>(j));
    }
}

template <typename Real>
void sample(const UniformSamples<Real>& job) {
    V<Real> own[kInterpolationOrder];
    const int rows = 1 + job.tangents;
    const V<Real>* record = vectors(job.record);
    const V<Real>* phasor = vectors(job.phasor);
    V<Real>* signal = vectors(job.signal);
    for (int k = 0; k < job.points; ++k) {
        if (job.position) {
            lagrange_weights<Real, kInterpolationOrder>(job.position[k] - *vectors(job.shift), own);
        } else {
            for (int j = 0; j < job.order; ++j) {
                own[j] = job.weight[k * job.order + j] - V<Real>{};
            }
        }
        const V<Real> c = phasor[2 * k], s = phasor[2 * k + 1];
        V<Real> frame_x{}, frame_y{};
        for (int t = 0; t < rows; ++t) {
            const V<Real>* from = record + 2 * (rows * job.first[k] + t);
            V<Real> x{}, y{};
            for (int j = 0; j < job.order; ++j) {
                x += own[j] * from[2 * rows * j];
                y += own[j] * from[2 * rows * j + 1];
            }
            if (t == 0) {
                frame_x = x;
                frame_y = y;
            } else {
                // d(M exp(-i phase)) = (dM - i dphase M) exp(-i phase)
                const V<Real> slope = vectors(job.phase_slope)[k * job.tangents + t - 1];
                x += slope * frame_y;
                y -= slope * frame_x;
            }
            signal[2 * (rows * k + t)] = c * x + s * y;
            signal[2 * (rows * k + t) + 1] = c * y - s * x;
        }
    }
}

template <typename Real>
void turn(int nodes, int tangents, const Real* matrix, Real* state_pointer) {
    const V<Real>* r = vectors(matrix);
    V<Real>* state = vectors(state_pointer);
    const int rows = 1 + tangents;
    const auto times = [](const V<Real>* a, const Vector3<Real>& v) -> Vector3<Real> {
        return {a[0] * v.x + a[1] * v.y + a[2] * v.z, a[3] * v.x + a[4] * v.y + a[5] * v.z,
                a[6] * v.x + a[7] * v.y + a[8] * v.z};
    };
    for (int i = 0; i < nodes; ++i) {
        V<Real>* m = state + 3 * rows * i;
        const Vector3<Real> before{m[0], m[1], m[2]};
        for (int t = tangents; t >= 0; --t) {
            Vector3<Real> v = times(r, {m[3 * t], m[3 * t + 1], m[3 * t + 2]});
            if (t > 0) {
                const Vector3<Real> change = times(r + 9 * t, before);
                v = {v.x + change.x, v.y + change.y, v.z + change.z};
            }
            m[3 * t] = v.x;
            m[3 * t + 1] = v.y;
            m[3 * t + 2] = v.z;
        }
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
