// Curves of the uniform kernel against the Bloch equations by plain Runge-Kutta steps.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/experiment.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"
#include "plain_bloch.h"

using namespace nmrsim;

namespace {

Experiment decay(double cutoff_khz, double half_width_khz, double stop_us, int points) {
    Experiment e;
    e.line.cutoff_khz = cutoff_khz;
    e.line.half_width_khz = half_width_khz;
    e.sequence.program = std::vector<Event>{Pulse{90.0, 0.0}};
    e.acquisition = {0.0, stop_us, points};
    return e;
}

struct Comparison {
    double error, estimate, own;  ///< as shares of the largest |M|; own: of the steps compared with
};

/// Args: finer: of the steps to compare with.
Comparison compare(const Experiment& e, double finer) {
    const double turn = 0.2 / finer * std::pow(e.accuracy.tolerance / 1e-3, 0.2);
    const plain_bloch::Curve exact = plain_bloch::solve(e, turn);
    const Signal signal = simulate(e);
    const std::size_t points = signal.points();
    double peak = 0.0, error = 0.0;
    for (std::size_t k = 0; k < points; ++k) {
        const double x = exact.m[k], y = exact.m[points + k];
        peak = std::max(peak, std::hypot(x, y));
        error = std::max(error, std::hypot(signal.mx[k] - x, signal.my[k] - y));
    }
    REQUIRE(peak > 1e-3);
    REQUIRE(exact.error < 0.1 * e.accuracy.tolerance * peak);
    return {error / peak, signal.estimated_error, exact.error / peak};
}

void check(const Experiment& e, double finer = 1.0) {
    const Comparison c = compare(e, finer);
    CHECK(c.error <= e.accuracy.tolerance);
    CHECK(c.error <= c.estimate + c.own + 1e-10);
}

}  // namespace

TEST_CASE("relaxation faster than a step is followed") {
    const double t2_us = GENERATE(1.0, 4.0, 40.0, 100.0, 200.0);
    Experiment e = decay(1.0, 0.1, 5.0 * t2_us, 41);
    e.accuracy.tolerance = GENERATE(1e-3, 1e-4, 1e-6);
    e.relaxation = relaxation_from_times(1e4, t2_us);
    check(e);
    e.relaxation = relaxation_from_times(t2_us, 1.5 * t2_us);
    check(e);
    // Where the line does not turn the spins, exp(-t / T2) is all.
    e.line.half_width_khz = 1e-5;
    e.line.cutoff_khz = 1e-4;
    e.relaxation = relaxation_from_times(1e4, t2_us);
    const Signal signal = simulate(e);
    for (std::size_t k = 0; k < signal.points(); ++k) {
        CHECK(std::hypot(signal.mx[k], signal.my[k]) ==
              Approx(0.5 * std::exp(-signal.time_us[k] / t2_us)).margin(e.accuracy.tolerance));
    }
}

TEST_CASE("strong couplings are followed between and after pulses") {
    Experiment e = decay(GENERATE(7.0, 30.0), 0.8, 130.0, 14);
    e.interaction.alpha_x_khz = GENERATE(-48.0, 58.0);
    e.interaction.alpha_z_khz = GENERATE(2.0, -98.0);
    e.accuracy.tolerance = GENERATE(1e-3, 1e-6);
    e.sequence.program = std::vector<Event>{Pulse{100.0, 0.0}, Delay{21.0}, Pulse{33.0, 70.0},
                                            Delay{30.0}, Pulse{180.0, 90.0}};
    check(e);
}

namespace {

/// The curve of a batch of itself and another is as exact as simulate()'s.
void check_batch(Experiment e) {
    const double alpha = e.interaction.alpha_x_khz;
    const Signal signal = simulate(e);
    const double allowed = 2.0 * e.accuracy.tolerance * peak_magnitude(signal) + 1e-7;
    e.prior = {{"alpha_x_khz", -1000.0, 1000.0}};
    const std::vector<double> parameters{0.5 * alpha, alpha};
    const std::size_t points = signal.points();
    std::vector<float> curves(4 * points);
    simulate_batch(e, parameters, {}, curves, 1);
    for (std::size_t k = 0; k < points; ++k) {
        CHECK(std::abs(curves[2 * points + k] - signal.mx[k]) <= allowed);
        CHECK(std::abs(curves[3 * points + k] - signal.my[k]) <= allowed);
    }
}

}  // namespace

