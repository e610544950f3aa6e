#include "nmrsim/reference_simulator.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <cmath>
#include <complex>
#include <stdexcept>
#include <unsupported/Eigen/KroneckerProduct>
#include <unsupported/Eigen/MatrixFunctions>

#include "lattice/lattice_simulator.h"
#include "nmrsim/random.h"
#include "nmrsim/units.h"
#include "reference/reference_step.h"

namespace nmrsim {
namespace {

using Complex = std::complex<double>;
using Eigen::Matrix2cd;
using Eigen::Matrix4cd;
using Eigen::Vector3d;
using Eigen::Vector4cd;

constexpr Complex kI{0.0, 1.0};

Matrix2cd spin_x() {
    return (Matrix2cd() << 0.0, 0.5, 0.5, 0.0).finished();
}
Matrix2cd spin_y() {
    return (Matrix2cd() << 0.0, -0.5 * kI, 0.5 * kI, 0.0).finished();
}
Matrix2cd spin_z() {
    return (Matrix2cd() << 0.5, 0.0, 0.0, -0.5).finished();
}

/// The spins and how they couple.
struct Ensemble {
    std::vector<Matrix2cd> rho;
    std::vector<double> offset_hz;
    std::vector<double> weight;    ///< of the mean magnetization
    std::vector<double> coupling;  ///< f_ij, (spins, spins); empty: the mean couples to all
};

Ensemble line_ensemble(const Experiment& experiment, int nodes) {
    if (experiment.line.spins > 0) {
        const std::size_t n = static_cast<std::size_t>(experiment.line.spins);
        CounterRandom random(experiment.lattice.seed, 0, RandomStream::offsets);
        Ensemble ensemble;
        for (std::size_t i = 0; i < n; ++i) {
            ensemble.offset_hz.push_back(line_quantile(experiment.line, random.uniform()));
        }
        ensemble.weight.assign(n, line_weight(experiment.line) / static_cast<double>(n));
        return ensemble;
    }
    const LineQuadrature line = line_quadrature(experiment.line, nodes, 0.0);
    return {{}, line.offset_hz, line.weight, {}};
}

Ensemble lattice_ensemble(const Experiment& experiment) {
    const Lattice& lattice = experiment.lattice;
    const std::size_t n = static_cast<std::size_t>(lattice.sites());
    const std::vector<double> table = kernel_table(experiment.interaction, lattice);
    // Spins beyond the cut take no part, in the mean or in any field.
    const double share = line_weight(experiment.line);
    Ensemble ensemble{{},
                      draw_offsets_hz(experiment),
                      std::vector<double>(n, share / static_cast<double>(n)),
                      std::vector<double>(n * n)};
    const auto wrap = [](int i, int size) { return (i % size + size) % size; };
    for (int i = 0; i < lattice.sites(); ++i) {
        for (int j = 0; j < lattice.sites(); ++j) {
            const int layer = lattice.ny * lattice.nz;
            const int dx = wrap(j / layer - i / layer, lattice.nx);
            const int dy =
                wrap(j / lattice.nz % lattice.ny - i / lattice.nz % lattice.ny, lattice.ny);
            const int dz = wrap(j % lattice.nz - i % lattice.nz, lattice.nz);
            ensemble.coupling[static_cast<std::size_t>(i) * n + static_cast<std::size_t>(j)] =
                share * table[(static_cast<std::size_t>(dx) * static_cast<std::size_t>(lattice.ny) +
                               static_cast<std::size_t>(dy)) *
                                  static_cast<std::size_t>(lattice.nz) +
                              static_cast<std::size_t>(dz)];
        }
    }
    return ensemble;
}

Vector3d mean_magnetization(const Ensemble& ensemble, const std::vector<Matrix2cd>& rho) {
    Vector3d sum = Vector3d::Zero();
    for (std::size_t i = 0; i < rho.size(); ++i) sum += ensemble.weight[i] * mean_spin(rho[i]);
    return sum;
}

/// B of every spin in the state `rho` at a time, during a pulse of the given field [rad/s].
std::vector<Vector3d> fields(const Experiment& experiment, const Ensemble& ensemble,
                             const std::vector<Matrix2cd>& rho, double seconds,
                             const Vector3d& drive) {
    const std::size_t n = rho.size();
    std::vector<Vector3d> w(n, Vector3d::Zero());
    if (ensemble.coupling.empty()) {
        w.assign(n, mean_magnetization(ensemble, rho));
    } else {
        std::vector<Vector3d> m(n);
        for (std::size_t j = 0; j < n; ++j) m[j] = mean_spin(rho[j]);
        for (std::size_t i = 0; i < n; ++i) {
            for (std::size_t j = 0; j < n; ++j) w[i] += ensemble.coupling[i * n + j] * m[j];
        }
    }
    const Interaction& c = experiment.interaction;
    const double alpha_y_khz = c.alpha_y_khz.value_or(c.alpha_x_khz);
    const double half_sum = kTwoPi * kHzPerKhz * 0.5 * (c.alpha_x_khz + alpha_y_khz);
    const double z = kTwoPi * kHzPerKhz * c.alpha_z_khz;
    // The laboratory's x and y axes turn by this angle in the rotating frame.
    const bool laboratory = experiment.accuracy.frame == Frame::laboratory;
    const double half_difference =
        laboratory ? kTwoPi * kHzPerKhz * 0.5 * (c.alpha_x_khz - alpha_y_khz) : 0.0;
    const double angle = 2.0 * kTwoPi * 1e6 * experiment.line.larmor_mhz * seconds;
    const double cosine = half_difference * std::cos(angle);
    const double sine = half_difference * std::sin(angle);
    const double centre_hz = experiment.line.centre_khz * kHzPerKhz;
    for (std::size_t i = 0; i < n; ++i) {
        w[i] = drive + Vector3d((half_sum + cosine) * w[i].x() + sine * w[i].y(),
                                sine * w[i].x() + (half_sum - cosine) * w[i].y(),
                                kTwoPi * (ensemble.offset_hz[i] + centre_hz) + z * w[i].z());
    }
    return w;
}

std::vector<Matrix2cd> evolved(const std::vector<Matrix2cd>& rho,
                               const std::vector<Vector3d>& field, const Relaxation& relaxation,
                               double seconds) {
    std::vector<Matrix2cd> next(rho.size());
    for (std::size_t i = 0; i < rho.size(); ++i) {
        next[i] = liouville_step(rho[i], field[i], relaxation, seconds);
    }
    return next;
}

/// What takes as much from `start` on for so many seconds: stretched dephasing as if it were even.
Relaxation on_average(const Relaxation& relaxation, double start, double seconds) {
    if (relaxation.stretching == 1.0) return relaxation;
    Relaxation even = relaxation;
    even.stretching = 1.0;
    even.gamma3_per_s = 2.0 * relaxation.transverse_loss(start, start + seconds) / seconds -
                        relaxation.longitudinal_rate();
    return even;
}

void step(const Experiment& experiment, Ensemble& ensemble, double start, double seconds,
          const Vector3d& drive) {
    const std::vector<Matrix2cd> middle =
        evolved(ensemble.rho, fields(experiment, ensemble, ensemble.rho, start, drive),
                on_average(experiment.relaxation, start, 0.5 * seconds), 0.5 * seconds);
    ensemble.rho =
        evolved(ensemble.rho, fields(experiment, ensemble, middle, start + 0.5 * seconds, drive),
                on_average(experiment.relaxation, start, seconds), seconds);
}

}  // namespace

Matrix2cd density_matrix(const Vector3d& m) {
    return 0.5 * Matrix2cd::Identity() +
           2.0 * (m.x() * spin_x() + m.y() * spin_y() + m.z() * spin_z());
}

Vector3d mean_spin(const Matrix2cd& rho) {
    return {(rho * spin_x()).trace().real(), (rho * spin_y()).trace().real(),
            (rho * spin_z()).trace().real()};
}

Matrix4cd liouville_generator(const Vector3d& field_rad_per_s, const Relaxation& relaxation) {
    const Matrix2cd one = Matrix2cd::Identity();
    const Matrix2cd h = -(field_rad_per_s.x() * spin_x() + field_rad_per_s.y() * spin_y() +
                          field_rad_per_s.z() * spin_z());
    // vec(A rho B) = (B^T x A) vec(rho).
    Matrix4cd generator = -kI * (Eigen::kroneckerProduct(one, h).eval() -
                                 Eigen::kroneckerProduct(h.transpose(), one).eval());
    const Matrix2cd jumps[3] = {std::sqrt(relaxation.gamma1_per_s) * (spin_x() + kI * spin_y()),
                                std::sqrt(relaxation.gamma2_per_s) * (spin_x() - kI * spin_y()),
                                std::sqrt(relaxation.gamma3_per_s) * spin_z()};
    for (const Matrix2cd& jump : jumps) {
        const Matrix2cd loss = jump.adjoint() * jump;
        generator += Eigen::kroneckerProduct(jump.conjugate(), jump).eval() -
                     0.5 * Eigen::kroneckerProduct(one, loss).eval() -
                     0.5 * Eigen::kroneckerProduct(loss.transpose(), one).eval();
    }
    return generator;
}

Matrix2cd liouville_step(const Matrix2cd& rho, const Vector3d& field_rad_per_s,
                         const Relaxation& relaxation, double seconds) {
    const Matrix4cd exponent = liouville_generator(field_rad_per_s, relaxation) * seconds;
    const Matrix4cd propagator = exponent.exp();
    const Vector4cd start = Eigen::Map<const Vector4cd>(rho.data());
    const Vector4cd end = propagator * start;
    return Eigen::Map<const Matrix2cd>(end.data());
}

Matrix2cd pulse_step(const Matrix2cd& rho, const Pulse& pulse) {
    const double phi = pulse.phase_deg * kRadiansPerDegree;
    const Matrix2cd exponent = kI * pulse.flip_deg * kRadiansPerDegree *
                               (std::cos(phi) * spin_x() + std::sin(phi) * spin_y());
    const Matrix2cd u = exponent.exp();
    return u * rho * u.adjoint();
}

Signal simulate_reference(const Experiment& experiment, double step_us, int nodes) {
    experiment.validate();
    if (!(step_us > 0.0)) {
        throw std::invalid_argument(fmt::format("step_us must be > 0, got {}", step_us));
    }
    if (nodes < 1) throw std::invalid_argument(fmt::format("nodes must be >= 1, got {}", nodes));

    Ensemble ensemble =
        is_uniform(experiment) ? line_ensemble(experiment, nodes) : lattice_ensemble(experiment);
    ensemble.rho.assign(
        ensemble.offset_hz.size(),
        density_matrix({experiment.start.mx, experiment.start.my, experiment.start.mz}));

    Signal signal;
    signal.time_us = acquisition_times_us(experiment);
    const double last = signal.time_us.back();
    const double same = 1e-9 * last;
    double time = 0.0;
    Vector3d drive = Vector3d::Zero();
    std::size_t next = 0;
    const auto evolve_to = [&](double target) {
        if (target - time <= same) return;
        const double span = target - time;
        const int steps = static_cast<int>(std::ceil(span / step_us * (1.0 - 1e-9)));
        for (int k = 0; k < steps; ++k) {
            step(experiment, ensemble, (time + span * k / steps) * kSecondsPerUs,
                 span / steps * kSecondsPerUs, drive);
        }
        time = target;
    };
    const auto sample_before = [&](double end) {
        for (; next < signal.points() && signal.time_us[next] < end; ++next) {
            evolve_to(signal.time_us[next]);
            const Vector3d m = mean_magnetization(ensemble, ensemble.rho);
            signal.mx.push_back(m.x());
            signal.my.push_back(m.y());
            signal.mz.push_back(m.z());
        }
    };
    double event_time = 0.0;
    for (const Event& event : sequence_events(experiment.sequence)) {
        if (event_time > last + same) break;
        drive = Vector3d::Zero();
        if (const Pulse* pulse = std::get_if<Pulse>(&event)) {
            if (pulse->duration_us == 0.0) {
                for (Matrix2cd& rho : ensemble.rho) rho = pulse_step(rho, *pulse);
                continue;
            }
            const double phi = pulse->phase_deg * kRadiansPerDegree;
            drive = pulse->flip_deg * kRadiansPerDegree / (pulse->duration_us * kSecondsPerUs) *
                    Vector3d(std::cos(phi), std::sin(phi), 0.0);
            event_time += pulse->duration_us;
        } else {
            event_time += std::get<Delay>(event).duration_us;
        }
        // Samples at the end of a delay wait for the pulses there.
        sample_before(event_time - same);
        if (event_time <= last + same) evolve_to(event_time);
    }
    drive = Vector3d::Zero();
    sample_before(last + 2.0 * same + 1e-300);
    return signal;
}

}  // namespace nmrsim
