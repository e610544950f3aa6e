#include "bloch_equations.h"

#include <boost/numeric/odeint.hpp>
#include <cmath>
#include <complex>
#include <stdexcept>
#include <variant>
#include <vector>

#include "lattice_simulator.h"

namespace validation {
namespace {

using nmrsim::Experiment;
using Complex = std::complex<double>;

/// x, y and z of spin i are entries i, n + i and 2 n + i.
using State = std::vector<double>;

constexpr double kTurn = 6.283185307179586;  // radians

struct BlochEquations {
    std::vector<double> offset;  ///< (spins) [rad/us]
    std::vector<double> weight;  ///< (spins) in the mean
    std::vector<double> pair;    ///< (spins, spins) f_ij; empty: f_ij is the weight of j
    double alpha_x = 0.0;        ///< 2 pi alpha [rad/us]
    double alpha_y = 0.0;
    double alpha_z = 0.0;
    double larmor = 0.0;  ///< 2 pi nu_0 where the axes stand still, 0 where they turn along
    double rate1 = 0.0;   ///< 1/T1 [1/us]
    double rate2 = 0.0;   ///< 1/T2 [1/us]
    double rest = 0.0;    ///< equilibrium mz
    double drive = 0.0;   ///< of a pulse that takes time [rad/us]
    double drive_phase = 0.0;

