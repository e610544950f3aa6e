// The receiver: phase, gain, dead time, and their derivatives, in every way to simulate.

#include "run/detection.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "hahn_echo.h"
#include "nmrsim/experiment.h"
#include "nmrsim/parameters.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"
#include "tangents.h"

using namespace nmrsim;
using Complex = std::complex<double>;

namespace {

Experiment coupled_echo() {
    Experiment e = hahn_echo(
        60.0, 90.0, {.flip_deg = 60.0, .refocus_phase_deg = 90.0, .tau_us = 10.0}, {0.0, 30.0, 61});
    e.accuracy.nodes = 64;
    e.accuracy.steps_per_point = 1.0;
    e.accuracy.precision = Precision::double_;
    return e;
}

/// All at once: a cycle of two steps, phase, gain and dead time.
Experiment read_echo() {
    Experiment e = coupled_echo();
    e.phase_cycle.steps = {{{0.0, 0.0}, 0.0}, {{180.0, 10.0}, 170.0}};
    e.acquisition.receiver_phase_deg = 35.0;
    e.acquisition.gain = 3.0;
    e.acquisition.dead_time_us = 2.25;
    return e;
}

Complex at(const Signal& s, std::size_t k) {
    return {s.mx[k], s.my[k]};
}

/// Rounding of floats of the size of `gain`, a few operations.
float float_margin(double gain) {
    return static_cast<float>(8.0 * gain) * std::numeric_limits<float>::epsilon();
}

/// (count, unknowns) spread over the prior's ranges.
std::vector<double> draws(const Experiment& e, std::size_t count) {
    const std::vector<double> values = draw_many(e.prior, count, 5);
    return values;
}

}  // namespace

TEST_CASE("phase and gain act on M+ alone", "[detection]") {
    Experiment e = coupled_echo();
    const Signal plain = simulate(e);
    e.acquisition.receiver_phase_deg = -40.0;
    e.acquisition.gain = 2.5;
    const Signal signal = simulate(e);
    const Complex factor = std::polar(2.5, -40.0 * kRadiansPerDegree);
    for (std::size_t k = 0; k < plain.points(); ++k) {
        REQUIRE(std::abs(at(signal, k) - factor * at(plain, k)) < 1e-15);
        REQUIRE(signal.mz[k] == plain.mz[k]);
    }
    CHECK(signal.time_us == plain.time_us);
}

TEST_CASE("the receiver reads 0 for the dead time after each pulse", "[detection]") {
    Experiment e = coupled_echo();
    e.sequence.program = std::vector<Event>{Delay{3.0},       Pulse{50.0, 0.0}, Delay{4.0},
                                            Pulse{80.0, 0.0}, Delay{0.1},       Pulse{20.0, 0.0}};
    const Signal plain = simulate(e);
    e.acquisition.dead_time_us = 1.5;
    const Signal signal = simulate(e);
    // Pulses at 3, 7 and 7.1 us; a sample at the end of a dead time reads, one at a pulse does not.
    std::size_t dead = 0;
    for (std::size_t k = 0; k < plain.points(); ++k) {
        const double t = plain.time_us[k];
        const bool off = (t > 2.99 && t < 4.49) || (t > 6.99 && t < 8.59);
        dead += off;
        INFO(t);
        REQUIRE(at(signal, k) == (off ? Complex(0.0) : at(plain, k)));
        REQUIRE(signal.mz[k] == plain.mz[k]);
    }
    CHECK(dead == 3 + 4);
    // Dead times that overlap count each sample once.
    e.acquisition.dead_time_us = 100.0;
    CHECK(receiver_of(e).dead.size() == 61 - 6);
}

TEST_CASE("the receiver is off during a pulse that takes time", "[detection]") {
    Experiment e = coupled_echo();
    e.sequence.program = std::vector<Event>{Delay{1.0}, Pulse{90.0, 0.0, 2.0}};
    e.acquisition.dead_time_us = 1.0;
    CHECK(receiver_of(e).dead == std::vector<std::size_t>{2, 3, 4, 5, 6, 7});
}

