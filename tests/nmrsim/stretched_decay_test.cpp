// Dephasing that is no exponential, as an envelope that the mean field feels.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"
#include "nmrsim/reference_simulator.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"
#include "tangents.h"

using namespace nmrsim;

namespace {

constexpr double kDephasingUs = 60.0;

Experiment decaying_echo(double stretching) {
    Experiment e;
    e.interaction.kernel = UniformKernel{};
    e.interaction.alpha_x_khz = 60.0;
    e.interaction.alpha_z_khz = 90.0;
    HahnEcho echo;
    echo.flip_deg = 70.0;
    echo.refocus_phase_deg = 90.0;
    echo.tau_us = 30.0;
    e.sequence.program = echo;
    e.acquisition = {0.0, 90.0, 181, 0.0};
    e.relaxation.gamma1_per_s = 4e3;
    e.relaxation.gamma3_per_s = 2.0 / (kDephasingUs * kSecondsPerUs);
    e.relaxation.stretching = stretching;
    e.accuracy.tolerance = 1e-6;
    return e;
}

std::string refused(const Experiment& e) {
    try {
        e.validate();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return {};
}

}  // namespace

TEST_CASE("what stretched dephasing takes", "[stretched_decay]") {
    Relaxation r = relaxation_from_times(std::numeric_limits<double>::infinity(), 50.0);
    r.stretching = 2.0;
    CHECK(r.transverse_loss(0.0, 50e-6) == Approx(1.0).epsilon(1e-12));
    CHECK(r.transverse_loss(50e-6, 100e-6) == Approx(3.0).epsilon(1e-12));
    r.stretching = 1.0;
    CHECK(r.transverse_loss(50e-6, 100e-6) == Approx(1.0).epsilon(1e-12));
    r.gamma1_per_s = 2e4;
    r.stretching = 0.5;
    CHECK(r.transverse_loss(0.0, 200e-6) == Approx(2.0 + 2.0).epsilon(1e-12));
}

TEST_CASE("without a coupling the echo is that of the line times the envelope",
          "[stretched_decay]") {
    for (const double beta : {0.5, 1.0, 1.7, 2.0}) {
        Experiment e = decaying_echo(beta);
        e.interaction.alpha_x_khz = 0.0;
        e.relaxation.gamma1_per_s = 0.0;
        // All is transverse from the first pulse on.
        std::get<HahnEcho>(e.sequence.program).flip_deg = 90.0;
        Experiment undamped = e;
        undamped.relaxation = {};
        const Signal decaying = simulate(e), whole = simulate(undamped);
        double error = 0.0;
        for (std::size_t k = 0; k < whole.points(); ++k) {
            const double left = std::exp(-std::pow(whole.time_us[k] / kDephasingUs, beta));
            error = std::max({error, std::abs(decaying.mx[k] - left * whole.mx[k]),
                              std::abs(decaying.my[k] - left * whole.my[k])});
        }
        INFO("beta = " << beta << ": " << error);
        // Of the largest |M|, which is above 0.4: two curves, each to 1e-6 of it.
        CHECK(error < 1e-6);
    }
}

TEST_CASE("the field feels the envelope, as the reference has it", "[stretched_decay]") {
    // The reference's steps are of second order, its nodes few: 2.5 times finer ones change it by
    // less than 2e-4.
    for (const double beta : {0.6, 2.0}) {
        Experiment e = decaying_echo(beta);
        e.line.half_width_khz = 10.0;
        e.line.cutoff_khz = 40.0;
        e.acquisition = {30.0, 70.0, 9, 0.0};
        const Signal slow = simulate_reference(e, 0.1, 40);
        const Signal fast = simulate(e);
        INFO("beta = " << beta);
        CHECK(largest_difference(slow, fast) < 3e-4);
        // And that is no small thing: with the decay afterwards the echo is another one.
        Experiment undamped = e;
        undamped.relaxation.gamma3_per_s = 0.0;
        const Signal whole = simulate(undamped);
        double afterwards = 0.0;
        for (std::size_t k = 0; k < whole.points(); ++k) {
            const double left = std::exp(-std::pow(whole.time_us[k] / kDephasingUs, beta));
            afterwards = std::max(afterwards, std::hypot(fast.mx[k] - left * whole.mx[k],
                                                         fast.my[k] - left * whole.my[k]));
        }
        CHECK(afterwards > 1e-2);
    }
}

TEST_CASE("derivatives by the decay's rate, its exponent and tau", "[stretched_decay]") {
    for (const double beta : {0.7, 1.0, 2.0}) {
        Experiment e = decaying_echo(beta);
        e.accuracy.tolerance = 1e-8;
        const std::vector<std::string> names{"stretching", "gamma3_per_s", "tau_us"};
        const SignalJacobian jacobian = simulate_with_jacobian(e, names);
        for (std::size_t p = 0; p < names.size(); ++p) {
            // Of fourth order: h^4 is 1e-12 of the scale, two curves to 1e-8 of M leave 1e-5.
            const double h = 1e-3 * parameter(names[p]).get(e);
            // A sample at the second pulse is before or after it.
            const auto beside = [](double time_us) { return std::abs(time_us - 30.0) >= 0.1; };
            const auto [largest, error] = tangent_error(jacobian, p, h, curve_changed(e, names[p]),
                                                        DifferenceOrder::fourth, beside);
            INFO("beta = " << beta << ", " << names[p] << ": " << largest << ", " << error);
            CHECK(largest > 0.0);
            CHECK(error < 2e-4 * largest);
        }
    }
}

TEST_CASE("curves side by side have exponents of their own", "[stretched_decay]") {
    Experiment e = decaying_echo(1.0);
    e.accuracy.tolerance = 1e-4;
    e.prior = {{"alpha_x_khz", 20.0, 80.0}, {"stretching", 0.5, 3.0}, {"tau_us", 25.0, 35.0}};
    const std::vector<double> rows{30.0, 0.6,  27.0, 70.0, 1.0,  30.0, 55.0, 2.0,
                                   33.0, 40.0, 2.9,  29.0, 60.0, 1.4,  31.0};
    const std::size_t points = e.acquisition.points, count = rows.size() / 3;
    std::vector<float> curves(count * 2 * points);
    simulate_batch(e, rows, std::vector<std::uint64_t>(count, 0), curves);
    for (std::size_t i = 0; i < count; ++i) {
        const Signal one = simulate(with_parameters(e, std::span(rows).subspan(3 * i, 3)));
        double error = 0.0;
        for (std::size_t k = 0; k < points; ++k) {
            const double x = curves[2 * points * i + k], y = curves[2 * points * i + points + k];
            error = std::max(error, std::hypot(x - one.mx[k], y - one.my[k]));
        }
        INFO("curve " << i);
        CHECK(error < 2e-4 * 0.5);
    }
}

TEST_CASE("where dephasing cannot be stretched is said", "[stretched_decay]") {
    Experiment e = decaying_echo(2.0);
    std::get<HahnEcho>(e.sequence.program).flip_duration_us = 2.0;
    CHECK(refused(e) == "relaxation.stretching needs pulses that take no time");
    e = decaying_echo(2.0);
    e.sites.resize(2);
    e.sites[1].gamma3_per_s = 5.0;
    CHECK(refused(e) == "relaxation.stretching needs sites that relax alike");
    e = decaying_echo(2.0);
    e.line.spins = 100;
    CHECK(refused(e) == "relaxation.stretching needs line.spins = 0: an integral over the line");
    e = decaying_echo(2.0);
    e.interaction.kernel = GaussianKernel{3.0};
    CHECK(refused(e) == "relaxation.stretching needs the uniform kernel");
    e = decaying_echo(1.0);
    e.line.spins = 100;
    e.prior = {{"stretching", 1.0, 2.0}};
    CHECK(refused(e) == "prior.stretching needs line.spins = 0: an integral over the line");
    e = decaying_echo(2.0);
    CHECK_THROWS_AS(simulate_with_jacobian(e, {{"cutoff_khz"}}), std::invalid_argument);
    e.relaxation.stretching = 4.5;
    CHECK(refused(e) == "relaxation.stretching must be in [0.25, 4], got 4.5");
}

TEST_CASE("a file says how dephasing is stretched", "[stretched_decay]") {
    const Experiment e =
        parse_experiment("[relaxation]\nstretching = 2.0\nt1_us = inf\nt2_us = 50.0\n", "f.toml");
    CHECK(e.relaxation.stretching == 2.0);
    CHECK(e.relaxation.transverse_loss(0.0, 50e-6) == Approx(1.0).epsilon(1e-12));
    CHECK(parse_experiment(experiment_to_toml(e), "again").relaxation.stretching == 2.0);
}
