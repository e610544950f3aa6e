// Phase cycles against closed forms of uncoupled spins and against symmetry.

#include "nmrsim/phase_cycle.h"

#include <cmath>
#include <complex>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/experiment.h"
#include "nmrsim/line.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"

using namespace nmrsim;
using Complex = std::complex<double>;

namespace {

/// A Hahn echo whose second pulse does not refocus all.
Experiment imperfect_echo() {
    Experiment e;
    e.sequence.program = HahnEcho{.flip_deg = 70.0,
                                  .refocus_ratio = 1.8,
                                  .flip_phase_deg = 20.0,
                                  .refocus_phase_deg = 75.0,
                                  .tau_us = 12.0};
    e.acquisition.stop_us = 36.0;
    e.acquisition.points = 145;
    e.accuracy.tolerance = 1e-10;
    return e;
}

/// What the second pulse makes of an uncoupled echo, part by part.
struct Parts {
    Complex first_decay;   ///< of the first pulse's decay, phase kept
    Complex echo;          ///< of it, phase turned round
    Complex second_decay;  ///< of the polarisation that the first pulse left
};

/// Of every sample.
std::vector<Parts> closed_form(const Experiment& e) {
    const HahnEcho& echo = std::get<HahnEcho>(e.sequence.program);
    const double theta = echo.flip_deg * kRadiansPerDegree, beta = echo.refocus_ratio * theta;
    const Complex i(0.0, 1.0);
    const Complex turn1 = std::polar(1.0, echo.flip_phase_deg * kRadiansPerDegree);
    const Complex turn2 = std::polar(1.0, echo.refocus_phase_deg * kRadiansPerDegree);
    const std::vector<double> times = acquisition_times_us(e);
    const std::size_t n = times.size();
    std::vector<double> seconds;
    for (const int taus : {0, 1, 2}) {
        for (const double t : times) seconds.push_back((t - taus * echo.tau_us) * kSecondsPerUs);
    }
    const std::vector<double> chi = line_characteristic(e.line, seconds);
    const Complex start = 0.5 * i * std::sin(theta) * turn1;
    std::vector<Parts> parts;
    for (std::size_t k = 0; k < n; ++k) {
        if (times[k] < echo.tau_us) {
            parts.push_back({start * chi[k], 0.0, 0.0});
        } else {
            parts.push_back({std::pow(std::cos(0.5 * beta), 2) * start * chi[k],
                             std::pow(std::sin(0.5 * beta), 2) * turn2 * turn2 * std::conj(start) *
                                 chi[2 * n + k],
                             0.5 * i * std::cos(theta) * std::sin(beta) * turn2 * chi[n + k]});
        }
    }
    return parts;
}

/// Ten times the tolerance asked for.
constexpr double kMargin = 1e-9;

/// Largest |M+ - expected(parts)| over the window.
template <typename Expected>
double largest_error(const Experiment& e, const Expected& expected) {
    const Signal signal = simulate(e);
    const std::vector<Parts> parts = closed_form(e);
    double largest = 0.0;
    for (std::size_t k = 0; k < signal.points(); ++k) {
        const bool after = signal.time_us[k] >= std::get<HahnEcho>(e.sequence.program).tau_us;
        largest = std::max(
            largest, std::abs(Complex(signal.mx[k], signal.my[k]) - expected(parts[k], after)));
    }
    return largest;
}

}  // namespace

TEST_CASE("two steps cancel what the second pulse makes of the polarisation", "[phase cycle]") {
    Experiment e = imperfect_echo();
    const auto all = [](const Parts& p, bool) { return p.first_decay + p.echo + p.second_decay; };
    const auto wanted = [](const Parts& p, bool) { return p.first_decay + p.echo; };
    CHECK(largest_error(e, all) < kMargin);
    CHECK(largest_error(e, wanted) > 1e-2);
    e.phase_cycle.steps = {{{0.0, 0.0}, 0.0}, {{180.0, 0.0}, 180.0}};
    CHECK(largest_error(e, wanted) < kMargin);
}