TEST_CASE("trains of pulses are followed where each amplifies what is off") {
    // Steps that suffice for two pulses are 88 tolerances off here.
    Experiment e = decay(18.0, 14.3, 0.0, 7);
    e.line.shape = LineShape::gaussian;
    e.interaction.alpha_x_khz = -87.8;
    e.interaction.alpha_z_khz = -353.0;
    e.accuracy.tolerance = 5e-4;
    e.sequence.program =
        std::vector<Event>{Pulse{1.5, 0.0},      Delay{34.3}, Pulse{207.5, 96.7},  Delay{13.7},
                           Pulse{-83.4, 0.0},    Delay{1.6},  Pulse{180.0, 119.0}, Delay{32.2},
                           Pulse{90.0, -173.0},  Delay{0.8},  Pulse{90.0, 0.0},    Delay{14.8},
                           Pulse{-181.0, 140.0}, Delay{98.6}, Pulse{90.0, 22.0}};
    e.acquisition.start_us = 196.0;
    e.acquisition.stop_us = 206.0;
    check(e, 3.0);
    check_batch(e);
}

TEST_CASE("couplings thousands of line widths strong are followed, not refused") {
    Experiment e = decay(3.7, GENERATE(0.004, 0.4), 60.0, 9);
    e.interaction.alpha_x_khz = GENERATE(350.0, -120.0);
    e.interaction.alpha_z_khz = 40.0;
    e.accuracy.tolerance = GENERATE(1e-4, 1e-6);
    e.accuracy.precision = GENERATE(Precision::automatic, Precision::single);
    e.sequence.program =
        std::vector<Event>{Pulse{60.0, 90.0}, Delay{4.0}, Pulse{143.0, 270.0}, Delay{26.0}};
    check(e);
    check_batch(e);
}

TEST_CASE("a single sample anywhere is that of the curve") {
    Experiment e = decay(60.0, 6.0, 0.0, 1);
    e.interaction.alpha_x_khz = 12.0;
    e.interaction.alpha_z_khz = -30.0;
    e.accuracy.tolerance = GENERATE(1e-3, 1e-5);
    e.sequence.program = std::vector<Event>{Pulse{90.0, 0.0}, Delay{40.0},       Pulse{120.0, 90.0},
                                            Delay{50.0},      Pulse{60.0, 10.0}, Delay{5.0}};
    const double time_us = GENERATE(0.0, 0.01, 39.99, 40.0, 79.0, 90.0, 93.0, 95.0, 97.0);
    e.acquisition.start_us = e.acquisition.stop_us = time_us;
    check(e);
}

TEST_CASE("a line much narrower than its cut is as exact as a wide one") {
    Experiment e = decay(GENERATE(1.0, 10.0), GENERATE(1e-3, 0.02), 300.0, 11);
    e.interaction.alpha_x_khz = GENERATE(0.0, 0.1);
    e.accuracy.tolerance = GENERATE(1e-3, 1e-5);
    check(e);
}

TEST_CASE("derivatives are those of differences where relaxation and coupling are strong") {
    Experiment e = decay(20.0, 1.0, 60.0, 13);
    e.interaction.alpha_x_khz = 40.0;
    e.interaction.alpha_z_khz = -25.0;
    e.accuracy.tolerance = 1e-7;
    e.relaxation = relaxation_from_times(50.0, 20.0);
    e.sequence.program = std::vector<Event>{Pulse{80.0, 0.0}, Delay{9.0}, Pulse{140.0, 70.0}};
    const std::vector<std::string> names{"alpha_x_khz", "alpha_z_khz", "pulse_scale"};
    const SignalJacobian jacobian = simulate_with_jacobian(e, names);
    const auto differ = [&](double& value, double step, std::size_t row) {
        const double before = value;
        value = before + step;
        const plain_bloch::Curve above = plain_bloch::solve(e, 0.03);
        value = before - step;
        const plain_bloch::Curve below = plain_bloch::solve(e, 0.03);
        value = before;
        const std::size_t points = jacobian.signal.points();
        double largest = 0.0;
        for (const double d : jacobian.dmx[row]) largest = std::max(largest, std::abs(d));
        for (std::size_t k = 0; k < points; ++k) {
            const double dx = 0.5 * (above.m[k] - below.m[k]) / step;
            const double dy = 0.5 * (above.m[points + k] - below.m[points + k]) / step;
            CHECK(std::abs(jacobian.dmx[row][k] - dx) <= 1e-4 * largest);
            CHECK(std::abs(jacobian.dmy[row][k] - dy) <= 1e-4 * largest);
        }
    };
    differ(e.interaction.alpha_x_khz, 1e-2, 0);
    differ(e.interaction.alpha_z_khz, 1e-2, 1);
    differ(e.sequence.pulse_scale, 1e-3, 2);
}

TEST_CASE("more steps than can be followed are refused in words") {
    Experiment e = decay(250.0, 25.0, 1e9, 10);
    CHECK_THROWS_WITH(simulate(e), Catch::Contains("more than can be followed"));
}
