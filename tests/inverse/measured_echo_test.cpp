// Noise of a measurement, from its tail where that is noise; echoes found and fitted.

#include "nmrinverse/measured_echo.h"
#include "nmrinverse/echo_proposal.h"

#include <cmath>
#include <complex>
#include <span>
#include <stdexcept>
#include <vector>

#include "catch_compat.h"
#include "nmrinverse/measured_noise.h"
#include "nmrinverse/measured_record.h"
#include "nmrinverse/refine.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/prior.h"
#include "nmrsim/random.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"

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
    const NoiseEstimate noise = tail_noise(echo(sigma, {0.03, -0.02}), 0.35);
    CHECK(noise.samples == 400);  // the echo is over there
    CHECK(noise.correlation.empty());
    // From 2 x 400 numbers less two means: five standard deviations of 1/sqrt(2 * 798).
    CHECK(std::abs(noise.sigma / sigma - 1.0) < 5.0 / std::sqrt(1596.0));
    CHECK(noise.from_tail);
    CHECK(noise.uncertainty == Approx(1.0 / 20.0));
    // Where more of the band is known to be noise's, that tells more than the tail.
    const NoiseEstimate outside = tail_noise(echo(sigma, {0.03, -0.02}), 0.05);
    CHECK_FALSE(outside.from_tail);
    CHECK(outside.uncertainty < 0.05);
    CHECK(std::abs(outside.sigma / sigma - 1.0) < 2.5 * outside.uncertainty);
    CHECK(outside.offset == noise.offset);
    // A mean of 400: five standard deviations.
    CHECK(std::abs(noise.offset - std::complex<double>(0.03, -0.02)) <
          5.0 * std::sqrt(2.0) * sigma / 20.0);
    CHECK(tail_noise(echo(sigma, 0.0), 0.35).offset == 0.0);
}

TEST_CASE("a tail that still holds signal is not taken for noise") {
    const double sigma = 1e-3;
    const std::vector<float> signal = echo(sigma, 0.0, 0.2);
    const NoiseEstimate noise = tail_noise(signal, 0.05);
    CHECK_FALSE(noise.from_tail);
    CHECK(noise.offset == 0.0);
    CHECK(std::abs(noise.sigma / sigma - 1.0) < 5.0 * noise.uncertainty);
}

TEST_CASE("noise outside the curve's band is known as well as it is said to be") {
    // 200 records of white noise, a pulse in every other one.
    const double sigma = 1e-3;
    const int records = 200;
    double mean = 0.0, square = 0.0, told = 0.0, by_differences = 0.0;
    for (int i = 0; i < records; ++i) {
        nmrsim::CounterRandom random(4, static_cast<std::uint64_t>(i), nmrsim::RandomStream::noise);
        std::vector<float> signal = echo(0.0, 0.0);
        for (float& value : signal) value += static_cast<float>(sigma * random.normal());
        for (std::size_t k = 100; i % 2 && k < 102; ++k) signal[k] += 0.3f;
        const NoiseEstimate noise = noise_outside(signal, 0.1);
        const double ratio = noise.sigma * noise.sigma / (sigma * sigma);
        mean += ratio / records;
        square += ratio * ratio / records;
        told += noise.uncertainty / records;
        const double other = estimated_noise(signal) / sigma;
        by_differences += (other * other - 1.0) * (other * other - 1.0) / records;
    }
    CAPTURE(mean, told);
    // A mean of 200: five standard deviations; a standard deviation of 200 is known to 5%.
    CHECK(std::abs(mean - 1.0) < 5.0 * told / std::sqrt(records));
    CHECK(std::sqrt(square - mean * mean) == Approx(told).epsilon(0.25));
    CHECK(told < 0.05);
    CHECK(std::sqrt(by_differences) > 2.0 * told);
    // Too little is left between the band and half the rate.
    const std::vector<float> signal = echo(sigma, 0.0);
    CHECK(noise_outside(signal, 0.48).sigma == estimated_noise(signal));
    CHECK_THROWS_AS(noise_outside(std::span(signal).first(20), 0.1), std::invalid_argument);
}

namespace {

/// Noise filtered to below `band` turns a sample, (2, points), of standard deviation 1.
std::vector<float> band_limited(double band, std::uint64_t seed) {
    nmrsim::CounterRandom random(seed, 1, nmrsim::RandomStream::noise);
    std::vector<float> signal(2 * kPoints);
    constexpr int kTones = 64;
    for (int tone = 0; tone < kTones; ++tone) {
        const double w = 2.0 * nmrsim::kPi * band * (2.0 * random.uniform() - 1.0);
        const double phase = 2.0 * nmrsim::kPi * random.uniform();
        for (std::size_t i = 0; i < kPoints; ++i) {
            const double angle = w * static_cast<double>(i) + phase;
            signal[i] += static_cast<float>(std::cos(angle) * std::sqrt(2.0 / kTones));
            signal[kPoints + i] += static_cast<float>(std::sin(angle) * std::sqrt(2.0 / kTones));
        }
    }
    return signal;
}

}  // namespace

