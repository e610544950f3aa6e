// Curves of the uniform kernel that differ in everything: lines, shifts, start states, rates,
// times.

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "general/ensemble_simulator.h"
#include "hahn_echo.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/prior.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"

using namespace nmrsim;

namespace {

Experiment plain_echo() {
    return hahn_echo(60.0, 150.0, {.flip_deg = 55.0, .refocus_phase_deg = 90.0, .tau_us = 30.0},
                     {0.0, 80.0, 161}, 1e-6);
}

/// What a laboratory's echo may have beyond the plain one.
Experiment laboratory_echo(const std::string& what) {
    Experiment e = plain_echo();
    if (what == "centre") e.line.centre_khz = 15.9;
    if (what == "polarised") e.start.mz = 0.4;
    if (what == "start") e.start = {0.2, -0.1, -0.25};
    if (what == "voigt") {
        e.line.shape = LineShape::voigt;
        e.line.half_width_khz = 12.0;
        e.line.gaussian_half_width_khz = 18.0;
    }
    if (what == "table") {
        e.line.shape = LineShape::table;
        e.line.table = {{-70.0, 0.0}, {-35.0, 0.6}, {-10.0, 1.0},
                        {5.0, 0.7},   {40.0, 0.9},  {80.0, 0.0}};
    }
    if (what == "relaxing") {
        e.relaxation = {4e3, 1e3, 9e3, 10.0};
        e.line.centre_khz = -4.0;
        e.start.mz = -0.3;
    }
    return e;
}

double largest(const std::vector<double>& x, const std::vector<double>& y) {
    double most = 0.0;
    for (std::size_t k = 0; k < x.size(); ++k) most = std::max(most, std::hypot(x[k], y[k]));
    return most;
}

double apart(const std::vector<double>& a, const std::vector<double>& b) {
    double most = 0.0;
    for (std::size_t k = 0; k < a.size(); ++k) most = std::max(most, std::abs(a[k] - b[k]));
    return most;
}

PriorRange between(const char* name, double low, double high) {
    PriorRange range;
    range.name = name;
    range.low = low;
    range.high = high;
    return range;
}

/// (count, unknowns), even in the prior's ranges.
std::vector<double> drawn(const Prior& prior, std::size_t count) {
    std::mt19937 random(20);
    std::vector<double> parameters;
    for (std::size_t i = 0; i < count; ++i) {
        for (const PriorRange& range : prior) {
            const double share = static_cast<double>(random()) / 4294967296.0;
            parameters.push_back(range.low + share * (range.high - range.low));
        }
    }
    return parameters;
}

/// Largest error of a batch's curve (2, points) over its tolerance.
double error_of(const Experiment& one, std::span<const float> curve) {
    Experiment fine = one;
    fine.accuracy.tolerance = 1e-7;
    const Signal exact = simulate(fine);
    const std::size_t points = exact.points();
    double error = 0.0;
    for (std::size_t k = 0; k < points; ++k) {
        error = std::max(error, std::hypot(exact.mx[k] - static_cast<double>(curve[k]),
                                           exact.my[k] - static_cast<double>(curve[points + k])));
    }
    return error / largest(exact.mx, exact.my) / one.accuracy.tolerance;
}

}  // namespace

TEST_CASE("a width that hardly matters has a derivative near zero") {
    // A line that has not begun to dephase: its weights' slopes all but cancel.
    Experiment e = plain_echo();
    e.interaction.alpha_x_khz = 0.0;
    e.line.shape = LineShape::gaussian;
    e.line.half_width_khz = 0.07;
    e.line.cutoff_khz = 2.3;
    e.accuracy.tolerance = 2e-4;
    e.sequence.program = std::vector<Event>{Pulse{90.0, 90.0}};
    e.acquisition = {0.0, 8.0, 13, 0.0};
    const std::vector<std::string> width{"half_width_khz"};
    const SignalJacobian jacobian = simulate_with_jacobian(e, width);
    e.prior = {{"half_width_khz", 0.05, 0.1}};
    const std::vector<double> value{0.07};
    std::vector<float> signal(2 * 13), slopes(2 * 13);
    simulate_batch_with_jacobian(e, value, signal, slopes);
    for (std::size_t k = 0; k < 13; ++k) {
        // As a share of the width: at most the tolerance of |M| = 1/2.
        CHECK(0.07 * std::abs(jacobian.dmx[0][k]) < 1e-4);
        CHECK(0.07 * std::abs(slopes[k]) < 1e-4);
    }
}

