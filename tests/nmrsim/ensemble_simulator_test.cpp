// The general simulator against closed forms, the fast paths, the oracle and itself.

#include "general/ensemble_simulator.h"

#include <algorithm>
#include <cmath>
#include <complex>

#include "catch_compat.h"
#include "hahn_echo.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"
#include "nmrsim/random.h"
#include "nmrsim/reference_simulator.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"

using namespace nmrsim;

namespace {

using Complex = std::complex<double>;

Experiment short_echo() {
    Experiment e =
        hahn_echo(90.0, 150.0, {.flip_deg = 55.0, .refocus_phase_deg = 90.0, .tau_us = 12.0},
                  {0.0, 36.0, 37}, 1e-9);
    e.line.half_width_khz = 20.0;
    e.line.cutoff_khz = 100.0;
    return e;
}

HahnEcho& echo_of(Experiment& e) {
    return std::get<HahnEcho>(e.sequence.program);
}

Experiment small_lattice() {
    Experiment e = short_echo();
    e.interaction.kernel = GaussianKernel{1.5};
    e.interaction.normalize = true;
    e.lattice = {8, 6, 1, 5};
    return e;
}

Complex transverse(const Signal& s, std::size_t i) {
    return {s.mx[i], s.my[i]};
}

}  // namespace

TEST_CASE("The general simulator agrees with the uniform kernel's own") {
    Experiment e = short_echo();
    SECTION("plain") {}
    SECTION("relaxation") {
        e.relaxation = {9e3, 4e3, 2e4, e.relaxation.d_base};
    }
    // Both ask 1e-9 of |M|; the fast path's rule is checked elsewhere to be within a few times it.
    CHECK(largest_difference(simulate(e), simulate_ensemble(e)) < 1e-8);
}

TEST_CASE("The general simulator agrees with the lattice's own") {
    Experiment e = small_lattice();
    e.accuracy.tolerance = 1e-7;
    SECTION("plane") {}
    SECTION("chain along x") {
        e.lattice = {48, 1, 1, 5};
    }
    SECTION("chain along y") {
        e.lattice = {1, 48, 1, 5};
    }
    SECTION("relaxation") {
        e.relaxation.gamma3_per_s = 2e4;
    }
    SECTION("d-wave") {
        e.interaction.angular.d_weight = 0.4;
    }
    CHECK(largest_difference(simulate(e), simulate_ensemble(e)) < 1e-6);
}

TEST_CASE("The oracle confirms what only the general simulator covers") {
    Experiment e = small_lattice();
    e.acquisition.stop_us = 18.0;
    e.acquisition.points = 10;
    echo_of(e).tau_us = 6.0;
    e.accuracy.tolerance = 1e-8;
    SECTION("three dimensions") {
        e.lattice = {4, 3, 3, 5};
    }
    SECTION("finite pulses") {
        echo_of(e).flip_duration_us = 1.5;
        echo_of(e).refocus_duration_us = 3.0;
    }
    SECTION("another start") {
        e.start = {0.1, -0.2, 0.3};
    }
    SECTION("a shifted line") {
        e.line.centre_khz = 30.0;
    }
    SECTION("laboratory frame") {
        e.interaction.alpha_y_khz = 20.0;
        e.line.larmor_mhz = 0.15;
        e.accuracy.frame = Frame::laboratory;
    }
    SECTION("a drawn sample of the uniform kernel") {
        e.interaction.kernel = UniformKernel{};
        e.line.spins = 40;
    }
    REQUIRE(needs_ensemble(e));
    // The oracle is of second order: at 20 ns its error is some (2 pi 0.15 MHz 20 ns)^2 / 24 of
    // the 3 turns of the coupling, 2e-4 at most; extrapolated from two steps, a hundredth of it.
    const Signal coarse = simulate_reference(e, 0.04), fine = simulate_reference(e, 0.02);
    Signal extrapolated = fine;
    for (std::size_t i = 0; i < fine.points(); ++i) {
        extrapolated.mx[i] += (fine.mx[i] - coarse.mx[i]) / 3.0;
        extrapolated.my[i] += (fine.my[i] - coarse.my[i]) / 3.0;
    }
    CHECK(largest_difference(simulate_ensemble(e), extrapolated) < 2e-6);
}

