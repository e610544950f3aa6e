#include "nmrinverse/noise_correlation.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace nmrinverse {
namespace {

/// Lags in a row that say that there is no more correlation.
constexpr std::size_t kQuietLags = 5;
constexpr double kThreshold = 2.0;
/// Noise whose spectrum has a hole where the curve is must not make it infinitely precise.
constexpr double kLeastExcess = 0.1;
/// A curve that is less than this share of its own square above the noise says nothing of its band.
constexpr double kWeak = 0.5;

/// Sum over both parts of values i and i + lag.
double product_at(std::span<const double> values, std::size_t lag) {
    const std::size_t points = values.size() / 2;
    double sum = 0.0;
    for (const std::size_t part : {std::size_t{0}, points}) {
        for (std::size_t i = part; i + lag < part + points; ++i) sum += values[i] * values[i + lag];
    }
    return sum;
}

}  // namespace

std::vector<double> noise_correlation(std::span<const double> values) {
    const std::size_t points = values.size() / 2;
    const double square = product_at(values, 0);
    if (points < 4 * kQuietLags || !(square > 0.0)) return {};
    const double n = static_cast<double>(2 * points);
    const double small = kThreshold * std::sqrt(std::log10(n) / n);
    std::vector<double> all;
    std::size_t quiet = 0;
    const std::size_t most = points / 4;
    while (quiet < kQuietLags && all.size() < most) {
        all.push_back(product_at(values, all.size() + 1) / square);
        quiet = std::abs(all.back()) < small ? quiet + 1 : 0;
    }
    const std::size_t last = all.size() - quiet;
    std::vector<double> result(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(last));
    for (std::size_t lag = last + 1; lag < 2 * last; ++lag) {
        const double r = lag <= all.size() ? all[lag - 1] : product_at(values, lag) / square;
        result.push_back(r * (2.0 - static_cast<double>(lag) / static_cast<double>(last)));
    }
    return result;
}

double slow_excess(std::span<const double> correlation) {
    double sum = 1.0;
    for (const double r : correlation) sum += 2.0 * r;
    return std::max(sum, kLeastExcess);
}

double square_excess(std::span<const double> correlation) {
    double sum = 1.0;
    for (const double r : correlation) sum += 2.0 * r * r;
    return sum;
}

double excess_along(std::span<const double> curve, double noise,
                    std::span<const double> correlation) {
    if (correlation.empty()) return 1.0;
    const std::size_t points = curve.size() / 2;
    const double variance = 2.0 * noise * noise;
    const double all = product_at(curve, 0);
    const double square = all - variance * static_cast<double>(points);
    if (!(square > kWeak * all)) return std::max(1.0, slow_excess(correlation));
    double sum = 1.0;
    for (std::size_t k = 1; k <= std::min(correlation.size(), points - 1); ++k) {
        const double r = correlation[k - 1];
        const double by_noise = variance * static_cast<double>(points - k) * r;
        sum += 2.0 * r * (product_at(curve, k) - by_noise) / square;
    }
    return std::max(sum, kLeastExcess);
}

}  // namespace nmrinverse
