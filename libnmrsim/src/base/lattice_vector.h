/// Vectors of one instruction set and the turn of a spin, for the lattice's kernel files only.
#pragma once

#include "base/kernel_vector.h"

namespace nmrsim {
namespace NMRSIM_ISA {
namespace {

typedef float FloatVector __attribute__((vector_size(kVectorBytes)));
typedef double DoubleVector __attribute__((vector_size(kVectorBytes)));

template <class Real>
struct VectorOf;
template <>
struct VectorOf<float> {
    typedef FloatVector type;
};
template <>
struct VectorOf<double> {
    typedef DoubleVector type;
};

template <class Real>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(Real));

template <class Vector, class Real>
inline Vector load(const Real* p) {
    Vector v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

template <class Vector, class Real>
inline void store(Real* p, Vector v) {
    __builtin_memcpy(p, &v, sizeof v);
}

constexpr double kRoot2 = 1.4142135623730950488;

/// The root of 2 times cos(phi) and sin(phi)/phi, from x = phi^2 <= 1, to rounding.
///
/// In float by the polynomials through the values at the Chebyshev nodes of [0, 1], whose errors
/// are 5e-10 and 2e-8.
inline void half_turn(FloatVector x, FloatVector& cosine, FloatVector& sinc) {
    constexpr float kCosine[] = {
        static_cast<float>(kRoot2 * 0.9999999995), static_cast<float>(kRoot2 * -0.4999999736),
        static_cast<float>(kRoot2 * 0.04166645522), static_cast<float>(kRoot2 * -0.001388295778),
        static_cast<float>(kRoot2 * 2.412107308e-05)};
    constexpr float kSinc[] = {
        static_cast<float>(kRoot2 * 0.9999999789), static_cast<float>(kRoot2 * -0.16666599),
        static_cast<float>(kRoot2 * 0.008329944565), static_cast<float>(kRoot2 * -0.0001929696087)};
    cosine = kCosine[0] + x * (kCosine[1] + x * (kCosine[2] + x * (kCosine[3] + x * kCosine[4])));
    sinc = kSinc[0] + x * (kSinc[1] + x * (kSinc[2] + x * kSinc[3]));
}

inline void half_turn(DoubleVector x, DoubleVector& cosine, DoubleVector& sinc) {
    // Taylor series: (-1)^n / (2 n)! and (-1)^n / (2 n + 1)!, n from 9 down.
    constexpr double kCosine[] = {-1.0 / 6402373705728000.0,
                                  1.0 / 20922789888000.0,
                                  -1.0 / 87178291200.0,
                                  1.0 / 479001600.0,
                                  -1.0 / 3628800.0,
                                  1.0 / 40320.0,
                                  -1.0 / 720.0,
                                  1.0 / 24.0,
                                  -1.0 / 2.0,
                                  1.0};
    constexpr double kSinc[] = {-1.0 / 121645100408832000.0,
                                1.0 / 355687428096000.0,
                                -1.0 / 1307674368000.0,
                                1.0 / 6227020800.0,
                                -1.0 / 39916800.0,
                                1.0 / 362880.0,
                                -1.0 / 5040.0,
                                1.0 / 120.0,
                                -1.0 / 6.0,
                                1.0};
    DoubleVector c = kRoot2 * kCosine[0] + x * 0.0;
    DoubleVector s = kRoot2 * kSinc[0] + x * 0.0;
    for (int n = 1; n < 10; ++n) {
        c = kRoot2 * kCosine[n] + x * c;
        s = kRoot2 * kSinc[n] + x * s;
    }
    cosine = c;
    sinc = s;
}

/// What a turn's vector is multiplied with before `doublings` squarings.
template <class Real>
inline Real turn_scale(int doublings) {
    Real scale = Real(0.5);
    for (int i = 0; i < doublings; ++i) scale *= Real(0.5);
    return scale;
}

/// Turns m = (x, y, z) by Omega = A - B x A, with A the integral of the field over the step and B
/// that of the field times the time from its middle, over its length; without kMomentZ B has no z.
template <class Real, bool kMomentZ, class Vector>
inline void turn(const Vector& ax, const Vector& ay, const Vector& az, const Vector& bx,
                 const Vector& by, const Vector& bz, Real scale, int doublings, Vector& x,
                 Vector& y, Vector& z) {
    Vector ox = ax - by * az;
    Vector oy = ay + bx * az;
    const Vector oz = az - (bx * ay - by * ax);
    if constexpr (kMomentZ) {
        ox += bz * ay;
        oy -= bz * ax;
    }
    Vector c;
    Vector s;
    half_turn((ox * ox + oy * oy + oz * oz) * (scale * scale), c, s);
    // The quaternion (c, q) of the turn is the root of 2 too large, so that
    // m' = m + c t + t x q, t = m x q.
    constexpr Real kRoot = static_cast<Real>(kRoot2);
    s *= scale;
    for (int k = 0; k < doublings; ++k) {
        s *= kRoot * c;
        c = kRoot * c * c - kRoot;
    }
    const Vector qx = ox * s;
    const Vector qy = oy * s;
    const Vector qz = oz * s;
    const Vector tx = y * qz - z * qy;
    const Vector ty = z * qx - x * qz;
    const Vector tz = x * qy - y * qx;
    x = ((x + c * tx) + ty * qz) - tz * qy;
    y = ((y + c * ty) + tz * qx) - tx * qz;
    z = ((z + c * tz) + tx * qy) - ty * qx;
}

}  // namespace
}  // namespace NMRSIM_ISA
}  // namespace nmrsim
