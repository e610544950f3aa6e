// Sweeps against single curves, and their texts.

#include "nmrsim/sweep.h"

#include <cmath>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"
#include "temporary_folder.h"

using namespace nmrsim;

namespace {

std::string error_of(const std::string& text) {
    return message_of<InputError>([&] { parse_sweep(text); });
}

}  // namespace

TEST_CASE("without coupling, a sweep of pulse strength has the echo's sin theta sin^2 theta") {
    Experiment e = load_experiment("challenge-2021");
    e.interaction.alpha_x_khz = e.interaction.alpha_z_khz = 0.0;
    const std::vector<double> angles = {15.0, 30.0, 60.0, 90.0, 120.0};
    const std::vector<Signal> curves = simulate_sweep(e, "flip_deg", angles);
    REQUIRE(curves.size() == angles.size());
    // Index 428 is the echo; the second pulse, twice as strong, refocuses sin^2 theta. What else is
    // there is less than chi(100 us) = 1e-7.
    const double full = std::hypot(curves[3].mx[428], curves[3].my[428]);
    for (std::size_t i = 0; i < angles.size(); ++i) {
        const double echo = std::hypot(curves[i].mx[428], curves[i].my[428]);
        const double sine = std::sin(angles[i] * std::acos(-1.0) / 180.0);
        CHECK(echo == Approx(full * sine * sine * sine).margin(2e-4));  // twice the tolerance
    }
}

TEST_CASE("a sweep of pulse_scale is one of pulse strength for any sequence") {
    Experiment e;
    e.sequence.program = std::vector<Event>{Pulse{90.0, 0.0}};
    e.acquisition.stop_us = 20.0;
    e.acquisition.points = 41;
    e.accuracy.precision = Precision::double_;
    const std::vector<Signal> curves =
        simulate_sweep(e, "pulse_scale", std::vector<double>{1.0, 1.0 / 3.0});
    // sin 30 degrees is a half; rounding of sums of numbers below 1/2.
    for (std::size_t k = 0; k < 41; ++k) {
        REQUIRE(curves[1].my[k] == Approx(0.5 * curves[0].my[k]).margin(1e-14));
    }
}

TEST_CASE("a sweep gives the curves that single runs give, on any number of threads") {
    Experiment e = load_experiment("challenge-2021");
    const std::vector<double> values = {0.0, 40.0, 150.0};
    const char* name = "alpha_x_khz";
    SECTION("uniform") {}
    SECTION("lattice") {
        e = load_experiment("published-echo");
        e.lattice.nx = e.lattice.ny = 12;
    }
    SECTION("with a receiver and a cycle") {
        name = "receiver_phase_deg";
        e.acquisition.dead_time_us = 140.0;
        e.phase_cycle.steps = {{{0.0, 0.0}, 0.0}, {{180.0, 0.0}, 180.0}};
    }
    SECTION("a parameter that changes the line") {
        name = "half_width_khz";
    }
    std::vector<double> allowed = values;
    if (std::string(name) == "half_width_khz") allowed[0] = 5.0;
    for (const int threads : {1, 2}) {
        const std::vector<Signal> curves = simulate_sweep(e, name, allowed, threads);
        REQUIRE(curves.size() == 3);
        for (std::size_t i = 0; i < 3; ++i) {
            Experiment one = e;
            set_parameter(one, name, allowed[i]);
            const Signal alone = simulate(one);
            CHECK(curves[i].mx == alone.mx);
            CHECK(curves[i].my == alone.my);
            CHECK(curves[i].mz == alone.mz);
        }
    }
}

