// The low-pass: what is in the band stays, what is above it goes, and steps fit the band.
#include "curve/low_pass.h"

#include <cmath>
#include <numeric>

#include "catch_compat.h"
#include "nmrsim/units.h"

using namespace nmrinverse;

namespace {

/// exp(2 pi i f t / points) as (2, points), f in turns over the curve.
std::vector<float> tone(int points, double turns) {
    std::vector<float> signal(2 * static_cast<std::size_t>(points));
    for (int t = 0; t < points; ++t) {
        const double phase = nmrsim::kTwoPi * turns * t / points;
        signal[static_cast<std::size_t>(t)] = static_cast<float>(std::cos(phase));
        signal[static_cast<std::size_t>(points + t)] = static_cast<float>(std::sin(phase));
    }
    return signal;
}

std::vector<float> reduced(const LowPass& low_pass, const std::vector<float>& signal) {
    std::vector<float> result(2 * static_cast<std::size_t>(low_pass.samples));
    apply_low_pass(low_pass, signal, 1, result, 1);
    return result;
}

}  // namespace

TEST_CASE("A low-pass of step 1 changes nothing", "[low_pass]") {
    const LowPass low_pass = make_low_pass(50, 1);
    const std::vector<float> signal = tone(50, 7.3);
    CHECK(reduced(low_pass, signal) == signal);
}

TEST_CASE("A constant stays a constant up to the ends", "[low_pass]") {
    const LowPass low_pass = make_low_pass(300, 6);
    const std::vector<float> signal(600, 0.25f);
    // 49 products of numbers of order 1/6, summed in single precision.
    for (const float value : reduced(low_pass, signal)) CHECK(std::abs(value - 0.25f) < 1e-6f);
}

TEST_CASE("A tone in the pass band keeps its value at every kept time; one far above vanishes",
          "[low_pass]") {
    const int points = 856;
    const LowPass low_pass = make_low_pass(points, 6);
    const double new_nyquist = points / (2.0 * low_pass.step);
    const std::vector<float> slow = tone(points, 0.75 * new_nyquist);
    const std::vector<float> fast = tone(points, 1.6 * new_nyquist);
    const std::vector<float> kept = reduced(low_pass, slow);
    const std::vector<float> gone = reduced(low_pass, fast);
    for (int j = 9; j < low_pass.samples - 9; ++j) {  // whole filters, away from the ends
        const int at = low_pass.first + j * low_pass.step;
        for (int part = 0; part < 2; ++part) {
            const auto r = static_cast<std::size_t>(part * low_pass.samples + j);
            const auto s = static_cast<std::size_t>(part * points + at);
            // A Kaiser window of beta = 5 ripples 53 dB down (J. F. Kaiser, 1974), 2.2e-3; the tap
            // sum, made 1, adds as much at most.
            CHECK(std::abs(kept[r] - slow[s]) < 4.4e-3);
            CHECK(std::abs(gone[r]) < 4.4e-3);
        }
    }
}

TEST_CASE("The matrix is what the filter applies", "[low_pass]") {
    const LowPass low_pass = make_low_pass(101, 4);
    std::vector<float> signal(202);
    for (std::size_t i = 0; i < signal.size(); ++i)
        signal[i] = std::sin(0.1f * static_cast<float>(i * i % 97));
    const std::vector<float> matrix = low_pass_matrix(low_pass);
    const std::vector<float> result = reduced(low_pass, signal);
    for (std::size_t j = 0; j < static_cast<std::size_t>(low_pass.samples); ++j) {
        const float expected = std::inner_product(matrix.begin() + static_cast<long>(j * 101),
                                                  matrix.begin() + static_cast<long>(j * 101 + 101),
                                                  signal.begin(), 0.0f);
        CHECK(std::abs(result[j] - expected) < 1e-5f);
    }
}

TEST_CASE("The step follows the curves' band, noise or not", "[low_pass]") {
    // An echo exp(-t^2 / 2 s^2) has a Gaussian spectrum of width 1 / (2 pi s): at s = 8 samples it
    // falls to 1e-7 of its largest power at sqrt(ln 1e7) / (2 pi 8) = 0.08 turns a sample, 0.16 of
    // the Nyquist frequency; a step of 0.75 / 0.16 = 4.7 would keep it. The window widens it a
    // little.
    const int points = 512;
    std::vector<float> signal;
    unsigned state = 1;
    const auto random = [&state] {  // uniform in [-1, 1), the generator of Numerical Recipes
        state = state * 1664525u + 1013904223u;
        return static_cast<float>(state) / 2147483648.0f - 1.0f;
    };
    for (const float noise : {0.0f, 1e-2f}) {
        signal.clear();
        for (int curve = 0; curve < 64; ++curve) {
            for (int t = 0; t < 2 * points; ++t) {
                const double x = (t % points - 200 - curve) / 8.0;
                signal.push_back(static_cast<float>(std::exp(-0.5 * x * x)) + noise * random());
            }
        }
        const int step = decimation_for(signal, 64, points);
        CHECK(step >= 3);
        CHECK(step <= 8);
    }
    // White noise alone has no band to keep apart: whatever stands out of the floor by chance, the
    // step stays within the least number of samples.
    for (float& value : signal) value = random();
    CHECK(decimation_for(signal, 64, points) <= points / 32);
}

TEST_CASE("A broken low-pass is refused", "[low_pass]") {
    LowPass low_pass = make_low_pass(100, 5);
    low_pass.samples = 21;  // the last would lie beyond the curve
    CHECK_THROWS_AS(low_pass.validate(), std::invalid_argument);
    CHECK_THROWS_AS(make_low_pass(100, 0), std::invalid_argument);
}
