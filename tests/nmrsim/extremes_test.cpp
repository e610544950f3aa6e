// The ends of what may be asked for: each gives finite numbers, the known answer where there is
// one, or an error that says so.
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/dataset.h"
#include "nmrsim/experiment.h"
#include "nmrsim/parameters.h"
#include "nmrsim/prior.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"

using namespace nmrsim;

namespace {

/// Uniform kernel, the fast simulator.
Experiment uniform() {
    Experiment e;
    e.name = "uniform";
    e.interaction.alpha_x_khz = 30.0;
    e.interaction.alpha_z_khz = 60.0;
    e.line.half_width_khz = 25.0;
    std::get<HahnEcho>(e.sequence.program) = {70.0, 2.0, 0.0, 90.0, 5.0};
    e.acquisition = {0.0, 12.0, 25, 0.0};
    return e;
}

/// A kernel of finite range on a small lattice.
Experiment lattice() {
    Experiment e = uniform();
    e.name = "lattice";
    e.interaction.kernel = GaussianKernel{2.0};
    e.interaction.normalize = true;
    e.lattice = {6, 6};
    return e;
}

/// Spins drawn and pulses that take time: the general simulator.
Experiment ensemble() {
    Experiment e = uniform();
    e.name = "ensemble";
    e.line.spins = 20;
    auto& echo = std::get<HahnEcho>(e.sequence.program);
    echo.flip_duration_us = 0.5;
    echo.refocus_duration_us = 1.0;
    return e;
}

std::vector<Experiment> all() {
    return {uniform(), lattice(), ensemble()};
}

/// No Bloch vector is longer than 1/2, so no mean is, but for the error aimed at.
void check_bounded(const Signal& signal) {
    for (std::size_t k = 0; k < signal.points(); ++k) {
        const double length = std::hypot(signal.mx[k], signal.my[k], signal.mz[k]);
        INFO(signal.time_us[k]);
        REQUIRE(std::isfinite(length));
        REQUIRE(length <= 0.5 * (1.0 + 1e-3));
    }
}

void check_simulates(const Experiment& experiment) {
    INFO(experiment.name);
    check_bounded(simulate(experiment));
}

}  // namespace

TEST_CASE("a line without width is refused, a narrow one keeps its magnetization") {
    for (Experiment e : all()) {
        INFO(e.name);
        e.line.half_width_khz = 0.0;
        CHECK_THROWS_AS(simulate(e), std::invalid_argument);
        e.line.half_width_khz = 25.0;
        e.line.cutoff_khz = 0.0;
        CHECK_THROWS_AS(simulate(e), std::invalid_argument);
        // Of 1 mHz, cut at 10 mHz: over 12 us no spin turns by 1e-6. Without coupling nothing else
        // happens.
        e.line.half_width_khz = 1e-6;
        e.line.cutoff_khz = 1e-5;
        e.interaction.alpha_x_khz = e.interaction.alpha_z_khz = 0.0;
        std::get<HahnEcho>(e.sequence.program).flip_deg = 90.0;
        std::get<HahnEcho>(e.sequence.program).flip_duration_us = 0.0;
        std::get<HahnEcho>(e.sequence.program).refocus_duration_us = 0.0;
        const Signal signal = simulate(e);
        for (std::size_t k = 0; k < signal.points(); ++k) {
            // 2 pi 1e-2 Hz 12 us = 8e-7, beside the error aimed at.
            CHECK(std::hypot(signal.mx[k], signal.my[k]) == Approx(0.5).margin(1e-4));
        }
    }
}

