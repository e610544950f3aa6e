// Ensembles of several kinds of spins: sites, and strengths of the pulses, in one mean field.

#include <cmath>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "hahn_echo.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"

using namespace nmrsim;

namespace {

Experiment echo() {
    return hahn_echo(50.0, 120.0, {.flip_deg = 60.0, .refocus_phase_deg = 90.0, .tau_us = 30.0},
                     {0.0, 80.0, 161}, 1e-6);
}

/// Of M+ and of Mz.
double farthest_apart(const Signal& a, const Signal& b) {
    double largest = largest_difference(a, b);
    for (std::size_t k = 0; k < a.points(); ++k) {
        largest = std::max(largest, std::abs(a.mz[k] - b.mz[k]));
    }
    return largest;
}

/// sum of factor * signal
void add(Signal& sum, double factor, const Signal& one) {
    if (sum.time_us.empty()) {
        sum = one;
        for (auto* m : {&sum.mx, &sum.my, &sum.mz}) m->assign(one.points(), 0.0);
    }
    for (std::size_t k = 0; k < one.points(); ++k) {
        sum.mx[k] += factor * one.mx[k];
        sum.my[k] += factor * one.my[k];
        sum.mz[k] += factor * one.mz[k];
    }
}

std::string refusal(const Experiment& e) {
    try {
        e.validate();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("uncoupled sites and strengths add up, each by itself") {
    Experiment all = echo();
    all.interaction.alpha_x_khz = all.interaction.alpha_z_khz = 0.0;
    all.line.centre_khz = 3.0;
    all.sites = {{.weight = 3.0}, {.shift_khz = 35.0, .half_width_khz = 6.0, .pulse_scale = 0.7}};
    all.sequence.strengths = {{0.9, 1.0}, {1.1, 4.0}};
    Signal expected;
    for (const PulseStrength& strength : all.sequence.strengths) {
        for (const Site& site : all.sites) {
            Experiment one = all;
            one.sites.clear();
            one.sequence.strengths.clear();
            one.sequence.pulse_scale = site.pulse_scale * strength.strength;
            one.line.centre_khz += site.shift_khz;
            one.line.half_width_khz = site.half_width_khz.value_or(one.line.half_width_khz);
            add(expected, site.weight / 4.0 * strength.weight / 5.0, simulate(one));
        }
    }
    CHECK(farthest_apart(simulate(all), expected) < 1e-6);
}

TEST_CASE("uncoupled sites relax each in its own way") {
    Experiment all = echo();
    all.interaction.alpha_x_khz = all.interaction.alpha_z_khz = 0.0;
    all.relaxation.gamma1_per_s = 2e3;
    all.sites = {
        {.weight = 2.0},
        {.shift_khz = 20.0, .gamma1_per_s = 3e4, .gamma2_per_s = 1e4, .gamma3_per_s = 5e4}};
    Experiment one = all;
    one.sites.clear();
    Signal expected;
    add(expected, 2.0 / 3.0, simulate(one));
    one.line.centre_khz = 20.0;
    one.relaxation = {3e4, 1e4, 5e4, one.relaxation.d_base};
    add(expected, 1.0 / 3.0, simulate(one));
    CHECK(farthest_apart(simulate(all), expected) < 1e-6);
    Signal alike = simulate(all);
    all.sites[1].gamma1_per_s = all.sites[1].gamma2_per_s = all.sites[1].gamma3_per_s = {};
    CHECK(farthest_apart(simulate(all), alike) > 1e-2);
}

TEST_CASE("coupled sites of nearly the same rates are those of the same") {
    // Two ways through the simulator: with rates of each site, and with those of all.
    const std::vector<std::string> names{"alpha_x_khz", "alpha_z_khz", "gamma1_per_s", "flip_deg"};
    Experiment alike = echo();
    alike.line.centre_khz = 4.0;
    alike.relaxation = {6e3, 1e3, 9e3, alike.relaxation.d_base};
    alike.start.mz = -0.3;
    alike.sites = {Site{}, Site{}};
    alike.sites[1].shift_khz = -15.0;
    Experiment own = alike;
    own.sites[1].gamma3_per_s = 9e3 + 1e-3;
    const SignalJacobian a = simulate_with_jacobian(alike, names);
    const SignalJacobian b = simulate_with_jacobian(own, names);
    CHECK(farthest_apart(a.signal, b.signal) < 1e-6);
    for (std::size_t p = 0; p < names.size(); ++p) {
        INFO(names[p]);
        double largest = 0.0, apart = 0.0;
        for (std::size_t k = 0; k < a.signal.points(); ++k) {
            largest = std::max({largest, std::abs(a.dmx[p][k]), std::abs(a.dmy[p][k])});
            apart = std::max({apart, std::abs(a.dmx[p][k] - b.dmx[p][k]),
                              std::abs(a.dmy[p][k] - b.dmy[p][k]),
                              std::abs(a.dmz[p][k] - b.dmz[p][k])});
        }
        CHECK(apart < 1e-4 * largest);
    }
}

TEST_CASE("a Gaussian of pulse strengths is the mean over its angles") {
    // No line to speak of, no coupling: Mz after a pulse is the mean of cos(s theta) / 2.
    Experiment e = echo();
    e.interaction.alpha_x_khz = e.interaction.alpha_z_khz = 0.0;
    e.sequence.pulse_spread = 0.3;
    e.acquisition = {0.0, 20.0, 3, 0.0};
    const double theta = 60.0 * kRadiansPerDegree;
    const Signal signal = simulate(e);
    const double left = std::exp(-0.5 * std::pow(0.3 * theta, 2));
    CHECK(signal.mz.front() == Approx(0.5 * std::cos(theta) * left).margin(1e-6));
    CHECK(signal.my.front() == Approx(0.5 * std::sin(theta) * left).margin(1e-6));
}

TEST_CASE("all spins see one mean field: a spread of strengths is no mean of curves") {
    Experiment e = echo();
    e.sequence.strengths = {{0.7, 1.0}, {1.3, 1.0}};
    Signal mean;
    for (const PulseStrength& strength : e.sequence.strengths) {
        Experiment one = e;
        one.sequence.strengths.clear();
        one.sequence.pulse_scale = strength.strength;
        add(mean, 0.5, simulate(one));
    }
    CHECK(farthest_apart(simulate(e), mean) > 0.02);
}

TEST_CASE("sites that differ in nothing are one") {
    Experiment one = echo(), three = echo();
    three.sites = {Site{}, Site{}, Site{}};
    three.sites[1].weight = 5.0;
    CHECK(farthest_apart(simulate(one), simulate(three)) < 1e-6);
}

TEST_CASE("batches draw the spread of the pulses' strength beside other unknowns") {
    Experiment e = echo();
    e.accuracy.tolerance = 1e-5;
    Site other;
    other.shift_khz = -20.0;
    other.half_width_khz = 15.0;
    e.sites = {Site{}, other};
    e.prior = {
        {"pulse_spread", 0.0, 0.2}, {"flip_deg", 20.0, 90.0}, {"half_width_khz", 15.0, 30.0}};
    const std::vector<double> values = draw_many(e.prior, 20, 4);
    const std::size_t points = 161;
    std::vector<float> batch(20 * 2 * points);
    simulate_batch(e, values, {}, batch);
    for (std::size_t i = 0; i < 20; ++i) {
        const Signal one = simulate(with_parameters(e, std::span(values).subspan(3 * i, 3)));
        double peak = 0.0, largest = 0.0;
        for (std::size_t k = 0; k < points; ++k) {
            peak = std::max(peak, std::hypot(one.mx[k], one.my[k]));
            largest = std::max({largest, std::abs(one.mx[k] - batch[2 * i * points + k]),
                                std::abs(one.my[k] - batch[(2 * i + 1) * points + k])});
        }
        INFO("curve " << i);
        CHECK(largest < 2e-5 * peak);
    }
}

TEST_CASE("derivatives by the spread, an angle and the coupling are those of differences") {
    Experiment e = echo();
    e.accuracy.tolerance = 1e-9;
    e.sequence.pulse_spread = 0.1;
    Site other;
    other.shift_khz = 15.0;
    other.pulse_scale = 1.2;
    e.sites = {Site{}, other};
    const std::vector<std::string> names{"pulse_spread", "flip_deg", "alpha_x_khz", "centre_khz"};
    const SignalJacobian jacobian = simulate_with_jacobian(e, names);
    const double steps[] = {1e-3, 1e-1, 1e-1, 1e-2};
    for (std::size_t p = 0; p < names.size(); ++p) {
        Signal slope;
        const double step = steps[p];
        const double shares[] = {-1.0 / 12, 8.0 / 12, -8.0 / 12, 1.0 / 12};
        const double places[] = {2.0, 1.0, -1.0, -2.0};
        for (int k = 0; k < 4; ++k) {
            Experiment moved = e;
            const double value = parameter(names[p]).get(e);
            set_parameter(moved, names[p], value + places[k] * step);
            add(slope, shares[k] / step, simulate(moved));
        }
        double largest = 0.0, off = 0.0;
        for (std::size_t k = 0; k < slope.points(); ++k) {
            largest = std::max({largest, std::abs(slope.mx[k]), std::abs(slope.my[k])});
            off = std::max({off, std::abs(slope.mx[k] - jacobian.dmx[p][k]),
                            std::abs(slope.my[k] - jacobian.dmy[p][k])});
        }
        INFO(names[p]);
        CHECK(off < 1e-5 * largest);
    }
}

TEST_CASE("sites and strengths go through TOML") {
    const Experiment e = parse_experiment(R"(
[interaction]
kernel = "uniform"
[line]
sites = [{weight = 2.0}, {shift_khz = 40, half_width_khz = 12.5, pulse_scale = 0.9}]
[sequence]
strengths = [[0.5, 1], [1, 2.5]]
)",
                                          "sites.toml");
    REQUIRE(e.sites.size() == 2);
    CHECK(e.sites[1].half_width_khz == 12.5);
    const Experiment again = parse_experiment(experiment_to_toml(e), "again");
    CHECK(again.sites == e.sites);
    CHECK(again.sequence.strengths == e.sequence.strengths);
    CHECK(experiment_to_toml(again) == experiment_to_toml(e));
}

TEST_CASE("what sites and strengths cannot be is said with its place") {
    Experiment e = echo();
    e.sites = {Site{}, Site{}};
    e.sites[1].weight = 0.0;
    CHECK(refusal(e) == "line.sites[1].weight must be finite and > 0, got 0");
    e = echo();
    e.sequence.pulse_spread = -0.1;
    CHECK(refusal(e) == "sequence.pulse_spread must be finite and >= 0, got -0.1");
    e.sequence.pulse_spread = 0.1;
    e.sequence.strengths = {{1.0, 1.0}};
    CHECK(refusal(e) == "sequence.pulse_spread and sequence.strengths say the same: keep one");
    e.sequence.pulse_spread = 0.0;
    e.sequence.strengths = {{1.0, 0.0}};
    CHECK(refusal(e) == "sequence.strengths: the weights must sum to more than 0, got 0");
    e.sequence.strengths = {{1.0, 1.0}};
    e.interaction.kernel = GaussianKernel{};
    CHECK(refusal(e) == "sequence.strengths need the uniform kernel");
    e = echo();
    e.line.spins = 10;
    e.prior = {{"pulse_spread", 0.0, 0.1}};
    CHECK(refusal(e) == "prior.pulse_spread needs line.spins = 0: an integral over the line");
    e.prior.clear();
    e.sequence.pulse_spread = 0.1;
    CHECK(refusal(e) == "sequence.pulse_spread needs line.spins = 0: an integral over the line");
}
