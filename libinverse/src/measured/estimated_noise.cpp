#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "nmrinverse/refine.h"

namespace nmrinverse {
namespace {

/// Binomial coefficients of the eighth difference; their squares sum to 12,870.
constexpr std::array<double, 9> kDifference{1, -8, 28, -56, 70, -56, 28, -8, 1};
constexpr double kSquares = 12870.0;

/// Median of |x| for a normal x of standard deviation 1.
constexpr double kMedian = 0.6744897501960817;

constexpr std::size_t kFewestPoints = 16;

}  // namespace

double estimated_noise(std::span<const float> signal) {
    const std::size_t points = signal.size() / 2;
    if (signal.size() % 2 != 0 || points < kFewestPoints) {
        throw std::invalid_argument(
            fmt::format("estimated_noise: {} samples are not Mx and My of at least {} points",
                        signal.size(), kFewestPoints));
    }
    // The median, so that the few differences across a pulse do not count.
    std::vector<double> sizes;
    for (std::size_t part = 0; part < 2; ++part) {
        const float* m = signal.data() + part * points;
        for (std::size_t i = 0; i + kDifference.size() <= points; ++i) {
            double sum = 0.0;
            bool off = true;
            for (std::size_t j = 0; j < kDifference.size(); ++j) {
                sum += kDifference[j] * static_cast<double>(m[i + j]);
                off = off && m[i + j] == 0.0f;
            }
            if (!off) sizes.push_back(std::abs(sum));
        }
    }
    if (sizes.empty()) return 0.0;
    const auto middle = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2);
    std::nth_element(sizes.begin(), middle, sizes.end());
    return *middle / (kMedian * std::sqrt(kSquares));
}

}  // namespace nmrinverse
