#include "nmrinverse/measured_noise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <optional>
#include <vector>

#include "nmrinverse/noise_correlation.h"
#include "nmrinverse/refine.h"

namespace nmrinverse {
namespace {

/// A tail is below this share of the largest sample; one that is correlated, as signal is, below
/// the other.
constexpr double kLargestShare = 0.2;
constexpr double kLargestCorrelated = 0.05;
constexpr std::size_t kFewestSamples = 32;
/// Effective numbers of a correlated tail's quarter: fewer do not tell noise from a decay.
constexpr double kFewestEffective = 8.0;
/// Quarters and scatter agree, show no decay, and a mean is none, within so many standard
/// deviations.
constexpr double kAgree = 4.0;
constexpr double kDecay = 2.5;
constexpr double kSure = 5.0;
/// A longer tail's variance, of a sample and of a slow curve, is at most so many of the shortest
/// one's deviations above that one's.
constexpr double kLonger = 2.0;
/// Noise that is carried on from outside the curve's band into it: its variance is hardly known,
/// its correlation is followed from this one down.
constexpr double kContinuedUncertainty = 1.0;
constexpr double kLargestRho = 0.98;
constexpr double kLeastRho = 0.01;

/// Relative standard deviation of white()^2: of a sum over so many lags.
double white_uncertainty(const NoiseEstimate& noise) {
    const double lags = static_cast<double>(noise.correlation.size());
    return std::hypot(noise.uncertainty,
                      std::sqrt(2.0 * lags / static_cast<double>(noise.samples)));
}

/// Whether noise is weaker at the higher frequencies outside the curve's band.
bool falls(std::span<const float> signal, double low, double high) {
    const double middle = 0.5 * (low + high);
    const NoiseEstimate lower = noise_outside(signal, low, middle);
    const NoiseEstimate upper = noise_outside(signal, middle, high);
    return 2.0 * std::log(lower.sigma / upper.sigma) >
           kDecay * std::hypot(lower.uncertainty, upper.uncertainty);
}

/// Mean over low ... high [turns a sample] of the spectrum of noise whose correlation is rho to the
/// power of the lag, of variance 1; white noise has 1.
double one_pole(double rho, double low, double high) {
    // The integral of (1 - rho^2) / (1 - 2 rho cos w + rho^2) is 2 atan((1 + rho) / (1 - rho)
    // tan(w / 2)).
    const auto integral = [rho](double f) {
        const double half = std::numbers::pi * std::min(f, 0.5 - 1e-12);
        return 2.0 * std::atan((1.0 + rho) / (1.0 - rho) * std::tan(half));
    };
    return (integral(high) - integral(low)) / (2.0 * std::numbers::pi * (high - low));
}

/// Noise that falls outside the curve's band, carried on into it as that of a filter of one pole.
NoiseEstimate continued(std::span<const float> signal, double low, double high,
                        const NoiseEstimate& scatter) {
    const double middle = 0.5 * (low + high);
    const double below = noise_outside(signal, low, middle).sigma;
    const double above = noise_outside(signal, middle, high).sigma;
    const double wanted = std::pow(below / above, 2);
    double least = 0.0, most = kLargestRho;
    for (int i = 0; i < 60; ++i) {
        const double rho = 0.5 * (least + most);
        const double ratio = one_pole(rho, low, middle) / one_pole(rho, middle, high);
        (ratio < wanted ? least : most) = rho;
    }
    NoiseEstimate result = scatter;
    result.sigma = below / std::sqrt(one_pole(least, low, middle));
    result.uncertainty = std::max(scatter.uncertainty, kContinuedUncertainty);
    const std::size_t longest = signal.size() / 8;
    for (double r = least; r > kLeastRho && result.correlation.size() < longest; r *= least) {
        result.correlation.push_back(r);
    }
    return result;
}

/// The last `tail` samples, if they are noise. Args: scatter: outside the curve's band. most: the
/// largest |M| of the curve.
std::optional<NoiseEstimate> noise_of(std::span<const float> signal, std::size_t tail,
                                      const NoiseEstimate& scatter, double most) {
    const std::size_t points = signal.size() / 2;
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
    const bool enough = 2.0 * static_cast<double>(quarters) >= kFewestEffective * shared;
    if (!white && !(scatter.coloured && enough)) return {};
    result.uncertainty = std::sqrt(shared / static_cast<double>(tail));
    // White noise that is louder than the scatter holds signal.
    const double ratio = result.sigma / scatter.sigma;
    const double sure_ratio = 1.0 + kAgree * std::hypot(result.uncertainty, scatter.uncertainty);
    if (white && !(ratio * ratio <= sure_ratio)) return {};
    result.from_tail = true;
    result.coloured = scatter.coloured;
    result.samples = tail;
    const double sure = kSure * result.white() / std::sqrt(static_cast<double>(tail));
    if (std::hypot(mean[0], mean[1]) > sure) result.offset = {mean[0], mean[1]};
    return result;
}

}  // namespace

double NoiseEstimate::white() const {
    return sigma * std::sqrt(slow_excess(correlation));
}

NoiseEstimate tail_noise(std::span<const float> signal, double low, double high) {
    const std::size_t points = signal.size() / 2;
    NoiseEstimate scatter = noise_outside(signal, low, high);
    scatter.coloured = falls(signal, low, high);
    const double most_of_all = peak_of(signal);
    NoiseEstimate result = scatter;
    const auto variances = [](const NoiseEstimate& noise) {
        return std::array{noise.sigma * noise.sigma, noise.white() * noise.white()};
    };
    std::array most = {std::numeric_limits<double>::infinity(),
                       std::numeric_limits<double>::infinity()};
    for (const std::size_t share : {8, 4, 2}) {
        const std::size_t tail = std::max(kFewestSamples, points / share);
        if (points < 2 * tail) break;
        const std::optional<NoiseEstimate> noise = noise_of(signal, tail, scatter, most_of_all);
        // A short tail that is taken for no noise may be so by chance; a longer one tells better.
        if (!noise && !result.from_tail) continue;
        if (!noise || variances(*noise)[0] > most[0] || variances(*noise)[1] > most[1]) break;
        if (!result.from_tail) {
            most = variances(*noise);
            most[0] *= 1.0 + kLonger * noise->uncertainty;
            most[1] *= 1.0 + kLonger * white_uncertainty(*noise);
        }
        result = *noise;
    }
    const bool white = result.correlation.empty() && !scatter.coloured;
    if (white && scatter.uncertainty < result.uncertainty) {
        result.sigma = scatter.sigma;
        result.uncertainty = scatter.uncertainty;
        result.from_tail = false;
    }
    if (scatter.coloured && !result.from_tail) result = continued(signal, low, high, scatter);
    return result;
}

std::optional<NoiseEstimate> residual_noise(std::span<const float> residual, double largest,
                                            const NoiseEstimate& before) {
    std::optional<NoiseEstimate> noise = noise_of(residual, residual.size() / 2, before, largest);
    if (noise) {
        noise->from_tail = false;
        noise->offset = 0.0;
    }
    return noise;
}

}  // namespace nmrinverse
