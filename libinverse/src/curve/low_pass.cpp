#include "curve/low_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <stdexcept>

#include "fit/curve_band.h"
#include "nmrsim/threads.h"
#include "nmrsim/units.h"

namespace nmrinverse {
namespace {

// Width of the filter in kept samples on each side. Its window is Kaiser's of beta 5, and it cuts
// at 0.95 of the new Nyquist frequency: by Kaiser's formulas the window's ripple is 53 dB down, and
// the transition is (53 - 8) / (2.285 * 2 kLobes) / pi = 0.39 Nyquist frequencies wide: the pass
// band is flat to 2e-3 up to kPassShare, and what folds back into it is as small.
constexpr int kLobes = 8;
constexpr double kPassShare = 0.75;

// More samples than this are never thinned away.
constexpr int kFewestSamples = 32;

/// Mean power of the curves at frequencies 0 ... points / 2 (positive and negative added), with a
/// Blackman-Harris window, whose side lobes lie 92 dB down.
std::vector<double> mean_power(std::span<const float> signal, std::size_t count, int points) {
    const auto n = static_cast<std::size_t>(points);
    std::vector<std::complex<double>> turn(n);
    std::vector<double> window(n);
    for (std::size_t t = 0; t < n; ++t) {
        const double phase = nmrsim::kTwoPi * static_cast<double>(t) / static_cast<double>(n);
        turn[t] = std::polar(1.0, -phase);
        window[t] = 0.35875 - 0.48829 * std::cos(phase) + 0.14128 * std::cos(2.0 * phase) -
                    0.01168 * std::cos(3.0 * phase);
    }
    constexpr std::size_t kSpectrumCurves = 256;  // more would not change the mean
    const std::size_t used = std::min(count, kSpectrumCurves);
    std::vector<double> power(n / 2 + 1, 0.0);
    // Curves are spread over all of them; a plain transform is fast enough for so few.
    const int team = nmrsim::team_size(0);
#pragma omp parallel for schedule(dynamic, 8) num_threads(team)
    for (std::size_t f = 0; f < power.size(); ++f) {
        for (std::size_t c = 0; c < used; ++c) {
            const float* mx = signal.data() + c * (count / used) * 2 * n;
            std::complex<double> plus = 0.0;
            std::complex<double> minus = 0.0;
            std::size_t index = 0;
            for (std::size_t t = 0; t < n; ++t) {
                const std::complex<double> m(mx[t] * window[t], mx[n + t] * window[t]);
                plus += m * turn[index];
                minus += m * std::conj(turn[index]);
                index += f;
                if (index >= n) index -= n;
            }
            power[f] += std::norm(plus) + std::norm(minus);
        }
    }
    return power;
}

}  // namespace

void LowPass::validate() const {
    const auto require = [](bool holds, const char* what, int value) {
        if (!holds) throw std::invalid_argument(fmt::format("{}, got {}", what, value));
    };
    require(points >= 1 && points <= 1 << 24, "low_pass.points must be in [1, 2^24]", points);
    require(step >= 1 && step <= points, "low_pass.step must be in [1, points]", step);
    require(half_width >= 0 && half_width <= kLobes * step, "low_pass.half_width is too wide",
            half_width);
    require(samples >= 1, "low_pass.samples must be >= 1", samples);
    require(first >= 0 && first <= points - 1 - (samples - 1) * static_cast<long>(step),
            "low_pass.first must keep all samples inside the curve", first);
}

LowPass make_low_pass(int points, int step) {
    if (step < 1)
        throw std::invalid_argument(fmt::format("low_pass.step must be >= 1, got {}", step));
    LowPass low_pass;
    low_pass.points = points;
    low_pass.step = step;
    low_pass.half_width = step > 1 ? kLobes * step : 0;
    low_pass.samples = (points - 1) / step + 1;
    low_pass.first = (points - 1 - (low_pass.samples - 1) * step) / 2;
    low_pass.validate();
    return low_pass;
}

std::vector<double> low_pass_taps(const LowPass& low_pass) {
    constexpr double kKaiserBeta = 5.0;
    constexpr double kCutShare = 0.95;
    std::vector<double> taps;
    double sum = 0.0;
    for (int k = -low_pass.half_width; k <= low_pass.half_width; ++k) {
        const double x = nmrsim::kPi * kCutShare * k / low_pass.step;
        const double u = low_pass.half_width ? static_cast<double>(k) / low_pass.half_width : 0.0;
        taps.push_back((k == 0 ? 1.0 : std::sin(x) / x) *
                       std::cyl_bessel_i(0.0, kKaiserBeta * std::sqrt(1.0 - u * u)));
        sum += taps.back();
    }
    for (double& tap : taps) tap /= sum;
    return taps;
}

std::vector<float> low_pass_matrix(const LowPass& low_pass) {
    const std::vector<double> taps = low_pass_taps(low_pass);
    const auto points = static_cast<std::size_t>(low_pass.points);
    std::vector<float> matrix(static_cast<std::size_t>(low_pass.samples) * points, 0.0f);
    for (int j = 0; j < low_pass.samples; ++j) {
        const int middle = low_pass.first + j * low_pass.step;
        const int low = std::max(0, middle - low_pass.half_width);
        const int high = std::min(low_pass.points - 1, middle + low_pass.half_width);
        double sum = 0.0;
        for (int i = low; i <= high; ++i) {
            sum += taps[static_cast<std::size_t>(i - middle + low_pass.half_width)];
        }
        for (int i = low; i <= high; ++i) {
            matrix[static_cast<std::size_t>(j) * points + static_cast<std::size_t>(i)] =
                static_cast<float>(
                    taps[static_cast<std::size_t>(i - middle + low_pass.half_width)] / sum);
        }
    }
    return matrix;
}

void apply_low_pass(const LowPass& low_pass, std::span<const float> signal, std::size_t count,
                    std::span<float> reduced, int threads) {
    const auto points = static_cast<std::size_t>(low_pass.points);
    const auto samples = static_cast<std::size_t>(low_pass.samples);
    if (signal.size() != count * 2 * points || reduced.size() != count * 2 * samples) {
        throw std::invalid_argument(fmt::format("signal must hold {} x 2 x {} values, got {}",
                                                count, points, signal.size()));
    }
    const std::vector<float> matrix = low_pass_matrix(low_pass);
    const int team = nmrsim::team_size(threads);
#pragma omp parallel for num_threads(team) if (count > 64)
    for (std::size_t row = 0; row < 2 * count; ++row) {
        const float* in = signal.data() + row * points;
        for (std::size_t j = 0; j < samples; ++j) {
            const long middle = low_pass.first + static_cast<long>(j) * low_pass.step;
            const long low = std::max(0L, middle - low_pass.half_width);
            const long high = std::min<long>(low_pass.points - 1, middle + low_pass.half_width);
            const float* taps = matrix.data() + j * points;
            float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
            for (long i = low; i <= high; ++i) sum += taps[i] * in[i];
            reduced[row * samples + j] = sum;
        }
    }
}

int decimation_for(std::span<const float> signal, std::size_t count, int points) {
    if (count == 0 || points < 2 * kFewestSamples) return 1;
    const std::vector<double> power = mean_power(signal, count, points);
    const std::size_t tail = std::max<std::size_t>(1, power.size() / 10);
    double floor = 0.0;
    for (std::size_t f = power.size() - tail; f < power.size(); ++f) {
        floor += power[f] / static_cast<double>(tail);
    }
    // A frequency counts as signal above this share of the largest power, and above this many times
    // the noise floor, which is the mean power of the highest tenth of frequencies.
    constexpr double kPowerShare = 1e-7;
    constexpr double kFloorFactor = 2.0;
    const double threshold =
        std::max(kFloorFactor * floor, kPowerShare * *std::max_element(power.begin(), power.end()));
    std::size_t edge = power.size() - 1;
    while (edge > 0 && power[edge] <= threshold) --edge;
    const double nyquist = 0.5 * points;
    const int step = static_cast<int>(kPassShare * nyquist / static_cast<double>(edge + 1));
    return std::clamp(step, 1, points / kFewestSamples);
}

int decimation_for(const nmrsim::Experiment& experiment) {
    const nmrsim::Acquisition& acquisition = experiment.acquisition;
    if (acquisition.points < 2 * kFewestSamples) return 1;
    const double nyquist_khz = 0.5e3 / nmrsim::sample_spacing_us(experiment);
    const double step = kPassShare * nyquist_khz / largest_frequency_khz(experiment);
    return static_cast<int>(std::clamp(step, 1.0, acquisition.points / double{kFewestSamples}));
}

}  // namespace nmrinverse
