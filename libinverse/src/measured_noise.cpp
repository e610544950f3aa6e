#include "nmrinverse/measured_noise.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "nmrinverse/refine.h"
#include "nmrsim/resampling.h"

namespace nmrinverse {
namespace {

/// A tail this much above the neighbours' scatter still holds signal.
constexpr double kSignalInTail = 1.3;

}  // namespace

NoiseEstimate tail_noise(std::span<const float> signal, double scatter) {
    NoiseEstimate result;
    result.sigma = scatter > 0.0 ? scatter : estimated_noise(signal);
    const std::size_t points = signal.size() / 2;
    const std::size_t tail = std::max<std::size_t>(32, points / 8);
    if (points < 2 * tail) return result;
    double most = 0.0;
    for (std::size_t i = 0; i < points; ++i) {
        most = std::max(most, std::hypot(static_cast<double>(signal[i]), signal[points + i]));
    }
    const auto at = [&](std::size_t part, std::size_t i) {
        return static_cast<double>(signal[part * points + points - tail + i]);
    };
    double mean[2] = {};
    for (std::size_t part = 0; part < 2; ++part) {
        for (std::size_t i = 0; i < tail; ++i)
            mean[part] += at(part, i) / static_cast<double>(tail);
    }
    double quarter[4] = {}, all = 0.0;
    const std::size_t quarters = tail / 4;
    for (std::size_t i = 0; i < 4 * quarters; ++i) {
        for (std::size_t part = 0; part < 2; ++part) {
            const double d = at(part, i) - mean[part];
            quarter[i / quarters] += d * d / (2.0 * static_cast<double>(quarters));
        }
    }
    for (const double square : quarter) all += 0.25 * square;
    // A mean of n squares of unit normals has the standard deviation sqrt(2 / n).
    const double slack = 4.0 * std::sqrt(2.0 / (2.0 * static_cast<double>(quarters)));
    for (const double square : quarter) {
        if (std::abs(square / all - 1.0) > slack) return result;
    }
    const double sigma = std::sqrt(all * static_cast<double>(tail) / static_cast<double>(tail - 1));
    if (!(sigma > 0.0) || sigma > 0.2 * most || sigma > kSignalInTail * result.sigma) return result;
    result.sigma = sigma;
    result.from_tail = true;
    result.samples = tail;
    const double sure = 5.0 * sigma / std::sqrt(static_cast<double>(tail));
    if (std::hypot(mean[0], mean[1]) > sure) result.offset = {mean[0], mean[1]};
    return result;
}

NoiseEstimate noise_at_spacing(std::span<const double> time_us, std::span<const float> signal,
                               double model_spacing_us, double given) {
    const double spacing = nmrsim::even_spacing_us(time_us);
    const double coarser = std::max(spacing, model_spacing_us);
    const double averaged = std::sqrt(spacing / coarser);
    std::vector<double> grid;
    for (double t = time_us.front(); t <= time_us.back(); t += coarser) grid.push_back(t);
    NoiseEstimate noise =
        tail_noise(nmrsim::resampled(time_us, signal, grid), averaged * estimated_noise(signal));
    if (given > 0.0) noise.sigma = averaged * given;
    // Sampled more coarsely than the model, neighbouring samples will share their noise.
    noise.sigma *= std::sqrt(coarser / model_spacing_us);
    noise.tail_us = static_cast<double>(noise.samples) * coarser;
    return noise;
}

}  // namespace nmrinverse
