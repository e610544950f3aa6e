// Records of known parameters: the echo found, its noise, the fit.

#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrinverse/measured_echo.h"
#include "nmrinverse/measured_record.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/prior.h"
#include "nmrsim/random.h"
#include "nmrsim/series.h"
#include "nmrsim/simulate.h"

using namespace nmrinverse;

namespace {

/// A record of the 2021 task, gain 4 and phase 1 rad, its clock right, with an instrument's noise.
struct KnownRecord {
    std::vector<double> time_us;
    std::vector<float> signal;
};

/// Args: noise: (2, points) in units of M.
KnownRecord known_record(nmrsim::Experiment acquired, const std::vector<double>& truth,
                         double start_us, double spacing_us, const std::vector<double>& noise) {
    acquired = nmrsim::with_parameters(acquired, truth);
    acquired.accuracy.tolerance = 1e-5;
    const std::size_t points = noise.size() / 2;
    acquired.acquisition.start_us = start_us;
    acquired.acquisition.points = static_cast<int>(points);
    acquired.acquisition.stop_us = start_us + static_cast<double>(points - 1) * spacing_us;
    const nmrsim::Signal echo = nmrsim::simulate(acquired);
    KnownRecord record{echo.time_us, std::vector<float>(2 * points)};
    const std::complex<double> factor = std::polar(4.0, 1.0);
    for (std::size_t k = 0; k < points; ++k) {
        const std::complex<double> m =
            factor * std::complex<double>(echo.mx[k] + noise[k], echo.my[k] + noise[points + k]);
        record.signal[k] = static_cast<float>(m.real());
        record.signal[points + k] = static_cast<float>(m.imag());
    }
    return record;
}

/// Normal noise whose neighbours are alike by `rho`, (2, points).
std::vector<double> one_pole_noise(std::size_t points, double sigma, double rho,
                                   std::uint64_t seed) {
    nmrsim::CounterRandom random(seed, 0, nmrsim::RandomStream::noise);
    std::vector<double> noise(2 * points);
    for (const std::size_t part : {std::size_t{0}, points}) {
        double last = random.normal();
        for (std::size_t i = 0; i < points; ++i) {
            last = rho * last + std::sqrt(1.0 - rho * rho) * random.normal();
            noise[part + i] = sigma * last;
        }
    }
    return noise;
}

/// Draws about the truth, as of a network.
EchoProposal draws_about(const std::vector<double>& truth) {
    return [truth](std::span<const float>, std::span<const double> noise, std::size_t draws,
                   std::uint64_t seed, int) {
        nmrsim::CounterRandom random(seed, 0, nmrsim::RandomStream::search);
        std::vector<double> result;
        for (std::size_t d = 0; d < draws * noise.size(); ++d) {
            for (const double value : truth)
                result.push_back(value * (1.0 + 0.02 * random.normal()));
        }
        return result;
    };
}

}  // namespace

TEST_CASE("an echo is found beside what rings down after the pulse, however loud that is") {
    // From 5 us after the second pulse on: that of 28 degrees leaves fifty times the echo's energy.
    const nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    const std::vector<double> truth{95.8, 177.7, 14.0};
    const KnownRecord known =
        known_record(experiment, truth, 105.0, 0.45, one_pole_noise(420, 1e-3, 0.0, 5));
    EchoOptions options;
    options.bank = 256;
    options.rounds = 1;
    options.threads = 1;
    const EchoFinder finder(experiment, draws_about(truth), options);
    const MeasuredRecord record = measured_record(known.time_us, known.signal, experiment);
    const std::vector<FoundEcho> places = finder.find(record);
    REQUIRE_FALSE(places.empty());
    CHECK(std::abs(places.front().shift_us) < 1.0);
    CHECK(places.front().explained > 0.9);
    // Asked for where it is, a place holds the guess and the proposal's draws.
    const FoundEcho there = finder.at(record, 0.0, 4.0, truth);
    CHECK(there.starts.size() == 3 + 3 * 256);
    CHECK(std::vector(there.starts.begin(), there.starts.begin() + 3) == truth);
}

