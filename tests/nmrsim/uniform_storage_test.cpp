// Long delays of the uniform kernel, against steps through all of them.
#include "uniform/uniform_storage.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/experiment.h"
#include "nmrsim/run_time.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"
#include "nmrsim/simulation_cost.h"

using namespace nmrsim;

namespace {

/// A Gaussian line whose cut is where nothing is left: its edges do not ring.
Experiment sample(double alpha_khz) {
    Experiment e;
    e.line.shape = LineShape::gaussian;
    e.line.half_width_khz = 10.0;
    e.line.cutoff_khz = 45.0;
    e.interaction.alpha_x_khz = alpha_khz;
    e.interaction.alpha_z_khz = 20.0;
    return e;
}

Experiment stimulated(Experiment e, double storage_us, double flip_deg = 90.0) {
    e.sequence.program = std::vector<Event>{Pulse{90.0, 0.0}, Delay{60.0}, Pulse{flip_deg, 0.0},
                                            Delay{storage_us}, Pulse{90.0, 30.0}};
    e.acquisition = {storage_us + 80.0, storage_us + 180.0, 51};
    return e;
}

Experiment recovery(Experiment e, double delay_us) {
    e.sequence.program = std::vector<Event>{Pulse{170.0, 0.0}, Delay{delay_us}, Pulse{90.0, 0.0}};
    e.acquisition = {delay_us, delay_us + 60.0, 31};
    return e;
}

/// Nodes that are set are stepped through all delays.
Experiment brute_force(Experiment e) {
    e.accuracy.nodes = 200 + static_cast<int>(0.12 * e.acquisition.stop_us);
    e.accuracy.tolerance = 1e-7;
    return e;
}

double difference(const std::vector<double>& a, const std::vector<double>& b) {
    REQUIRE(a.size() == b.size());
    double largest = 0.0;
    for (std::size_t k = 0; k < a.size(); ++k) {
        largest = std::max(largest, std::abs(a[k] - b[k]));
    }
    return largest;
}

double largest(const std::vector<double>& a) {
    return difference(a, std::vector<double>(a.size(), 0.0));
}

/// Requires: the same curve as that of steps through all of it.
void check(const Experiment& e) {
    const Signal exact = simulate(brute_force(e)), signal = simulate(e);
    const double peak = std::max(largest(exact.mx), largest(exact.my));
    REQUIRE(peak > 1e-3);
    CHECK(difference(signal.mx, exact.mx) <= e.accuracy.tolerance * peak);
    CHECK(difference(signal.my, exact.my) <= e.accuracy.tolerance * peak);
    CHECK(difference(signal.mz, exact.mz) <= e.accuracy.tolerance);
    CHECK(difference(signal.time_us, exact.time_us) == 0.0);
    CHECK(signal.estimated_error <= e.accuracy.tolerance);
}

double cut_us(const Experiment& e) {
    const std::vector<double> rest_us = store_long_delays(e, 0).rest_us;
    return std::accumulate(rest_us.begin(), rest_us.end(), 0.0);
}

}  // namespace

TEST_CASE("delays whose echoes the window does not hear are shortened") {
    const Experiment e = stimulated(sample(1.0), 1e4);
    const StoredExperiment stored = store_long_delays(e, 0);
    REQUIRE(stored.rest_us.size() == 5);
    CHECK(stored.rest_us[1] == 0.0);
    CHECK(stored.rest_us[3] > 9e3);
    CHECK(stored.error < 1e-8);
    CHECK(stored.experiment.acquisition.start_us ==
          Approx(e.acquisition.start_us - stored.rest_us[3]));
    CHECK(cut_us(recovery(sample(1.0), 1e6)) > 0.99e6);
    CHECK(cut_us(stimulated(recovery(sample(1.0), 0.0), 2e4)) > 1.9e4);

    Experiment both = e;
    both.sequence.program = std::vector<Event>{Pulse{180.0}, Delay{1e6}, Pulse{90.0}, Delay{60.0},
                                               Pulse{90.0},  Delay{1e4}, Pulse{90.0}, Delay{200.0}};
    both.acquisition = {1010080.0, 1010180.0, 51};
    CHECK(cut_us(both) > 1.005e6);
}

