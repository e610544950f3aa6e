// Forward tangents against differences and symmetries.

#include "nmrsim/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "hahn_echo.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"
#include "tangents.h"

using namespace nmrsim;

namespace {

Experiment coupled_echo() {
    Experiment e = hahn_echo(
        80.0, 120.0,
        {.flip_deg = 52.0, .flip_phase_deg = 15.0, .refocus_phase_deg = 100.0, .tau_us = 20.0},
        {0.0, 60.0, 121});
    e.interaction.alpha_y_khz = 50.0;
    e.line.renormalize = false;
    // Nodes and steps held fixed: both sides differentiate the same discrete map.
    e.accuracy.nodes = 128;
    e.accuracy.steps_per_point = 0.5;
    e.accuracy.precision = Precision::double_;
    return e;
}

const std::vector<std::string> kAll{"alpha_x_khz",      "alpha_y_khz",   "alpha_z_khz",
                                    "flip_deg",         "refocus_ratio", "flip_phase_deg",
                                    "refocus_phase_deg"};

}  // namespace

TEST_CASE("tangents are the derivatives of the curve", "[sensitivity]") {
    Experiment e = coupled_echo();
    SECTION("no relaxation") {}
    SECTION("relaxation") {
        e.relaxation = {8e3, 2e3, 1e4, e.relaxation.d_base};
    }
    const SignalJacobian jacobian = simulate_with_jacobian(e, kAll);
    CHECK(largest_difference(jacobian.signal, simulate(e)) < 1e-14);
    CHECK(jacobian.parameters == kAll);
    // The error h^4 of a difference of fourth order and rounding 1e-15 / h balance near 1e-12 for
    // steps of 1e-3 of the scale, with derivatives of 1e-2 to 1 per unit.
    check_tangents(e, jacobian,
                   [](const std::string& name) { return name == "refocus_ratio" ? 2e-4 : 2e-2; });
}

TEST_CASE("turning all phases by one degree turns M+, and so do the tangents", "[sensitivity]") {
    const Experiment e = coupled_echo();
    const SignalJacobian j =
        simulate_with_jacobian(e, std::vector<std::string>{"flip_phase_deg", "refocus_phase_deg"});
    for (std::size_t k = 0; k < j.signal.points(); ++k) {
        // d M+ / d phi = i M+, exactly.
        REQUIRE(j.dmx[0][k] + j.dmx[1][k] ==
                Approx(-j.signal.my[k] * kRadiansPerDegree).margin(1e-13));
        REQUIRE(j.dmy[0][k] + j.dmy[1][k] ==
                Approx(j.signal.mx[k] * kRadiansPerDegree).margin(1e-13));
    }
}

TEST_CASE("what a batch with derivatives gives depends neither on threads nor on its size",
          "[sensitivity]") {
    // Few curves share their tangents among the threads.
    const Experiment e = load_experiment("challenge-2021");
    constexpr std::size_t kCurves = 9;
    const std::size_t curve = 2 * static_cast<std::size_t>(e.acquisition.points);
    const std::vector<double> parameters = draw_many(e.prior, kCurves, 12);
    std::vector<float> signal(kCurves * curve), jacobian(3 * kCurves * curve);
    simulate_batch_with_jacobian(e, parameters, signal, jacobian, 1);
    for (const std::size_t count : {std::size_t(1), std::size_t(3), kCurves}) {
        for (const int threads : {2, 3, 7}) {
            CAPTURE(count, threads);
            std::vector<float> some(count * curve), slopes(3 * count * curve);
            simulate_batch_with_jacobian(e, std::span(parameters).first(3 * count), some, slopes,
                                         threads);
            CHECK(std::equal(some.begin(), some.end(), signal.begin()));
            CHECK(std::equal(slopes.begin(), slopes.end(), jacobian.begin()));
        }
    }
}

TEST_CASE("a batch in float has the derivatives of the curves alone in double", "[sensitivity]") {
    Experiment e = load_experiment("challenge-2021");
    const std::size_t points = static_cast<std::size_t>(e.acquisition.points);
    constexpr std::size_t kCurves = 19;
    const std::vector<double> parameters = draw_many(e.prior, kCurves, 11);
    std::vector<float> signal(kCurves * 2 * points), jacobian(kCurves * 3 * 2 * points);
    simulate_batch_with_jacobian(e, parameters, signal, jacobian, 2);
    std::vector<float> again(signal.size()), jacobian_again(jacobian.size());
    simulate_batch_with_jacobian(e, parameters, again, jacobian_again, 1);
    CHECK(signal == again);
    CHECK(jacobian == jacobian_again);
    e.accuracy.precision = Precision::double_;
    const std::vector<std::string> names{"alpha_x_khz", "alpha_z_khz", "flip_deg"};
    for (std::size_t i : {std::size_t(0), std::size_t(7), kCurves - 1}) {
        const SignalJacobian j = simulate_with_jacobian(
            with_parameters(e, std::span(parameters).subspan(3 * i, 3)), names);
        for (std::size_t t = 0; t < 3; ++t) {
            double largest = 0.0, error = 0.0;
            for (std::size_t k = 0; k < points; ++k) {
                const double dx = jacobian[((i * 3 + t) * 2) * points + k];
                largest = std::max(largest, std::abs(j.dmx[t][k]));
                error = std::max(error, std::abs(dx - j.dmx[t][k]));
            }
            // Float's 6e-8 a step, over 1,500 passes and the coupling's amplification.
            CHECK(error < 1e-3 * largest);
        }
    }
}

