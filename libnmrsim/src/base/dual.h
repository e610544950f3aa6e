/// Numbers that carry derivatives: forward-mode tangents with respect to a few parameters.
///
/// No standard header here: the kernels include this one.
#pragma once

namespace nmrsim {

/// A value and its derivatives with respect to `size` parameters; Number is double or a vector of
/// it.
template <int size, class Number = double>
struct Dual {
    Number value = {};
    Number slope[size] = {};

    Dual() = default;
    Dual(double v) : value(Number{} + v) {}  // NOLINT: a plain number is one without slopes
};

template <int size, class Number>
inline Dual<size, Number> operator+(Dual<size, Number> a, const Dual<size, Number>& b) {
    a.value += b.value;
    for (int k = 0; k < size; ++k) a.slope[k] += b.slope[k];
    return a;
}
template <int size, class Number>
inline Dual<size, Number> operator-(Dual<size, Number> a, const Dual<size, Number>& b) {
    a.value -= b.value;
    for (int k = 0; k < size; ++k) a.slope[k] -= b.slope[k];
    return a;
}
template <int size, class Number>
inline Dual<size, Number> operator*(const Dual<size, Number>& a, const Dual<size, Number>& b) {
    Dual<size, Number> c;
    c.value = a.value * b.value;
    for (int k = 0; k < size; ++k) c.slope[k] = a.slope[k] * b.value + a.value * b.slope[k];
    return c;
}
template <int size, class Number>
inline Dual<size, Number> operator*(double a, Dual<size, Number> b) {
    b.value *= a;
    for (int k = 0; k < size; ++k) b.slope[k] *= a;
    return b;
}
template <int size, class Number>
inline Dual<size, Number> operator/(const Dual<size, Number>& a, const Dual<size, Number>& b) {
    Dual<size, Number> c;
    c.value = a.value / b.value;
    for (int k = 0; k < size; ++k) c.slope[k] = (a.slope[k] - c.value * b.slope[k]) / b.value;
    return c;
}

/// How many derivatives a type carries.
template <class Scalar>
inline constexpr int kTangents = 0;
template <int size, class Number>
inline constexpr int kTangents<Dual<size, Number>> = size;

}  // namespace nmrsim
