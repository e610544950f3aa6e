/// Turns of the lanes' curves about their mean fields; compiled for each instruction set.
#pragma once

#include "base/kernel_vector.h"
#include "uniform/uniform_kernel.h"

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

/// The sum over the lanes, in each of them.
template <typename Real>
inline V<Real> sum_over_lanes(V<Real> v) {
    for (int apart = kLanes<Real> / 2; apart > 0; apart /= 2) {
        V<Real> other;
        for (int lane = 0; lane < kLanes<Real>; ++lane) other[lane] = v[lane ^ apart];
        v += other;
    }
    return v;
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

/// Of a matrix, row by row.
template <typename Real>
inline Vector3<Real> times(const V<Real>* a, const Vector3<Real>& v) {
    return {a[0] * v.x + a[1] * v.y + a[2] * v.z, a[3] * v.x + a[4] * v.y + a[5] * v.z,
            a[6] * v.x + a[7] * v.y + a[8] * v.z};
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

}  // namespace
}  // namespace NMRSIM_ISA
}  // namespace nmrsim