TEST_CASE("Each order of the Magnus expansion is as good as it should be") {
    Experiment e = short_echo();
    e.interaction.alpha_x_khz = 120.0;
    e.interaction.alpha_y_khz = 30.0;
    e.acquisition.points = 13;
    e.accuracy.nodes = 48;
    double error[4][2];
    for (int k = 0; k < 2; ++k) {
        e.line.larmor_mhz = k == 0 ? 1.0 : 2.0;
        e.accuracy.frame = Frame::laboratory;
        const Signal exact = simulate_ensemble(e);
        e.accuracy.frame = Frame::rotating;
        for (int order = 1; order <= 3; ++order) {
            e.accuracy.magnus_order = order;
            error[order][k] = largest_difference(exact, simulate_ensemble(e));
        }
    }
    // Doubling the Larmor frequency divides order n's error by 2^n, up to the next order's share.
    for (int order = 1; order <= 3; ++order) {
        const double ratio = error[order][0] / error[order][1];
        CHECK(ratio > 0.75 * std::exp2(order));
        CHECK(ratio < 1.35 * std::exp2(order));
        if (order > 1) CHECK(error[order][1] < 0.2 * error[order - 1][1]);
    }
}

TEST_CASE("A finite pulse turns uncoupled spins about the effective field") {
    Experiment e = short_echo();
    e.interaction.alpha_x_khz = e.interaction.alpha_z_khz = 0.0;
    const double duration_us = 4.0, flip_deg = 120.0, phase_deg = 40.0;
    e.sequence.program = std::vector<Event>{Pulse{flip_deg, phase_deg, duration_us}};
    e.acquisition.start_us = 4.0;
    e.acquisition.stop_us = 20.0;
    e.acquisition.points = 17;
    e.accuracy.nodes = 64;
    const Signal signal = simulate_ensemble(e);
    const LineQuadrature line = line_quadrature(e.line, 64, line_stretch(64, e.accuracy.tolerance));
    double worst = 0.0;
    for (std::size_t k = 0; k < signal.points(); ++k) {
        Complex sum = 0.0;
        for (std::size_t i = 0; i < line.weight.size(); ++i) {
            const double delta = kTwoPi * line.offset_hz[i] * 1e-6;  // [rad/us]
            const double rate = flip_deg * kRadiansPerDegree / duration_us;
            const double b = std::hypot(rate, delta), angle = b * duration_us;
            const double phi = phase_deg * kRadiansPerDegree;
            const double n[3] = {rate * std::cos(phi) / b, rate * std::sin(phi) / b, delta / b};
            // (0, 0, 1/2) turned by -angle about n.
            const double along = 0.5 * n[2] * (1.0 - std::cos(angle));
            const Complex m(along * n[0] - 0.5 * n[1] * std::sin(angle),
                            along * n[1] + 0.5 * n[0] * std::sin(angle));
            sum += line.weight[i] * m *
                   std::exp(Complex(0.0, -delta * (signal.time_us[k] - duration_us)));
        }
        worst = std::max(worst, std::abs(sum - transverse(signal, k)));
    }
    CHECK(worst < 1e-11);
}

TEST_CASE("A shift of the line turns the free decay and nothing else") {
    Experiment e = short_echo();
    e.sequence.program = std::vector<Event>{Pulse{70.0, 0.0}};
    const Signal centred = simulate_ensemble(e);
    e.line.centre_khz = 37.0;
    const Signal shifted = simulate_ensemble(e);
    double worst = 0.0;
    for (std::size_t i = 0; i < centred.points(); ++i) {
        const Complex turn = std::exp(Complex(0.0, -kTwoPi * 0.037 * centred.time_us[i]));
        worst = std::max(worst, std::abs(transverse(centred, i) * turn - transverse(shifted, i)));
    }
    CHECK(worst < 1e-8);  // of the tolerance, 1e-9 of |M|, in each
}