    void operator()(const State& m, State& slope, double time) const {
        const std::size_t n = offset.size();
        const double* mx = m.data();
        const double* my = mx + n;
        const double* mz = my + n;
        double sum_x = 0.0, sum_y = 0.0, sum_z = 0.0;
        if (pair.empty()) {
            for (std::size_t j = 0; j < n; ++j) {
                sum_x += weight[j] * mx[j];
                sum_y += weight[j] * my[j];
                sum_z += weight[j] * mz[j];
            }
        }
        const double drive_x = drive * std::cos(drive_phase - larmor * time);
        const double drive_y = drive * std::sin(drive_phase - larmor * time);
        for (std::size_t i = 0; i < n; ++i) {
            double wx = sum_x, wy = sum_y, wz = sum_z;
            if (!pair.empty()) {
                const double* f = &pair[i * n];
                for (std::size_t j = 0; j < n; ++j) {
                    wx += f[j] * mx[j];
                    wy += f[j] * my[j];
                    wz += f[j] * mz[j];
                }
            }
            const double bx = alpha_x * wx + drive_x;
            const double by = alpha_y * wy + drive_y;
            const double bz = alpha_z * wz + offset[i] + larmor;
            slope[i] = my[i] * bz - mz[i] * by - rate2 * mx[i];
            slope[n + i] = mz[i] * bx - mx[i] * bz - rate2 * my[i];
            slope[2 * n + i] = mx[i] * by - my[i] * bx - rate1 * (mz[i] - rest);
        }
    }
};

BlochEquations equations_of(const Experiment& experiment, int nodes) {
    BlochEquations equations;
    const nmrsim::Interaction& interaction = experiment.interaction;
    const double per_us = kTurn * 1e-3;  // of a kHz
    equations.alpha_x = per_us * interaction.alpha_x_khz;
    equations.alpha_y = per_us * interaction.alpha_y_khz.value_or(interaction.alpha_x_khz);
    equations.alpha_z = per_us * interaction.alpha_z_khz;
    if (experiment.accuracy.frame == nmrsim::Frame::laboratory) {
        equations.larmor = kTurn * experiment.line.larmor_mhz;
    } else {
        // In the turning axes only their mean stands still.
        equations.alpha_x = equations.alpha_y = 0.5 * (equations.alpha_x + equations.alpha_y);
    }
    const nmrsim::Relaxation& r = experiment.relaxation;
    equations.rate1 = 1e-6 * (r.gamma1_per_s + r.gamma2_per_s);
    equations.rate2 = 0.5e-6 * (r.gamma1_per_s + r.gamma2_per_s + r.gamma3_per_s);
    if (equations.rate1 > 0.0) {
        equations.rest =
            0.5 * (r.gamma1_per_s - r.gamma2_per_s) / (r.gamma1_per_s + r.gamma2_per_s);
    }
    if (nmrsim::is_uniform(experiment)) {
        const nmrsim::LineQuadrature line = nmrsim::line_quadrature(experiment.line, nodes);
        equations.offset = line.offset_hz;
        equations.weight = line.weight;
    } else {
        const nmrsim::Lattice& lattice = experiment.lattice;
        equations.offset = nmrsim::draw_offsets_hz(experiment);
        const std::size_t n = equations.offset.size();
        equations.weight.assign(n, 1.0 / static_cast<double>(n));
        const std::vector<double> f = nmrsim::kernel_table(interaction, lattice);
        const auto apart = [](int a, int b, int size) { return ((b - a) % size + size) % size; };
        for (int i = 0; i < lattice.sites(); ++i) {
            const int ix = i / lattice.nz / lattice.ny, iy = i / lattice.nz % lattice.ny,
                      iz = i % lattice.nz;
            for (int j = 0; j < lattice.sites(); ++j) {
                const int dx = apart(ix, j / lattice.nz / lattice.ny, lattice.nx);
                const int dy = apart(iy, j / lattice.nz % lattice.ny, lattice.ny);
                const int dz = apart(iz, j % lattice.nz, lattice.nz);
                equations.pair.push_back(
                    f[static_cast<std::size_t>((dx * lattice.ny + dy) * lattice.nz + dz)]);
            }
        }
    }
    for (double& offset : equations.offset) {
        offset = kTurn * 1e-6 * (offset + 1e3 * experiment.line.centre_khz);
    }
    return equations;
}

/// Turns every spin by -angle about (cos phase, sin phase, 0): the motion dm/dt = m x B in a field
/// along that axis.
void turn(State& m, double angle, double phase) {
    const std::size_t n = m.size() / 3;
    const double ax = std::cos(phase), ay = std::sin(phase);
    for (std::size_t i = 0; i < n; ++i) {
        double& x = m[i];
        double& y = m[n + i];
        double& z = m[2 * n + i];
        // The part along the axis stays; that across it, in the plane, trades with z.
        const double along = ax * x + ay * y, across = ax * y - ay * x;
        const double turned = across * std::cos(angle) + z * std::sin(angle);
        z = z * std::cos(angle) - across * std::sin(angle);
        x = along * ax - turned * ay;
        y = along * ay + turned * ax;
    }
}

}  // namespace

nmrsim::Signal solve_bloch(const Experiment& experiment, double tolerance, int nodes) {
    namespace odeint = boost::numeric::odeint;
    BlochEquations equations = equations_of(experiment, nodes);
    const std::size_t n = equations.offset.size();
    State m(3 * n);
    for (std::size_t i = 0; i < n; ++i) {
        m[i] = experiment.start.mx;
        m[n + i] = experiment.start.my;
        m[2 * n + i] = experiment.start.mz;
    }
    auto stepper =
        odeint::make_controlled(tolerance, tolerance, odeint::runge_kutta_fehlberg78<State>());
    double now = 0.0, step = 1e-3;  // [us]
    const auto evolve_to = [&](double end) {
        constexpr double kSame = 1e-9;  // [us]: far above rounding, far below any motion
        while (end - now > kSame) {
            double piece = std::min(step, end - now);
            const bool cut = piece < step;
            if (stepper.try_step(equations, m, now, piece) == odeint::success) {
                if (!cut || piece > step) step = piece;
            } else {
                step = piece;
            }
            if (!(step > 1e-9)) throw std::runtime_error("the ODE's step vanishes");
        }
        now = end;
    };

    nmrsim::Signal signal;
    signal.time_us = nmrsim::acquisition_times_us(experiment.acquisition);
    std::size_t next = 0;
    const double stop = signal.time_us.back();
    const auto sample = [&] {
        Complex plus = 0.0;
        double z = 0.0;
        for (std::size_t i = 0; i < n; ++i) {
            plus += equations.weight[i] * Complex(m[i], m[n + i]);
            z += equations.weight[i] * m[2 * n + i];
        }
        plus *= std::polar(1.0, equations.larmor * now);
        signal.mx.push_back(plus.real());
        signal.my.push_back(plus.imag());
        signal.mz.push_back(z);
    };
    // Samples at the very time of a pulse belong after it.
    const auto evolve_and_sample = [&](double end, double until) {
        for (; next < signal.points() && signal.time_us[next] < until; ++next) {
            evolve_to(signal.time_us[next]);
            sample();
        }
        if (next < signal.points()) evolve_to(end);
    };
    double event_time = 0.0;
    for (const nmrsim::Event& event : nmrsim::sequence_events(experiment.sequence)) {
        double duration = 0.0;
        equations.drive = 0.0;
        if (const auto* pulse = std::get_if<nmrsim::Pulse>(&event)) {
            const double angle = pulse->flip_deg * kTurn / 360.0;
            const double phase = pulse->phase_deg * kTurn / 360.0;
            duration = pulse->duration_us;
            if (duration == 0.0) {
                turn(m, angle, phase - equations.larmor * now);
                continue;
            }
            equations.drive = angle / duration;
            equations.drive_phase = phase;
        } else {
            duration = std::get<nmrsim::Delay>(event).duration_us;
        }
        event_time += duration;
        evolve_and_sample(event_time, event_time - 1e-8);
        if (next == signal.points()) return signal;
    }
    equations.drive = 0.0;
    evolve_and_sample(stop, stop + 1.0);
    return signal;
}

}  // namespace validation
