#include "nmrsim/resampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

namespace nmrsim {

namespace {

/// Spacings are called equal within this share of their mean.
constexpr double kEven = 1e-3;
/// Reach of the window, in coarser spacings, and its shape: side lobes below 1e-4.
constexpr double kReach = 32.0;
constexpr double kShape = 8.0;

/// Up to a factor. Args: u: distance in coarser spacings.
double weight(double u) {
    const double share = u / kReach;
    if (std::abs(share) >= 1.0) return 0.0;
    const double window = std::cyl_bessel_i(0.0, kShape * std::sqrt(1.0 - share * share));
    const double angle = std::numbers::pi * u;
    return window * (std::abs(angle) < 1e-9 ? 1.0 : std::sin(angle) / angle);
}

}  // namespace

double even_spacing_us(std::span<const double> time_us) {
    if (time_us.size() < 2) return 0.0;
    const double spacing =
        (time_us.back() - time_us.front()) / static_cast<double>(time_us.size() - 1);
    for (std::size_t i = 1; i < time_us.size(); ++i) {
        if (std::abs(time_us[i] - time_us[i - 1] - spacing) > kEven * spacing) return 0.0;
    }
    return spacing;
}

std::vector<float> resampled(std::span<const double> time_us, std::span<const float> signal,
                             std::span<const double> times) {
    const double from = even_spacing_us(time_us), to = even_spacing_us(times);
    if (!(from > 0.0) || (!(to > 0.0) && times.size() > 1)) {
        throw std::invalid_argument("resampled: times must be evenly spaced and ascend");
    }
    const std::size_t points = time_us.size(), rows = signal.size() / points;
    if (rows * points != signal.size()) {
        throw std::invalid_argument(
            fmt::format("resampled: {} samples are no rows of {} points", signal.size(), points));
    }
    const double slack = kEven * from;
    if (!times.empty() &&
        (times.front() < time_us.front() - slack || times.back() > time_us.back() + slack)) {
        throw std::invalid_argument(
            fmt::format("resampled: times from {} to {} us must lie within {} to {} us",
                        times.front(), times.back(), time_us.front(), time_us.back()));
    }
    const double coarser = std::max(from, to);
    std::vector<float> result(rows * times.size());
    std::vector<double> weights;
    for (std::size_t i = 0; i < times.size(); ++i) {
        const double place = (times[i] - time_us.front()) / from;
        const double reach = kReach * coarser / from;
        const double last = static_cast<double>(points - 1);
        const auto first =
            static_cast<std::size_t>(std::clamp(std::ceil(place - reach), 0.0, last));
        const auto end = static_cast<std::size_t>(std::clamp(std::floor(place + reach), 0.0, last));
        weights.clear();
        double sum = 0.0;
        for (std::size_t j = first; j <= end; ++j) {
            weights.push_back(weight((place - static_cast<double>(j)) * from / coarser));
            sum += weights.back();
        }
        for (std::size_t row = 0; row < rows; ++row) {
            double value = 0.0;
            for (std::size_t j = first; j <= end; ++j) {
                value += weights[j - first] * static_cast<double>(signal[row * points + j]);
            }
            result[row * times.size() + i] = static_cast<float>(value / sum);
        }
    }
    return result;
}

}  // namespace nmrsim