TEST_CASE("A start in the plane is a start after a 90 degree pulse") {
    Experiment e = short_echo();
    e.sequence.program = std::vector<Event>{Pulse{90.0, 0.0}};
    const Signal pulsed = simulate_ensemble(e);
    e.sequence.program = std::vector<Event>{};
    e.start = {0.0, 0.5, 0.0};
    CHECK(largest_difference(pulsed, simulate_ensemble(e)) < 1e-12);
}

TEST_CASE("Voigt lines and tables give their characteristic functions") {
    Experiment e = short_echo();
    e.interaction.alpha_x_khz = e.interaction.alpha_z_khz = 0.0;
    e.sequence.program = std::vector<Event>{Pulse{90.0, 0.0}};
    SECTION("Voigt: the product of the two, the cut far out") {
        e.line.shape = LineShape::voigt;
        e.line.half_width_khz = 4.0;
        e.line.gaussian_half_width_khz = 15.0;
        e.line.cutoff_khz = 4000.0;
        e.line.renormalize = false;
        e.acquisition.start_us = 4.0;
        e.accuracy.nodes = 1600;
        const Signal signal = simulate_ensemble(e);
        const double sigma = 15e3 / std::sqrt(2.0 * std::log(2.0));
        double worst = 0.0;
        for (std::size_t i = 0; i < signal.points(); ++i) {
            const double t = signal.time_us[i] * 1e-6;
            const double exact = 0.5 * std::exp(-kTwoPi * 4e3 * t) *
                                 std::exp(-0.5 * std::pow(kTwoPi * sigma * t, 2));
            worst = std::max(worst, std::abs(signal.my[i] - exact));
        }
        // What the cut leaves out is 2 / pi * 4 / 4000 at t = 0 and falls as 1 / (2 pi 4 MHz t):
        // 3e-6 times 1/2 at 4 us.
        CHECK(worst < 6e-6);
    }
    SECTION("table: a triangle, with a point where its kink is") {
        e.line.shape = LineShape::table;
        e.line.table = {{-60.0, 0.0}, {0.0, 3.0}, {60.0, 0.0}};
        const Signal signal = simulate_ensemble(e);
        double worst = 0.0;
        for (std::size_t i = 1; i < signal.points(); ++i) {
            const double x = kPi * 0.06 * signal.time_us[i];
            const double exact = 0.5 * std::pow(std::sin(x) / x, 2);
            worst = std::max(worst, std::abs(signal.my[i] - exact));
        }
        CHECK(worst < 1e-9);
        CHECK(std::abs(signal.my[0] - 0.5) < 1e-12);
    }
}

TEST_CASE("A drawn sample of spins scatters about the integral") {
    Experiment e = short_echo();
    e.accuracy.tolerance = 1e-4;
    e.interaction.alpha_x_khz = 5.0;  // weak: each spin's scatter is hardly fed back
    e.interaction.alpha_z_khz = 0.0;
    const Signal integral = simulate(e);
    e.line.spins = 4000;
    const Signal drawn = simulate_ensemble(e);
    // Each component has a variance of at most 1 / (4 N); 37 samples, two components, 5 sigma.
    const double sigma = 0.5 / std::sqrt(4000.0);
    CHECK(largest_difference(drawn, integral) < 5.0 * std::sqrt(2.0) * sigma);
    CHECK(rms_difference(drawn, integral) > 0.2 * sigma);  // it does scatter
}

TEST_CASE("The estimated error is an estimate") {
    Experiment e = short_echo();
    const Signal exact = simulate_ensemble(e);
    double largest = 0.0;
    for (std::size_t i = 0; i < exact.points(); ++i) {
        largest = std::max(largest, std::abs(transverse(exact, i)));
    }
    for (const double tolerance : {1e-3, 1e-5, 1e-7}) {
        e.accuracy.nodes = 64;
        e.accuracy.tolerance = 1e-9;
        const Signal reference = simulate_ensemble(e);
        e.accuracy.tolerance = tolerance;
        const Signal signal = simulate_ensemble(e);
        const double error = largest_difference(signal, reference) / largest;
        CHECK(signal.estimated_error <= tolerance);
        CHECK(error <= 1.5 * signal.estimated_error);
        // A bound made of the difference of two answers; rounding beside it.
        CHECK(error >= signal.estimated_error / 30.0 - 1e-12);
    }
}