TEST_CASE("nothing of the receiver runs where it is not used", "[detection]") {
    Experiment e = coupled_echo();
    CHECK(reads_spins_directly(e));
    e.prior = {{"gain", 0.5, 2.0}};
    CHECK_FALSE(reads_spins_directly(e));
    CHECK_FALSE(reads_spins_directly(read_echo()));
    Experiment spins = spin_experiment(read_echo()).experiment;
    CHECK(spins.acquisition.dead_time_us == read_echo().acquisition.dead_time_us);
    spins.acquisition.dead_time_us = 0.0;
    CHECK(reads_spins_directly(spins));
}

TEST_CASE("derivatives by gain, receiver phase and the spins' parameters", "[detection]") {
    const Experiment e = read_echo();
    const std::vector<std::string> names = {"gain", "alpha_x_khz", "receiver_phase_deg",
                                            "refocus_phase_deg", "pulse_scale"};
    const SignalJacobian jacobian = simulate_with_jacobian(e, names);
    CHECK(jacobian.parameters == names);
    CHECK(largest_difference(jacobian.signal, simulate(e)) < 1e-14);
    // The error of a difference of fourth order, h^4 / 30 times the fifth derivative, is < 1e-10
    // with these steps.
    check_tangents(e, jacobian, [](const std::string& name) {
        return name == "gain" || name == "pulse_scale" ? 1e-3 : 2e-2;
    });
}

TEST_CASE("a receiver's derivative needs no phase cycle", "[detection]") {
    const Experiment e = coupled_echo();
    const SignalJacobian j = simulate_with_jacobian(e, std::vector<std::string>{"gain"});
    CHECK(j.dmx[0] == j.signal.mx);
    CHECK(j.dmz[0] == std::vector<double>(j.signal.points(), 0.0));
}

TEST_CASE("a batch reads its curves as they are read alone", "[detection]") {
    Experiment e = read_echo();
    SECTION("unknowns of the spins") {
        e.prior = {{"alpha_x_khz", 0, 80}, {"flip_deg", 20, 90}};
    }
    SECTION("of the times of the pulses") {
        e.prior = {{"tau_us", 8.0, 12.0}};
    }
    SECTION("of both") {
        e.prior = {{"gain", 1, 3}, {"flip_deg", 20, 90}, {"receiver_phase_deg", -90, 90}};
    }
    SECTION("of the receiver") {
        e.prior = {{"receiver_phase_deg", -180, 180}, {"gain", 0.1, 3}};
        e.phase_cycle.steps.clear();
    }
    const std::size_t points = 61, unknowns = e.prior.size(), count = 5;
    const std::vector<double> parameters = draws(e, count);
    std::vector<float> signal(count * 2 * points);
    CHECK(simulate_batch(e, parameters, {}, signal, 2) == count);
    for (std::size_t i = 0; i < count; ++i) {
        const Signal one =
            simulate(with_parameters(e, std::span(parameters).subspan(i * unknowns, unknowns)));
        for (std::size_t k = 0; k < points; ++k) {
            REQUIRE(signal[2 * i * points + k] ==
                    Approx(one.mx[k]).epsilon(0).margin(float_margin(3.0)));
            REQUIRE(signal[(2 * i + 1) * points + k] ==
                    Approx(one.my[k]).epsilon(0).margin(float_margin(3.0)));
        }
    }
}