TEST_CASE("delays whose echoes the window hears are not shortened") {
    const auto with = [](std::vector<Event> events, double start_us, double stop_us) {
        Experiment e = sample(1.0);
        e.sequence.program = std::move(events);
        e.acquisition = {start_us, stop_us, 51};
        return e;
    };
    const std::vector<Event> hahn{Pulse{90.0}, Delay{5e3}, Pulse{180.0}};
    CHECK(cut_us(with(hahn, 9.9e3, 10.1e3)) == 0.0);
    CHECK(cut_us(with(hahn, 5e3, 5.1e3)) > 4e3);
    // The third pulse comes when the second one's echo does.
    const std::vector<Event> twins{Pulse{90.0}, Delay{5e3}, Pulse{120.0}, Delay{5.01e3},
                                   Pulse{90.0}};
    CHECK(cut_us(with(twins, 10.01e3, 10.1e3)) == 0.0);
    const std::vector<Event> sum{Pulse{90.0}, Delay{3e3}, Pulse{90.0}, Delay{4e3},
                                 Pulse{90.0}, Delay{7e3}, Pulse{90.0}};
    CHECK(cut_us(with(sum, 14e3, 14.1e3)) < 11e3);
    // The window is in the delay.
    CHECK(cut_us(with({Pulse{90.0}, Delay{5e3}, Pulse{90.0}}, 0.0, 5.1e3)) == 0.0);

    Experiment relaxed = with(twins, 10.01e3, 10.1e3);
    relaxed.relaxation = relaxation_from_times(1e5, 200.0);
    CHECK(cut_us(relaxed) > 8e3);
    Experiment set = stimulated(sample(1.0), 1e4);
    set.accuracy.nodes = 500;
    CHECK(cut_us(set) == 0.0);
    // The edges of a Lorentzian's cut ring.
    Experiment ringing = stimulated(Experiment{}, 1e3);
    CHECK(cut_us(ringing) == 0.0);
    CHECK(cut_us(stimulated(Experiment{}, 1e5)) > 0.9e5);
}

TEST_CASE("a stored curve is that of steps through all of the delay") {
    const double alpha_khz = GENERATE(0.0, 1.0, -3.0);
    const bool relaxes = GENERATE(false, true);
    Experiment e = sample(alpha_khz);
    if (relaxes) e.relaxation = relaxation_from_times(4e3, 400.0);
    for (const Experiment& one : {stimulated(e, 3e3), stimulated(e, 3e3, 70.0), recovery(e, 3e3)}) {
        REQUIRE(cut_us(one) > 1e3);
        check(one);
    }
}

TEST_CASE("a delay in which the coupling keeps echoes up is followed to its end") {
    // Spins stored as a grating of their offsets answer each echo with another.
    const Experiment e = stimulated(sample(14.0), 3e3);
    REQUIRE(cut_us(e) > 1e3);
    check(e);
}

TEST_CASE("what is quiet is followed in closed form, echoes in it by steps") {
    Experiment e = sample(4.0);
    e.sequence.program = std::vector<Event>{Pulse{90.0}, Delay{1.5e3}, Pulse{150.0, 90.0}};
    e.acquisition = {2.95e3, 3.05e3, 51};
    check(e);  // an echo after a long stretch before the window
    e.sequence.program =
        std::vector<Event>{Pulse{90.0}, Delay{1e3},   Pulse{150.0, 90.0}, Delay{2e3},
                           Pulse{70.0}, Delay{900.0}, Pulse{50.0}};
    e.acquisition = {3.9e3, 4.1e3, 51};
    check(e);  // an echo in the middle of a delay, another in the window
    e.acquisition = {1.9e3, 2.1e3, 51};
    check(e);  // a window in the middle of a delay
}

TEST_CASE("a window that ends long before its delay leaves no pulse out") {
    Experiment e = sample(2.0);
    e.sequence.program = std::vector<Event>{Pulse{90.0}, Delay{100.0}, Pulse{120.0, 90.0},
                                            Delay{4e3},  Pulse{90.0},  Delay{30.0}};
    e.relaxation = relaxation_from_times(2e3, 300.0);
    e.acquisition = {700.0, 702.0, 5};
    const Signal exact = simulate(brute_force(e)), signal = simulate(e);
    CHECK(difference(signal.mz, exact.mz) <= 1e-4);
}