TEST_CASE("what rings on at the band's edge is no noise, what a receiver filters is") {
    const double sigma = 1e-3;
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        CAPTURE(seed);
        // Stationary and correlated, as a line's sharp cut leaves it, but of the curve's own band.
        std::vector<float> ringing = echo(sigma, 0.0);
        const std::vector<float> tones = band_limited(0.15, seed);
        for (std::size_t i = 0; i < ringing.size(); ++i) {
            ringing[i] += 5.0f * static_cast<float>(sigma) * tones[i];
        }
        const NoiseEstimate curve = tail_noise(ringing, 0.15);
        CHECK_FALSE(curve.from_tail);
        CHECK(std::abs(curve.sigma / sigma - 1.0) < 5.0 * curve.uncertainty);
        // First order, correlated by 0.6.
        nmrsim::CounterRandom random(seed, 2, nmrsim::RandomStream::noise);
        std::vector<float> filtered = echo(0.0, 0.0);
        double last = random.normal();
        for (float& value : filtered) {
            last = 0.6 * last + 0.8 * random.normal();
            value += static_cast<float>(sigma * last);
        }
        const NoiseEstimate noise = tail_noise(filtered, 0.15);
        CHECK(noise.coloured);
        CHECK(noise.from_tail);
        CHECK(std::abs(noise.sigma / sigma - 1.0) < 5.0 * noise.uncertainty);
    }
}

TEST_CASE("a record is fitted as it is, or low-passed where it is far denser than its curve") {
    // Spins turn at 250 + 150 kHz at most: 12 samples a period are 0.208 us apart.
    const nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    const double sigma = 1e-3;
    const auto record_at = [&](double spacing_us, double noise) {
        const auto points = static_cast<std::size_t>(160.0 / spacing_us);
        std::vector<double> time_us;
        std::vector<float> signal(2 * points);
        nmrsim::CounterRandom random(6, points, nmrsim::RandomStream::noise);
        for (std::size_t i = 0; i < points; ++i) {
            time_us.push_back(10.0 + static_cast<double>(i) * spacing_us);
            const double u = (time_us.back() - 80.0) / 8.0;
            signal[i] = static_cast<float>(std::exp(-0.5 * u * u) + sigma * random.normal());
            signal[points + i] = static_cast<float>(sigma * random.normal());
        }
        const MeasuredRecord record = measured_record(time_us, signal, experiment, noise);
        CHECK(record.time_us.front() == time_us.front());
        if (record.step == 1) CHECK(record.signal == signal);
        return record;
    };
    const MeasuredRecord plain = record_at(0.2, 0.0);
    CHECK(plain.step == 1);
    CHECK(plain.margin == 0);
    CHECK(std::abs(plain.noise.sigma / sigma - 1.0) < 2.5 * plain.noise.uncertainty);
    const MeasuredRecord dense = record_at(0.05, 0.0);
    CHECK(dense.step == 4);
    CHECK(dense.margin == 32);
    CHECK(dense.spacing_us() == Approx(0.2));
    CHECK(std::abs(2.0 * dense.noise.sigma / sigma - 1.0) < 2.5 * dense.noise.uncertainty);
    // Of 3,200 samples rather than 800.
    CHECK(dense.noise.uncertainty < 0.6 * plain.noise.uncertainty);
    // The curve goes through.
    for (std::size_t i = dense.margin; i + dense.margin < dense.points(); ++i) {
        const double u = (dense.time_us[i] - 80.0) / 8.0;
        CHECK(std::abs(dense.signal[i] - std::exp(-0.5 * u * u)) < 5.5 * 0.5 * sigma);
    }
    const MeasuredRecord given = record_at(0.05, 3e-3);
    CHECK(given.noise.sigma == Approx(1.5e-3));
    CHECK(given.noise.uncertainty == 0.0);
    const std::vector<double> uneven(100, 1.0);
    CHECK_THROWS_AS(measured_record(uneven, std::vector<float>(200), experiment),
                    std::invalid_argument);
}

