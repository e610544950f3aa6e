// Steps that follow the spins' field.

#include "general/ensemble_motion.h"

#include <algorithm>
#include <cmath>

#include "catch_compat.h"

using namespace nmrsim;

namespace {

/// Spins that a strong coupling turns until they have relaxed to nothing.
Experiment relaxing() {
    Experiment e;
    e.interaction.alpha_x_khz = 100.0;
    e.interaction.alpha_z_khz = 400.0;
    e.line.half_width_khz = 3.0;
    e.line.cutoff_khz = 15.0;
    e.start = {0.0, 0.3, 0.4};
    e.relaxation.gamma1_per_s = e.relaxation.gamma2_per_s = 1e4;
    e.sequence.program = std::vector<Event>{Delay{300.0}, Pulse{180.0, 90.0, 2.0}};
    e.acquisition = {10.0, 640.0, 9};
    e.accuracy.nodes = 160;
    e.accuracy.tolerance = 1e-6;
    return e;
}

struct Scene {
    Experiment experiment;
    EnsembleInputs<double> inputs;
    EnsembleRates rates;
    StepSize size;

    explicit Scene(const Experiment& e)
        : experiment(e),
          inputs(ensemble_inputs(e, ensemble_nodes(e))),
          rates(ensemble_rates(e, inputs)),
          size(first_step_size(e, inputs, rates)) {}

    std::vector<Vec3<double>> run(StepSchedule& schedule, int parts = 1) {
        size.parts = parts;
        return evolve(experiment, inputs, rates, size, schedule, 1);
    }
};

double largest_difference(const std::vector<Vec3<double>>& a, const std::vector<Vec3<double>>& b) {
    double largest = 0.0;
    for (std::size_t k = 0; k < a.size(); ++k) {
        const Vec3<double> d = a[k] - b[k];
        largest = std::max(largest, std::sqrt(d.x * d.x + d.y * d.y + d.z * d.z));
    }
    return largest;
}

}  // namespace

TEST_CASE("Steps are longer where the spins' field has died out") {
    Scene scene(relaxing());
    StepSchedule schedule;
    const auto coarse = scene.run(schedule);
    // At first all turn by 2 pi 200 kHz; after a fifth of the time the line is left, 15 kHz.
    CHECK(schedule.steps() <
          0.4 * most_steps(scene.experiment, scene.inputs, scene.rates, scene.size));
    const auto fine = scene.run(schedule, 2), finest = scene.run(schedule, 4);
    CHECK(largest_difference(coarse, fine) < 1e-4);
    CHECK(largest_difference(fine, finest) < 1e-6);
}

TEST_CASE("A schedule is repeated step by step") {
    Experiment e = relaxing();
    SECTION("stops at samples") {}
    SECTION("samples between steps") {
        e.acquisition.points = 400;
    }
    SECTION("a window that begins with the sequence") {
        e.acquisition.start_us = 0.0;
        e.acquisition.points = 33;
    }
    Scene scene(e);
    StepSchedule schedule;
    const auto chosen = scene.run(schedule);
    const StepSchedule kept = schedule;
    CHECK(largest_difference(chosen, scene.run(schedule)) == 0.0);
    CHECK(schedule.ends == kept.ends);
    for (const std::vector<double>& span : schedule.ends) {
        CHECK(std::is_sorted(span.begin(), span.end()));
        CHECK(span.back() == 1.0);
    }
}

TEST_CASE("A field that grows within a step shortens it") {
    // Mz comes from nothing at 1/T1 = 0.01/us and then turns spins by 2 pi 250 kHz: without it a
    // step would be tens of us.
    Experiment e = relaxing();
    e.start = {0.01, 0.0, 0.0};
    e.interaction.alpha_x_khz = 0.0;
    e.interaction.alpha_z_khz = 500.0;
    e.line.half_width_khz = 0.1;
    e.line.cutoff_khz = 0.2;
    e.relaxation.gamma2_per_s = 0.0;
    e.sequence.program = std::vector<Event>{};
    e.acquisition.start_us = 100.0;
    e.acquisition.stop_us = 200.0;
    Scene scene(e);
    StepSchedule schedule;
    const auto coarse = scene.run(schedule), fine = scene.run(schedule, 2);
    CHECK(100.0 * schedule.ends.front().front() < 10.0);
    CHECK(largest_difference(coarse, fine) < 1e-4);
    CHECK(largest_difference(fine, scene.run(schedule, 4)) < 1e-6);
}

TEST_CASE("Mz sets the pace of small transverse parts where nothing couples to it") {
    // A coupling along x alone, and spins almost along z: what is transverse turns by 2 pi alpha
    // mz.
    Experiment e;
    e.interaction.alpha_x_khz = -39.0;
    e.interaction.alpha_z_khz = 0.0;
    e.interaction.kernel = GaussianKernel{9.9};
    e.lattice = {2, 2, 4, 771};
    e.line.half_width_khz = 0.045;
    e.line.cutoff_khz = 8.1;
    e.sequence.program = HahnEcho{.flip_deg = 7.0, .refocus_ratio = 27.0, .tau_us = 73.4};
    e.acquisition = {146.0, 147.0, 5};
    e.accuracy.tolerance = 5e-6;
    Scene scene(e);
    StepSchedule schedule;
    const auto coarse = scene.run(schedule);
    // Steps of a radian are right to thousandths; without Mz they were of 60.
    CHECK(largest_difference(coarse, scene.run(schedule, 2)) < 1e-3);
}