TEST_CASE("a line far narrower than its cut is as wide as it says") {
    // The cut is 250 kHz, 50 half widths. Nodes lie evenly in it, and finding them takes about the
    // square of the ratio: half a second for 50 half widths, six for 250.
    Experiment e = uniform();
    e.interaction.alpha_x_khz = e.interaction.alpha_z_khz = 0.0;
    e.line.shape = LineShape::gaussian;
    e.line.half_width_khz = 5.0;
    std::get<HahnEcho>(e.sequence.program).flip_deg = 90.0;
    const Signal signal = simulate(e);
    // Half width h: exp(-ln2 (delta/h)^2) has the transform exp(-(pi h t)^2 / ln2); before the
    // second pulse.
    for (std::size_t k = 0; k < signal.points() && signal.time_us[k] < 5.0; ++k) {
        const double x = std::acos(-1.0) * 5000.0 * signal.time_us[k] * 1e-6;
        CHECK(std::hypot(signal.mx[k], signal.my[k]) ==
              Approx(0.5 * std::exp(-x * x / std::log(2.0))).margin(0.5e-4));
    }
}

TEST_CASE("without coupling there is a curve") {
    for (Experiment e : all()) {
        e.interaction.alpha_x_khz = e.interaction.alpha_z_khz = 0.0;
        check_simulates(e);
    }
}

TEST_CASE("pulses of 0 and of 180 degrees leave nothing in the plane") {
    for (Experiment e : all()) {
        for (const double flip : {0.0, 180.0, 360.0, -180.0}) {
            INFO(e.name << " " << flip);
            auto& echo = std::get<HahnEcho>(e.sequence.program);
            echo.flip_deg = flip;
            // During pulses that take time the offsets tilt the spins.
            echo.flip_duration_us = echo.refocus_duration_us = 0.0;
            const Signal signal = simulate(e);
            for (std::size_t k = 0; k < signal.points(); ++k) {
                // Rounding of sin(180 degrees), doubled at most by the second pulse.
                CHECK(std::hypot(signal.mx[k], signal.my[k]) < 1e-12);
                const bool inverted =
                    std::abs(flip) == 180.0 && (signal.time_us[k] < 5.0 || std::abs(flip) == 180.0);
                CHECK(signal.mz[k] == Approx(inverted ? -0.5 : 0.5).margin(1e-12));
            }
        }
    }
}

TEST_CASE("one spin keeps its length, one sample is one of many") {
    Experiment one_spin = uniform();
    one_spin.line.spins = 1;
    Experiment one_site = lattice();
    one_site.interaction.normalize = false;
    one_site.lattice = {1, 1};
    for (Experiment e : {one_spin, one_site}) {
        INFO(e.name);
        e.accuracy.tolerance = 1e-6;
        const Signal signal = simulate(e);
        for (std::size_t k = 0; k < signal.points(); ++k) {
            const double length = std::hypot(signal.mx[k], signal.my[k], signal.mz[k]);
            // Steps are rotations: rounding, or the interpolation between steps.
            CHECK(length == Approx(0.5).margin(1e-5));
        }
    }
    for (Experiment e : all()) {
        INFO(e.name);
        const Signal many = simulate(e);
        e.acquisition.start_us = e.acquisition.stop_us = many.time_us[20];
        e.acquisition.points = 1;
        const Signal one = simulate(e);
        REQUIRE(one.points() == 1);
        // Each within the tolerance of 1e-4 of the largest |M| of its own window, at most 1/2.
        CHECK(one.mx[0] == Approx(many.mx[20]).margin(1e-4));
        CHECK(one.my[0] == Approx(many.my[20]).margin(1e-4));
        e.acquisition.start_us = e.acquisition.stop_us = 0.0;
        check_bounded(simulate(e));
    }
}

TEST_CASE("a million steps keep every vector's length") {
    Experiment e = uniform();
    // A line so much narrower than its shape that one node on resonance has all its weight.
    e.line.cutoff_khz = 1e-3 * e.line.half_width_khz;
    e.line.renormalize = true;
    e.accuracy.nodes = 1;
    e.acquisition.points = 5;
    e.accuracy.steps_per_point = 250000.0;
    const Signal signal = simulate(e);
    // One node on resonance is one spin: rounding grows at most by 1e-16 a step.
    const double first = std::hypot(signal.mx[0], signal.my[0], signal.mz[0]);
    CHECK(first > 0.0);
    for (std::size_t k = 0; k < signal.points(); ++k) {
        const double length = std::hypot(signal.mx[k], signal.my[k], signal.mz[k]);
        CHECK(length == Approx(first).epsilon(1e-9));
    }
}

