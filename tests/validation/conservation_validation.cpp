// What the equations keep.

#include <fmt/format.h>

#include <cmath>
#include <complex>
#include <vector>

#include "base/aligned_array.h"
#include "experiments.h"
#include "general/ensemble_simulator.h"
#include "general/ensemble_steps.h"
#include "lattice/lattice_kernel.h"
#include "nmrsim/random.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"
#include "sections.h"
#include "uniform/uniform_curve.h"
#include "uniform/uniform_group.h"
#include "uniform/uniform_kernel.h"
#include "uniform/uniform_plan.h"
#include "uniform/uniform_simulator.h"

namespace validation {
namespace {

using namespace nmrsim;

constexpr int kSteps = 10000;

double general_length_drift() {
    constexpr int kSpins = 24;
    EnsembleInputs<double> inputs;
    inputs.plane = 0.9;
    inputs.z = 0.6;
    inputs.start[0] = 0.3;
    inputs.start[2] = 0.4;
    for (int i = 0; i < kSpins; ++i) {
        inputs.offset.push_back(1.3 * std::sin(2.0 * i + 0.5));
        inputs.weight.push_back(1.0 / kSpins);
        inputs.kernel.push_back(i == 0 ? 0.0 : 1.0 / (i + 1.0));
    }
    inputs.sample = {1.0};
    EnsembleSteps<double> steps(inputs, Lattice{kSpins, 1, 1, 1}, CounterRotating::averaged, 1);
    for (int k = 0; k < kSteps; ++k) steps.advance(0.3 * k, 0.3);
    double worst = 0.0;
    for (const Vec3<double>& m : steps.spins) {
        worst = std::max(worst, std::abs(std::sqrt(m.x * m.x + m.y * m.y + m.z * m.z) - 0.5));
    }
    return worst;
}

/// The lattice's kernel with fields extrapolated from the last five, as the simulator's steps are.
double lattice_length_drift() {
    constexpr long kSites = 48;
    constexpr int kHistory = 5;
    const std::size_t n = kSites;
    CounterRandom random(3, 0, RandomStream::noise);
    AlignedArray<double> m[3], offset(n), w[3][kHistory];
    for (std::size_t c = 0; c < 3; ++c) {
        m[c].resize(n);
        for (AlignedArray<double>& one : w[c]) one.resize(n);
    }
    for (std::size_t i = 0; i < n; ++i) {
        m[0][i] = 0.3;
        m[2][i] = 0.4;
        offset[i] = 2.0 * random.uniform() - 1.0;
    }
    SiteStep<double> step;
    step.sites = kSites;
    step.mx = m[0].data();
    step.my = m[1].data();
    step.mz = m[2].data();
    step.offset = offset.data();
    step.history = kHistory;
    step.couples_z = true;
    step.offset_time = 0.3;
    step.doublings = 1;
    // Integrals over [0, h] of the Lagrange polynomials through -4 h ... 0 (Adams and Bashforth),
    // and moments of the size of theirs.
    constexpr double kMean[kHistory] = {251.0 / 720, -1274.0 / 720, 2616.0 / 720, -2774.0 / 720,
                                        1901.0 / 720};
    constexpr double kMoment[kHistory] = {0.04, -0.2, 0.4, -0.44, 0.2};
    for (int k = 0; k < kSteps; ++k) {
        for (std::size_t c = 0; c < 3; ++c) {
            AlignedArray<double>& now = w[c][static_cast<std::size_t>(k % kHistory)];
            for (std::size_t i = 0; i < n; ++i) {
                now[i] = 0.5 * (m[c][(i + 1) % n] + m[c][(i + n - 1) % n]);
            }
        }
        for (int p = 0; p < kHistory; ++p) {
            // The oldest of the ring first.
            const std::size_t slot = static_cast<std::size_t>((k + 1 + p) % kHistory);
            step.wx[p] = w[0][slot].data();
            step.wy[p] = w[1][slot].data();
            step.wz[p] = w[2][slot].data();
            step.plane_mean[0][p] = step.z_mean[0][p] = 0.3 * 0.7 * kMean[p];
            step.plane_moment[0][p] = step.z_moment[0][p] = 0.3 * 0.7 * kMoment[p];
        }
        lattice_kernel<double>().advance(step);
    }
    double worst = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
        const double length = std::sqrt(m[0][i] * m[0][i] + m[1][i] * m[1][i] + m[2][i] * m[2][i]);
        worst = std::max(worst, std::abs(length - 0.5));
    }
    return worst;
}

/// Steps of six passes, couplings of 0 to 140 kHz in the lanes.
double uniform_length_drift() {
    constexpr int kNodes = 24;
    Experiment e = uniform_echo();
    e.accuracy.nodes = kNodes;
    const UniformNodes nodes = uniform_nodes(e);
    UniformStep size;
    size.scheme = &blanes_moan_4();
    size.step_s = 0.3 * kSecondsPerUs;
    const UniformTables<double> tables = uniform_tables<double>(uniform_plan(e, nodes, size));
    const UniformKernels<double> kernels = uniform_kernels<double>();
    const std::size_t lanes = static_cast<std::size_t>(kernels.lanes);
    AlignedArray<double> state(kNodes * 3 * lanes), strength(lanes), total_z(lanes);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        for (std::size_t i = 0; i < kNodes; ++i) {
            state[(3 * i) * lanes + lane] = 0.3 * nodes.weight[i];
            state[(3 * i + 2) * lanes + lane] = 0.4 * nodes.weight[i];
            total_z[lane] += 0.4 * nodes.weight[i];
        }
        strength[lane] = -kTwoPi * 20e3 * static_cast<double>(lane);
    }
    const PassTables<double>& pass = tables.segments[0].forward;
    UniformSteps<double> job;
    job.nodes = kNodes;
    job.passes = static_cast<int>(pass.pass.size());
    job.steps = kSteps;
    job.pass = pass.pass.data();
    job.last_coupling = pass.last_coupling;
    job.strength = strength.data();
    job.state = state.data();
    job.total_z = total_z.data();
    kernels.run_steps(job);
    double worst = 0.0;
    for (std::size_t i = 0; i < kNodes; ++i) {
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            const double* m = &state[3 * i * lanes + lane];
            const double length = std::hypot(m[0], m[lanes], m[2 * lanes]) / nodes.weight[i];
            worst = std::max(worst, std::abs(length - 0.5));
        }
    }
    return worst;
}