TEST_CASE("coloured noise without a tail is known by what the fit leaves") {
    // The record ends with the model's window, at its edges still 1% of the echo.
    const nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    EchoOptions options;
    options.align = false;
    options.bank = 64;
    options.rounds = 1;
    options.threads = 1;
    RefineOptions fitting;
    fitting.fit_gain = fitting.fit_phase = fitting.fit_time_zero = true;
    fitting.time_zero_range_us = 2.0;
    fitting.threads = 1;
    const double sigma = 1e-3, rho = 0.9;
    double z2 = 0.0;
    constexpr int kRecords = 4;
    for (int i = 0; i < kRecords; ++i) {
        CAPTURE(i);
        const std::vector<double> truth{50.0 + 9.0 * i, 100.0 + 21.0 * i, 35.0};
        const KnownRecord known =
            known_record(experiment, truth, 131.7, 0.16, one_pole_noise(852, sigma, rho, 11 + i));
        const MeasuredRecord record = measured_record(known.time_us, known.signal, experiment);
        CHECK(record.noise.coloured);
        CHECK_FALSE(record.noise.from_tail);
        // As behind one pole, which it is, to a factor of two and a half; as white noise it would
        // be a quarter.
        CHECK(record.noise.sigma / 4.0 > 0.4 * sigma);
        CHECK(record.noise.sigma / 4.0 < 2.5 * sigma);
        const EchoFinder finder(experiment, draws_about(truth), options);
        const EchoFit fit = fit_echo(finder, record, fitting);
        CHECK(fit.noise_from_residual);
        CHECK(fit.fit.within_noise(4.0));
        // One sample in 9.5 is independent: the variance of 179 numbers is known to 11%.
        CHECK(fit.noise * std::abs(fit.echo.factor) / 4.0 == Approx(sigma).epsilon(0.2));
        REQUIRE(fit.noise_correlation.size() > 2);
        CHECK(fit.noise_correlation[0] == Approx(rho).margin(0.05));
        for (std::size_t k = 0; k < 3; ++k) {
            const double z = (fit.fit.estimate[k] - truth[k]) / fit.fit.deviations()[k];
            CAPTURE(k, z);
            CHECK(std::abs(z) < 4.5);
            z2 += z * z / (3.0 * kRecords);
        }
    }
    // Twelve squares of normals: 1 +- 0.4. As white noise of what lies above the band, their mean
    // would be some 15.
    CHECK(z2 > 0.2);
    CHECK(z2 < 3.0);
}

namespace {

/// An echo of the owner's own kind, whose record ends before the window, with noise and an offset.
nmrsim::Experiment own_echo() {
    nmrsim::Experiment own =
        nmrsim::load_experiment(std::string(NMRSIM_FIELD_FILES) + "/owner.toml");
    own.accuracy.tolerance = 1e-5;
    return own;
}

/// Simulated records with gain 30, phase 2 rad, an offset, and a clock that is `late_us` late.
std::vector<MeasuredRecord> records_of(const nmrsim::Experiment& series, double late_us,
                                       double sigma) {
    std::vector<MeasuredRecord> result;
    std::uint64_t seed = 1;
    for (const nmrsim::Experiment& record : nmrsim::series_records(series)) {
        const nmrsim::Signal echo = nmrsim::simulate(record);
        nmrsim::CounterRandom random(++seed, 0, nmrsim::RandomStream::noise);
        std::vector<double> time_us;
        std::vector<float> signal(2 * echo.points());
        const std::complex<double> offset(0.02, -0.01 * static_cast<double>(seed));
        for (std::size_t i = 0; i < echo.points(); ++i) {
            time_us.push_back(echo.time_us[i] + late_us);
            const std::complex<double> noise(sigma * random.normal(), sigma * random.normal());
            const std::complex<double> m =
                std::polar(30.0, 2.0) *
                (std::complex<double>(echo.mx[i], echo.my[i]) + offset + noise);
            signal[i] = static_cast<float>(m.real());
            signal[echo.points() + i] = static_cast<float>(m.imag());
        }
        result.push_back(measured_record(time_us, signal, record));
    }
    return result;
}

EchoFit fitted(const nmrsim::Experiment& experiment, const std::vector<MeasuredRecord>& records) {
    EchoOptions options;
    options.threads = 1;
    const EchoFinder finder(experiment, {}, options);
    RefineOptions fitting;
    fitting.fit_gain = fitting.fit_phase = fitting.fit_time_zero = fitting.fit_offset = true;
    fitting.time_zero_range_us = clock_range_us(experiment, records.front().spacing_us());
    fitting.threads = 1;
    return fit_echo(finder, records, fitting);
}

void check_home(const EchoFit& fit, const std::vector<double>& truth) {
    CHECK(fit.fit.within_noise(4.0));
    for (std::size_t k = 0; k < truth.size(); ++k) {
        const double z = (fit.fit.estimate[k] - truth[k]) / fit.fit.deviations()[k];
        CAPTURE(k, z);
        CHECK(std::abs(z) < 5.0);
    }
}

}  // namespace