TEST_CASE("derivatives of what no curve depends on are refused by name", "[sensitivity]") {
    const Experiment e = coupled_echo();
    CHECK_THROWS_WITH(simulate_with_jacobian(e, std::vector<std::string>{"noise"}),
                      "no curve depends on acquisition.noise");
    CHECK_THROWS_WITH(simulate_with_jacobian(e, std::vector<std::string>{"xi"}),
                      "interaction.xi does not apply to this experiment");
    const std::string no_number =
        "no curve has a derivative with respect to interaction.kernel: it is a choice, not a "
        "number";
    CHECK_THROWS_WITH(simulate_with_jacobian(e, std::vector<std::string>{"kernel"}), no_number);
    Experiment choice = e;
    choice.interaction.kernel = GaussianKernel{};
    choice.prior = {categorical_unknown("kernel", {"gaussian", "rkky"})};
    const std::size_t samples = 2 * static_cast<std::size_t>(e.acquisition.points);
    std::vector<float> signal(samples), jacobian(samples);
    CHECK_THROWS_WITH(
        simulate_batch_with_jacobian(choice, std::vector<double>{0.5}, signal, jacobian),
        no_number);
    CHECK_THROWS_AS(simulate_with_jacobian(e, std::vector<std::string>{"nonsense"}),
                    std::invalid_argument);
}

TEST_CASE("the kernel's tangents and the general simulator's are the same", "[sensitivity]") {
    Experiment e = coupled_echo();
    e.accuracy = Accuracy{};
    e.accuracy.tolerance = 1e-8;
    const SignalJacobian fast = simulate_with_jacobian(e, kAll);
    std::vector<std::string> more = kAll;
    more.push_back("tau_us");  // which sends all of them to the general one
    const SignalJacobian general = simulate_with_jacobian(e, more);
    REQUIRE(general.dmx.size() == kAll.size() + 1);
    for (std::size_t t = 0; t < kAll.size(); ++t) {
        double worst = 0.0, largest = 0.0;
        for (std::size_t k = 0; k < fast.signal.points(); ++k) {
            worst = std::max({worst, std::abs(fast.dmx[t][k] - general.dmx[t][k]),
                              std::abs(fast.dmy[t][k] - general.dmy[t][k])});
            largest = std::max(largest, std::abs(fast.dmx[t][k]));
        }
        // Each is right to a few times its tolerance of the largest.
        CHECK(worst < 1e-6 * largest);
    }
}

TEST_CASE("a batch takes the derivatives of any unknowns on any kernel", "[sensitivity]") {
    Experiment e = coupled_echo();
    e.interaction.kernel = GaussianKernel{1.5};
    e.lattice = {6, 5, 1, 3};
    e.acquisition.stop_us = 20.0;
    e.acquisition.points = 11;
    e.sequence.program = HahnEcho{};
    std::get<HahnEcho>(e.sequence.program).tau_us = 8.0;
    e.accuracy = Accuracy{};
    e.prior = {{"alpha_x_khz", 0.0, 50.0}, {"xi", 1.0, 2.0}, {"tau_us", 7.0, 9.0}};
    const std::vector<double> parameters{20.0, 1.5, 8.0, 30.0, 1.2, 7.5};
    std::vector<float> signal(2 * 2 * 11), jacobian(2 * 3 * 2 * 11);
    simulate_batch_with_jacobian(e, parameters, signal, jacobian);
    for (std::size_t i = 0; i < 2; ++i) {
        const Experiment one = with_parameters(e, std::span(parameters).subspan(3 * i, 3));
        const std::vector<std::string> names{"alpha_x_khz", "xi", "tau_us"};
        const SignalJacobian j = simulate_with_jacobian(one, names);
        for (std::size_t t = 0; t < 3; ++t) {
            for (std::size_t k = 0; k < 11; ++k) {
                CHECK(jacobian[((i * 3 + t) * 2 + 1) * 11 + k] == static_cast<float>(j.dmy[t][k]));
            }
        }
    }
}