TEST_CASE("a batch of derivatives reads its curves as they are read alone", "[detection]") {
    Experiment e = read_echo();
    SECTION("unknowns of the spins") {
        e.prior = {{"alpha_x_khz", 0, 80}, {"flip_deg", 20, 90}};
    }
    SECTION("of both") {
        e.prior = {{"gain", 1, 3}, {"flip_deg", 20, 90}, {"receiver_phase_deg", -90, 90}};
    }
    SECTION("of the receiver") {
        e.prior = {{"receiver_phase_deg", -180, 180}, {"gain", 0.1, 3}};
    }
    const std::size_t points = 61, unknowns = e.prior.size(), count = 5;
    const std::vector<std::string> names = names_of(e.prior);
    const std::vector<double> parameters = draws(e, count);
    std::vector<float> signal(count * 2 * points), jacobian(count * unknowns * 2 * points);
    simulate_batch_with_jacobian(e, parameters, signal, jacobian, 2);
    for (std::size_t i = 0; i < count; ++i) {
        const SignalJacobian one = simulate_with_jacobian(
            with_parameters(e, std::span(parameters).subspan(i * unknowns, unknowns)), names);
        for (std::size_t k = 0; k < points; ++k) {
            REQUIRE(signal[2 * i * points + k] ==
                    Approx(one.signal.mx[k]).epsilon(0).margin(float_margin(3.0)));
            for (std::size_t t = 0; t < unknowns; ++t) {
                const std::size_t row = (i * unknowns + t) * 2;
                REQUIRE(jacobian[row * points + k] ==
                        Approx(one.dmx[t][k]).epsilon(0).margin(float_margin(3.0)));
                REQUIRE(jacobian[(row + 1) * points + k] ==
                        Approx(one.dmy[t][k]).epsilon(0).margin(float_margin(3.0)));
            }
        }
    }
}

TEST_CASE("a lattice is read like the uniform kernel", "[detection]") {
    Experiment e = read_echo();
    e.interaction.kernel = GaussianKernel{2.0};
    e.interaction.normalize = true;
    e.lattice.nx = e.lattice.ny = 8;
    e.prior = {{"alpha_x_khz", 0.0, 50.0}, {"gain", 1.0, 2.0}};
    const std::vector<double> parameters = {20.0, 1.5, 40.0, 2.0};
    const std::vector<std::uint64_t> seeds = {7, 8};
    std::vector<float> signal(2 * 2 * 61);
    CHECK(simulate_batch(e, parameters, seeds, signal, 1) == 2);
    for (std::size_t i = 0; i < 2; ++i) {
        Experiment one = with_parameters(e, std::span(parameters).subspan(2 * i, 2));
        one.lattice.seed = seeds[i];
        const Signal alone = simulate(one);
        for (std::size_t k = 0; k < 61; ++k) {
            REQUIRE(signal[2 * i * 61 + k] ==
                    Approx(alone.mx[k]).epsilon(0).margin(float_margin(2.0)));
        }
    }
}

TEST_CASE("a batch with a receiver goes in chunks, each whole or not begun", "[detection]") {
    Experiment e = read_echo();
    e.acquisition.points = 3;
    e.accuracy.nodes = 8;
    e.accuracy.precision = Precision::single;
    e.prior = {{"flip_deg", 10.0, 90.0}};
    const std::size_t chunk = cycle_chunk(e), count = 2 * chunk + 7;
    const std::vector<double> parameters = draws(e, count);
    std::vector<float> signal(count * 6);
    std::size_t last = 0;
    const auto watch = [&](std::size_t done) {
        CHECK(done >= last);
        last = done;
        return true;
    };
    CHECK(simulate_batch(e, parameters, {}, signal, 1, watch) == count);
    CHECK(last == count);
    for (const std::size_t i : {std::size_t(0), chunk - 1, chunk, count - 1}) {
        const Signal one = simulate(with_parameters(e, std::span(parameters).subspan(i, 1)));
        CHECK(signal[i * 6 + 2] == Approx(one.mx[2]).epsilon(0).margin(float_margin(3.0)));
    }
    std::vector<float> stopped(count * 6, -9.0f);
    const auto stop = [&](std::size_t done) { return done <= chunk; };
    CHECK(simulate_batch(e, parameters, {}, stopped, 1, stop) == chunk);
    CHECK(std::equal(stopped.begin(), stopped.begin() + static_cast<long>(6 * chunk),
                     signal.begin()));
    CHECK(std::all_of(stopped.begin() + static_cast<long>(6 * chunk), stopped.end(),
                      [](float value) { return value == -9.0f; }));
}

TEST_CASE("a cycle costs its runs", "[detection]") {
    const Experiment e = read_echo();
    CHECK(simulation_cost(e).steps == 2.0 * simulation_cost(coupled_echo()).steps);
    CHECK(simulation_cost(e).flops == 2.0 * simulation_cost(coupled_echo()).flops);
}

