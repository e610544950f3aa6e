#include "nmrinverse/measured_noise.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <optional>
#include <vector>

#include "nmrinverse/noise_correlation.h"
#include "nmrinverse/refine.h"
#include "nmrsim/resampling.h"

namespace nmrinverse {
namespace {

/// A tail of white noise this much above the neighbours' scatter still holds signal.
constexpr double kSignalInTail = 1.3;
/// A tail is below this share of the largest sample; one that is correlated, as signal is, below
/// the other.
constexpr double kLargestShare = 0.2;
constexpr double kLargestCorrelated = 0.05;
constexpr std::size_t kFewestSamples = 32;
/// Effective numbers of a correlated tail's quarter: fewer do not tell noise from a decay.
constexpr double kFewestEffective = 8.0;
/// Quarters agree, show no decay, and a mean is none, within so many standard deviations.
constexpr double kAgree = 4.0;
constexpr double kDecay = 2.5;
constexpr double kSure = 5.0;
/// A longer tail's sigma^2 is at most so many of the shortest one's deviations above that one's.
constexpr double kLonger = 2.0;
/// Relative variance of the square of estimated_noise(), times the numbers: 4 x 1.36 of a median of
/// independent ones, and three for what eighth differences share (1 + 2 sum r^2 is 3.6).
constexpr double kScatterVariance = 16.3;

/// The last `tail` samples, if they are noise.
std::optional<NoiseEstimate> noise_of(std::span<const float> signal, std::size_t tail,
                                      double scatter) {
    const std::size_t points = signal.size() / 2;
    double most = 0.0;
    for (std::size_t i = 0; i < points; ++i) {
        most = std::max(most, std::hypot(static_cast<double>(signal[i]), signal[points + i]));
    }
    std::vector<double> values;  // (2, tail), less the mean
    double mean[2] = {};
    for (std::size_t part = 0; part < 2; ++part) {
        const auto from = signal.subspan((part + 1) * points - tail, tail);
        mean[part] = std::accumulate(from.begin(), from.end(), 0.0) / static_cast<double>(tail);
        for (const float value : from) values.push_back(static_cast<double>(value) - mean[part]);
    }
    double quarter[4] = {}, all = 0.0;
    const std::size_t quarters = tail / 4;
    for (std::size_t i = 0; i < 4 * quarters; ++i) {
        for (const std::size_t part : {std::size_t{0}, tail}) {
            const double d = values[part + i];
            quarter[i / quarters] += d * d / (2.0 * static_cast<double>(quarters));
        }
    }
    for (const double square : quarter) all += 0.25 * square;
    NoiseEstimate result;
    result.correlation = noise_correlation(values);
    // A mean of n squares of unit normals has the standard deviation sqrt(2 / n).
    const double shared = square_excess(result.correlation);
    const double slack = kAgree * std::sqrt(shared / static_cast<double>(quarters));
    for (const double square : quarter) {
        if (!(std::abs(square / all - 1.0) <= slack)) return {};
    }
    // Of a straight line through the logarithms at -1.5 ... 1.5; each has the deviation `slack`
    // / 4.
    const double slope =
        0.3 * std::log(quarter[3] / quarter[0]) + 0.1 * std::log(quarter[2] / quarter[1]);
    if (!(slope >= -kDecay * slack / kAgree / std::sqrt(5.0))) return {};
    result.sigma = std::sqrt(all * static_cast<double>(tail) / static_cast<double>(tail - 1));
    const bool white = result.correlation.empty();
    const double largest = white ? kLargestShare : kLargestCorrelated;
    if (!(result.sigma > 0.0) || result.sigma > largest * most) return {};
    if (white && result.sigma > kSignalInTail * scatter) return {};
    if (!white && 2.0 * static_cast<double>(quarters) < kFewestEffective * shared) return {};
    result.uncertainty = std::sqrt(shared / static_cast<double>(tail));
    result.from_tail = true;
    result.samples = tail;
    const double sure = kSure * result.white() / std::sqrt(static_cast<double>(tail));
    if (std::hypot(mean[0], mean[1]) > sure) result.offset = {mean[0], mean[1]};
    return result;
}

/// Correlation of a curve sampled at `from`, where it is read by band-limited interpolation at the
/// closer spacing `to`.
std::vector<double> interpolated(const std::vector<double>& correlation, double from, double to) {
    // The sinc falls slowly: a window as wide as the resampling's takes it to 0.
    constexpr double kReach = 32.0;
    const double own = static_cast<double>(correlation.size());
    std::vector<double> result;
    for (double lag = to / from; lag < own + kReach; lag += to / from) {
        double sum = 0.0;
        for (std::ptrdiff_t j = -std::ssize(correlation); j <= std::ssize(correlation); ++j) {
            const double r = j == 0 ? 1.0 : correlation[static_cast<std::size_t>(std::abs(j)) - 1];
            const double u = lag - static_cast<double>(j);
            if (std::abs(u) >= kReach) continue;
            const double angle = std::numbers::pi * u;
            const double taper = std::cos(0.5 * angle / kReach);
            sum += r * taper * taper * (std::abs(angle) < 1e-9 ? 1.0 : std::sin(angle) / angle);
        }
        result.push_back(std::clamp(sum, -1.0, 1.0));
    }
    return result;
}

}  // namespace

double NoiseEstimate::white() const {
    return sigma * std::sqrt(slow_excess(correlation));
}

NoiseEstimate tail_noise(std::span<const float> signal, double scatter) {
    const std::size_t points = signal.size() / 2;
    NoiseEstimate result;
    result.sigma = scatter > 0.0 ? scatter : estimated_noise(signal);
    result.uncertainty = std::sqrt(kScatterVariance / static_cast<double>(2 * points));
    const double scattered = result.sigma;
    double most = std::numeric_limits<double>::infinity();
    for (const std::size_t share : {8, 4, 2}) {
        const std::size_t tail = std::max(kFewestSamples, points / share);
        if (points < 2 * tail) break;
        const std::optional<NoiseEstimate> noise = noise_of(signal, tail, scattered);
        if (!noise || noise->sigma * noise->sigma > most) break;
        if (!result.from_tail) {
            most = noise->sigma * noise->sigma * (1.0 + kLonger * noise->uncertainty);
        }
        result = *noise;
    }
    return result;
}

NoiseEstimate noise_at_spacing(std::span<const double> time_us, std::span<const float> signal,
                               double model_spacing_us, double given) {
    const double spacing = nmrsim::even_spacing_us(time_us);
    const double coarser = std::max(spacing, model_spacing_us);
    const double averaged = std::sqrt(spacing / coarser);
    std::vector<double> grid;
    for (double t = time_us.front(); t <= time_us.back(); t += coarser) grid.push_back(t);
    const std::vector<float> coarse = nmrsim::resampled(time_us, signal, grid);
    NoiseEstimate noise = tail_noise(coarse, averaged * estimated_noise(signal));
    // The scatter is that of all the curve's own samples.
    if (!noise.from_tail) noise.uncertainty *= averaged;
    if (given > 0.0) {
        // Correlated noise is averaged less than white noise is.
        const NoiseEstimate own = tail_noise(signal);
        const bool known = noise.from_tail && own.from_tail;
        noise.sigma = given * (known ? std::min(1.0, noise.sigma / own.sigma) : averaged);
        noise.uncertainty = known ? noise.uncertainty : 0.0;
    }
    noise.tail_us = static_cast<double>(noise.samples) * coarser;
    // Sampled more coarsely than the model, neighbouring samples will share their noise.
    if (coarser > (1.0 + 1e-3) * model_spacing_us) {
        noise.correlation = interpolated(noise.correlation, coarser, model_spacing_us);
    }
    return noise;
}

}  // namespace nmrinverse
