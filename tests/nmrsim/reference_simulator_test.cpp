#include "nmrsim/reference_simulator.h"

#include <Eigen/Dense>
#include <cmath>
#include <complex>

#include "catch_compat.h"
#include "nmrsim/units.h"
#include "reference/reference_step.h"

namespace nmrsim {
namespace {

using Complex = std::complex<double>;
using Eigen::Vector3d;

Complex transverse(const Signal& signal, std::size_t i) {
    return {signal.mx[i], signal.my[i]};
}

/// Free decay of uncoupled spins, uniform kernel.
Experiment decay(double flip_deg) {
    Experiment e;
    e.sequence.program = std::vector<Event>{Pulse{flip_deg, 0.0}};
    e.acquisition.start_us = 0.0;
    e.acquisition.stop_us = 10.0;
    e.acquisition.points = 21;
    return e;
}

TEST_CASE("a density matrix and its mean spin are one thing") {
    const Vector3d m(0.1, -0.3, 0.2);
    const Eigen::Matrix2cd rho = density_matrix(m);
    CHECK(std::abs(rho.trace() - 1.0) < 1e-15);
    CHECK((mean_spin(rho) - m).norm() < 1e-15);
}

TEST_CASE("pulses have the sign of units.h") {
    const Eigen::Matrix2cd up = density_matrix({0.0, 0.0, 0.5});
    CHECK((mean_spin(pulse_step(up, {90.0, 0.0})) - Vector3d(0.0, 0.5, 0.0)).norm() < 1e-15);
    CHECK((mean_spin(pulse_step(up, {90.0, 90.0})) - Vector3d(-0.5, 0.0, 0.0)).norm() < 1e-15);
    CHECK((mean_spin(pulse_step(up, {90.0, 180.0})) - Vector3d(0.0, -0.5, 0.0)).norm() < 1e-15);
    CHECK((mean_spin(pulse_step(up, {30.0, 0.0})) - Vector3d(0.0, 0.25, 0.5 * std::cos(kPi / 6.0)))
              .norm() < 1e-15);
}

TEST_CASE("a spin moves as dm/dt = m x B") {
    const Vector3d m(0.2, -0.1, 0.3);
    const Vector3d b(3e5, -2e5, 1e5);
    const double t = 1e-11;
    const Vector3d moved = mean_spin(liouville_step(density_matrix(m), b, {}, t));
    // The second order, (|B| t)^2 / 2 = 7e-12, is left out; rounding over t is 1e-16 / 1e-11.
    CHECK(((moved - m) / t - m.cross(b)).norm() < 1e-4 * m.cross(b).norm());
}

TEST_CASE("a positive offset turns M+ as exp(-2 pi i delta t)") {
    const double delta = 40e3;
    const double t = 3e-6;
    const Vector3d m = mean_spin(
        liouville_step(density_matrix({0.5, 0.0, 0.0}), {0.0, 0.0, kTwoPi * delta}, {}, t));
    const Complex expected = 0.5 * std::exp(Complex(0.0, -kTwoPi * delta * t));
    CHECK(std::abs(Complex(m.x(), m.y()) - expected) < 1e-14);
}

TEST_CASE("Lindblad rates give T1, T2 and the equilibrium, and keep the trace") {
    Relaxation r;
    r.gamma1_per_s = 2e5;
    r.gamma2_per_s = 7e4;
    r.gamma3_per_s = 3e5;
    for (const double t : {1e-7, 2e-6, 1e-4}) {
        const Eigen::Matrix2cd rho =
            liouville_step(density_matrix({0.3, 0.2, -0.1}), Vector3d::Zero(), r, t);
        const Vector3d m = mean_spin(rho);
        const double t2 = std::exp(-r.transverse_rate() * t);
        const double t1 = std::exp(-r.longitudinal_rate() * t);
        CHECK(std::abs(rho.trace() - 1.0) < 1e-13);
        CHECK(std::abs(m.x() - 0.3 * t2) < 1e-14);
        CHECK(std::abs(m.y() - 0.2 * t2) < 1e-14);
        CHECK(std::abs(m.z() - (r.equilibrium_mz() + (-0.1 - r.equilibrium_mz()) * t1)) < 1e-14);
    }
    // 1/T1 = G1 + G2 and 1/T2 = (G1 + G2 + G3) / 2 themselves.
    CHECK(r.longitudinal_rate() == Approx(2.7e5));
    CHECK(r.transverse_rate() == Approx(2.85e5));
    CHECK(r.equilibrium_mz() == Approx(0.5 * 1.3 / 2.7));
}

TEST_CASE("uncoupled spins decay as the line's characteristic function") {
    for (const bool renormalize : {true, false}) {
        Experiment e = decay(50.0);
        e.line.renormalize = renormalize;
        const Signal signal = simulate_reference(e, 0.5, 160);
        for (std::size_t i = 0; i < signal.points(); ++i) {
            // The Lorentzian's poles at 25 of 250 kHz: n Gauss-Legendre nodes err by 1.105^(-2 n),
            // 1e-14 for 160.
            const double size = 0.5 * std::sin(50.0 * kRadiansPerDegree) *
                                line_characteristic(e.line, signal.time_us[i] * kSecondsPerUs);
            CHECK(std::abs(transverse(signal, i) - Complex(0.0, size)) < 1e-11);
        }
        CHECK(std::abs(transverse(signal, 0)) ==
              Approx(0.5 * std::sin(50.0 * kRadiansPerDegree) * line_weight(e.line)));
    }
}

TEST_CASE("coupling along z turns M+ by the mean field, closed form") {
    Experiment e = decay(60.0);
    e.line.renormalize = false;
    e.interaction.alpha_z_khz = 90.0;
    const Signal signal = simulate_reference(e, 0.5, 160);
    // Mz stays at cos(60)/2 of the line's weight, so that the field is a constant along z.
    const double mz = 0.25 * line_weight(e.line);
    for (std::size_t i = 0; i < signal.points(); ++i) {
        const double t = signal.time_us[i] * kSecondsPerUs;
        const Complex exact = Complex(0.0, 0.5 * std::sin(60.0 * kRadiansPerDegree)) *
                              line_characteristic(e.line, t) *
                              std::exp(Complex(0.0, -kTwoPi * 90e3 * mz * t));
        CHECK(std::abs(transverse(signal, i) - exact) < 1e-11);
        CHECK(std::abs(signal.mz[i] - mz) < 1e-13);
    }
}

TEST_CASE("a Hahn echo comes back whole at 2 tau") {
    Experiment e = decay(90.0);
    HahnEcho hahn{.refocus_phase_deg = 90.0, .tau_us = 5.0};
    e.sequence.program = hahn;
    const Signal signal = simulate_reference(e, 0.5, 160);
    // 180 y leaves My and turns Mx around: M+ = i/2 again at 2 tau = 10 us.
    CHECK(std::abs(transverse(signal, 20) - Complex(0.0, 0.5)) < 1e-11);
}

TEST_CASE("halving the step shows the second order") {
    for (const bool finite_range : {false, true}) {
        Experiment e = decay(70.0);
        if (finite_range) {
            e.interaction.kernel = GaussianKernel{1.5};
            e.lattice.nx = 4;
            e.lattice.ny = 3;
        }
        e.interaction.normalize = true;
        e.interaction.alpha_x_khz = 80.0;
        e.interaction.alpha_z_khz = 30.0;
        e.relaxation.gamma3_per_s = 2e4;
        e.acquisition.points = 6;
        const Signal converged = simulate_reference(e, 0.025, 32);
        const double error1 = largest_difference(simulate_reference(e, 0.4, 32), converged);
        const double error2 = largest_difference(simulate_reference(e, 0.2, 32), converged);
        CAPTURE(finite_range, error1, error2);
        // 4 in the limit; the converged one has 1/64 of error2 in it.
        CHECK(error1 / error2 > 3.4);
        CHECK(error1 / error2 < 4.8);
    }
}

TEST_CASE("steps that make no sense are refused") {
    CHECK_THROWS_WITH(simulate_reference(decay(90.0), 0.0), "step_us must be > 0, got 0");
    CHECK_THROWS_WITH(simulate_reference(decay(90.0), 1.0, 0), "nodes must be >= 1, got 0");
}

}  // namespace
}  // namespace nmrsim
