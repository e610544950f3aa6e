// What is warned of, and that nothing else is.

#include "nmrsim/experiment_warnings.h"

#include <functional>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/sequence_text.h"
#include "nmrsim/simulate.h"

using namespace nmrsim;

namespace {

HahnEcho& hahn(Experiment& e) {
    return std::get<HahnEcho>(e.sequence.program);
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
}

}  // namespace

TEST_CASE("the experiments that ship raise no alarm anywhere in their priors") {
    for (const std::string& name : shipped_experiments()) {
        INFO(name);
        const Experiment e = load_experiment(name);
        CHECK(joined(experiment_warnings(e)) == "");
        CHECK(joined(prior_warnings(e)) == "");
        for (std::uint64_t i = 0; i < 200; ++i) {
            const Experiment one = with_parameters(e, draw_parameters(e.prior, 3, i));
            REQUIRE(joined(experiment_warnings(one)) == "");
        }
    }
    CHECK(joined(experiment_warnings(Experiment{})) == "");
}

TEST_CASE("each mistake is named once, with its key and value") {
    struct Case {
        const char* words;
        std::function<void(Experiment&)> spoil;
    };
    const Case cases[] = {
        {"acquisition.stop_us = 40 us is before the last pulse ends, at 49.9747 us",
         [](Experiment& e) { e.acquisition.stop_us = 40.0; }},
        {"acquisition.start_us = 149 us is 99.0253 us after the last pulse, T2 is 2 us: all signal "
         "has died",
         [](Experiment& e) {
             e.relaxation.gamma3_per_s = 1e6;
             e.acquisition.start_us = 149.0;
         }},
        {"T2 = 2e-05 us is far below the 0.31831 us between samples",
         [](Experiment& e) { e.relaxation.gamma3_per_s = 1e11; }},
        {"acquisition.start_us = 180 us is long after the echo, at 99.9493 us: the line dephases "
         "in "
         "6.37 us",
         [](Experiment& e) {
             e.acquisition.start_us = 180.0;
             e.acquisition.stop_us = 190.0;
         }},
        {"acquisition.dead_time_us = 500 us covers the whole window",
         [](Experiment& e) { e.acquisition.dead_time_us = 500.0; }},
        {"acquisition.noise = 3 is more than the signal, at most 0.5",
         [](Experiment& e) { e.acquisition.noise = 3.0; }},
        {"sequence.tau_us = 5e-05 us is very short: is it in seconds or milliseconds?",
         [](Experiment& e) { hahn(e).tau_us = 5e-5; }},
        {"sequence.events[1].delay_us = 2e+06 us is very long: is it in nanoseconds?",
         [](Experiment& e) { set_sequence(e, "fid; delay 2s"); }},
        {"acquisition.stop_us = 0.00015 us is very short",
         [](Experiment& e) {
             set_sequence(e, "fid");
             e.acquisition.stop_us = 1.5e-4;
         }},
        {"sequence.flip_deg = 1.5708 degrees looks like radians: 1.5708 rad are 90.0002 degrees",
         [](Experiment& e) { hahn(e).flip_deg = 1.5708; }},
        {"sequence.flip_deg = -3.14 degrees looks like radians",
         [](Experiment& e) { hahn(e).flip_deg = -3.14; }},
        {"sequence.refocus_phase_deg = 1.571 degrees looks like radians",
         [](Experiment& e) { hahn(e).refocus_phase_deg = 1.571; }},
        {"sequence.refocus_ratio = 180 is a ratio of flip angles, not an angle",
         [](Experiment& e) { hahn(e).refocus_ratio = 180.0; }},
        {"sequence.flip_duration_us = 50000 us is very long",
         [](Experiment& e) {
             hahn(e).flip_duration_us = 5e4;
             hahn(e).tau_us = 3e4;
             e.acquisition.stop_us = 9e4;
         }},
        {"sequence.events[0].pulse_deg = 1.5708 degrees looks like radians",
         [](Experiment& e) { set_sequence(e, "pulse 1.5708 x; delay 5us; pulse 3.1416 y"); }},
        {"sequence.events[1].delay_us = 5e-05 us is very short",
         [](Experiment& e) { set_sequence(e, "pulse 90 x; delay 0.05ns; pulse 180 y"); }},
        {"interaction.alpha_x_khz = 50000 kHz is very large: is it in Hz?",
         [](Experiment& e) { e.interaction.alpha_x_khz = 5e4; }},
        {"interaction.alpha_z_khz = -80000 kHz is very large",
         [](Experiment& e) { e.interaction.alpha_z_khz = -8e4; }},
        {"line.half_width_khz = 300 is more than line.cutoff_khz = 250",
         [](Experiment& e) { e.line.half_width_khz = 300.0; }},
        {"line.cutoff_khz = 250000 kHz is very large: is it in Hz?",
         [](Experiment& e) { e.line.cutoff_khz = 250e3; }},
        {"line.larmor_mhz = 1e+07 MHz is very large",
         [](Experiment& e) { e.line.larmor_mhz = 1e7; }},
        {"lattice: a side of 40 sites is less than twice the kernel's range xi = 21",
         [](Experiment& e) {
             e.interaction.kernel = GaussianKernel{21.0};
             e.lattice.nx = 40;
         }},
        {"accuracy.nodes = 60 is too few for offsets up to 250 kHz and times up to 149.606 us: at "
         "least 90, or \"auto\"",
         [](Experiment& e) {
             e.interaction.kernel = UniformKernel{};
             e.accuracy.nodes = 60;
         }},
        {"makes steps of 1.59155 us, in which the largest offset turns spins by 2.5 rad",
         [](Experiment& e) {
             e.interaction.alpha_x_khz = 10.0;
             e.accuracy.steps_per_point = 0.2;
         }},
        {"makes steps of 0.31831 us, in which the coupling turns spins by 1 rad: at least 5, or "
         "\"auto\"",
         [](Experiment& e) {
             e.interaction.alpha_x_khz = 1000.0;
             e.accuracy.steps_per_point = 1.0;
         }},
    };
    Experiment plain = load_experiment("challenge-2020");
    plain.prior.clear();
    for (const Case& one : cases) {
        Experiment e = plain;
        one.spoil(e);
        const std::vector<std::string> warnings = experiment_warnings(e);
        INFO(one.words << "\n" << joined(warnings));
        REQUIRE(warnings.size() == 1);
        CHECK_THAT(warnings[0], ContainsSubstring(one.words));
    }
}