TEST_CASE("Lines that differ in what only some shapes have get nodes of their own") {
    // A narrow line needs more nodes at the same tolerance; asked for second, it must not get those
    // of the wide one.
    Experiment e = short_echo();
    e.accuracy.tolerance = 1e-6;
    e.line.shape = LineShape::voigt;
    e.line.half_width_khz = 0.5;
    e.line.gaussian_half_width_khz = 60.0;
    simulate_ensemble(e);
    e.line.gaussian_half_width_khz = 2.0;
    const Signal narrow = simulate_ensemble(e);
    e.accuracy.nodes = 512;
    CHECK(largest_difference(narrow, simulate_ensemble(e)) < 1e-6);
}

TEST_CASE("A pulse that is far shorter than the sequence's rounding turns as it says") {
    // 1e-6 us after 12 ms; the ideal pulse is its limit.
    Experiment e;
    e.line.spins = 5;
    e.line.half_width_khz = 0.01;
    e.line.cutoff_khz = 1.0;
    e.acquisition = {12000.0, 12010.0, 11};
    const auto after = [&](double duration_us) {
        e.sequence.program = std::vector<Event>{Delay{12000.0}, Pulse{90.0, 0.0, duration_us}};
        return simulate_ensemble(e);
    };
    CHECK(peak_magnitude(after(0.0)) > 0.49);
    CHECK(largest_difference(after(1e-6), after(0.0)) < 1e-5);
}

TEST_CASE("What rounding alone makes of a curve is refused") {
    // Four spins with strong couplings and many pulses: no double answers that.
    Experiment e;
    e.interaction.kernel = RkkyKernel{7.034896170841202};
    e.interaction.angular = {-0.25338, 0.66541};
    e.interaction.alpha_x_khz = 468.07;
    e.interaction.alpha_z_khz = -282.0;
    e.lattice = {2, 2, 1, 424};
    e.line.half_width_khz = 0.1063;
    e.line.cutoff_khz = 83.75;
    e.sequence.program = std::vector<Event>{
        Pulse{90.0, 0.0}, Delay{51.28}, Pulse{90.0, 109.5}, Delay{98.59},        Pulse{90.0, 90.0},
        Delay{9.3},       Pulse{218.0}, Delay{266.8},       Pulse{204.0, -138.8}};
    e.acquisition.start_us = 426.0;
    e.acquisition.stop_us = 427.0;
    e.acquisition.points = 5;
    CHECK_THROWS_AS(simulate_ensemble(e), std::runtime_error);
}

TEST_CASE("Long steps that agree by chance are not taken for right") {
    // A narrow line under a strong coupling: steps of 1.5 rad and half of that were off by 0.0025
    // of the largest |M| alike.
    Experiment e;
    e.interaction.normalize = false;
    e.interaction.alpha_x_khz = -786.7116837244536;
    e.interaction.alpha_z_khz = -12.017312553179469;
    e.line.shape = LineShape::gaussian;
    e.line.half_width_khz = 0.49012068293025457;
    e.line.cutoff_khz = 24.638660693499027;
    e.sequence.pulse_scale = 1.3141413425952886;
    e.sequence.program = std::vector<Event>{
        Pulse{180.0, 1.5220519074498498, 0.3081277847168808}, Delay{39.21390839700353},
        Pulse{328.9927043937031, 246.21760745050767, 2.3782363006464694e-06},
        Delay{57.39074164499479}};
    e.acquisition.start_us = 58.49571030202181;
    e.acquisition.stop_us = 98.9;
    e.acquisition.points = 118;
    e.accuracy.tolerance = 9.3e-4;
    const Signal signal = simulate_ensemble(e);
    e.accuracy.tolerance = 1e-7;
    const Signal right = simulate_ensemble(e);
    const double error = largest_difference(signal, right) / peak_magnitude(right);
    CHECK(error < 9.3e-4);
    CHECK(error < signal.estimated_error);
}