TEST_CASE("four steps of the second pulse leave the echo alone", "[phase cycle]") {
    // EXORCYCLE: the echo turns by twice the pulse's phase, the rest does not.
    // G. Bodenhausen, R. Freeman, D. L. Turner, J. Magn. Reson. 27, 511 (1977).
    Experiment e = imperfect_echo();
    e.phase_cycle.steps = {
        {{0.0, 0.0}, 0.0}, {{0.0, 90.0}, 180.0}, {{0.0, 180.0}, 0.0}, {{0.0, 270.0}, 180.0}};
    // Before the second pulse its phase means nothing: the receiver's cancels all.
    CHECK(largest_error(e, [](const Parts& p, bool after) {
              return after ? p.echo : Complex(0.0);
          }) < kMargin);
}

TEST_CASE("turning pulses and receiver together changes nothing", "[phase cycle]") {
    // CYCLOPS. With coupling: alike in x and y, it turns with the pulses.
    Experiment e = imperfect_echo();
    e.interaction.alpha_x_khz = 60.0;
    e.interaction.alpha_z_khz = 90.0;
    const Signal plain = simulate(e);
    for (const double phase : {0.0, 90.0, 180.0, 270.0}) {
        e.phase_cycle.steps.push_back({{phase, phase}, phase});
    }
    const Signal cycled = simulate(e);
    // Rounding alone, 1e-16 a step, times what the coupling makes of it.
    CHECK(largest_difference(plain, cycled) < 1e-12);
    for (std::size_t k = 0; k < plain.points(); ++k) {
        REQUIRE(cycled.mz[k] == Approx(plain.mz[k]).margin(1e-12));
    }
    e.phase_cycle.steps = {{{0.0, 0.0}, 0.0}, {{180.0, 180.0}, 0.0}};
    const Signal cancelled = simulate(e);
    for (std::size_t k = 0; k < plain.points(); ++k) {
        REQUIRE(std::abs(Complex(cancelled.mx[k], cancelled.my[k])) < 1e-12);
        REQUIRE(cancelled.mz[k] == Approx(plain.mz[k]).margin(1e-12));
    }
}

TEST_CASE("a batch whose curves differ in the receiver alone is that of its curves") {
    Experiment e = imperfect_echo();
    e.interaction.alpha_x_khz = 60.0;
    e.line.spins = GENERATE(0, 20);
    e.accuracy.tolerance = 1e-4;
    e.prior = {{"gain", 0.5, 2.0}};
    e.phase_cycle.steps = {{{0.0, 0.0}, 0.0}, {{180.0, 0.0}, 180.0}};
    const std::vector<double> gains = {0.5, 2.0};
    const std::size_t points = sample_count(e);
    std::vector<float> curves(gains.size() * 2 * points);
    simulate_batch(e, gains, {}, curves);
    for (std::size_t i = 0; i < gains.size(); ++i) {
        e.acquisition.gain = gains[i];
        const Signal alone = simulate(e);
        for (std::size_t k = 0; k < points; ++k) {
            REQUIRE(curves[2 * i * points + k] == Approx(alone.mx[k]).margin(1e-5));
        }
    }
}

TEST_CASE("phases are added pulse by pulse and keep the kind of sequence") {
    HahnEcho echo;
    echo.flip_phase_deg = 3590.0;
    const Sequence turned = with_phases({echo}, {{90.0, -90.0}, 12.0});
    // Modulo a turn, so that the parameter's bounds hold.
    CHECK(std::get<HahnEcho>(turned.program).flip_phase_deg == 80.0);
    CHECK(std::get<HahnEcho>(turned.program).refocus_phase_deg == -90.0);
    CHECK(std::get<HahnEcho>(with_phases({echo}, {{0.0, 0.0}, 0.0}).program).flip_phase_deg ==
          3590.0);
    const Sequence events{std::vector<Event>{Pulse{10.0, 20.0}, Delay{1.0}, Pulse{30.0, 40.0}}};
    const std::vector<Event> of = sequence_events(with_phases(events, {{5.0, 6.0}, 0.0}));
    CHECK(std::get<Pulse>(of[0]).phase_deg == 25.0);
    CHECK(std::get<Pulse>(of[0]).flip_deg == 10.0);
    CHECK(std::get<Pulse>(of[2]).phase_deg == 46.0);
}
