// Pulses that take time in the uniform kernel's own simulator, against the general one.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "general/ensemble_simulator.h"
#include "hahn_echo.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"

using namespace nmrsim;

namespace {

/// Pulses of 4 and 8 us.
Experiment echo() {
    return hahn_echo(60.0, 150.0,
                     {.flip_deg = 70.0,
                      .flip_phase_deg = 20.0,
                      .refocus_phase_deg = 90.0,
                      .tau_us = 30.0,
                      .flip_duration_us = 4.0,
                      .refocus_duration_us = 8.0},
                     {40.0, 90.0, 101}, 1e-7);
}

Experiment laboratory_echo(const std::string& what) {
    Experiment e = echo();
    if (what == "shifted") e.line.centre_khz = 23.0;
    if (what == "started") e.start = {0.2, -0.1, -0.25};
    if (what == "relaxing") e.relaxation = {4e3, 1e3, 9e3, 10.0};
    if (what == "mixed") {
        std::get<HahnEcho>(e.sequence.program).refocus_duration_us = 0.0;
        e.line.centre_khz = -6.0;
    }
    if (what == "train") {
        e.sequence.program =
            std::vector<Event>{Delay{3.0},  Pulse{90.0, 0.0, 2.0},    Pulse{45.0, 90.0},
                               Delay{12.0}, Pulse{180.0, 90.0, 0.05}, Pulse{20.0, 0.0, 1.0},
                               Delay{22.0}, Pulse{-150.0, 200.0, 3.0}};
        e.acquisition = {46.0, 80.0, 69, 0.0};
    }
    return e;
}

double apart(const std::vector<double>& a, const std::vector<double>& b) {
    double largest = 0.0;
    for (std::size_t k = 0; k < a.size(); ++k) largest = std::max(largest, std::abs(a[k] - b[k]));
    return largest;
}

double peak(const std::vector<double>& values) {
    double largest = 0.0;
    for (const double value : values) largest = std::max(largest, std::abs(value));
    return largest;
}

}  // namespace

TEST_CASE("finite pulses are those of the general simulator") {
    const auto what =
        GENERATE(as<std::string>{}, "plain", "shifted", "started", "relaxing", "mixed", "train");
    INFO(what);
    const Experiment e = laboratory_echo(what);
    REQUIRE_FALSE(needs_ensemble(e));
    const Signal fast = simulate(e), slow = simulate_ensemble(e);
    const double share = 3e-7 * std::max(peak(slow.mx), peak(slow.my));
    CHECK(apart(fast.mx, slow.mx) < share);
    CHECK(apart(fast.my, slow.my) < share);
    CHECK(apart(fast.mz, slow.mz) < 1e-6);
    CHECK(fast.estimated_error < 1e-7);
}

TEST_CASE("samples within a pulse go to the general simulator") {
    Experiment e = echo();
    e.acquisition = {0.0, 90.0, 181, 0.0};
    CHECK(needs_ensemble(e));
    e.acquisition = {4.0, 20.0, 17, 0.0};
    CHECK_FALSE(needs_ensemble(e));
    // One at the very start of a pulse is taken after it begins.
    e.acquisition = {4.0, 28.0, 25, 0.0};
    CHECK(needs_ensemble(e));
}

TEST_CASE("derivatives through finite pulses are those of the general simulator") {
    const auto what = GENERATE(as<std::string>{}, "plain", "shifted", "relaxing", "mixed");
    INFO(what);
    Experiment e = laboratory_echo(what);
    e.accuracy.tolerance = 1e-8;
    const std::vector<std::string> names{"alpha_x_khz",       "alpha_z_khz",    "flip_deg",
                                         "refocus_phase_deg", "half_width_khz", "centre_khz",
                                         "gamma3_per_s",      "tau_us",         "start_mz"};
    const SignalJacobian fast = simulate_with_jacobian(e, names);
    const SignalJacobian slow = simulate_ensemble_with_jacobian(e, names, 1);
    for (std::size_t p = 0; p < names.size(); ++p) {
        INFO(names[p]);
        const double share = 2e-6 * std::max(peak(slow.dmx[p]), peak(slow.dmy[p]));
        CHECK(apart(fast.dmx[p], slow.dmx[p]) < share);
        CHECK(apart(fast.dmy[p], slow.dmy[p]) < share);
    }
}

TEST_CASE("batches follow finite pulses, alone or beside others to the same bytes") {
    Experiment e = echo();
    e.accuracy.tolerance = 1e-4;
    e.prior = {{"alpha_x_khz", 0.0, 100.0},
               {"flip_deg", 20.0, 90.0},
               {"alpha_z_khz", 0.0, 200.0},
               {"centre_khz", -20.0, 20.0}};
    const std::size_t points = 101, unknowns = 4, count = 40;
    const std::vector<double> values = draw_many(e.prior, count, 9);
    std::vector<float> batch(count * 2 * points);
    simulate_batch(e, values, {}, batch);
    for (std::size_t i = 0; i < count; ++i) {
        INFO("curve " << i);
        const std::span<const double> own = std::span(values).subspan(i * unknowns, unknowns);
        std::vector<float> alone(2 * points);
        simulate_batch(e, own, {}, alone);
        CHECK(std::equal(alone.begin(), alone.end(), &batch[2 * i * points]));
        Experiment one = with_parameters(e, own);
        one.accuracy.tolerance = 1e-7;
        const Signal exact = simulate(one);
        double largest = 0.0;
        for (std::size_t k = 0; k < points; ++k) {
            largest = std::max(largest,
                               std::hypot(alone[k] - exact.mx[k], alone[points + k] - exact.my[k]));
        }
        CHECK(largest < 1.5e-4 * std::max(peak(exact.mx), peak(exact.my)));
    }
}

TEST_CASE("pulses of several strengths take time") {
    // Without coupling the strengths add up.
    Experiment e = echo();
    e.interaction.alpha_x_khz = e.interaction.alpha_z_khz = 0.0;
    e.sequence.strengths = {{0.8, 1.0}, {1.1, 2.0}};
    const Signal both = simulate(e);
    e.sequence.strengths.clear();
    e.sequence.pulse_scale = 0.8;
    const Signal weak = simulate(e);
    e.sequence.pulse_scale = 1.1;
    const Signal strong = simulate(e);
    for (std::size_t k = 0; k < both.points(); ++k) {
        CHECK(both.mx[k] == Approx((weak.mx[k] + 2.0 * strong.mx[k]) / 3.0).margin(1e-7));
        CHECK(both.mz[k] == Approx((weak.mz[k] + 2.0 * strong.mz[k]) / 3.0).margin(1e-7));
    }
}

TEST_CASE("a batch by the receiver's phase alone costs what its curves cost") {
    Experiment e = echo();
    e.accuracy.tolerance = 1e-4;
    e.prior = {{"receiver_phase_deg", -90.0, 90.0}};
    const std::size_t points = 101;
    const std::vector<double> phases{0.0, 90.0};
    std::vector<float> batch(2 * 2 * points);
    simulate_batch(e, phases, {}, batch);
    for (std::size_t k = 0; k < points; ++k) {
        CHECK(batch[2 * points + k] == Approx(-batch[points + k]).margin(1e-6));
    }
}
