/// Functions of numbers that carry derivatives, and their parts.
#pragma once

#include <cmath>

#include "base/dual.h"

namespace nmrsim {

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

/// Row 0 is the value, row 1 + k its derivative by parameter k.
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
