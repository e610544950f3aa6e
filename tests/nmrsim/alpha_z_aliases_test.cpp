// The echo's symmetry under alpha_z, against simulations.

#include "nmrsim/alpha_z_aliases.h"

#include <algorithm>
#include <cmath>
#include <complex>

#include "catch_compat.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/peak.h"
#include "nmrsim/simulate.h"

using namespace nmrsim;

namespace {

/// Both simulations are off by this share of their peak, and so is the turn's rate times its time.
constexpr double kTolerance = 1e-6;

Experiment echo_with(double alpha_x_khz, double alpha_z_khz, double flip_deg) {
    Experiment e = load_experiment("challenge-2021");
    e.interaction.alpha_x_khz = alpha_x_khz;
    e.interaction.alpha_z_khz = alpha_z_khz;
    std::get<HahnEcho>(e.sequence.program).flip_deg = flip_deg;
    e.accuracy.tolerance = kTolerance;
    return e;
}

/// Largest difference of the alias's curve and this one's, turned, over the largest |M|.
double alias_error(const Experiment& e, int periods) {
    const AlphaZAlias alias = alpha_z_alias(e);
    Experiment other = e;
    other.interaction.alpha_z_khz += periods * alias.period_khz;
    const Signal a = simulate(e);
    const Signal b = simulate(other);
    const double tau_us = std::get<HahnEcho>(e.sequence.program).tau_us;
    double error = 0.0;
    for (std::size_t t = 0; t < a.points(); ++t) {
        const std::complex<double> turned =
            std::complex<double>(a.mx[t], a.my[t]) *
            std::polar(1.0, periods * alias.turn_rad_per_us * (a.time_us[t] - tau_us));
        error = std::max(error, std::abs(turned - std::complex<double>(b.mx[t], b.my[t])));
    }
    return error / peak_magnitude(a);
}

}  // namespace

TEST_CASE("an alias's curve is the same but for a turn") {
    // 15 us after tau the window opens, 168 us after it closes: 2 pi n (168 / 100) of the rate's
    // error of 1e-6 of Mz(tau), n = 3, and a strongly coupled curve's own sensitivity to Mz.
    const double tolerance = 200.0 * kTolerance;
    CHECK(alias_error(echo_with(5.0, 100.0, 30.0), 1) < tolerance);
    CHECK(alias_error(echo_with(96.0, 12.0, 32.0), 3) < tolerance);
    CHECK(alias_error(echo_with(96.0, 112.0, 32.0), -2) < tolerance);
    CHECK(alias_error(echo_with(140.0, 1.0, 75.0), 1) < tolerance);
    // Mz before the second pulse below 0, and above 0 after it.
    CHECK(alias_error(echo_with(40.0, 90.0, 125.0), 1) < tolerance);
    // What decays across z leaves Mz alone.
    Experiment dephasing = echo_with(96.0, 12.0, 32.0);
    dephasing.relaxation.gamma3_per_s = 5e3;
    CHECK(alias_error(dephasing, 3) < tolerance);
}

TEST_CASE("halfway between aliases the curve is another one") {
    const Experiment e = echo_with(96.0, 12.0, 32.0);
    const AlphaZAlias alias = alpha_z_alias(e);
    Experiment other = e;
    other.interaction.alpha_z_khz += 0.5 * alias.period_khz;
    const Signal a = simulate(e);
    const Signal b = simulate(other);
    // A turn changes no |M|.
    double difference = 0.0;
    for (std::size_t t = 0; t < a.points(); ++t) {
        difference = std::max(
            difference, std::abs(std::hypot(a.mx[t], a.my[t]) - std::hypot(b.mx[t], b.my[t])));
    }
    CHECK(difference > 0.02 * peak_magnitude(a));
}

TEST_CASE("without Mz alpha_z has no alias") {
    CHECK(alpha_z_alias(echo_with(20.0, 50.0, 90.0)).period_khz > 1e6);
}

TEST_CASE("a data set's aliases are what would be simulated there") {
    const Experiment e = load_experiment("challenge-2021");
    const Dataset data = generate_dataset(e, 6, 11);
    std::vector<std::int64_t> begins;
    const Dataset more = with_alpha_z_aliases(data, 0, &begins);
    REQUIRE(begins.size() == data.count() + 1);
    CHECK(begins.back() == static_cast<std::int64_t>(more.count()));
    for (std::size_t i = 0; i < data.count(); ++i) {
        REQUIRE(begins[i] < begins[i + 1]);
        for (auto row = static_cast<std::size_t>(begins[i]);
             row < static_cast<std::size_t>(begins[i + 1]); ++row) {
            CHECK(more.parameters[3 * row] == data.parameters[3 * i]);
            CHECK(more.parameters[3 * row + 2] == data.parameters[3 * i + 2]);
        }
    }
    REQUIRE(more.count() > 3 * data.count());
    REQUIRE(more.parameters.size() == 3 * more.count());
    std::vector<float> simulated(more.signal.size());
    simulate_batch(e, more.parameters, {}, simulated);
    const std::size_t values = 2 * data.points();
    double worst = 0.0;
    for (std::size_t i = 0; i < more.count(); ++i) {
        CHECK(more.parameters[3 * i + 1] >= e.prior[1].low);
        CHECK(more.parameters[3 * i + 1] <= e.prior[1].high);
        double peak = 0.0, error = 0.0;
        for (std::size_t t = i * values; t < (i + 1) * values; ++t) {
            peak = std::max(peak, static_cast<double>(std::abs(simulated[t])));
            error = std::max(error, static_cast<double>(std::abs(simulated[t] - more.signal[t])));
        }
        worst = std::max(worst, error / peak);
    }
    // Two simulations at the default tolerance, 1e-4 of the peak of |M|, which a curve's largest
    // component may be a third below; the copy's phases wrap otherwise than the original's.
    CHECK(worst < 1e-3);
}

TEST_CASE("the symmetry is claimed only where it holds") {
    CHECK(has_alpha_z_aliases(load_experiment("challenge-2021")));
    CHECK_FALSE(has_alpha_z_aliases(load_experiment("challenge-2020")));
    Experiment e = load_experiment("challenge-2021");
    e.acquisition.start_us = 50.0;
    CHECK_FALSE(has_alpha_z_aliases(e));
    e = load_experiment("challenge-2021");
    e.relaxation.gamma1_per_s = 100.0;
    CHECK_FALSE(has_alpha_z_aliases(e));
    e = load_experiment("challenge-2021");
    e.interaction.alpha_y_khz = 3.0;
    CHECK_FALSE(has_alpha_z_aliases(e));
    e = load_experiment("challenge-2021");
    e.prior.erase(e.prior.begin() + 1);
    CHECK_FALSE(has_alpha_z_aliases(e));
    CHECK_THROWS_AS(alpha_z_alias(e), std::invalid_argument);
    const Dataset data = generate_dataset(e, 2, 1);
    CHECK_THROWS_AS(with_alpha_z_aliases(data), std::invalid_argument);
}
