// What people read off curves, where closed forms say what it must be.

#include "nmrsim/observables.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/sequence_text.h"
#include "nmrsim/series.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"

using namespace nmrsim;
using Complex = std::complex<double>;

namespace {

/// Uncoupled spins of one offset that dephase in 50 us.
Experiment one_offset(const std::string& sequence, double offset_khz) {
    Experiment e;
    e.interaction.alpha_x_khz = 0.0;
    e.interaction.alpha_z_khz = 0.0;
    e.line.shape = LineShape::gaussian;
    e.line.half_width_khz = 1e-3;
    e.line.cutoff_khz = 0.01;
    e.line.centre_khz = offset_khz;
    e.relaxation.gamma3_per_s = 4e4;
    set_sequence(e, sequence);
    return e;
}

}  // namespace

TEST_CASE("the integral over an echo's window is that of its closed form") {
    const Experiment e = one_offset("hahn 20us 90; acquire echo-5us echo+5us 201", 0.0);
    const Signal signal = simulate(e);
    const std::vector<EchoIntegral> all = echo_integrals(e, signal);
    REQUIRE(all.size() == 1);
    CHECK(all[0].time_us == 40.0);
    const double t2 = 50.0;
    const double exact = 0.5 * t2 * (std::exp(-35.0 / t2) - std::exp(-45.0 / t2));
    // The trapezoidal rule is off by h^2 / 12 of the slope's change, 1e-6 here.
    CHECK(std::abs(all[0].integral) == Approx(exact).epsilon(1e-4));
    CHECK_THROWS_AS(echo_integrals(Experiment{}, signal), std::invalid_argument);
    const std::string csv = observable_to_csv("echo-integral", e, signal);
    CHECK(csv.starts_with("time_us,re,im,magnitude\n40,"));
    CHECK(std::count(csv.begin(), csv.end(), '\n') == 2);
    CHECK_THROWS_WITH(observable_to_csv("spectra", e, signal),
                      "observable must be one of echo-integral, spectrum, decay, got spectra; did "
                      "you mean spectrum?");
}

TEST_CASE("a train and a series decay with T2") {
    const Experiment train = one_offset(
        "pulse 90 x; delay 10us; repeat 4 (pulse 180 y; acquire echo-2us echo+2us 9; delay 20us)",
        0.0);
    const std::vector<EchoIntegral> echoes = echo_integrals(train, simulate(train));
    REQUIRE(echoes.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(echoes[i].window == i);
        CHECK(echoes[i].time_us == Approx(20.0 * static_cast<double>(i + 1)));
        CHECK(std::abs(echoes[i].integral / echoes[0].integral) ==
              Approx(std::exp(-0.4 * static_cast<double>(i))).epsilon(1e-4));
    }
    Experiment series = one_offset("hahn 10us 90; acquire echo-2us echo+2us 9", 0.0);
    for (const char* tau : {"10", "20", "30"}) {
        series.series.push_back({{{"sequence.tau_us", tau}, {"line.centre_khz", "0.5"}}});
    }
    const Signal signal = simulate(series);
    const std::vector<EchoIntegral> decay = echo_integrals(series, signal);
    REQUIRE(decay.size() == 3);
    CHECK(std::abs(decay[2].integral / decay[0].integral) == Approx(std::exp(-0.8)).epsilon(1e-4));
    const std::string csv = observable_to_csv("decay", series, signal);
    // Of the two settings one differs.
    CHECK(csv.starts_with("sequence.tau_us,time_us,magnitude,relative\n10,20,"));
    CHECK(csv.find("\n30,60,") != std::string::npos);
}

TEST_CASE("a spectrum has its line where the spins' offset is, as wide as T2 and weights say") {
    const Experiment e = one_offset("fid 90; acquire 0 1ms 4001", 12.0);
    const Signal signal = simulate(e);
    for (const double added_khz : {0.0, 3.0}) {
        const Spectrum spectrum = spectra(e, signal, {added_khz, 0.0}).front();
        const auto peak = std::max_element(
            spectrum.s.begin(), spectrum.s.end(),
            [](const Complex& a, const Complex& b) { return std::abs(a) < std::abs(b); });
        const auto at = static_cast<std::size_t>(peak - spectrum.s.begin());
        const double step = spectrum.frequency_khz[1] - spectrum.frequency_khz[0];
        CHECK(spectrum.frequency_khz[at] == Approx(12.0).margin(step));
        // i/2 exp(-t/T2): its integral is T2/2, along y.
        const double width_khz = 1e3 / (kPi * 50.0) + added_khz;
        CHECK(spectrum.s[at].imag() == Approx(0.5 * 1e3 / (kPi * width_khz)).epsilon(2e-3));
        // The absorption falls to a half at half the width.
        const auto half = at + static_cast<std::size_t>(std::lround(0.5 * width_khz / step));
        CHECK(spectrum.s[half].imag() / spectrum.s[at].imag() == Approx(0.5).epsilon(0.02));
    }
    // A Gaussian's width: far above T2's, the line is its own.
    const Spectrum broad = spectra(e, signal, {0.0, 60.0}).front();
    const auto value_at = [&](double khz) {
        const auto near =
            std::lower_bound(broad.frequency_khz.begin(), broad.frequency_khz.end(), khz);
        return broad.s[static_cast<std::size_t>(near - broad.frequency_khz.begin())].imag();
    };
    // Half of it, but for the 6.4 kHz of T2, half of which a Gaussian of 60 kHz takes up.
    CHECK(value_at(12.0 + 32.0) / value_at(12.0) == Approx(0.5).epsilon(0.03));

    // Of an echo, phases count from it: along one axis, all of it.
    const Experiment echo = one_offset("hahn 30us 90; acquire echo-20us echo+20us 401", -30.0);
    const Spectrum of_echo = spectra(echo, simulate(echo)).front();
    CHECK(of_echo.centre_us == 60.0);
    double largest = 0.0, off_axis = 0.0, where = 0.0;
    for (std::size_t f = 0; f < of_echo.s.size(); ++f) {
        if (std::abs(of_echo.s[f]) > largest) {
            largest = std::abs(of_echo.s[f]);
            where = of_echo.frequency_khz[f];
            off_axis = std::abs(of_echo.s[f].real());
        }
    }
    CHECK(where == Approx(-30.0).margin(7.0));  // a quarter of what 40 us tell apart
    CHECK(off_axis < 0.1 * largest);
    CHECK(observable_to_csv("spectrum", echo, simulate(echo))
              .starts_with("frequency_khz,re,im,magnitude\n-"));
    CHECK_THROWS_AS(spectra(e, signal, {-1.0, 0.0}), std::invalid_argument);
    const Experiment alone = one_offset("fid 90; acquire 5us 5us 1", 0.0);
    CHECK_THROWS_AS(spectra(alone, simulate(alone)), std::invalid_argument);
}