using Simulator = Signal (*)(const Experiment&);

/// Largest change of Mz from the first pulse to the second.
double mz_drift(const Experiment& e, Simulator run) {
    const Signal signal = run(e);
    const double tau = std::get<HahnEcho>(e.sequence.program).tau_us;
    double worst = 0.0;
    for (std::size_t i = 0; i < signal.points() && signal.time_us[i] < tau - 1e-6; ++i) {
        worst = std::max(worst, std::abs(signal.mz[i] - signal.mz[0]));
    }
    return worst;
}

double phase_error(Experiment e, Simulator run) {
    const Signal before = run(e);
    echo_of(e).flip_phase_deg += 35.0;
    echo_of(e).refocus_phase_deg += 35.0;
    const Signal after = run(e);
    const std::complex<double> turn = std::polar(1.0, 35.0 * kRadiansPerDegree);
    double worst = 0.0;
    for (std::size_t i = 0; i < before.points(); ++i) {
        worst = std::max({worst, std::abs(transverse(after, i) - turn * transverse(before, i)),
                          std::abs(after.mz[i] - before.mz[i])});
    }
    return worst;
}

/// At theta = 90 degrees: largest change of M+ before the second pulse by another alpha_z.
double alpha_z_effect(Experiment e, Simulator run) {
    echo_of(e).flip_deg = 90.0;
    const Signal one = run(e);
    e.interaction.alpha_z_khz = 20.0;
    const Signal other = run(e);
    double worst = 0.0;
    for (std::size_t i = 0; i < one.points() && one.time_us[i] < 12.0 - 1e-6; ++i) {
        worst = std::max(worst, std::abs(transverse(one, i) - transverse(other, i)));
    }
    return worst;
}

Signal by_default(const Experiment& e) {
    return simulate(e);
}

}  // namespace

void validate_conservation(Report& report) {
    report.section("Conservation laws",
                   "Absolute figures (|m| = 1/2 at most), in double. The uniform kernel's own "
                   "simulator keeps\n"
                   "Mz by construction; extrapolated fields and commutator-free steps keep it to "
                   "the accuracy\n"
                   "of the step, here the tolerance asked for.");
    report.table({"what", "stepper", "error", "tolerance"});
    constexpr double kLength = 1e-12;
    report.at_most({"spin length, 10,000 steps without relaxation", "uniform kernel"},
                   uniform_length_drift(), kLength);
    report.at_most({"", "lattice"}, lattice_length_drift(), kLength);
    report.at_most({"", "general"}, general_length_drift(), kLength);

    Experiment uniform = uniform_echo(), lattice = lattice_echo();
    uniform.accuracy.tolerance = lattice.accuracy.tolerance = 1e-9;
    const double asked = 1e-9;
    report.at_most({"Mz between the pulses, alpha_x = alpha_y", "uniform kernel"},
                   mz_drift(uniform, by_default), 1e-12);
    report.at_most({"", "lattice"}, mz_drift(lattice, by_default), asked);
    report.at_most({"", "general, uniform kernel"}, mz_drift(uniform, simulate_ensemble), asked);
    report.at_most({"", "general, lattice"}, mz_drift(lattice, simulate_ensemble), asked);

    // The schemes themselves turn along: rounding alone, amplified by the coupling, at most a
    // thousandfold in 36 us.
    constexpr double kTurned = 1e-11;
    report.at_most({"all pulse phases turned by 35 degrees: M+ turned", "uniform kernel"},
                   phase_error(uniform, by_default), kTurned);
    report.at_most({"", "lattice"}, phase_error(lattice, by_default), kTurned);
    report.at_most({"", "general, uniform kernel"}, phase_error(uniform, simulate_ensemble),
                   kTurned);
    report.at_most({"", "general, lattice"}, phase_error(lattice, simulate_ensemble), kTurned);

    report.at_most({"theta = 90 degrees: alpha_z before the second pulse", "uniform kernel"},
                   alpha_z_effect(uniform, by_default), 1e-12);
    // Two curves, each within its tolerance.
    report.at_most({"", "general, uniform kernel"}, alpha_z_effect(uniform, simulate_ensemble),
                   2.0 * asked);
    // A site's own mz stays zero without coupling in the plane only.
    lattice.interaction.alpha_x_khz = 0.0;
    report.at_most({"the same, alpha_x = alpha_y = 0", "lattice"},
                   alpha_z_effect(lattice, by_default), 2.0 * asked);
    report.at_most({"", "general, lattice"}, alpha_z_effect(lattice, simulate_ensemble),
                   2.0 * asked);
}

}  // namespace validation
