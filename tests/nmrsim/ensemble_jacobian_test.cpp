// Tangents of the general simulator against differences of sixth order, for every parameter.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "general/ensemble_simulator.h"
#include "hahn_echo.h"
#include "nmrsim/parameters.h"
#include "tangents.h"

using namespace nmrsim;

namespace {

Experiment base() {
    Experiment e = hahn_echo(70.0, 110.0,
                             {.flip_deg = 55.0,
                              .refocus_ratio = 1.8,
                              .flip_phase_deg = 10.0,
                              .refocus_phase_deg = 80.0,
                              .tau_us = 8.13},
                             {0.31, 25.07, 18});
    e.interaction.alpha_y_khz = 50.0;
    e.line.half_width_khz = 20.0;
    e.line.cutoff_khz = 100.0;
    e.line.centre_khz = 3.0;
    e.relaxation = {9e3, 4e3, 2e4, 10.0};
    e.start = {0.05, -0.1, 0.4};
    // Nodes and steps held fixed: both sides differentiate the same discrete map.
    e.accuracy.nodes = 48;
    e.accuracy.steps_per_point = 6.0;
    return e;
}

/// Largest difference between the tangents and differences of the curve, over the largest tangent.
double mismatch(const Experiment& experiment, const std::string& name) {
    const std::vector<std::string> names{name};
    const SignalJacobian jacobian = simulate_ensemble_with_jacobian(experiment, names);
    const Parameter& row = parameter(name);
    const double value = row.get(experiment);
    // The difference is of sixth order: its error (h x)^6, x up to 30 turns in the argument, and
    // its rounding 1e-15 / h, of the scale, are below 1e-8.
    const double h = 5e-4 * (value != 0.0 ? std::abs(value) : 1.0);
    const auto at =
        curve_changed(experiment, name, [](const Experiment& e) { return simulate_ensemble(e); });
    const TangentError off = tangent_error(jacobian, 0, h, at, DifferenceOrder::sixth);
    CHECK(off.largest > 0.0);
    return off.relative();
}

}  // namespace

TEST_CASE("Tangents are the derivatives of the curve, uniform kernel", "[jacobian]") {
    Experiment e = base();
    std::vector<std::string> names{
        "alpha_x_khz",    "alpha_y_khz",       "alpha_z_khz", "summed_khz",
        "half_width_khz", "cutoff_khz",        "centre_khz",  "gamma1_per_s",
        "gamma2_per_s",   "gamma3_per_s",      "d",           "start_mx",
        "start_my",       "start_mz",          "flip_deg",    "refocus_ratio",
        "flip_phase_deg", "refocus_phase_deg", "tau_us",      "start_us",
        "stop_us"};
    SECTION("ideal pulses") {}
    SECTION("finite pulses") {
        std::get<HahnEcho>(e.sequence.program).flip_duration_us = 1.1;
        std::get<HahnEcho>(e.sequence.program).refocus_duration_us = 2.3;
    }
    SECTION("Voigt line") {
        e.line.shape = LineShape::voigt;
        names = {"half_width_khz", "gaussian_half_width_khz"};
    }
    SECTION("Magnus, third order") {
        e.accuracy.magnus_order = 3;
        e.line.larmor_mhz = 1.0;
        names = {"alpha_x_khz", "alpha_y_khz", "larmor_mhz", "tau_us"};
    }
    SECTION("laboratory frame") {
        e.accuracy.frame = Frame::laboratory;
        e.line.larmor_mhz = 0.2;
        names = {"alpha_x_khz", "alpha_y_khz", "larmor_mhz", "tau_us"};
    }
    for (const std::string& name : names) {
        CAPTURE(name);
        CHECK(mismatch(e, name) < 1e-7);
    }
}

TEST_CASE("Tangents are the derivatives of the curve, lattice", "[jacobian]") {
    Experiment e = base();
    e.lattice = {6, 5, 1, 4};
    std::vector<std::string> names{"alpha_x_khz", "summed_khz", "xi",      "half_width_khz",
                                   "d",           "tau_us",     "d_weight"};
    SECTION("gaussian") {
        e.interaction.kernel = GaussianKernel{1.7};
    }
    SECTION("power law") {
        e.interaction.kernel = PowerLawKernel{1.1, 2.5};
        names.push_back("exponent");
    }
    SECTION("rkky, three dimensions") {
        e.interaction.kernel = RkkyKernel{2.0};
        e.lattice = {4, 3, 3, 4};
    }
    for (const std::string& name : names) {
        CAPTURE(name);
        CHECK(mismatch(e, name) < 1e-7);
    }
}