TEST_CASE("a sweep that is stopped gives nothing, one that cannot be says why") {
    Experiment e = load_experiment("challenge-2021");
    const std::vector<double> values = {10.0, 20.0, 30.0};
    CHECK(simulate_sweep(e, "flip_deg", values, 1, [](std::size_t) { return false; }).empty());
    CHECK(simulate_sweep(e, "flip_deg", {}).empty());
    CHECK_THROWS_WITH(simulate_sweep(e, "flip_degg", values),
                      ContainsSubstring("did you mean flip_deg?"));
    CHECK_THROWS_WITH(simulate_sweep(e, "tau_us", std::vector<double>{10.0, -1.0}),
                      ContainsSubstring("sequence.tau_us must be in [0, 1e+09], got -1"));
    CHECK_THROWS_WITH(simulate_sweep(e, "tau_us", std::vector<double>{0.0}),
                      ContainsSubstring("sequence.tau_us must be finite and > 0, got 0"));
    CHECK_THROWS_WITH(simulate_sweep(e, "xi", values),
                      ContainsSubstring("interaction.xi does not apply to the uniform kernel"));
    CHECK_THROWS_WITH(
        simulate_sweep(e, "stop_us", values),
        "acquisition.stop_us cannot be swept: the curves of a sweep share their times");
    CHECK_THROWS_WITH(simulate_sweep(e, "kernel", values),
                      "interaction.kernel cannot be swept: it is a choice, not a number");
    CHECK_THROWS_WITH(simulate_sweep(e, "noise", values),
                      "acquisition.noise cannot be swept: simulated curves have none");
}

TEST_CASE("sweeps as text") {
    const SweepRange range = parse_sweep("sequence.flip_deg=10:90:9");
    CHECK(range.parameter == "flip_deg");
    CHECK(range.values == std::vector<double>{10, 20, 30, 40, 50, 60, 70, 80, 90});
    CHECK(parse_sweep("flip_deg = 3, -4.5,1e1").values == std::vector<double>{3.0, -4.5, 10.0});
    CHECK(parse_sweep("tau_us=7").values == std::vector<double>{7.0});
    CHECK(parse_sweep("tau_us=9:0.1:2").values == std::vector<double>{9.0, 0.1});
    const std::string expected =
        "expected table.key=from:to:count or table.key=value,value,..., as in "
        "sequence.flip_deg=10:90:9";
    CHECK(error_of("flip_deg") == "sweep \"flip_deg\": " + expected);
    CHECK(error_of("flip_deg=") == "sweep \"flip_deg=\": " + expected + ", found \"\"");
    CHECK(error_of("flip_deg=1:2") == "sweep \"flip_deg=1:2\": " + expected);
    CHECK(error_of("flip_deg=1,x") == "sweep \"flip_deg=1,x\": " + expected + ", found \"x\"");
    CHECK(error_of("flip_deg=1,nan").ends_with("found \"nan\""));
    CHECK(error_of("flip_deg=1:2:1") ==
          "sweep \"flip_deg=1:2:1\": expected a whole number in [2, 100000] as count, found 1");
    CHECK(error_of("flip_deg=1:2:2.5").ends_with("as count, found 2.5"));
    CHECK(error_of("flip_deg=1:2:1e9").ends_with("as count, found 1e9"));
    CHECK(
        error_of("line.flip_deg=1,2") ==
        "sweep \"line.flip_deg=1,2\": unknown key line.flip_deg; did you mean sequence.flip_deg?");
    CHECK(error_of("flop_deg=1,2") ==
          "sweep \"flop_deg=1,2\": unknown parameter flop_deg; did you mean flip_deg?");
    CHECK(error_of("acquisition.start_us=1,2").ends_with("share their times"));
}

TEST_CASE("a sweep's CSV has the value in the header") {
    const Signal a{{0.0, 0.5}, {0.1, 0.2}, {0.3, 0.4}, {0.5, 0.25}};
    const Signal b{{0.0, 0.5}, {-1.0, 2.0}, {3.0, 4.0}, {5.0, 1.0 / 3.0}};
    CHECK(sweep_to_csv({"xi", {1.5, 20.0}}, std::vector<Signal>{a, b}) ==
          "time_us,mx(xi=1.5),my(xi=1.5),mz(xi=1.5),mx(xi=20),my(xi=20),mz(xi=20)\n"
          "0,0.1,0.3,0.5,-1,3,5\n"
          "0.5,0.2,0.4,0.25,2,4,0.333333333\n");
    CHECK_THROWS_AS(sweep_to_csv({"xi", {1.5}}, std::vector<Signal>{a, b}), std::invalid_argument);
    CHECK_THROWS_AS(sweep_to_csv({"xi", {}}, {}), std::invalid_argument);
}
