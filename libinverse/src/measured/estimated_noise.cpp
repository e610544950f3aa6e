#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "nmrinverse/measured_noise.h"
#include "nmrinverse/refine.h"

namespace nmrinverse {
namespace {

/// Binomial coefficients of the eighth difference; their squares sum to 12,870.
constexpr std::array<double, 9> kDifference{1, -8, 28, -56, 70, -56, 28, -8, 1};
constexpr double kSquares = 12870.0;
/// Relative variance of the square of estimated_noise(), times the numbers: 4 x 1.36 of a median of
/// independent ones, and three for what eighth differences share (1 + 2 sum r^2 is 3.6).
constexpr double kScatterVariance = 16.3;

/// Median of |x| for a normal x of standard deviation 1.
constexpr double kMedian = 0.6744897501960817;

constexpr std::size_t kFewestToEstimate = 16;

/// The filter's stop band is so far down [dB], its window's shape and the width of its transition,
/// times half its length, by Kaiser's formulas.
constexpr double kAttenuation = 90.0;
constexpr double kShape = 0.1102 * (kAttenuation - 8.7);
constexpr double kTransition = (kAttenuation - 8.0) / (2.285 * 4.0 * std::numbers::pi);
/// Shares of the rate that must be left between the transitions.
constexpr double kLeastPass = 0.1;
constexpr double kFewestValues = 16.0;
/// Filtered noise beyond so many of its standard deviations is none: a pulse.
constexpr double kPulse = 5.0;

void require_curve(std::span<const float> signal) {
    if (signal.size() % 2 != 0 || signal.size() / 2 < kFewestToEstimate) {
        throw std::invalid_argument(
            fmt::format("estimated_noise: {} samples are not Mx and My of at least {} points",
                        signal.size(), kFewestToEstimate));
    }
}

/// Sums of taps times samples wherever all taps have one, of Mx and then of My.
std::vector<double> filtered(std::span<const float> signal, std::span<const double> taps) {
    const std::size_t points = signal.size() / 2;
    std::vector<double> result;
    for (const std::size_t part : {std::size_t{0}, points}) {
        const float* m = signal.data() + part;
        for (std::size_t i = 0; i + taps.size() <= points; ++i) {
            result.push_back(std::inner_product(taps.begin(), taps.end(), m + i, 0.0));
        }
    }
    return result;
}

/// Standard deviation of a normal density with the median of |values|, zeros (a receiver that is
/// off) left out.
double median_deviation(std::vector<double> values) {
    std::erase(values, 0.0);
    if (values.empty()) return 0.0;
    for (double& value : values) value = std::abs(value);
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle / kMedian;
}

/// Low pass of 2 half + 1 taps that halves the amplitude at `cut` turns a sample.
std::vector<double> low_pass(std::ptrdiff_t half, double cut) {
    std::vector<double> taps;
    for (std::ptrdiff_t k = -half; k <= half; ++k) {
        const double share = static_cast<double>(k) / static_cast<double>(half);
        const double angle = 2.0 * std::numbers::pi * cut * static_cast<double>(k);
        taps.push_back((k == 0 ? 1.0 : std::sin(angle) / angle) *
                       std::cyl_bessel_i(0.0, kShape * std::sqrt(1.0 - share * share)));
    }
    const double sum = std::accumulate(taps.begin(), taps.end(), 0.0);
    for (double& tap : taps) tap /= sum;
    return taps;
}

}  // namespace

double estimated_noise(std::span<const float> signal) {
    require_curve(signal);
    // The median, so that the few differences across a pulse do not count.
    return median_deviation(filtered(signal, kDifference)) / std::sqrt(kSquares);
}

NoiseEstimate noise_outside(std::span<const float> signal, double low, double high) {
    require_curve(signal);
    const double points = static_cast<double>(signal.size() / 2);
    NoiseEstimate result;
    result.sigma = estimated_noise(signal);
    result.uncertainty = std::sqrt(kScatterVariance / (2.0 * points));
    // A longer filter leaves fewer values and lets more of each pass: as many numbers as there are.
    const bool high_pass = high >= 0.5;
    const double share = 2.0 * (high - low), edges = high_pass ? 1.0 : 2.0;
    if (!(share > kLeastPass)) return result;
    const double half = std::ceil(std::sqrt(edges * kTransition * points / (2.0 * share)));
    const double transition = kTransition / half;
    if (share - edges * transition < kLeastPass || points < 4.0 * half) return result;
    const auto length = static_cast<std::ptrdiff_t>(half);
    std::vector<double> taps = low_pass(length, low + 0.5 * transition);
    for (double& tap : taps) tap = -tap;
    if (high_pass) {
        taps[static_cast<std::size_t>(length)] += 1.0;
    } else {
        const std::vector<double> upper = low_pass(length, high - 0.5 * transition);
        for (std::size_t k = 0; k < taps.size(); ++k) taps[k] += upper[k];
    }
    const double square = std::inner_product(taps.begin(), taps.end(), taps.begin(), 0.0);
    double shared = 1.0;
    for (std::size_t lag = 1; lag < taps.size(); ++lag) {
        const auto from = taps.begin() + static_cast<std::ptrdiff_t>(lag);
        const double r = std::inner_product(from, taps.end(), taps.begin(), 0.0) / square;
        shared += 2.0 * r * r;
    }
    const std::vector<double> values = filtered(signal, taps);
    const double most = kPulse * median_deviation(values);
    double sum = 0.0, count = 0.0;
    const std::size_t each = values.size() / 2;
    for (const std::size_t part : {std::size_t{0}, each}) {
        const auto of_part = std::span(values).subspan(part, each);
        // All that a pulse reaches is left out.
        std::ptrdiff_t first = 0;
        const auto take = [&](std::ptrdiff_t end) {
            for (std::ptrdiff_t i = first; i < end; ++i) {
                const double value = of_part[static_cast<std::size_t>(i)];
                sum += value * value;
                count += value != 0.0;
            }
        };
        for (std::ptrdiff_t i = 0; i < std::ssize(of_part); ++i) {
            if (std::abs(of_part[static_cast<std::size_t>(i)]) <= most) continue;
            take(i - length);
            first = i + length + 1;
        }
        take(std::ssize(of_part));
    }
    if (!(count >= kFewestValues)) return result;
    result.sigma = std::sqrt(sum / (count * square));
    result.uncertainty = std::sqrt(2.0 * shared / count);
    return result;
}

}  // namespace nmrinverse
