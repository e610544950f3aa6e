#include "nmrsim/resampling.h"

#include <cmath>
#include <stdexcept>

#include "catch_compat.h"
#include "nmrsim/random.h"
#include "nmrsim/units.h"

using namespace nmrsim;

namespace {

std::vector<double> times(double start, double spacing, std::size_t count) {
    std::vector<double> result;
    for (std::size_t i = 0; i < count; ++i)
        result.push_back(start + static_cast<double>(i) * spacing);
    return result;
}

/// A burst of this frequency [1/us] about t = 100 us, 8 us wide.
double burst(double t, double frequency) {
    const double u = (t - 100.0) / 8.0;
    return std::exp(-0.5 * u * u) * std::cos(kTwoPi * frequency * (t - 100.0) + 0.3);
}

double largest_error(double from, double to, double offset, double frequency) {
    const std::vector<double> there = times(50.0, from, static_cast<std::size_t>(100.0 / from));
    std::vector<float> signal;
    for (const double t : there) signal.push_back(static_cast<float>(burst(t, frequency)));
    const std::vector<double> here = times(70.0 + offset, to, static_cast<std::size_t>(60.0 / to));
    const std::vector<float> found = resampled(there, signal, here);
    double largest = 0.0;
    for (std::size_t i = 0; i < here.size(); ++i) {
        largest =
            std::max(largest, std::abs(static_cast<double>(found[i]) - burst(here[i], frequency)));
    }
    return largest;
}

}  // namespace

TEST_CASE("a band-limited curve is kept, finer, equal and coarser") {
    // The documented bound, within 0.9 of the band: that of spacing 0.2 ends at 2.5.
    for (const double frequency : {0.0, 0.25, 1.5, 2.1}) {
        CAPTURE(frequency);
        CHECK(largest_error(0.2, 0.2, 0.07, frequency) < 1e-4);
        CHECK(largest_error(0.05, 0.2, 0.013, frequency) < 1e-4);
        CHECK(largest_error(0.2, 0.05, 0.013, frequency) < 1e-4);
    }
}

TEST_CASE("what lies above the band is taken out") {
    // Spacing 0.2 folds 4.8 back to 0.2; at 0.05 it is well sampled.
    const std::vector<double> there = times(0.0, 0.05, 4000);
    std::vector<float> signal;
    for (const double t : there) signal.push_back(static_cast<float>(std::cos(kTwoPi * 4.8 * t)));
    const std::vector<float> found = resampled(there, signal, times(50.0, 0.2, 500));
    for (const float value : found) CHECK(std::abs(value) < 1e-3f);
}

TEST_CASE("white noise is averaged as documented") {
    const std::vector<double> there = times(0.0, 0.05, 40000);
    CounterRandom random(1, 0, RandomStream::noise);
    std::vector<float> noise;
    for (std::size_t i = 0; i < there.size(); ++i)
        noise.push_back(static_cast<float>(random.normal()));
    const std::vector<float> found = resampled(there, noise, times(20.0, 0.2, 9800));
    double square = 0.0, product = 0.0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        square += static_cast<double>(found[i]) * found[i] / 9800.0;
        if (i > 0) product += static_cast<double>(found[i]) * found[i - 1] / 9800.0;
    }
    // A quarter, less what the filter's edge takes (its width, about 0.15 of the band, over six),
    // within five standard deviations of a mean of 9,800 squares (0.07).
    CHECK(square / 0.25 == Approx(0.975).margin(0.025 + 5.0 * std::sqrt(2.0 / 9800.0)));
    CHECK(std::abs(product / square) < 0.025 + 5.0 / std::sqrt(9800.0));
}

TEST_CASE("resampling checks its times") {
    const std::vector<double> there = times(0.0, 0.1, 100);
    const std::vector<float> signal(200, 1.0f);
    CHECK(even_spacing_us(there) == Approx(0.1));
    CHECK(even_spacing_us(std::vector<double>{0.0, 1.0, 3.0}) == 0.0);
    CHECK(even_spacing_us(std::vector<double>{1.0}) == 0.0);
    CHECK(resampled(there, signal, times(1.0, 0.2, 10)) == std::vector<float>(20, 1.0f));
    CHECK_THROWS_AS(resampled(there, signal, times(-1.0, 0.2, 10)), std::invalid_argument);
    CHECK_THROWS_AS(resampled(there, signal, times(9.0, 0.2, 10)), std::invalid_argument);
    CHECK_THROWS_AS(resampled(there, std::span(signal).first(150), times(1.0, 0.2, 10)),
                    std::invalid_argument);
    CHECK_THROWS_AS(resampled(std::vector<double>{0.0, 1.0, 3.0}, signal, there),
                    std::invalid_argument);
}