TEST_CASE("lines, shifts and start states are those of the general simulator", "[uniform]") {
    const std::string what = GENERATE("centre", "polarised", "start", "voigt", "table", "relaxing");
    const Experiment e = laboratory_echo(what);
    REQUIRE_FALSE(needs_ensemble(e));
    const Signal fast = simulate(e);
    const Signal slow = simulate_ensemble(e);
    const double peak = largest(slow.mx, slow.my);
    INFO(what);
    // Each is right to the tolerance.
    const double allowed = 2.0 * e.accuracy.tolerance * peak;
    REQUIRE(apart(fast.mx, slow.mx) < allowed);
    REQUIRE(apart(fast.my, slow.my) < allowed);
    REQUIRE(apart(fast.mz, slow.mz) < 2.0 * e.accuracy.tolerance * kSpinLength);
}

TEST_CASE("derivatives by every row are those of the general simulator", "[uniform]") {
    const std::string what = GENERATE("start", "voigt", "relaxing");
    const Experiment e = laboratory_echo(what);
    std::vector<std::string> names = {"alpha_x_khz",  "alpha_z_khz",  "half_width_khz",
                                      "centre_khz",   "gamma1_per_s", "gamma2_per_s",
                                      "gamma3_per_s", "start_mx",     "start_mz",
                                      "tau_us",       "refocus_ratio"};
    if (what == "voigt") names.emplace_back("gaussian_half_width_khz");
    const SignalJacobian fast = simulate_with_jacobian(e, names);
    const SignalJacobian slow = simulate_ensemble_with_jacobian(e, names, 2);
    for (std::size_t p = 0; p < names.size(); ++p) {
        INFO(what << ", " << names[p]);
        const double peak =
            std::max(largest(slow.dmx[p], slow.dmy[p]), largest(slow.dmz[p], slow.dmz[p]));
        REQUIRE(peak > 0.0);
        // Steps are chosen for the curve: a derivative may lose a digit beside it.
        const double allowed = 20.0 * e.accuracy.tolerance * peak;
        CHECK(apart(fast.dmx[p], slow.dmx[p]) < allowed);
        CHECK(apart(fast.dmy[p], slow.dmy[p]) < allowed);
        CHECK(apart(fast.dmz[p], slow.dmz[p]) < allowed);
    }
}

TEST_CASE("curves side by side may differ in every row, and do not depend on each other",
          "[uniform]") {
    const bool across = GENERATE(false, true);  // a window on both sides of the second pulse
    Experiment e = plain_echo();
    e.accuracy.tolerance = 1e-4;
    e.acquisition = {across ? 10.0 : 45.0, 90.0, 101, 0.0};
    e.prior = {between("alpha_x_khz", 0.0, 100.0), between("half_width_khz", 15.0, 30.0),
               between("centre_khz", -20.0, 20.0), between("gamma1_per_s", 0.0, 4e3),
               between("gamma3_per_s", 0.0, 2e4),  between("tau_us", 20.0, 40.0),
               between("start_mz", 0.3, 0.5),      between("refocus_ratio", 1.5, 2.5)};
    const std::size_t count = 40, points = 101, unknowns = e.prior.size();
    const std::vector<double> parameters = drawn(e.prior, count);
    std::vector<float> signal(count * 2 * points), alone(2 * points);
    simulate_batch(e, parameters, {}, signal, 2);
    for (std::size_t i = 0; i < count; ++i) {
        const auto row = std::span(parameters).subspan(i * unknowns, unknowns);
        const auto curve = std::span(signal).subspan(i * 2 * points, 2 * points);
        CHECK(error_of(with_parameters(e, row), curve) <= 1.0);
        simulate_batch(e, row, {}, alone, 1);
        CHECK(std::ranges::equal(alone, curve));
    }
}