TEST_CASE("couplings of 10^4 kHz are followed") {
    for (Experiment e : all()) {
        std::get<HahnEcho>(e.sequence.program).tau_us = 1.0;
        e.acquisition = {0.0, 2.5, 11, 0.0};
        e.accuracy.tolerance = 1e-3;
        for (const double sign : {1.0, -1.0}) {
            e.interaction.alpha_x_khz = 1e4 * sign;
            e.interaction.alpha_z_khz = -1e4 * sign;
            check_simulates(e);
        }
    }
}

TEST_CASE("what is not finite is refused under every name") {
    const double infinity = std::numeric_limits<double>::infinity();
    for (const Experiment& e : all()) {
        for (const Parameter& row : parameter_table()) {
            if (!row.applies(e) || row.categorical) continue;
            INFO(e.name << " " << row.name);
            for (const double value : {std::nan(""), infinity, -infinity}) {
                Experiment changed = e;
                CHECK_THROWS_AS(set_parameter(changed, row.name, value), std::invalid_argument);
            }
        }
    }
}

TEST_CASE("the ends of every parameter's range give finite numbers or an error") {
    // Steps and nodes held, so that each takes as long as any other.
    // The general simulator shortens its steps until two answers agree.
    for (Experiment e : {uniform(), lattice()}) {
        e.accuracy.steps_per_point = 2.0;
        if (e.name == "uniform") e.accuracy.nodes = 16;
        for (const Parameter& row : parameter_table()) {
            const std::string_view name = row.name;
            if (!row.applies(e) || row.categorical || name == "tolerance") continue;
            // They set how long the simulated time is, how wide the line is in its units, or search
            // for a range: at their ends a curve takes hours, and is one like any other.
            if (name == "larmor_mhz" || name == "summed_by_xi_khz" || name == "cutoff_khz" ||
                name == "half_width_khz" || name.ends_with("_us")) {
                continue;
            }
            for (const double value : {row.lower, row.upper, 1e-300, 0.0}) {
                INFO(e.name << " " << row.name << " = " << value);
                Experiment changed = e;
                // No step is longer than some share of a relaxation time: over a hundredth of the
                // time there are enough of them.
                if (name.ends_with("_per_s")) {
                    std::get<HahnEcho>(changed.sequence.program).tau_us *= 0.01;
                    changed.acquisition.stop_us *= 0.01;
                }
                try {
                    set_parameter(changed, row.name, value);
                    const Signal signal = simulate(changed);
                    for (const auto* m : {&signal.mx, &signal.my, &signal.mz}) {
                        for (const double x : *m) REQUIRE(std::isfinite(x));
                    }
                } catch (const std::invalid_argument&) {
                } catch (const std::runtime_error& error) {
                    CHECK_THAT(error.what(), ContainsSubstring("not finite"));
                }
            }
        }
    }
}

TEST_CASE("batches and derivatives say where numbers are lost") {
    Experiment e = uniform();
    e.acquisition.points = 5;
    e.accuracy.nodes = 16;
    e.accuracy.steps_per_point = 2.0;
    e.acquisition.gain = 1e9;
    e.prior = {{"alpha_x_khz", 0.0, 100.0}};
    const std::vector<double> parameters = {50.0};
    std::vector<float> signal(10), jacobian(10);
    simulate_batch(e, parameters, {}, signal);
    simulate_batch_with_jacobian(e, parameters, signal, jacobian);
    for (const float x : signal) CHECK(std::isfinite(x));
    for (const float x : jacobian) CHECK(std::isfinite(x));
    const std::vector<double> nothing = {std::nan("")};
    CHECK_THROWS_AS(simulate_batch(e, nothing, {}, signal), std::invalid_argument);
    CHECK_THROWS_AS(simulate_batch_with_jacobian(e, nothing, signal, jacobian),
                    std::invalid_argument);
}
