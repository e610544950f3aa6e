// The echo's mirror symmetry, against simulations.

#include "nmrsim/mirrored_echo.h"

#include <cmath>
#include <complex>

#include "catch_compat.h"
#include "nmrsim/dataset.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/peak.h"
#include "nmrsim/simulate.h"

using namespace nmrsim;

namespace {

std::complex<double> mirrored(std::complex<double> m, double axis_deg) {
    return std::polar(1.0, axis_deg * (std::acos(-1.0) / 90.0)) * std::conj(m);
}

/// A line that is all but even, and its mirror image.
Experiment lopsided(bool negated) {
    Experiment e = load_experiment("challenge-2021");
    auto& echo = std::get<HahnEcho>(e.sequence.program);
    echo.flip_deg = 90.0;
    echo.refocus_ratio = 1.4;
    echo.flip_phase_deg = 30.0;
    echo.refocus_phase_deg = 120.0;
    e.interaction.alpha_x_khz = 60.0;
    e.interaction.alpha_z_khz = 110.0;
    e.acquisition.receiver_phase_deg = 17.0;
    e.relaxation.gamma3_per_s = 2000.0;
    e.line.shape = LineShape::table;
    e.line.table = {{-40.0, 0.0}, {-10.0, 1.0}, {5.0, 0.3}, {80.0, 0.0}};
    if (negated) {
        e.line.table = {{-80.0, 0.0}, {-5.0, 0.3}, {10.0, 1.0}, {40.0, 0.0}};
    }
    e.accuracy.tolerance = 1e-6;
    return e;
}

}  // namespace

TEST_CASE("negated offsets give the mirrored echo") {
    const Signal a = simulate(lopsided(false));
    const Signal b = simulate(lopsided(true));
    // Where the rule puts the axis, were the line even and drawn.
    Experiment drawn = lopsided(false);
    drawn.line.shape = LineShape::lorentzian;
    drawn.line.spins = 100;
    drawn.prior.clear();
    const auto axis = mirror_axis_deg(drawn);
    REQUIRE(axis);
    double error = 0.0;
    double off_axis = 0.0;  // what a wrong axis, or none, would leave
    for (std::size_t t = 0; t < a.points(); ++t) {
        const std::complex<double> m(a.mx[t], a.my[t]);
        const std::complex<double> n(b.mx[t], b.my[t]);
        error = std::max(error, std::abs(mirrored(m, *axis) - n));
        off_axis = std::max(off_axis, std::abs(m - n));
    }
    CHECK(error < 4e-6 * peak_magnitude(a));
    CHECK(off_axis > 0.1 * peak_magnitude(a));
}

TEST_CASE("curves of drawn ensembles scatter evenly about the mirror's axis") {
    Experiment e = load_experiment("challenge-2024-gaussian");
    e.lattice.nx = e.lattice.ny = 12;
    // A hundredth of the sites hold a hundredth of the coupling.
    e.prior = {{"summed_khz", 25.0, 125.0}, {"xi", 1.0, 4.0}};
    e.acquisition.points = 40;
    const auto axis = mirror_axis_deg(e);
    REQUIRE(axis);
    constexpr std::size_t kCurves = 400;
    const Dataset data = generate_dataset(e, kCurves, 3, 0, 1);
    const std::complex<double> to_axis = std::polar(1.0, -*axis * (std::acos(-1.0) / 180.0));
    double along = 0.0;
    double largest = 0.0;  // mean across the axis over its standard error, of all times
    for (std::size_t t = 1; t < data.points(); ++t) {
        double sum = 0.0;
        double squares = 0.0;
        for (std::size_t i = 0; i < kCurves; ++i) {
            const float* curve = data.signal.data() + 2 * i * data.points();
            const auto m = to_axis * std::complex<double>(curve[t], curve[data.points() + t]);
            sum += m.imag();
            squares += m.imag() * m.imag();
            along = std::max(along, std::abs(m.real()));
        }
        largest = std::max(largest, std::abs(sum) / std::sqrt(squares));
    }
    CHECK(largest < 4.0);  // 39 times, not independent
    CHECK(along > 0.3);
}

TEST_CASE("the mirror is refused where the symmetry does not hold") {
    const Experiment good = load_experiment("challenge-2024-gaussian");
    CHECK(mirror_axis_deg(good));
    CHECK(mirror_axis_deg(load_experiment("challenge-2020")));
    CHECK_FALSE(mirror_axis_deg(load_experiment("challenge-2021")));  // nothing is drawn
    const auto refused = [&](const auto& change) {
        Experiment e = good;
        change(e);
        return !mirror_axis_deg(e);
    };
    CHECK(refused([](Experiment& e) { std::get<HahnEcho>(e.sequence.program).flip_deg = 60.0; }));
    CHECK(refused([](Experiment& e) { e.sequence.pulse_scale = 0.9; }));
    CHECK(refused(
        [](Experiment& e) { std::get<HahnEcho>(e.sequence.program).refocus_phase_deg = 180.0; }));
    CHECK(refused([](Experiment& e) { e.line.centre_khz = 1.0; }));
    CHECK(refused([](Experiment& e) { e.relaxation.gamma1_per_s = 10.0; }));
    CHECK(refused([](Experiment& e) { e.start.mx = 0.1; }));
    CHECK(refused([](Experiment& e) { e.interaction.alpha_y_khz = 1.0; }));
    CHECK(refused([](Experiment& e) { e.prior[0].name = "pulse_scale"; }));
}