TEST_CASE("a record is fitted at its own times, whatever they are") {
    // Sampled more coarsely than the window and more finely, between the window's samples.
    nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    const double sigma = 2e-3;
    EchoOptions options;
    options.align = false;
    options.bank = 64;
    options.rounds = 1;
    options.threads = 1;
    double z2 = 0.0;
    int values = 0;
    for (const double spacing : {0.45, 0.161, 0.05}) {
        for (std::uint64_t i = 0; i < 2; ++i) {
            CAPTURE(spacing, i);
            const double step = static_cast<double>(i);
            const std::vector<double> truth{50.0 + 9.0 * step, 100.0 + 21.0 * step, 35.0};
            nmrsim::Experiment acquired = nmrsim::with_parameters(experiment, truth);
            acquired.accuracy.tolerance = 1e-5;
            acquired.acquisition.start_us = 120.0 + 0.3 * step * spacing;
            acquired.acquisition.points = static_cast<int>(165.0 / spacing);
            acquired.acquisition.stop_us =
                acquired.acquisition.start_us + (acquired.acquisition.points - 1) * spacing;
            nmrsim::Signal echo = nmrsim::simulate(acquired);
            nmrsim::add_noise(echo, sigma, 9, i);
            std::vector<float> signal;
            const std::complex<double> factor = std::polar(4.0, 1.0);
            for (const bool real : {true, false}) {
                for (std::size_t k = 0; k < echo.points(); ++k) {
                    const std::complex<double> m =
                        factor * std::complex<double>(echo.mx[k], echo.my[k]);
                    signal.push_back(static_cast<float>(real ? m.real() : m.imag()));
                }
            }
            // Draws about the truth, as of a network.
            const auto proposal = [&](std::span<const float>, std::span<const double> noise,
                                      std::size_t draws, std::uint64_t seed, int) {
                nmrsim::CounterRandom random(seed, i, nmrsim::RandomStream::search);
                std::vector<double> result;
                for (std::size_t d = 0; d < draws * noise.size(); ++d) {
                    for (const double value : truth) {
                        result.push_back(value * (1.0 + 0.02 * random.normal()));
                    }
                }
                return result;
            };
            const EchoFinder finder(experiment, proposal, options);
            RefineOptions fitting;
            fitting.fit_gain = fitting.fit_phase = fitting.fit_time_zero = true;
            fitting.time_zero_range_us = 2.0;
            fitting.threads = 1;
            const EchoFit fit =
                fit_echo(finder, measured_record(echo.time_us, signal, experiment), fitting);
            CHECK(fit.fit.within_noise(4.0));
            const double fitted_us =
                (fit.window.stop_us - fit.window.start_us) / (fit.window.points - 1);
            CHECK(fitted_us == Approx(spacing < 0.1 ? 4.0 * spacing : spacing));
            CHECK(fit.signal.size() == 2 * static_cast<std::size_t>(fit.window.points));
            CHECK(fit.window.start_us >= experiment.acquisition.start_us);
            CHECK(fit.window.stop_us <= experiment.acquisition.stop_us);
            CHECK(std::abs(fit.shift_us()) < 0.1);
            for (std::size_t k = 0; k < 3; ++k) {
                const double z = (fit.fit.estimate[k] - truth[k]) / fit.fit.deviations()[k];
                CAPTURE(k, z);
                CHECK(std::abs(z) < 4.0);
                z2 += z * z;
                ++values;
            }
        }
    }
    // 18 squares of normals: 1 +- 1/3, three of these.
    CHECK(z2 / values == Approx(1.0).margin(1.0));
    CHECK(z2 / values > 0.2);
}

TEST_CASE("the zero of time of a coarsely sampled curve is read from a finer simulation") {
    // At 1 us what turns at 250 kHz is missed by 4% between its samples.
    nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    experiment.acquisition.points = 137;
    experiment.acquisition.stop_us = experiment.acquisition.start_us + 136.0;
    experiment.accuracy.tolerance = 1e-6;
    const std::vector<double> truth{60.0, 120.0, 35.0};
    nmrsim::Experiment late = nmrsim::with_parameters(experiment, truth);
    late.acquisition.start_us += 0.5;
    late.acquisition.stop_us += 0.5;
    nmrsim::Signal echo = nmrsim::simulate(late);
    const double sigma = 1e-5;
    nmrsim::add_noise(echo, sigma, 3, 0);
    std::vector<float> signal(echo.mx.begin(), echo.mx.end());
    signal.insert(signal.end(), echo.my.begin(), echo.my.end());
    RefineOptions options;
    options.noise = sigma;
    options.fit_time_zero = true;
    options.widenings = 0;
    options.threads = 1;
    const Refinement fit = refine(experiment, signal, truth, options);
    CAPTURE(fit.chi_square, fit.degrees);
    CHECK(fit.within_noise(4.0));
    CHECK(std::abs(fit.time_zero_us - 0.5) < 1e-3);
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
    const MeasuredRecord measured = measured_record(time_us, record, model.experiment(), sigma);
    const std::vector<FoundEcho> places = finder.find(measured);
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
    const EchoFit fit = fit_echo(finder, measured, fitting);
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
    CHECK_THROWS_WITH(finder.find(measured_record(time_us, std::span(record).first(1400),
                                                  model.experiment(), sigma)),
                      ContainsSubstring("shorter than the model's window"));
}