TEST_CASE("a batch of long delays is its curves one by one") {
    Experiment e = stimulated(sample(1.0), 4e3);
    e.prior = {{"alpha_x_khz", 0.0, 20.0}, {"pulse_scale", 0.5, 1.0}};
    // Some neighbours keep their echoes up.
    const std::vector<double> parameters{1.0, 1.0, 14.0, 1.0, -2.0, 0.9, 14.0, 0.95, 0.0, 0.7};
    const std::size_t count = parameters.size() / 2;
    const std::size_t points = static_cast<std::size_t>(e.acquisition.points);
    std::vector<float> all(count * 2 * points);
    REQUIRE(simulate_batch(e, parameters, {}, all, 2) == count);
    for (std::size_t i = 0; i < count; ++i) {
        const Signal one = simulate(with_parameters(e, std::span(parameters).subspan(2 * i, 2)));
        const double peak = std::max(largest(one.mx), largest(one.my));
        for (std::size_t k = 0; k < points; ++k) {
            CHECK(std::abs(all[2 * i * points + k] - one.mx[k]) <= 2e-4 * peak);
            CHECK(std::abs(all[(2 * i + 1) * points + k] - one.my[k]) <= 2e-4 * peak);
        }
    }
}

TEST_CASE("derivatives follow long delays") {
    const std::vector<std::string> names{"alpha_x_khz", "alpha_z_khz", "pulse_scale"};
    Experiment relaxing = sample(2.0);
    relaxing.relaxation = relaxation_from_times(4e3, 400.0);
    Experiment echo = sample(2.0);
    echo.sequence.program = std::vector<Event>{Pulse{80.0}, Delay{1.5e3}, Pulse{150.0, 90.0}};
    echo.acquisition = {2.95e3, 3.05e3, 51};
    for (const Experiment& e : {stimulated(sample(2.0), 3e3), stimulated(sample(0.0), 3e3),
                                stimulated(relaxing, 3e3), recovery(relaxing, 3e3), echo}) {
        const SignalJacobian exact = simulate_with_jacobian(brute_force(e), names);
        const SignalJacobian jacobian = simulate_with_jacobian(e, names);
        constexpr double kRounding = 1e-8;  // in float, where Mz and with it a derivative vanishes
        for (std::size_t p = 0; p < names.size(); ++p) {
            INFO(names[p]);
            const double scale = std::max(largest(exact.dmx[p]), largest(exact.dmy[p]));
            CHECK(difference(jacobian.dmx[p], exact.dmx[p]) <= 1e-3 * scale + kRounding);
            CHECK(difference(jacobian.dmy[p], exact.dmy[p]) <= 1e-3 * scale + kRounding);
        }
    }
}

TEST_CASE("a recovery after a second costs what an echo costs") {
    Experiment echo = sample(1.0);
    echo.sequence.program = HahnEcho{};
    echo.acquisition = {50.0, 150.0, 51};
    const double flops = simulation_cost(echo).flops;
    CHECK(simulation_cost(recovery(sample(1.0), 1e6)).flops < 10.0 * flops);
    CHECK(simulation_cost(stimulated(sample(1.0), 1e6)).flops ==
          Approx(simulation_cost(stimulated(sample(1.0), 1e4)).flops));
}

TEST_CASE("a uniform curve that would take too long is refused") {
    const double before_s = longest_curve_s();
    set_longest_curve_s(1e-6);
    const Experiment e = stimulated(sample(1.0), 100.0);
    CHECK_THROWS_WITH(simulate(e), ContainsSubstring("NMRSIM_LONGEST_S"));
    set_longest_curve_s(before_s);
    CHECK_NOTHROW(simulate(e));
}

TEST_CASE("The ringing of a line that is nearly a box is not passed over") {
    // At the edges of a cut at 1.8 half widths many spins ring long after a pulse, and turn others.
    Experiment e;
    e.interaction.alpha_x_khz = 80.0;
    e.interaction.alpha_z_khz = 1.5;
    e.line.half_width_khz = 182.5;
    e.line.cutoff_khz = 320.9;
    e.sequence.program = HahnEcho{
        .flip_deg = -120.3, .refocus_ratio = 2.12, .refocus_phase_deg = 90.0, .tau_us = 97.0};
    e.acquisition.start_us = 182.8;
    e.acquisition.stop_us = 220.9;
    e.acquisition.points = 120;
    e.accuracy.tolerance = 2.3e-4;
    const Signal signal = simulate(e);
    e.accuracy.steps_per_point = 4.0;  // nothing in closed form
    e.accuracy.tolerance = 1e-7;
    const Signal stepped = simulate(e);
    const double error = largest_difference(signal, stepped) / peak_magnitude(stepped);
    CHECK(error < signal.estimated_error);
    CHECK(error < 2.3e-4);
}
