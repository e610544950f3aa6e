// Noise of a measurement, from its tail where that is noise.

#include "nmrinverse/measured_echo.h"

#include <cmath>

#include "catch_compat.h"
#include "nmrinverse/measured_noise.h"
#include "nmrsim/random.h"

using namespace nmrinverse;

namespace {

constexpr std::size_t kPoints = 800;

/// An echo 20 samples wide at sample 300 with an offset and noise, (2, points).
std::vector<float> echo(double sigma, std::complex<double> offset, double tail = 0.0) {
    nmrsim::CounterRandom random(3, 0, nmrsim::RandomStream::noise);
    std::vector<float> signal(2 * kPoints);
    for (std::size_t i = 0; i < kPoints; ++i) {
        const double u = (static_cast<double>(i) - 300.0) / 20.0;
        const double m = std::exp(-0.5 * u * u) + tail * std::exp(-std::abs(u) / 10.0);
        signal[i] = static_cast<float>(0.6 * m + offset.real() + sigma * random.normal());
        signal[kPoints + i] =
            static_cast<float>(-0.8 * m + offset.imag() + sigma * random.normal());
    }
    return signal;
}

}  // namespace

TEST_CASE("the tail of an echo gives the noise and the receiver's offset") {
    const double sigma = 0.01;
    const NoiseEstimate noise = tail_noise(echo(sigma, {0.03, -0.02}));
    CHECK(noise.from_tail);
    CHECK(noise.samples == 400);  // the echo is over there
    CHECK(noise.correlation.empty());
    // From 2 x 400 numbers less two means: five standard deviations of 1/sqrt(2 * 798).
    CHECK(std::abs(noise.sigma / sigma - 1.0) < 5.0 / std::sqrt(1596.0));
    CHECK(noise.uncertainty == Approx(1.0 / 20.0));
    // A mean of 400: five standard deviations.
    CHECK(std::abs(noise.offset - std::complex<double>(0.03, -0.02)) <
          5.0 * std::sqrt(2.0) * sigma / 20.0);
    CHECK(tail_noise(echo(sigma, 0.0)).offset == 0.0);
}

TEST_CASE("a tail that still holds signal is not taken for noise") {
    const double sigma = 1e-3;
    const std::vector<float> signal = echo(sigma, 0.0, 0.2);
    const NoiseEstimate noise = tail_noise(signal);
    CHECK_FALSE(noise.from_tail);
    CHECK(noise.offset == 0.0);
    CHECK(noise.sigma == estimated_noise(signal));
    CHECK(tail_noise(signal, 2.5e-3).sigma == 2.5e-3);
}

TEST_CASE("options of the search are checked") {
    EchoOptions options;
    options.bank = 0;
    CHECK_THROWS_AS(options.validate(), std::invalid_argument);
    options = {};
    options.rounds = 0;
    CHECK_THROWS_AS(options.validate(), std::invalid_argument);
}
