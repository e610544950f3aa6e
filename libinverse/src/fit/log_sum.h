/// Sums of numbers that are known by their logarithms.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace nmrinverse {

inline constexpr double kNever = -std::numeric_limits<double>::infinity();  ///< log 0

/// log(sum of exp), without overflow.
inline double log_sum(std::span<const double> logs) {
    const double most = *std::max_element(logs.begin(), logs.end());
    if (most == kNever) return kNever;
    double sum = 0.0;
    for (const double value : logs) sum += std::exp(value - most);
    return most + std::log(sum);
}

inline double log_sum_of(double a, double b) {
    const double most = std::max(a, b);
    return most == kNever ? kNever : most + std::log1p(std::exp(std::min(a, b) - most));
}

/// Effective number of weights whose sum is 1.
inline double effective_of(std::span<const double> weights) {
    double square = 0.0;
    for (const double w : weights) square += w * w;
    return 1.0 / square;
}

}  // namespace nmrinverse
