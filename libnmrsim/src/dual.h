/// Numbers that carry derivatives: forward-mode tangents with respect to a few parameters.
#pragma once

#include <cmath>

namespace nmrsim {

/// A value and its derivatives with respect to `size` parameters.
template <int size>
struct Dual {
    double value = 0.0;
    double slope[size] = {};

    Dual() = default;
    Dual(double v) : value(v) {}  // NOLINT: a plain number is a dual number without slopes
};

template <int size>
inline Dual<size> operator+(Dual<size> a, const Dual<size>& b) {
    a.value += b.value;
    for (int k = 0; k < size; ++k) a.slope[k] += b.slope[k];
    return a;
}
template <int size>
inline Dual<size> operator-(Dual<size> a, const Dual<size>& b) {
    a.value -= b.value;
    for (int k = 0; k < size; ++k) a.slope[k] -= b.slope[k];
    return a;
}
template <int size>
inline Dual<size> operator-(Dual<size> a) {
    a.value = -a.value;
    for (int k = 0; k < size; ++k) a.slope[k] = -a.slope[k];
    return a;
}
template <int size>
inline Dual<size> operator*(const Dual<size>& a, const Dual<size>& b) {
    Dual<size> c(a.value * b.value);
    for (int k = 0; k < size; ++k) c.slope[k] = a.slope[k] * b.value + a.value * b.slope[k];
    return c;
}
template <int size>
inline Dual<size> operator*(double a, Dual<size> b) {
    b.value *= a;
    for (int k = 0; k < size; ++k) b.slope[k] *= a;
    return b;
}
template <int size>
inline Dual<size> operator/(const Dual<size>& a, const Dual<size>& b) {
    Dual<size> c(a.value / b.value);
    for (int k = 0; k < size; ++k) c.slope[k] = (a.slope[k] - c.value * b.slope[k]) / b.value;
    return c;
}
template <int size>
inline Dual<size>& operator+=(Dual<size>& a, const Dual<size>& b) {
    return a = a + b;
}

template <int size>
inline Dual<size> sin(const Dual<size>& a) {
    Dual<size> s(std::sin(a.value));
    const double c = std::cos(a.value);
    for (int k = 0; k < size; ++k) s.slope[k] = c * a.slope[k];
    return s;
}
template <int size>
inline Dual<size> cos(const Dual<size>& a) {
    Dual<size> c(std::cos(a.value));
    const double s = std::sin(a.value);
    for (int k = 0; k < size; ++k) c.slope[k] = -s * a.slope[k];
    return c;
}

/// How many derivatives a type carries, and its parts; row 0 is the value.
template <class Scalar>
inline constexpr int kTangents = 0;
template <int size>
inline constexpr int kTangents<Dual<size>> = size;

inline double part(double a, int) {
    return a;
}
template <int size>
inline double part(const Dual<size>& a, int row) {
    return row == 0 ? a.value : a.slope[row - 1];
}
inline void set_part(double& a, int, double to) {
    a = to;
}
template <int size>
inline void set_part(Dual<size>& a, int row, double to) {
    (row == 0 ? a.value : a.slope[row - 1]) = to;
}
/// Whether any derivative is not zero.
inline bool has_slope(double) {
    return false;
}
template <int size>
inline bool has_slope(const Dual<size>& a) {
    bool any = false;
    for (int k = 0; k < size; ++k) any = any || a.slope[k] != 0.0;
    return any;
}

}  // namespace nmrsim