TEST_CASE("derivatives of such a batch are those of its curves", "[uniform]") {
    Experiment e = plain_echo();
    e.accuracy.tolerance = 1e-5;
    e.acquisition = {15.0, 80.0, 81, 0.0};
    e.prior = {between("alpha_x_khz", 10.0, 80.0), between("half_width_khz", 15.0, 30.0),
               between("centre_khz", -20.0, 20.0), between("gamma1_per_s", 0.0, 4e3),
               between("tau_us", 20.0, 40.0)};
    const std::size_t count = 6, points = 81, unknowns = e.prior.size();
    const std::vector<double> parameters = drawn(e.prior, count);
    std::vector<float> signal(count * 2 * points), jacobian(count * unknowns * 2 * points);
    simulate_batch_with_jacobian(e, parameters, signal, jacobian, 2);
    const std::vector<std::string> names = names_of(e.prior);
    for (std::size_t i = 0; i < count; ++i) {
        Experiment one = with_parameters(e, std::span(parameters).subspan(i * unknowns, unknowns));
        one.accuracy.tolerance = 1e-7;
        const SignalJacobian exact = simulate_with_jacobian(one, names, 1);
        for (std::size_t p = 0; p < unknowns; ++p) {
            INFO("curve " << i << ", " << names[p]);
            const float* slope = &jacobian[(i * unknowns + p) * 2 * points];
            const double peak = largest(exact.dmx[p], exact.dmy[p]);
            for (std::size_t k = 0; k < points; ++k) {
                // As above, and float's rounding.
                const double allowed = (20.0 * e.accuracy.tolerance + 2e-5) * peak;
                REQUIRE(std::abs(static_cast<double>(slope[k]) - exact.dmx[p][k]) < allowed);
                REQUIRE(std::abs(static_cast<double>(slope[points + k]) - exact.dmy[p][k]) <
                        allowed);
            }
        }
    }
}

TEST_CASE("spins at the edge of a cut are turned by its ringing", "[uniform]") {
    // A line that the cut makes nearly a box: followed in closed form, the long delay before the
    // window left out what the ringing does.
    Experiment e = hahn_echo(
        -6.0146, 6.8305, {.refocus_ratio = 2.57966, .refocus_phase_deg = 90.0, .tau_us = 78.447},
        {146.72, 177.0, 127}, 1.136e-4);
    e.line.shape = LineShape::gaussian;
    e.line.half_width_khz = 196.64;
    e.line.cutoff_khz = 299.04;
    const Signal fast = simulate(e);
    Experiment fine = e;
    fine.accuracy.tolerance = 1e-7;
    const Signal slow = simulate_ensemble(fine);
    const double peak = largest(slow.mx, slow.my);
    const double error = std::max(apart(fast.mx, slow.mx), apart(fast.my, slow.my)) / peak;
    REQUIRE(error < e.accuracy.tolerance);
    REQUIRE(error < fast.estimated_error);
}

TEST_CASE("the ringing of a cut turns what has recovered, beside an M that has relaxed",
          "[uniform]") {
    // 3e-4 of M are left in the window; turned by 1e-4 rad, an Mz of 1/2 makes a tenth of that.
    Experiment e;
    e.interaction.kernel = UniformKernel{};
    e.interaction.alpha_x_khz = 13.01;
    e.interaction.alpha_z_khz = -0.3196;
    e.line.shape = LineShape::gaussian;
    e.line.half_width_khz = 90.778;
    e.line.cutoff_khz = 131.352;
    e.relaxation = {187639.0, 0.0, 30120.0, 10.0};
    e.sequence.program =
        std::vector<Event>{Pulse{278.88, 0.0}, Delay{76.12}, Pulse{320.45, 300.41}};
    // The pulse at the window's end is not heard, but counts as the largest M to come.
    e.acquisition = {75.22, 76.12, 144, 0.0};
    e.acquisition.dead_time_us = 7.6;
    e.accuracy.tolerance = 4e-4;
    const Signal fast = simulate(e);
    Experiment fine = e;
    fine.accuracy.tolerance = 1e-7;
    Signal slow = simulate_ensemble(fine);
    slow.mx.back() = slow.my.back() = 0.0;
    const double peak = largest(slow.mx, slow.my);
    const double error = std::max(apart(fast.mx, slow.mx), apart(fast.my, slow.my)) / peak;
    REQUIRE(error < e.accuracy.tolerance);
    REQUIRE(error < fast.estimated_error);
}

TEST_CASE("rounding of an Mz that relaxes does not show in small echoes", "[uniform]") {
    Experiment e = load_experiment("challenge-2021");
    e.prior[2].low = 10.0;
    e.prior[2].high = 25.0;
    e.prior.push_back(between("gamma1_per_s", 50.0, 1500.0));
    const std::size_t count = 24, points = static_cast<std::size_t>(e.acquisition.points);
    const std::vector<double> parameters = drawn(e.prior, count);
    std::vector<float> signal(count * 2 * points);
    simulate_batch(e, parameters, {}, signal, 2);
    for (std::size_t i = 0; i < count; ++i) {
        const auto row = std::span(parameters).subspan(i * 4, 4);
        CHECK(error_of(with_parameters(e, row),
                       std::span(signal).subspan(i * 2 * points, 2 * points)) <= 1.0);
    }
}