TEST_CASE("a record with an offset that begins late and ends early is fitted without a network") {
    const nmrsim::Experiment own = own_echo();
    const std::vector<double> truth{12.0, 30.0, 60.0};
    nmrsim::Experiment acquired = nmrsim::with_parameters(own, truth);
    acquired.acquisition.start_us = 66.0;
    acquired.acquisition.stop_us = 180.0;
    acquired.acquisition.points = 229;
    const std::vector<MeasuredRecord> records = records_of(acquired, 9.3, 1e-3);
    const EchoFit fit = fitted(own, records);
    check_home(fit, truth);
    CHECK(std::abs(fit.shift_us() - 9.3) < 0.2);
    CHECK(std::abs(fit.factor() - std::polar(30.0, 2.0)) < 1.0);
    // What the record's own tail says of the offset and what the fit adds.
    const std::complex<double> offset = records.front().noise.offset + fit.offset.front();
    CHECK(std::abs(offset / std::polar(30.0, 2.0) - std::complex<double>(0.02, -0.02)) < 1e-3);
}

TEST_CASE("records of a series are fitted as one, each with its own noise and offset") {
    nmrsim::Experiment own = own_echo();
    own.prior.push_back({"gamma3_per_s", 0.0, 2e4});
    for (const double tau : {40.0, 60.0, 90.0}) {
        own.series.push_back({{{"sequence.tau_us", std::to_string(tau)},
                               {"acquisition.start_us", std::to_string(1.2 * tau)},
                               {"acquisition.stop_us", std::to_string(2.9 * tau)},
                               {"acquisition.points", "200"}}});
    }
    const std::vector<double> truth{12.0, 30.0, 60.0, 7e3};
    std::vector<MeasuredRecord> records =
        records_of(nmrsim::with_parameters(own, truth), -3.1, 1e-3);
    const EchoFit fit = fitted(own, records);
    check_home(fit, truth);
    CHECK(fit.series.size() == 3);
    CHECK(fit.offset.size() == 3);
    CHECK(fit.relative_noise.size() == fit.signal.size() / 2);
    CHECK(std::abs(fit.shift_us() + 3.1) < 0.2);
    // An echo's height against tau says the rate.
    CHECK(fit.fit.deviations()[3] < 1e3);
    records.pop_back();
    CHECK_THROWS_WITH(fitted(own, records), ContainsSubstring("expected 3 records"));
}

TEST_CASE("samples count by their relative noise") {
    nmrsim::Experiment own = own_echo();
    own.prior = {{"alpha_x_khz", 0.0, 40.0}};
    nmrsim::Signal echo = nmrsim::simulate(nmrsim::with_parameters(own, std::vector{12.0}));
    const std::size_t points = echo.points();
    nmrsim::add_noise(echo, 1e-3, 5, 0);
    std::vector<float> signal(echo.mx.begin(), echo.mx.end());
    signal.insert(signal.end(), echo.my.begin(), echo.my.end());
    // A spike that counts for nothing.
    signal[40] += 3.0f;
    RefineOptions options;
    options.noise = 1e-3;
    options.threads = 1;
    options.relative_noise.assign(points, 1.0);
    options.relative_noise[40] = std::numeric_limits<double>::infinity();
    const Refinement alike = refine(own, signal, std::vector{11.0}, options);
    CHECK(std::abs(alike.estimate[0] - 12.0) < 5.0 * alike.deviations()[0]);
    CHECK(alike.within_noise(4.0));
    CHECK(alike.degrees == Approx(2.0 * static_cast<double>(points - 1) - 1.0));
    for (double& relative : options.relative_noise) relative *= 4.0;
    const Refinement noisier = refine(own, signal, std::vector{11.0}, options);
    CHECK(noisier.deviations()[0] == Approx(4.0 * alike.deviations()[0]).epsilon(1e-2));
    options.relative_noise.pop_back();
    CHECK_THROWS_WITH(refine(own, signal, std::vector{11.0}, options),
                      ContainsSubstring("relative_noise"));
}
