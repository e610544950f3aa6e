/// The exact motion of a Bloch vector in a constant field.
///
/// No standard header here: the kernel includes this one.
#pragma once

#include "base/dual.h"

namespace nmrsim {

/// A Bloch vector, a field or an angular velocity.
template <class Scalar>
struct Vec3 {
    Scalar x = 0.0;
    Scalar y = 0.0;
    Scalar z = 0.0;
};

template <class Scalar>
inline Vec3<Scalar> operator+(const Vec3<Scalar>& a, const Vec3<Scalar>& b) {
    return {a.x + b.x, a.y + b.y, a.z + b.z};
}
template <class Scalar>
inline Vec3<Scalar> operator-(const Vec3<Scalar>& a, const Vec3<Scalar>& b) {
    return {a.x - b.x, a.y - b.y, a.z - b.z};
}
template <class Scalar>
inline Vec3<Scalar> operator*(const Scalar& a, const Vec3<Scalar>& b) {
    return {a * b.x, a * b.y, a * b.z};
}
template <class Scalar>
inline Vec3<Scalar> cross(const Vec3<Scalar>& a, const Vec3<Scalar>& b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

/// The action of exp(L) on a Bloch vector, L m = m x turn - rates m + recovery: the exact solution
/// of the Bloch equations in a constant field, by its Taylor series.
///
/// Args: turn [rad], losses and recovery are rates times the time; degree: of the series.
template <class Scalar>
inline Vec3<Scalar> bloch_action(const Vec3<Scalar>& m, const Vec3<Scalar>& turn,
                                 const Scalar& transverse_loss, const Scalar& longitudinal_loss,
                                 const Scalar& recovery, int degree) {
    Vec3<Scalar> term = cross(m, turn);
    term.x = term.x - transverse_loss * m.x;
    term.y = term.y - transverse_loss * m.y;
    term.z = term.z - longitudinal_loss * m.z + recovery;
    Vec3<Scalar> sum = term;
    for (int k = 2; k <= degree; ++k) {
        const double over = 1.0 / k;
        Vec3<Scalar> next = cross(term, turn);
        next.x = over * (next.x - transverse_loss * term.x);
        next.y = over * (next.y - transverse_loss * term.y);
        next.z = over * (next.z - longitudinal_loss * term.z);
        term = next;
        sum = sum + term;
    }
    return m + sum;  // the small ones first, so that a spin's length is kept
}

}  // namespace nmrsim