TEST_CASE("pulses that take time go to the general simulator", "[detection]") {
    Experiment e = coupled_echo();
    const Signal ideal = simulate(e);
    e.prior = {{"flip_duration_us", 0.0, 1.0}};
    std::vector<float> signal(2 * 2 * ideal.points());
    simulate_batch(e, std::vector<double>{0.0, 1.0}, {}, signal);
    std::get<HahnEcho>(e.sequence.program).flip_duration_us = 1.0;
    const Signal finite = simulate(e);
    CHECK(largest_difference(ideal, finite) > 1e-3);
    for (std::size_t k = 0; k < ideal.points(); ++k) {
        CHECK(std::abs(static_cast<double>(signal[k]) - ideal.mx[k]) < 1e-4);
        CHECK(signal[2 * ideal.points() + k] == static_cast<float>(finite.mx[k]));
    }
    CHECK(simulation_cost(e).steps > 0.0);
    CHECK_THROWS_WITH(
        simulate_with_jacobian(e, std::vector<std::string>{"refocus_duration_us"}),
        ContainsSubstring("sequence.refocus_duration_us must be > 0 for a derivative, got 0"));
}

TEST_CASE("the tolerance is a share of what is heard", "[detection]") {
    // A free decay, strong where the receiver is dead and weak where it hears, on a lattice and by
    // the general simulator; then runs of which a cycle leaves little.
    for (const bool lattice : {true, false}) {
        Experiment e;
        e.interaction.alpha_x_khz = 20.0;
        e.sequence.program = std::vector<Event>{Pulse{80.0, 0.0}, Delay{4.0}, Pulse{70.0, 40.0}};
        e.line.half_width_khz = 20.0;
        e.line.cutoff_khz = 100.0;
        e.relaxation.gamma3_per_s = 1e5;
        e.acquisition.stop_us = 40.0;
        e.acquisition.points = 41;
        if (lattice) {
            e.interaction.kernel = GaussianKernel{1.0};
            e.lattice.nx = e.lattice.ny = 6;
        } else {
            e.line.spins = 40;
        }
        const auto check = [](Experiment one) {
            one.accuracy.tolerance = 1e-9;
            const Signal exact = simulate(one);
            const double peak = peak_magnitude(exact);
            for (const double tolerance : {1e-3, 1e-5}) {
                one.accuracy.tolerance = tolerance;
                const Signal signal = simulate(one);
                const double error = largest_difference(signal, exact) / peak;
                CHECK(error <= tolerance);
                CHECK(signal.estimated_error >= 0.9 * error);
            }
        };
        e.acquisition.dead_time_us = 30.0;
        CHECK(peak_magnitude(simulate(e)) < 0.05);
        check(e);
        e.acquisition.dead_time_us = 0.0;
        e.phase_cycle.steps = {{{0.0, 0.0}, 0.0}, {{0.0, 3.0}, 180.0}};
        CHECK(peak_magnitude(simulate(e)) < 0.05);
        check(e);
    }
}

TEST_CASE("a batch hears what single curves do where a cycle leaves little", "[detection]") {
    Experiment e = coupled_echo();
    e.accuracy = {};
    e.prior = {{"alpha_x_khz", 0.0, 50.0}};
    e.phase_cycle.steps = {{{0.0, 0.0}, 0.0}, {{0.0, 2.0}, 180.0}};
    const std::vector<double> values = {10.0, 30.0};
    std::vector<float> curves(2 * 2 * 61);
    simulate_batch(e, values, {}, curves);
    for (std::size_t i = 0; i < 2; ++i) {
        const Signal one = simulate(with_parameters(e, std::span(values).subspan(i, 1)));
        const double peak = peak_magnitude(one);
        CHECK(peak < 0.1);
        for (std::size_t k = 0; k < 61; ++k) {
            CHECK(std::abs(Complex(curves[2 * i * 61 + k], curves[(2 * i + 1) * 61 + k]) -
                           at(one, k)) < 1e-6 * peak);
        }
    }
}