TEST_CASE("small and round angles are no radians") {
    for (const double angle : {0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.5, 1.5, 2.5, 10.0, 30.0}) {
        Experiment e;
        hahn(e).flip_deg = hahn(e).flip_phase_deg = angle;
        INFO(angle);
        CHECK(joined(experiment_warnings(e)) == "");
    }
}

TEST_CASE("a range within its prior is as it was meant") {
    Experiment e = load_experiment("summed-kernel");
    e.lattice.nx = e.lattice.ny = 50;
    e.interaction.kernel = GaussianKernel{28.0};
    CHECK(experiment_warnings(e).empty());
    e.prior.clear();
    CHECK(experiment_warnings(e).size() == 1);
    // The power law's xi is a unit of length.
    e.interaction.kernel = PowerLawKernel{80.0, 3.0};
    CHECK(experiment_warnings(e).empty());
}

TEST_CASE("the ends of a prior are looked at") {
    Experiment e = load_experiment("challenge-2021");
    e.prior = {{"alpha_x_khz", 0.0, 150e3}, {"flip_deg", 0.1, 1.5708}};
    CHECK(experiment_warnings(e).empty());
    const std::vector<std::string> warnings = prior_warnings(e);
    INFO(joined(warnings));
    REQUIRE(warnings.size() == 2);
    CHECK_THAT(warnings[0], ContainsSubstring("alpha_x_khz = 150000 kHz"));
    CHECK_THAT(warnings[1], ContainsSubstring("flip_deg = 1.5708"));
}

TEST_CASE("each choice of a prior is looked at") {
    Experiment e = load_experiment("kernel-recognition");
    // The power law has no range that a lattice could be too small for.
    e.interaction.kernel = PowerLawKernel{12.0, 3.0};
    e.lattice.nx = e.lattice.ny = 16;
    e.prior = {categorical_unknown("kernel", {"power-law", "rkky"})};
    CHECK(experiment_warnings(e).empty());
    REQUIRE(prior_warnings(e).size() == 1);
    CHECK_THAT(prior_warnings(e)[0], ContainsSubstring("less than twice the kernel's range"));
}

TEST_CASE(
    "forced nodes and steps are warned of where the error is large, and not where it is small") {
    // Errors measured against the converged curve; the tolerance of both is 1e-4.
    Experiment e = load_experiment("challenge-2021");
    e.accuracy.precision = Precision::double_;
    Experiment converged = e;
    converged.accuracy.tolerance = 1e-8;
    const Signal reference = simulate(converged);
    const auto error = [&](std::optional<int> nodes, std::optional<double> steps) {
        Experiment forced = e;
        forced.accuracy.nodes = nodes;
        forced.accuracy.steps_per_point = steps;
        return std::pair(experiment_warnings(forced).size(),
                         largest_difference(simulate(forced), reference));
    };
    for (const int nodes : {120, 150}) {
        const auto [warnings, largest] = error(nodes, {});
        CHECK(warnings == 1);
        CHECK(largest > 1e-3);
    }
    for (const int nodes : {170, 256}) {
        const auto [warnings, largest] = error(nodes, {});
        CHECK(warnings == 0);
        CHECK(largest < 1e-4);
    }
    for (const double steps : {0.05, 0.1}) {
        const auto [warnings, largest] = error({}, steps);
        CHECK(warnings >= 1);
        CHECK(largest > 1e-4);
    }
    for (const double steps : {0.15, 0.5}) {
        const auto [warnings, largest] = error({}, steps);
        CHECK(warnings == 0);
        CHECK(largest < 1e-4);
    }
}

TEST_CASE("chains, volumes and other lines raise no false alarm") {
    Experiment e = load_experiment("published-echo");
    e.lattice = {128, 1, 1, 1};
    CHECK(experiment_warnings(e).empty());
    e.lattice = {24, 24, 24, 1};
    CHECK(experiment_warnings(e).empty());
    e.lattice.nz = 4;
    e.prior.clear();  // an unknown inside its prior is as it was meant
    CHECK(experiment_warnings(e).size() == 1);
    e.lattice.nz = 1;
    e.line.shape = LineShape::voigt;
    CHECK(experiment_warnings(e).empty());
    e.line.shape = LineShape::table;
    e.line.half_width_khz = 1e9;            // not used
    CHECK(experiment_warnings(e).empty());  // an empty table is an error elsewhere
    e.line.table = {{-20.0, 0.0}, {0.0, 1.0}, {20.0, 0.0}};
    CHECK(experiment_warnings(e).empty());
}
