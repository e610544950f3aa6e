#include "nmrsim/experiment.h"

#include <cmath>
#include <functional>
#include <stdexcept>

#include "catch_compat.h"

using namespace nmrsim;

TEST_CASE("samples are even and include both ends") {
    const auto times_of = [](const Acquisition& acquisition) {
        Experiment experiment;
        experiment.acquisition = acquisition;
        return acquisition_times_us(experiment);
    };
    const std::vector<double> times = times_of({1.0, 4.0, 7});
    REQUIRE(times.size() == 7);
    for (int i = 0; i < 7; ++i) CHECK(times[static_cast<std::size_t>(i)] == 1.0 + 0.5 * i);
    // The last one is exact even where the spacing is not.
    CHECK(times_of({0.1, 0.7, 856}).back() == 0.7);
    CHECK(times_of({3.0, 3.0, 1}) == std::vector<double>{3.0});
}

TEST_CASE("only the uniform kernel needs no lattice") {
    Experiment experiment;
    CHECK(is_uniform(experiment));
    experiment.lattice.nx = 0;
    CHECK_NOTHROW(experiment.validate());
    experiment.interaction.kernel = GaussianKernel{};
    CHECK_FALSE(is_uniform(experiment));
    CHECK_THROWS_AS(experiment.validate(), std::invalid_argument);
}

TEST_CASE("validate names the key that is wrong") {
    struct Case {
        const char* key;
        std::function<void(Experiment&)> spoil;
    };
    const double nan = std::nan("");
    const Case cases[] = {
        {"interaction.alpha_x_khz", [&](Experiment& e) { e.interaction.alpha_x_khz = nan; }},
        {"interaction.alpha_z_khz", [](Experiment& e) { e.interaction.alpha_z_khz = 1e9; }},
        {"interaction.xi", [](Experiment& e) { e.interaction.kernel = GaussianKernel{0.0}; }},
        {"interaction.exponent",
         [](Experiment& e) {
             e.interaction.kernel = PowerLawKernel{1.0, 101.0};
         }},
        {"line.half_width_khz", [](Experiment& e) { e.line.half_width_khz = -3.0; }},
        {"line.cutoff_khz", [](Experiment& e) { e.line.cutoff_khz = 0.0; }},
        {"relaxation.gamma2_per_s", [](Experiment& e) { e.relaxation.gamma2_per_s = -1.0; }},
        {"sequence.tau_us",
         [](Experiment& e) {
             e.sequence.program = HahnEcho{90, 2, 0, 0, -1};
         }},
        {"acquisition.start_us", [](Experiment& e) { e.acquisition.start_us = -1.0; }},
        {"acquisition.stop_us", [](Experiment& e) { e.acquisition.stop_us = 0.0; }},
        {"acquisition.stop_us", [&](Experiment& e) { e.acquisition.stop_us = nan; }},
        {"acquisition.stop_us", [](Experiment& e) { e.acquisition.points = 1; }},
        {"acquisition.points", [](Experiment& e) { e.acquisition.points = 0; }},
        {"acquisition.noise", [](Experiment& e) { e.acquisition.noise = -0.1; }},
        {"acquisition.gain", [](Experiment& e) { e.acquisition.gain = 0.0; }},
        {"acquisition.gain", [&](Experiment& e) { e.acquisition.gain = nan; }},
        {"acquisition.receiver_phase_deg",
         [&](Experiment& e) { e.acquisition.receiver_phase_deg = nan; }},
        {"acquisition.receiver_phase_deg",
         [](Experiment& e) { e.acquisition.receiver_phase_deg = 1e5; }},
        {"acquisition.dead_time_us", [](Experiment& e) { e.acquisition.dead_time_us = -1.0; }},
        {"phase_cycle.pulses[0]",
         [](Experiment& e) {
             e.phase_cycle.steps = {{{0.0}, 0.0}};
         }},
        {"phase_cycle.pulses[1]",
         [&](Experiment& e) {
             e.phase_cycle.steps = {{{0.0, 0.0}, 0.0}, {{0.0, nan}, 0.0}};
         }},
        {"phase_cycle.receiver[0]",
         [&](Experiment& e) {
             e.phase_cycle.steps = {{{0.0, 0.0}, nan}};
         }},
        {"accuracy.tolerance", [](Experiment& e) { e.accuracy.tolerance = 0.0; }},
        {"accuracy.nodes", [](Experiment& e) { e.accuracy.nodes = 0; }},
        {"accuracy.steps_per_point", [](Experiment& e) { e.accuracy.steps_per_point = 0.0; }},
        {"accuracy.magnus_order", [](Experiment& e) { e.accuracy.magnus_order = 4; }},
        {"prior.xi",
         [](Experiment& e) {
             e.prior = {{"xi", 1.0, 2.0}};
         }},
        {"prior.flip_deg",
         [](Experiment& e) {
             e.prior = {{"flip_deg", 2.0, 1.0}};
         }},
        {"challenge.columns",
         [](Experiment& e) {
             e.challenge = {{"xi", "xi", 1.0}};
         }},
        {"challenge.columns",
         [](Experiment& e) {
             e.challenge = {{"d", "d", 0.0}};
         }},
        {"challenge.columns",
         [](Experiment& e) {
             e.challenge = {{"", "d", 1.0}};
         }},
        {"challenge.columns",
         [](Experiment& e) {
             e.challenge = {{"d", "d", 1.0}, {"d", "flip_deg", 1.0}};
         }},
    };
    CHECK_NOTHROW(Experiment{}.validate());
    for (const Case& one : cases) {
        Experiment experiment;
        one.spoil(experiment);
        INFO(one.key);
        CHECK_THROWS_AS(experiment.validate(), std::invalid_argument);
        CHECK_THROWS_WITH(experiment.validate(), ContainsSubstring(one.key));
    }
}
