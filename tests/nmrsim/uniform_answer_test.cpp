// Curves of the uniform kernel that one run does not settle: trains of pulses, faint echoes, and
// the nodes of one curve side by side.

#include "uniform/uniform_answer.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/experiment.h"
#include "nmrsim/run_time.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/signal.h"
#include "nmrsim/simulate.h"
#include "uniform/uniform_curve.h"
#include "uniform/uniform_simulator.h"

using namespace nmrsim;

namespace {

/// Echoes every 20 us by pulses of `flip_deg` and twice that.
Experiment train(int echoes, double flip_deg) {
    Experiment e;
    e.line.half_width_khz = 20.0;
    e.line.cutoff_khz = 120.0;
    e.interaction.alpha_x_khz = 15.0;
    e.interaction.alpha_z_khz = 40.0;
    std::vector<Event> events{Pulse{flip_deg}};
    for (int k = 0; k < echoes; ++k) {
        events.insert(events.end(), {Delay{10.0}, Pulse{2.0 * flip_deg, 90.0}, Delay{10.0}});
    }
    e.sequence.program = events;
    e.acquisition = {0.0, 20.0 * echoes, 40 * echoes + 1};
    e.accuracy.tolerance = 1e-5;
    return e;
}

std::vector<double> run(const Experiment& e, const std::vector<std::string>& names,
                        UniformLanes lanes) {
    const UniformPlan plan = uniform_plan(e);
    UniformCurve curve = uniform_curve(e, plan.nodes);
    for (const std::string& name : names) {
        curve.tangents.push_back(uniform_tangent(e, plan.nodes, name));
    }
    std::vector<double> all((1 + names.size()) * 3 * plan.time_us.size());
    if (plan.step.single) {
        run_uniform<float, double>(uniform_tables<float>(plan), std::span(&curve, 1), all, lanes);
    } else {
        run_uniform<double, double>(uniform_tables<double>(plan), std::span(&curve, 1), all, lanes);
    }
    return all;
}

}  // namespace

TEST_CASE("a curve that is heard where it is faint alone keeps its tolerance") {
    // A free decay until the second pulse, whose own signal comes within the dead time: what is
    // heard is 2e-5 of what the pulses can make, and made by the cut's edges.
    Experiment e;
    e.line.shape = LineShape::gaussian;
    e.line.half_width_khz = 77.7;
    e.line.cutoff_khz = 193.5;
    e.interaction.alpha_x_khz = 7.0;
    e.interaction.alpha_y_khz = -87.0;
    e.interaction.alpha_z_khz = 469.0;
    e.sequence.program = HahnEcho{.flip_deg = 2.8, .refocus_ratio = 41.0, .tau_us = 92.7};
    e.acquisition = {91.8, 92.7, 9};
    e.acquisition.dead_time_us = 0.08;
    e.accuracy.tolerance = 4e-4;
    const Signal signal = simulate(e);
    e.accuracy.tolerance = 1e-8;
    const Signal exact = simulate(e);
    double peak = 0.0;
    for (std::size_t k = 0; k < exact.points(); ++k) {
        peak = std::max(peak, std::hypot(exact.mx[k], exact.my[k]));
    }
    REQUIRE(peak < 2e-5);
    CHECK(largest_difference(signal, exact) <= 4e-4 * peak);
}

TEST_CASE("a curve that has died to what doubles round is not run on nodes for what is left") {
    Experiment e;
    e.interaction.alpha_x_khz = -0.45;
    e.interaction.alpha_z_khz = 0.0;
    e.line.half_width_khz = 0.03;
    e.line.cutoff_khz = 16.0;
    e.relaxation = {1500.0, 0.0, 15000.0};
    e.sequence.program = std::vector<Event>{Pulse{90.0}};
    e.acquisition = {7200.0, 7200.0, 1};
    e.accuracy.tolerance = 2e-6;
    const double before_s = longest_curve_s();
    set_longest_curve_s(2.0);
    CHECK_NOTHROW(simulate(e));
    set_longest_curve_s(before_s);
}

TEST_CASE("a train is right on nodes that do not follow every phase") {
    // Pulses of 180 degrees undo what phases have gone apart by, others leave some of it to the
    // end.
    for (const double flip_deg : {90.0, 75.0}) {
        Experiment e = train(16, flip_deg);
        const Signal signal = simulate(e);
        e.accuracy.nodes = 400;
        e.accuracy.steps_per_point = 4.0;
        const Signal exact = simulate(e);
        CHECK(largest_difference(signal, exact) <= 1e-5 * peak_magnitude(exact));
    }
}

TEST_CASE("derivatives of a train are those of its differences") {
    Experiment e = train(8, 75.0);
    const std::vector<std::string> names{"alpha_x_khz"};
    const SignalJacobian jacobian = simulate_with_jacobian(e, names);
    constexpr double kStep = 0.01;
    e.accuracy.tolerance = 1e-9;
    e.interaction.alpha_x_khz += kStep;
    const Signal above = simulate(e);
    e.interaction.alpha_x_khz -= 2.0 * kStep;
    const Signal below = simulate(e);
    double largest = 0.0, off = 0.0;
    for (std::size_t k = 0; k < above.points(); ++k) {
        const double slope = (above.mx[k] - below.mx[k]) / (2.0 * kStep);
        largest = std::max(largest, std::abs(slope));
        off = std::max(off, std::abs(jacobian.dmx[0][k] - slope));
    }
    CHECK(off <= 1e-3 * largest);
}

TEST_CASE("nodes side by side give what curves side by side do") {
    Experiment plain = train(1, 70.0);
    Experiment relaxing = plain;
    relaxing.relaxation = {4e3, 1e3, 9e3, 10.0};
    relaxing.start = {0.1, 0.2, -0.3};
    Experiment stored = plain;
    stored.sequence.program = std::vector<Event>{Pulse{80.0}, Delay{10.0}, Pulse{80.0},
                                                 Delay{4e2},  Pulse{80.0}, Delay{10.0}};
    stored.acquisition = {415.0, 425.0, 21};
    for (Experiment e : {plain, relaxing, stored}) {
        for (const double tolerance : {1e-3, 1e-8}) {  // float, double
            e.accuracy.tolerance = tolerance;
            for (const std::vector<std::string>& names :
                 {std::vector<std::string>{}, {"alpha_x_khz", "half_width_khz", "gamma3_per_s"}}) {
                const std::vector<double> nodes = run(e, names, UniformLanes::nodes);
                const std::vector<double> curves = run(e, names, UniformLanes::curves);
                // Each row is a share of its own size.
                const std::size_t size = nodes.size() / (1 + names.size());
                for (std::size_t t = 0; t <= names.size(); ++t) {
                    double largest = 0.0, apart = 0.0;
                    for (std::size_t k = t * size; k < (t + 1) * size; ++k) {
                        largest = std::max(largest, std::abs(curves[k]));
                        apart = std::max(apart, std::abs(nodes[k] - curves[k]));
                    }
                    CHECK(apart <= (tolerance > 1e-5 ? 2e-4 : 1e-11) * largest);
                }
            }
        }
    }
}
