#include "lattice/lattice_simulator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/line.h"
#include "nmrsim/random.h"
#include "nmrsim/reference_simulator.h"
#include "nmrsim/run_time.h"
#include "nmrsim/simulate.h"
#include "nmrsim/stop.h"
#include "nmrsim/units.h"
#include "number_rows.h"

namespace nmrsim {
namespace {

using Complex = std::complex<double>;

/// Hahn echo with a gaussian kernel whose summed coupling is given, double precision.
Experiment echo(int nx, int ny, double summed_khz, double xi) {
    Experiment e;
    e.interaction.kernel = GaussianKernel{xi};
    e.interaction.normalize = true;
    e.interaction.alpha_x_khz = summed_khz;
    e.lattice.nx = nx;
    e.lattice.ny = ny;
    e.lattice.seed = 11;
    HahnEcho hahn;
    hahn.tau_us = 12.0;
    e.sequence.program = hahn;
    e.acquisition.start_us = 0.0;
    e.acquisition.stop_us = 36.0;
    e.acquisition.points = 121;
    e.accuracy.precision = Precision::double_;
    return e;
}

Signal run(const Experiment& experiment) {
    LatticeWorkspace workspace;
    return simulate_lattice(experiment, workspace).value();
}

Complex transverse(const Signal& signal, std::size_t i) {
    return {signal.mx[i], signal.my[i]};
}

double largest_difference_of_all(const Signal& a, const Signal& b) {
    double largest = largest_difference(a, b);
    for (std::size_t i = 0; i < a.points(); ++i) {
        largest = std::max(largest, std::abs(a.mz[i] - b.mz[i]));
    }
    return largest;
}

/// Mean of exp(-2 pi i delta t) over the offsets drawn.
Complex characteristic(const std::vector<double>& offset_hz, double time_us) {
    Complex sum = 0.0;
    for (const double offset : offset_hz) {
        sum += std::polar(1.0, -kTwoPi * offset * time_us * kSecondsPerUs);
    }
    return sum / static_cast<double>(offset_hz.size());
}

TEST_CASE("offsets are drawn from the line, by the lattice's seed alone") {
    Experiment e = echo(40, 40, 0.0, 3.0);
    const std::vector<double> offsets = draw_offsets_hz(e);
    REQUIRE(offsets.size() == 1600);
    for (const double offset : offsets) CHECK(std::abs(offset) <= 250e3);
    CHECK(draw_offsets_hz(e) == offsets);
    e.lattice.seed = 12;
    CHECK(draw_offsets_hz(e) != offsets);
    // Mean of 1600 cosines, each with a variance of at most 1/2: five sigma are 5 sqrt(1/3200).
    for (const double t : {1.0, 3.0, 8.0}) {
        CHECK(std::abs(characteristic(offsets, t).real() -
                       line_characteristic(e.line, t * kSecondsPerUs)) <
              5.0 * std::sqrt(1.0 / 3200));
    }
}

TEST_CASE("offsets of Voigt and table lines are the line's quantiles, one by one") {
    Experiment e = echo(5, 3, 0.0, 3.0);
    e.line.shape = LineShape::voigt;
    e.line.gaussian_half_width_khz = 12.0;
    const std::vector<double> offsets = draw_offsets_hz(e);
    CounterRandom random(e.lattice.seed, 0, RandomStream::offsets);
    for (const double offset : offsets) CHECK(offset == line_quantile(e.line, random.uniform()));
}

TEST_CASE("a line that is not renormalised leaves the spins beyond its cut out") {
    // As under the uniform kernel: they count neither in the mean nor in any field.
    Experiment e = echo(6, 5, 90.0, 2.0);
    e.acquisition.stop_us = 20.0;
    e.acquisition.points = 21;
    Experiment cut = e;
    cut.line.renormalize = false;
    const double share = line_weight(cut.line);
    REQUIRE(share == Approx(0.9365).margin(1e-3));
    e.interaction.alpha_x_khz *= share;
    const Signal all = run(e);
    const Signal left = run(cut);
    for (std::size_t k = 0; k < all.points(); ++k) {
        CHECK(std::abs(transverse(left, k) - share * transverse(all, k)) < 1e-5);
    }
    CHECK(largest_difference_of_all(run(cut), simulate_reference(cut, 0.02)) < 1e-4);
}

TEST_CASE("a lattice whose error cannot be had is refused") {
    Experiment e = echo(3, 2, 90.0, 2.0);
    e.acquisition.stop_us = 0.5;
    e.acquisition.points = 3;
    e.accuracy.tolerance = 1e-15;  // below rounding
    LatticeWorkspace workspace;
    CHECK_FALSE(simulate_lattice(e, workspace));
    CHECK_THROWS_AS(simulate(e), std::runtime_error);
    e.acquisition.stop_us = 36.0;
    e.accuracy.tolerance = 1e-60;
    CHECK_THROWS_AS(run(e), std::invalid_argument);
}

TEST_CASE("a lattice's curve that would take too long is refused before it is begun") {
    const double before_s = longest_curve_s();
    // Of many sites, whose steps are as they were measured; of few, whose curves are compared.
    for (const int side : {32, 6}) {
        CAPTURE(side);
        Experiment e = echo(side, side, 90.0, 2.0);
        set_longest_curve_s(1e-6);
        CHECK_THROWS_WITH(run(e), ContainsSubstring("NMRSIM_LONGEST_S"));
        e.prior = {{"alpha_x_khz", 20.0, 100.0}};
        std::vector<float> signal(2 * 2 * 121);
        CHECK_THROWS_AS(simulate_batch(e, std::vector{30.0, 60.0}, {}, signal, 2),
                        std::invalid_argument);
        set_longest_curve_s(std::numeric_limits<double>::infinity());
        CHECK_NOTHROW(run(e));
        set_longest_curve_s(before_s);
        std::get<HahnEcho>(e.sequence.program).tau_us = 1e8;
        e.acquisition.start_us = 2e8;
        e.acquisition.stop_us = 2e8 + 36.0;
        CHECK_THROWS_WITH(run(e), ContainsSubstring("hours"));
    }
}

TEST_CASE("a lattice's curve ends when asked to") {
    Experiment e = echo(6, 5, 90.0, 2.0);
    request_stop();
    CHECK_THROWS_AS(run(e), Stopped);
    clear_stop();
    CHECK(run(e).points() == 121);
}

TEST_CASE("without coupling a free decay is the characteristic of the offsets drawn") {
    Experiment e = echo(9, 7, 0.0, 3.0);
    e.sequence.program = std::vector<Event>{Pulse{90.0, 0.0}};
    const std::vector<double> offsets = draw_offsets_hz(e);
    const Signal signal = run(e);
    REQUIRE(signal.points() == 121);
    for (std::size_t i = 0; i < signal.points(); ++i) {
        // A 90 degree x pulse leaves M+ = i/2. 90 steps, each right to rounding of a turn; the
        // samples fall between steps: interpolation leaves 1e-6, see the next case for the steps.
        const Complex exact = Complex(0.0, 0.5) * characteristic(offsets, signal.time_us[i]);
        CHECK(std::abs(transverse(signal, i) - exact) < 1e-6);
        CHECK(std::abs(signal.mz[i]) < 1e-13);
    }
}

TEST_CASE("without coupling the Hahn echo has its closed form") {
    Experiment e = echo(9, 7, 0.0, 3.0);
    e.accuracy.steps_per_point = 1.0;
    const std::vector<double> offsets = draw_offsets_hz(e);
    const Signal signal = run(e);
    for (std::size_t i = 0; i < signal.points(); ++i) {
        // The 180 degree x pulse at tau conjugates M+, so that offsets come back together at 2 tau.
        const double t = signal.time_us[i];
        const Complex exact = t < 12.0 - 1e-9
                                  ? Complex(0.0, 0.5) * characteristic(offsets, t)
                                  : Complex(0.0, -0.5) * characteristic(offsets, t - 24.0);
        // 120 steps of a turn with a rounding of 3e-16 each.
        CHECK(std::abs(transverse(signal, i) - exact) < 1e-13);
    }
}

TEST_CASE("a partial flip leaves the textbook echo amplitude") {
    Experiment e = echo(9, 7, 0.0, 3.0);
    HahnEcho hahn{.flip_deg = 35.0, .refocus_phase_deg = 90.0, .tau_us = 12.0};
    e.sequence.program = hahn;
    e.accuracy.steps_per_point = 1.0;
    const std::vector<double> offsets = draw_offsets_hz(e);
    const Signal signal = run(e);
    const double flip = 35.0 * kRadiansPerDegree;
    for (std::size_t i = 0; i < signal.points(); ++i) {
        const double t = signal.time_us[i];
        if (t < 12.0 - 1e-9) continue;
        // The turn by b = 2 flip about y: Mx' = Mx cos b - Mz sin b, My' = My, that is
        // M+' = (1 + cos b)/2 M+ - (1 - cos b)/2 conj(M+) - sin b Mz, from Mz = cos(flip)/2 and
        // M+ = i sin(flip)/2 exp(-2 pi i delta tau).
        const double b = 2.0 * flip;
        const Complex start = Complex(0.0, 0.5 * std::sin(flip));
        const Complex exact =
            0.5 * (1.0 + std::cos(b)) * start * characteristic(offsets, t) -
            0.5 * (1.0 - std::cos(b)) * std::conj(start) * characteristic(offsets, t - 24.0) -
            0.5 * std::cos(flip) * std::sin(b) * characteristic(offsets, t - 12.0);
        CHECK(std::abs(transverse(signal, i) - exact) < 1e-13);
    }
}

TEST_CASE("an isotropic exchange keeps Mz between pulses") {
    // The sum of (m_i x w_i)_z vanishes pair by pair for a symmetric kernel; extrapolated fields
    // keep it to the accuracy of the step.
    Experiment e = echo(16, 16, 120.0, 3.0);
    HahnEcho hahn{.flip_deg = 60.0, .tau_us = 12.0};
    e.sequence.program = hahn;
    const Signal signal = run(e);
    for (std::size_t i = 0; i < signal.points(); ++i) {
        if (signal.time_us[i] < 12.0 - 1e-9) CHECK(std::abs(signal.mz[i] - 0.25) < 2e-5);
    }
}

TEST_CASE("turning all pulse phases turns the echo") {
    Experiment e = echo(12, 10, 100.0, 3.0);
    e.interaction.alpha_z_khz = 40.0;
    HahnEcho hahn{.flip_deg = 70.0, .refocus_phase_deg = 90.0, .tau_us = 12.0};
    e.sequence.program = hahn;
    const Signal straight = run(e);
    hahn.flip_phase_deg += 37.0;
    hahn.refocus_phase_deg += 37.0;
    e.sequence.program = hahn;
    const Signal turned = run(e);
    for (std::size_t i = 0; i < straight.points(); ++i) {
        // The scheme itself turns along: rounding alone, amplified by the coupling (less than 1e3
        // in 36 us).
        const Complex expected =
            transverse(straight, i) * std::polar(1.0, 37.0 * kRadiansPerDegree);
        CHECK(std::abs(transverse(turned, i) - expected) < 1e-11);
        CHECK(std::abs(turned.mz[i] - straight.mz[i]) < 1e-11);
    }
}

TEST_CASE("alpha_z has no effect on in-plane spins before the second pulse") {
    Experiment e = echo(12, 10, 0.0, 3.0);
    const Signal without = run(e);
    e.interaction.alpha_z_khz = 80.0;
    const Signal with = run(e);
    // Without in-plane coupling mz stays at the 90 degree pulse's zero. The step differs, and with
    // it the interpolation of samples, to 1e-6.
    for (std::size_t i = 0; i < with.points(); ++i) {
        if (with.time_us[i] < 12.0)
            CHECK(std::abs(transverse(with, i) - transverse(without, i)) < 2e-6);
    }
}

TEST_CASE("a 90 - 180 degree echo does not tell the sign of the coupling, any other does") {
    // The mirror mz -> -mz turns m x B into that of the field (-Bx, -By, Bz): all strengths change
    // sign, offsets do not. In-plane spins and a 180 degree pulse about an axis of the plane are
    // their own mirror images. So an rkky, negative at short range, can look like a gaussian.
    const auto largest_difference = [](double flip_deg) {
        Experiment e = echo(12, 12, 60.0, 2.0);
        std::get<HahnEcho>(e.sequence.program).flip_deg = flip_deg;
        e.interaction.alpha_z_khz = -25.0;
        const Signal plus = simulate(e);
        e.interaction.alpha_x_khz *= -1.0;
        e.interaction.alpha_z_khz *= -1.0;
        const Signal minus = simulate(e);
        double largest = 0.0;
        for (std::size_t k = 0; k < plus.points(); ++k) {
            largest = std::max(
                {largest, std::abs(plus.mx[k] - minus.mx[k]), std::abs(plus.my[k] - minus.my[k])});
        }
        return largest;
    };
    // Double precision: some hundred steps, each rounded, amplified by the coupling.
    CHECK(largest_difference(90.0) < 1e-10);
    CHECK(largest_difference(60.0) > 0.02);
}

TEST_CASE("halving the step shows at least the fourth order") {
    for (const double gamma : {0.0, 8000.0}) {
        Experiment e = echo(10, 8, 130.0, 2.5);
        e.interaction.alpha_z_khz = 60.0;
        e.relaxation.gamma3_per_s = gamma;
        std::get<HahnEcho>(e.sequence.program).flip_deg = 70.0;
        const auto with_steps = [&](double k) {
            e.accuracy.steps_per_point = k;
            return run(e);
        };
        const Signal converged = with_steps(24.0);
        const double error1 = largest_difference_of_all(with_steps(1.0), converged);
        const double error2 = largest_difference_of_all(with_steps(2.0), converged);
        const double error4 = largest_difference_of_all(with_steps(4.0), converged);
        CAPTURE(gamma, error1, error2, error4);
        // Fifth order: 32 a halving; the start after a pulse is of second order with a small
        // factor.
        CHECK(error1 > 16.0 * error2);
        CHECK(error2 > 16.0 * error4);
        CHECK(error1 < 1e-4);
    }
}

TEST_CASE("coupling along z turns M+ by a constant field, closed form") {
    // Every site sees the same Mz = cos(60)/2, times the kernel's sum of 1.
    Experiment e = echo(9, 8, 0.0, 3.0);
    e.interaction.alpha_z_khz = 90.0;
    e.sequence.program = std::vector<Event>{Pulse{60.0, 0.0}};
    e.accuracy.steps_per_point = 1.0;
    const std::vector<double> offsets = draw_offsets_hz(e);
    const Signal signal = run(e);
    for (std::size_t i = 0; i < signal.points(); ++i) {
        const double t = signal.time_us[i];
        const Complex exact = Complex(0.0, 0.5 * std::sin(60.0 * kRadiansPerDegree)) *
                              characteristic(offsets, t) *
                              std::polar(1.0, -kTwoPi * 90e3 * 0.25 * t * kSecondsPerUs);
        CHECK(std::abs(transverse(signal, i) - exact) < 1e-12);
    }
}

/// The reference with its second-order error removed by one Richardson step.
Signal extrapolated_reference(const Experiment& experiment, double step_us) {
    const Signal coarse = simulate_reference(experiment, step_us);
    Signal fine = simulate_reference(experiment, 0.5 * step_us);
    for (std::size_t i = 0; i < fine.points(); ++i) {
        fine.mx[i] += (fine.mx[i] - coarse.mx[i]) / 3.0;
        fine.my[i] += (fine.my[i] - coarse.my[i]) / 3.0;
        fine.mz[i] += (fine.mz[i] - coarse.mz[i]) / 3.0;
    }
    return fine;
}

TEST_CASE("the simulator agrees with the reference, all terms at once") {
    Experiment e = echo(6, 5, 0.0, 1.8);
    e.interaction.normalize = false;
    e.interaction.alpha_x_khz = 9.0;
    e.interaction.alpha_y_khz = 13.0;
    e.interaction.alpha_z_khz = -14.0;
    e.interaction.angular = {1.0, -0.4};
    e.relaxation = {9000.0, 4000.0, 15000.0, e.relaxation.d_base};
    // Pulses off the samples, two at one time, delays in a row and one of no length.
    e.sequence.program =
        std::vector<Event>{Delay{0.4},          Pulse{70.0, 25.0}, Delay{4.0},         Delay{1.13},
                           Pulse{120.0, 200.0}, Delay{0.0},        Pulse{15.0, -40.0}, Delay{3.0},
                           Pulse{33.0, 300.0},  Delay{100.0},      Pulse{90., 0.}};
    e.acquisition.start_us = 0.0;
    e.acquisition.stop_us = 14.0;
    e.acquisition.points = 36;
    e.accuracy.steps_per_point = 8.0;
    const Signal fast = run(e);
    const Signal slow = extrapolated_reference(e, 0.08);
    REQUIRE(fast.time_us == slow.time_us);
    // The reference's error after Richardson is (2 pi 50 kHz 0.08 us)^4 / 100 a turn or so: 1e-8 to
    // 1e-7; a slip in any term would be 1e-3.
    CHECK(largest_difference_of_all(fast, slow) < 2e-7);
}

TEST_CASE("the simulator agrees with the reference for every kernel") {
    for (const Kernel& kernel :
         {Kernel(GaussianKernel{2.0}), Kernel(PowerLawKernel{1.0, 3.0}), Kernel(RkkyKernel{3.0})}) {
        Experiment e = echo(5, 4, 60.0, 2.0);
        e.interaction.kernel = kernel;
        HahnEcho hahn{.refocus_phase_deg = 90.0, .tau_us = 4.0};
        e.sequence.program = hahn;
        e.acquisition.stop_us = 10.0;
        e.acquisition.points = 26;
        e.accuracy.steps_per_point = 6.0;
        CAPTURE(kernel_name(kernel));
        CHECK(largest_difference_of_all(run(e), extrapolated_reference(e, 0.1)) < 1e-6);
    }
}

TEST_CASE("relaxation brings the spins to equilibrium") {
    Experiment e = echo(6, 6, 50.0, 2.0);
    e.relaxation.gamma1_per_s = 600000.0;
    e.relaxation.gamma2_per_s = 200000.0;
    const Signal signal = run(e);
    // T1 = 1.25 us: after 24 us exp(-19) = 4e-9 is left; mz = (G1 - G2) / (2 (G1 + G2)) = 1/4.
    CHECK(signal.mz.back() == Approx(0.25).margin(1e-8));
    CHECK(std::abs(transverse(signal, signal.points() - 1)) < 1e-4);
}

TEST_CASE("float stays within its rounding of double") {
    Experiment e = echo(32, 32, 100.0, 4.0);
    const Signal twice = run(e);
    e.accuracy.precision = Precision::single;
    const Signal single = run(e);
    // 120 turns of 6e-8 and left-out modes (2e-5 of the field), amplified by the coupling.
    CHECK(largest_difference_of_all(single, twice) < 1e-5);
    CHECK(largest_difference_of_all(single, twice) > 0.0);
    e.accuracy.precision = Precision::automatic;
    e.accuracy.tolerance = 1e-4;
    CHECK(run(e).mx == single.mx);
    e.accuracy.tolerance = 1e-6;
    CHECK(largest_difference_of_all(run(e), twice) > 0.0);
}

TEST_CASE("the default step keeps the tolerance asked for") {
    for (const double tolerance : {0.5, 1e-2, 1e-3, 1e-4, 1e-6}) {
        for (const double summed : {30.0, 90.0, 150.0, 400.0}) {
            Experiment e = echo(32, 32, summed, 4.0);
            e.accuracy.steps_per_point = 8.0;
            const Signal converged = run(e);
            e.accuracy.steps_per_point.reset();
            e.accuracy.precision = Precision::automatic;
            e.accuracy.tolerance = tolerance;
            CAPTURE(tolerance, summed);
            CHECK(largest_difference(run(e), converged) < tolerance * peak_magnitude(converged));
        }
    }
}

TEST_CASE("steps asked for are never so long that the extrapolation is unstable") {
    Experiment e = echo(16, 16, 150.0, 4.0);
    e.accuracy.steps_per_point = 8.0;
    const Signal converged = run(e);
    e.accuracy.steps_per_point = 0.01;
    CHECK(largest_difference(run(e), converged) < 0.01 * peak_magnitude(converged));
}

TEST_CASE("a workspace remembers nothing of earlier curves") {
    LatticeWorkspace workspace;
    const Experiment first = echo(16, 12, 90.0, 3.0);
    Experiment second = echo(7, 16, 60.0, 5.0);
    second.interaction.alpha_z_khz = 20.0;
    const Signal fresh = run(first);
    simulate_lattice(first, workspace);
    simulate_lattice(second, workspace);
    const Signal again = simulate_lattice(first, workspace).value();
    CHECK(again.mx == fresh.mx);
    CHECK(again.my == fresh.my);
    CHECK(again.mz == fresh.mz);
}

TEST_CASE("samples do not move when the window does") {
    Experiment e = echo(10, 10, 80.0, 3.0);
    e.accuracy.tolerance = 1e-7;
    const Signal whole = run(e);
    e.acquisition.start_us = 18.0;
    e.acquisition.points = 61;
    const Signal part = run(e);
    for (std::size_t i = 0; i < part.points(); ++i) {
        CHECK(std::abs(transverse(part, i) - transverse(whole, i + 60)) < 1e-7);
    }
    e.acquisition.start_us = e.acquisition.stop_us = 24.0;
    e.acquisition.points = 1;
    CHECK(std::abs(transverse(run(e), 0) - transverse(whole, 80)) < 1e-6);
}

TEST_CASE("a sample at the time of a pulse is taken after it") {
    Experiment e = echo(6, 6, 40.0, 2.0);
    e.acquisition.stop_us = 24.0;
    e.acquisition.points = 3;
    const Signal signal = run(e);
    CHECK(std::abs(transverse(signal, 0) - Complex(0.0, 0.5)) < 1e-15);
    e.acquisition.stop_us = 12.0;
    e.acquisition.points = 2;
    CHECK(std::abs(transverse(run(e), 1) - transverse(signal, 1)) < 1e-15);
    e.sequence.program = std::vector<Event>{Pulse{90.0, 0.0}};
    // The 180 degree x pulse conjugates M+.
    CHECK(std::abs(std::conj(transverse(run(e), 1)) - transverse(signal, 1)) < 1e-13);
}

TEST_CASE("the cost counts sites and steps") {
    Experiment e = echo(16, 12, 90.0, 3.0);
    e.accuracy.steps_per_point = 2.0;
    const SimulationCost cost = lattice_cost(e);
    CHECK(cost.elements == 192);
    // 40 and 80 samples apart at two steps each, and the short ones after the two pulses; and again
    // with half as many more, since the error of so few sites is found by comparing.
    CHECK(cost.steps >= 2.5 * 240);
    CHECK(cost.steps <= 2.5 * 260);
    CHECK(cost.flops > 100 * cost.spin_steps());
}

/// Rows of numbers of a text file, which must be there.
std::vector<std::vector<double>> read_rows(const std::string& path) {
    INFO(path);
    REQUIRE(std::ifstream(path).good());
    return read_number_rows(path);
}

TEST_CASE("a small lattice is the same whatever its workspace was used for") {
    // Both are padded to the same size: where there is no site, fields must not be those of before.
    Experiment large = echo(13, 1, 2000.0, 1.5);
    large.interaction.alpha_z_khz = 2000.0;
    Experiment small = echo(3, 1, -25.0, 0.7);
    small.relaxation.gamma1_per_s = 1.2e4;
    for (const Precision precision : {Precision::single, Precision::double_}) {
        large.accuracy.precision = small.accuracy.precision = precision;
        large.accuracy.tolerance = small.accuracy.tolerance = 6e-4;
        LatticeWorkspace workspace;
        simulate_lattice(large, workspace);
        const Signal after = simulate_lattice(small, workspace).value();
        const Signal fresh = run(small);
        CHECK(after.mx == fresh.mx);
        CHECK(after.my == fresh.my);
    }
}

TEST_CASE("published echoes lie inside the spread of seeds") {
    const char* folder = std::getenv("NMRSIM_PUBLISHED_ECHOES");
    if (!folder || !*folder) {
        WARN("SKIPPED: set NMRSIM_PUBLISHED_ECHOES to the folder with params.txt, mx.txt, my.txt");
        return;
    }
    const std::string path = std::string(folder) + "/";
    const auto params = read_rows(path + "params.txt");
    const auto mx = read_rows(path + "mx.txt");
    const auto my = read_rows(path + "my.txt");
    REQUIRE(params.size() == 5);
    REQUIRE(mx.size() == 5);
    REQUIRE(my.size() == 5);
    constexpr std::size_t kSeeds = 16;
    constexpr std::size_t kPoints = 499;
    double amplitude_bias = 0.0;
    LatticeWorkspace workspace;
    for (std::size_t row = 0; row < 5; ++row) {
        Experiment e = echo(100, 100, 0.0, params[row][3]);
        e.interaction.normalize = false;
        e.interaction.alpha_x_khz = params[row][0] * 1e3;
        e.accuracy.precision = Precision::automatic;
        std::get<HahnEcho>(e.sequence.program).tau_us = 49.8;
        e.acquisition.stop_us = 149.4;
        e.acquisition.points = kPoints;
        std::vector<Signal> curves;
        std::vector<Complex> mean(kPoints);
        for (std::size_t seed = 0; seed < kSeeds; ++seed) {
            e.lattice.seed = 100 + seed;
            curves.push_back(simulate_lattice(e, workspace).value());
            for (std::size_t i = 0; i < kPoints; ++i) {
                mean[i] += transverse(curves.back(), i) / static_cast<double>(kSeeds);
            }
        }
        // Value 166 of a row is the one before the second pulse, 167 that at the same time after
        // it.
        REQUIRE(mx[row].size() == 500);
        REQUIRE(my[row].size() == 500);
        std::vector<Complex> published;
        for (std::size_t i = 0; i < 500; ++i) {
            if (i != 166) published.emplace_back(mx[row][i], my[row][i]);
        }
        const auto rms_from_mean = [&](const auto& value) {
            double square = 0.0;
            for (std::size_t i = 0; i < kPoints; ++i) square += std::norm(value(i) - mean[i]);
            return std::sqrt(square / kPoints);
        };
        // The part of a curve's difference from the mean that scales the mean.
        const auto scale_of = [&](const auto& value) {
            double product = 0.0;
            double square = 0.0;
            for (std::size_t i = 0; i < kPoints; ++i) {
                product += std::real((value(i) - mean[i]) * std::conj(mean[i]));
                square += std::norm(mean[i]);
            }
            return product / square;
        };
        double typical = 0.0;
        double scale_spread = 0.0;
        for (const Signal& curve : curves) {
            const auto value = [&](std::size_t i) { return transverse(curve, i); };
            typical += rms_from_mean(value) * rms_from_mean(value) / (kSeeds - 1.0);
            scale_spread += scale_of(value) * scale_of(value) / (kSeeds - 1.0);
        }
        typical = std::sqrt(typical);
        scale_spread = std::sqrt(scale_spread);
        const auto of_row = [&](std::size_t i) { return published[i]; };
        const double difference = rms_from_mean(of_row);
        CAPTURE(row, difference, typical, scale_of(of_row), scale_spread);
        CHECK(difference <= 2.0 * typical);
        amplitude_bias += scale_of(of_row) / (scale_spread * std::sqrt(1.0 + 1.0 / kSeeds));
    }
    // Five independent draws: their mean in units of the spread has a standard deviation of
    // 1/sqrt(5), a little more since the spread itself comes from 16 seeds. Three sigma.
    CHECK(std::abs(amplitude_bias / 5.0) < 3.0 * 1.05 / std::sqrt(5.0));
}

}  // namespace
}  // namespace nmrsim
