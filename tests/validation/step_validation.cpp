// One step of each stepper against the exponential of the 4 x 4 Liouville generator.

#include <fmt/format.h>

#include <Eigen/Dense>
#include <array>
#include <cmath>
#include <vector>

#include "base/aligned_array.h"
#include "experiments.h"
#include "general/ensemble_steps.h"
#include "lattice/lattice_kernel.h"
#include "nmrsim/random.h"
#include "nmrsim/units.h"
#include "reference/reference_step.h"
#include "sections.h"
#include "uniform/uniform_curve.h"
#include "uniform/uniform_frames.h"
#include "uniform/uniform_group.h"
#include "uniform/uniform_kernel.h"
#include "uniform/uniform_plan.h"
#include "uniform/uniform_simulator.h"

namespace validation {
namespace {

using namespace nmrsim;
using Eigen::Vector3d;

constexpr double kTolerance = 1e-12;
constexpr int kTrials = 200;

CounterRandom random_numbers() {
    return {7, 0, RandomStream::parameters};
}

Vector3d random_vector(CounterRandom& random, double scale) {
    Vector3d v;
    for (double& one : v) one = scale * (2.0 * random.uniform() - 1.0);
    return v;
}

Relaxation random_relaxation(CounterRandom& random) {
    Relaxation relaxation;
    relaxation.gamma1_per_s = 3e5 * random.uniform();
    relaxation.gamma2_per_s = 2e5 * random.uniform();
    relaxation.gamma3_per_s = 4e5 * random.uniform();
    return relaxation;
}

Vector3d exact(const Vector3d& m, const Vector3d& field_rad_per_s, const Relaxation& relaxation,
               double seconds) {
    return mean_spin(liouville_step(density_matrix(m), field_rad_per_s, relaxation, seconds));
}

/// Fields up to 3.5 rad/us in any direction, steps up to 1 us.
double general_error() {
    CounterRandom random = random_numbers();
    double worst = 0.0;
    for (int i = 0; i < kTrials; ++i) {
        const Relaxation relaxation = random_relaxation(random);
        const Vector3d field = random_vector(random, 2e6), m = random_vector(random, 0.28);
        const double seconds = 1e-6 * random.uniform();
        const Vec3<double> got = bloch_action<double>(
            {m.x(), m.y(), m.z()}, {field.x() * seconds, field.y() * seconds, field.z() * seconds},
            relaxation.transverse_rate() * seconds, relaxation.longitudinal_rate() * seconds,
            relaxation.longitudinal_rate() * relaxation.equilibrium_mz() * seconds,
            bloch_degree((field.norm() + 1e6) * seconds));
        worst = std::max(
            worst, (Vector3d(got.x, got.y, got.z) - exact(m, field, relaxation, seconds)).norm());
    }
    return worst;
}

/// One step of the lattice's kernel in fields that do not change in time.
///
/// Args: plane: the field's largest x and y components [rad/us]; seconds: the longest step.
double lattice_error(double plane, bool relaxes, double seconds) {
    constexpr long kSites = 48;
    const std::size_t n = kSites;
    CounterRandom random = random_numbers();
    double worst = 0.0;
    for (int i = 0; i < kTrials / 10; ++i) {
        const Relaxation relaxation = relaxes ? random_relaxation(random) : Relaxation{};
        const double length_us = 1e6 * seconds * random.uniform();
        AlignedArray<double> values[7];
        for (AlignedArray<double>& a : values) a.resize(n);
        std::vector<Vector3d> start, field;
        for (std::size_t s = 0; s < n; ++s) {
            start.push_back(random_vector(random, 0.28));
            field.push_back(random_vector(random, 1.0).cwiseProduct(Vector3d(plane, plane, 2.0)));
            for (int k = 0; k < 3; ++k) values[k][s] = start[s][k];
            values[3][s] = field[s].z();
            for (int k = 0; k < 2; ++k) values[4 + k][s] = field[s][k];
        }
        SiteStep<double> step;
        step.sites = kSites;
        step.mx = values[0].data();
        step.my = values[1].data();
        step.mz = values[2].data();
        step.offset = values[3].data();
        step.history = 1;
        step.wx[0] = values[4].data();
        step.wy[0] = values[5].data();
        step.relaxes = relaxes;
        const double part = relaxes ? 0.5 * length_us : length_us;
        step.offset_time = part;
        for (int k = 0; k < 2; ++k) {
            step.plane_mean[k][0] = part;
            step.plane_moment[k][0] = step.z_mean[k][0] = step.z_moment[k][0] = 0.0;
            // Simpson's weights: outside, between the halves, outside.
            const double share = 1e-6 * length_us * (k == 0 ? 1.0 : 4.0) / 6.0;
            step.transverse_loss[k] = -std::expm1(-relaxation.transverse_rate() * share);
            step.longitudinal_loss[k] = -std::expm1(-relaxation.longitudinal_rate() * share);
        }
        step.equilibrium = relaxation.equilibrium_mz();
        for (double angle = 0.5 * part * (2.0 + 1.5 * plane); angle > 1.0; angle *= 0.5) {
            ++step.doublings;
        }
        lattice_kernel<double>().advance(step);
        for (std::size_t s = 0; s < n; ++s) {
            const Vector3d got(values[0][s], values[1][s], values[2][s]);
            worst = std::max(
                worst,
                (got - exact(start[s], 1e6 * field[s], relaxation, 1e-6 * length_us)).norm());
        }
    }
    return worst;
}

/// One step of the uniform kernel of a single node, `strength` 2 pi alpha [rad/s]; with the
/// coupling on, the field is the spin's own and the turn about it changes nothing but all of them.
struct UniformTrial {
    double worst = 0.0;

