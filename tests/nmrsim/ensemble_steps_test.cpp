#include "general/ensemble_steps.h"

#include <Eigen/Dense>
#include <cmath>

#include "catch_compat.h"
#include "nmrsim/random.h"
#include "nmrsim/units.h"
#include "reference/reference_step.h"

using namespace nmrsim;

namespace {

Eigen::Vector3d random_vector(CounterRandom& random, double scale) {
    const auto one = [&] { return scale * (2.0 * random.uniform() - 1.0); };
    const double x = one(), y = one(), z = one();
    return {x, y, z};
}

/// An ensemble of a few spins on a ring with a coupling of arbitrary parts.
EnsembleInputs<double> ring_of(int spins) {
    EnsembleInputs<double> inputs;
    inputs.plane = 0.9;
    inputs.counter = 0.0;
    inputs.z = 0.6;
    inputs.carrier = 4.0 * kPi * 10.0;
    inputs.start[0] = 0.2;
    inputs.start[1] = -0.1;
    inputs.start[2] = 0.4;
    for (int i = 0; i < spins; ++i) {
        inputs.offset.push_back(1.3 * std::sin(2.0 * i + 0.5));
        inputs.weight.push_back(1.0 / spins);
        inputs.kernel.push_back(i == 0 ? 0.0 : 1.0 / (i + 1.0));  // not even in the displacement
    }
    inputs.sample = {1.0};
    return inputs;
}

Lattice chain(int spins) {
    return {spins, 1, 1, 1};
}

}  // namespace

TEST_CASE("A step in a constant field is the exponential of the 4 x 4 Liouville generator") {
    CounterRandom random(7, 0, RandomStream::parameters);
    double worst = 0.0;
    for (int i = 0; i < 200; ++i) {
        Relaxation relaxation;
        relaxation.gamma1_per_s = 3e5 * random.uniform();
        relaxation.gamma2_per_s = 2e5 * random.uniform();
        relaxation.gamma3_per_s = 4e5 * random.uniform();
        const Eigen::Vector3d field = random_vector(random, 2e6);  // [rad/s]
        const Eigen::Vector3d m = random_vector(random, 0.28);
        const double seconds = 1e-6 * random.uniform();
        const Eigen::Vector3d expected =
            mean_spin(liouville_step(density_matrix(m), field, relaxation, seconds));
        const Vec3<double> got = bloch_action<double>(
            {m.x(), m.y(), m.z()}, {field.x() * seconds, field.y() * seconds, field.z() * seconds},
            relaxation.transverse_rate() * seconds, relaxation.longitudinal_rate() * seconds,
            relaxation.longitudinal_rate() * relaxation.equilibrium_mz() * seconds,
            bloch_degree((field.norm() + 1e6) * seconds));
        worst = std::max({worst, std::abs(got.x - expected.x()), std::abs(got.y - expected.y()),
                          std::abs(got.z - expected.z())});
    }
    CHECK(worst <= 1e-12);
}

TEST_CASE("Spins keep their length over 10,000 steps") {
    const EnsembleInputs<double> inputs = ring_of(16);
    EnsembleSteps<double> steps(inputs, chain(16), CounterRotating::averaged, 1);
    const double length = std::sqrt(0.04 + 0.01 + 0.16);
    for (int k = 0; k < 10000; ++k) steps.advance(0.3 * k, 0.3);
    double worst = 0.0;
    for (const Vec3<double>& m : steps.spins) {
        worst = std::max(worst, std::abs(std::hypot(m.x, m.y, m.z) - length));
    }
    CHECK(worst <= 1e-12);
}

TEST_CASE(
    "Steps are of fourth and of eighth order, with relaxation and a field that changes with time") {
    EnsembleInputs<double> inputs = ring_of(12);
    inputs.counter = 0.5;
    inputs.carrier = 2.0;
    inputs.transverse = 0.08;
    inputs.longitudinal = 0.05;
    inputs.recovery = 0.02;
    const auto end_state = [&](int count, bool eighth) {
        EnsembleSteps<double> steps(inputs, chain(12), CounterRotating::stepped, 1);
        const double h = 4.0 / count;
        for (int k = 0; k < count; ++k) {
            if (eighth) {
                steps.advance_eighth(k * h, h);
            } else {
                steps.advance(k * h, h);
            }
        }
        return steps.spins;
    };
    const auto difference = [](const SpinVectors<double>& a, const SpinVectors<double>& b) {
        double largest = 0.0;
        for (std::size_t i = 0; i < a.size(); ++i) {
            largest = std::max({largest, std::abs(a[i].x - b[i].x), std::abs(a[i].y - b[i].y),
                                std::abs(a[i].z - b[i].z)});
        }
        return largest;
    };
    const auto exact = end_state(640, false);
    const double ratio =
        difference(end_state(20, false), exact) / difference(end_state(40, false), exact);
    // 16 for fourth order, up to the next order's share.
    CHECK(ratio > 13.0);
    CHECK(ratio < 20.0);
    const auto best = end_state(160, true);
    CHECK(difference(best, exact) < 1e-8);
    const double eighth =
        difference(end_state(10, true), best) / difference(end_state(20, true), best);
    // 256, as above.
    CHECK(eighth > 180.0);
    CHECK(eighth < 370.0);
}

TEST_CASE("The field of a lattice in three dimensions is the direct sum over all pairs") {
    const Lattice lattice{4, 5, 3, 1};
    const std::size_t n = static_cast<std::size_t>(lattice.sites());
    CounterRandom random(3, 0, RandomStream::parameters);
    EnsembleInputs<double> inputs;
    for (std::size_t i = 0; i < n; ++i) inputs.kernel.push_back(random.uniform());
    inputs.z = 1.0;  // else the z part is not wanted
    inputs.offset.assign(n, 0.0);
    inputs.weight.assign(n, 1.0 / static_cast<double>(n));
    SpinVectors<double> v(n), w;
    for (Vec3<double>& one : v) {
        const double x = random.uniform(), y = random.uniform();
        one = {x, y, random.uniform()};
    }
    EnsembleField<double> field(inputs, lattice);
    field.evaluate(v, w);
    double worst = 0.0;
    const auto wrap = [](int i, int size) { return (i + size) % size; };
    for (int i = 0; i < lattice.sites(); ++i) {
        Vec3<double> sum;
        for (int j = 0; j < lattice.sites(); ++j) {
            const int dx = wrap(j / 15 - i / 15, 4), dy = wrap(j / 3 % 5 - i / 3 % 5, 5);
            const int dz = wrap(j % 3 - i % 3, 3);
            sum = sum + inputs.kernel[static_cast<std::size_t>((dx * 5 + dy) * 3 + dz)] *
                            v[static_cast<std::size_t>(j)];
        }
        const Vec3<double> off = sum - w[static_cast<std::size_t>(i)];
        worst = std::max({worst, std::abs(off.x), std::abs(off.y), std::abs(off.z)});
    }
    CHECK(worst < 1e-13);
}
