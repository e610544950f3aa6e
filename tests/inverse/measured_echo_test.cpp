// Noise of a measurement, from its tail where that is noise; echoes found and fitted.

#include "nmrinverse/measured_echo.h"
#include "nmrinverse/echo_proposal.h"

#include <cmath>

#include "catch_compat.h"
#include "nmrinverse/measured_noise.h"
#include "nmrsim/prior.h"
#include "nmrsim/random.h"
#include "nmrsim/simulate.h"

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

TEST_CASE("an echo is found at its place, and fitted with its gain and phase") {
    const Model model = load_model(std::string(NMRSIM_GOLDEN) +
                                   "/../../libinverse/models/challenge-2021.safetensors");
    const std::vector<double> truth{60.0, 120.0, 35.0};
    nmrsim::Experiment experiment = nmrsim::with_parameters(model.experiment(), truth);
    nmrsim::Acquisition& window = experiment.acquisition;
    const double spacing = (window.stop_us - window.start_us) / (window.points - 1);
    // A record that begins before the window and ends after it, on a clock of its own.
    window.start_us -= 40.0 * spacing;
    window.points += 240;
    window.stop_us = window.start_us + (window.points - 1) * spacing;
    experiment.accuracy.tolerance = 1e-5;
    const nmrsim::Signal signal = nmrsim::simulate(experiment);
    const double late_us = -31.7, sigma = 2e-3;
    const std::complex<double> factor = std::polar(3.0, 0.8);
    std::vector<double> time_us;
    std::vector<float> record(2 * signal.time_us.size());
    nmrsim::CounterRandom random(8, 0, nmrsim::RandomStream::noise);
    for (std::size_t i = 0; i < signal.time_us.size(); ++i) {
        time_us.push_back(signal.time_us[i] + late_us);
        const std::complex<double> m = factor * std::complex(signal.mx[i], signal.my[i]);
        record[i] = static_cast<float>(m.real() + sigma * random.normal());
        record[i + signal.time_us.size()] = static_cast<float>(m.imag() + sigma * random.normal());
    }
    EchoOptions options;
    options.seed = 3;
    const EchoFinder finder(model.experiment(), echo_proposal(model), options);
    const std::vector<FoundEcho> places = finder.find(time_us, record, sigma);
    REQUIRE(!places.empty());
    // The best place is the echo's, and a draw explains nearly all of it.
    CHECK(std::abs(places.front().shift_us - late_us) < 1.0);
    CHECK(std::abs(std::abs(places.front().factor) / 3.0 - 1.0) < 0.1);
    CHECK(places.front().explained > 0.95);
    CHECK(places.front().signal.size() == 2 * 856);
    for (std::size_t i = 1; i < places.size(); ++i) {
        CHECK(std::abs(places[i].shift_us - places.front().shift_us) > 2.0);
        CHECK(places[i].explained <= places.front().explained + 0.05);
    }

    RefineOptions fitting;
    fitting.fit_gain = fitting.fit_phase = fitting.fit_time_zero = true;
    fitting.time_zero_range_us = 2.0;
    const EchoFit fit = fit_echo(finder, time_us, record, sigma, fitting);
    CHECK(fit.fit.within_noise());
    CHECK(fit.fit.converged);
    for (std::size_t k = 0; k < 3; ++k) {
        CAPTURE(k, fit.fit.estimate[k], fit.fit.deviations()[k]);
        CHECK(std::abs(fit.fit.estimate[k] - truth[k]) < 5.0 * fit.fit.deviations()[k]);
        CHECK(fit.fit.deviations()[k] < 0.2);
    }
    CHECK(std::abs(fit.shift_us() - late_us) < 0.05);
    CHECK(std::abs(fit.factor() - factor) < 0.02);
    // Too short for the window at any shift.
    time_us.resize(700);
    CHECK_THROWS_WITH(finder.find(time_us, std::span(record).first(1400), sigma),
                      ContainsSubstring("shorter than the model's window"));
}