    /// `nodes` spins of random offsets; coupling alone (offsets 0) or offsets and relaxation alone.
    void run(bool couples, CounterRandom& random) {
        constexpr int kNodes = 24;
        Experiment e = uniform_echo();
        e.accuracy.nodes = kNodes;
        e.relaxation = couples ? Relaxation{} : random_relaxation(random);
        // Without offsets, the line is as narrow as it may be: 1e-9 of a turn in the step.
        if (couples) e.line.cutoff_khz = e.line.half_width_khz = 1e-12;
        const UniformNodes nodes = uniform_nodes(e);
        UniformStep size;
        size.scheme = &blanes_moan_4();
        const double seconds = 1e-6 * random.uniform();
        size.step_s = seconds;
        UniformPlan plan = uniform_plan(e, nodes, size);
        for (UniformSegment& segment : plan.segments) segment.step_s = seconds;
        const UniformTables<double> tables = uniform_tables<double>(plan);
        const PassTables<double>& pass = tables.segments[0].forward;
        const UniformKernels<double> kernels = uniform_kernels<double>();
        const std::size_t lanes = static_cast<std::size_t>(kernels.lanes);
        AlignedArray<double> state, strength, total_z;
        state.resize(kNodes * 3 * lanes);
        strength.resize(lanes);
        total_z.resize(lanes);
        std::vector<Vector3d> start;
        Vector3d mean = Vector3d::Zero();
        for (std::size_t i = 0; i < kNodes; ++i) {
            start.push_back(random_vector(random, 0.28));
            mean += nodes.weight[i] * start[i];
            for (std::size_t lane = 0; lane < lanes; ++lane) {
                for (std::size_t k = 0; k < 3; ++k) {
                    state[(3 * i + k) * lanes + lane] =
                        nodes.weight[i] * start[i][static_cast<Eigen::Index>(k)];
                }
            }
        }
        const double alpha = couples ? 1e6 * random.uniform() : 0.0;  // [rad/s]
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            strength[lane] = -alpha;
            total_z[lane] = mean.z();
        }
        const UniformNumbers numbers = uniform_curve(e, nodes).numbers;
        std::vector<UniformPass<double>> passes = pass.pass;
        AlignedArray<double> loss(passes.size() * 3 * lanes), weight(kNodes * lanes),
            total_weight(lanes);
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            for (std::size_t p = 0; p < passes.size(); ++p) {
                const LongitudinalDecay along = longitudinal_decay(numbers, pass.time_s[p]);
                loss[(3 * p) * lanes + lane] =
                    -std::expm1(-numbers.rates.transverse_per_s * pass.time_s[p]);
                loss[(3 * p + 1) * lanes + lane] = 1.0 - along.kept;
                loss[(3 * p + 2) * lanes + lane] = along.gain;
                passes[p].loss = &loss[3 * p * lanes];
            }
            for (std::size_t i = 0; i < kNodes; ++i) weight[i * lanes + lane] = nodes.weight[i];
            total_weight[lane] = nodes.total_weight;
        }
        UniformSteps<double> job;
        job.relaxation = UniformRelaxation::same;
        job.weight = weight.data();
        job.total_weight = total_weight.data();
        job.nodes = kNodes;
        job.passes = static_cast<int>(pass.pass.size());
        job.steps = 1;
        job.pass = passes.data();
        job.last_coupling = pass.last_coupling;
        job.strength = strength.data();
        job.state = state.data();
        job.total_z = total_z.data();
        kernels.run_steps(job);
        for (std::size_t i = 0; i < kNodes; ++i) {
            Vector3d field = alpha * mean;
            if (!couples) field = {0.0, 0.0, kTwoPi * nodes.offset_hz[i]};
            const Vector3d expected = exact(start[i], field, e.relaxation, seconds);
            Vector3d got;
            for (std::size_t k = 0; k < 3; ++k) {
                got[static_cast<Eigen::Index>(k)] = state[(3 * i + k) * lanes] / nodes.weight[i];
            }
            worst = std::max(worst, (got - expected).norm());
        }
    }
};

double uniform_error(bool couples) {
    CounterRandom random = random_numbers();
    UniformTrial trial;
    for (int i = 0; i < kTrials / 10; ++i) trial.run(couples, random);
    return trial.worst;
}

}  // namespace

void validate_steps(Report& report) {
    report.section(
        "One step against the Liouville exponential",
        "One step of random spins against the exponential of the 4 x 4 Liouville generator (Pade, "
        "by\n"
        "Eigen; jumps of the Lindblad form), largest error of a Bloch vector. Random rates up to "
        "3e5,\n"
        "2e5 and 4e5 per second, steps up to 1 us. What a step is exact in, it is exact in to\n"
        "rounding; the lattice's step composes relaxation and turns, which is exact where they\n"
        "commute, and otherwise for short steps (its order is in the table above).");
    report.table({"what", "error", "tolerance"});
    report.at_most({"general step: any field, relaxation"}, general_error(), kTolerance);
    report.at_most({"uniform kernel, six passes: offsets, relaxation"}, uniform_error(false),
                   kTolerance);
    report.at_most({"uniform kernel, six passes: coupling turn"}, uniform_error(true), kTolerance);
    report.at_most({"lattice step: any field"}, lattice_error(2.0, false, 1e-6), kTolerance);
    report.at_most({"lattice step: field along z, relaxation"}, lattice_error(0.0, true, 1e-6),
                   kTolerance);
    report.at_most({"lattice step of 0.2 ns: any field, relaxation"},
                   lattice_error(2.0, true, 2e-10), kTolerance);
}

}  // namespace validation
