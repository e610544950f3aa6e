// Random experiments on small lattices against the Bloch equations solved by Runge-Kutta in small
// steps, each field a direct sum.

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "catch_compat.h"
#include "lattice/lattice_simulator.h"
#include "nmrsim/random.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

/// Draws of one number after the other.
struct Draw {
    CounterRandom random;
    explicit Draw(std::uint64_t seed) : random(seed, 1, RandomStream::noise) {}
    double between(double a, double b) { return a + (b - a) * random.uniform(); }
    double spread(double a, double b) { return a * std::pow(b / a, random.uniform()); }
    int below(int n) { return std::min(n - 1, static_cast<int>(n * random.uniform())); }
    bool flip() { return below(2) == 0; }
};

/// A chain or plane of few spins, of short delays and lines from narrow to as wide as the cut.
Experiment random_lattice(std::uint64_t seed) {
    Draw draw(seed);
    Experiment e;
    constexpr std::array<std::array<int, 2>, 5> kSides = {
        {{6, 4}, {9, 6}, {24, 1}, {1, 15}, {5, 5}}};
    const auto& side = kSides[static_cast<std::size_t>(draw.below(5))];
    e.lattice.nx = side[0];
    e.lattice.ny = side[1];
    e.lattice.seed = seed;
    const Kernel kernels[] = {GaussianKernel{draw.spread(0.5, 5.0)},
                              PowerLawKernel{draw.spread(0.5, 3.0), draw.between(0.5, 4.0)},
                              RkkyKernel{draw.spread(1.0, 8.0)}};
    e.interaction.kernel = kernels[draw.below(3)];
    if (draw.flip()) e.interaction.angular = {1.0, draw.between(-1.0, 1.0)};
    double norm = 0.0;
    for (const double f : kernel_table(e.interaction, e.lattice)) norm += std::abs(f);
    e.interaction.alpha_x_khz = (draw.flip() ? 1.0 : -1.0) * draw.spread(0.5, 150.0) / norm;
    if (draw.flip()) e.interaction.alpha_z_khz = draw.between(-100.0, 100.0) / norm;
    if (draw.flip()) e.line.shape = LineShape::gaussian;
    e.line.cutoff_khz = draw.spread(5.0, 250.0);
    e.line.half_width_khz = e.line.cutoff_khz * draw.spread(1e-3, 1.0);
    if (draw.below(3) == 0) {
        e.relaxation.gamma1_per_s = draw.flip() ? draw.spread(1e2, 1e6) : 0.0;
        e.relaxation.gamma3_per_s = draw.spread(1e2, 2e6);
    }
    std::vector<Event> events;
    const double tau = draw.spread(0.2, 5.0);
    double time = 0.0;
    const int pulses = 1 + draw.below(6);
    for (int k = 0; k < pulses; ++k) {
        events.push_back(
            Pulse{draw.flip() ? 90.0 : draw.between(5.0, 180.0), 90.0 * draw.below(4)});
        events.push_back(Delay{tau * draw.between(0.3, 1.0)});
        time += std::get<Delay>(events.back()).duration_us;
    }
    e.sequence.program = events;
    e.acquisition.start_us = draw.flip() ? 0.0 : draw.between(0.0, 0.8 * time);
    e.acquisition.points = draw.below(5) == 0 ? 1 : 2 + draw.below(60);
    e.acquisition.stop_us =
        e.acquisition.points == 1 ? e.acquisition.start_us : time * draw.between(0.85, 1.5);
    constexpr std::array<double, 5> kTolerances = {1e-3, 1e-4, 1e-5, 1e-6, 1e-7};
    e.accuracy.tolerance = kTolerances[static_cast<std::size_t>(draw.below(5))];
    if (draw.below(3) == 0) e.accuracy.precision = Precision::double_;
    return e;
}

/// The Bloch equations of every spin.
struct Spins {
    std::size_t n = 0;
    std::vector<double> coupling;  ///< (n, n)
    std::vector<double> offset;    ///< [rad/us]
    double plane = 0.0, z = 0.0, transverse = 0.0, longitudinal = 0.0, equilibrium = 0.0;
    std::vector<double> m;  ///< (3, n)

    explicit Spins(const Experiment& e) : n(static_cast<std::size_t>(e.lattice.sites())) {
        const std::vector<double> table = kernel_table(e.interaction, e.lattice);
        const int nx = e.lattice.nx, ny = e.lattice.ny;
        coupling.resize(n * n);
        for (int i = 0; i < nx * ny; ++i) {
            for (int j = 0; j < nx * ny; ++j) {
                const int dx = (j / ny - i / ny + nx) % nx;
                const int dy = (j % ny - i % ny + ny) % ny;
                coupling[static_cast<std::size_t>(i) * n + static_cast<std::size_t>(j)] =
                    table[static_cast<std::size_t>(dx * ny + dy)];
            }
        }
        for (const double hz : draw_offsets_hz(e)) offset.push_back(kTwoPi * 1e-6 * hz);
        plane = kTwoPi * 1e-3 * e.interaction.alpha_x_khz;
        z = kTwoPi * 1e-3 * e.interaction.alpha_z_khz;
        const Relaxation& r = e.relaxation;
        longitudinal = 1e-6 * (r.gamma1_per_s + r.gamma2_per_s);
        transverse = 0.5 * (longitudinal + 1e-6 * r.gamma3_per_s);
        equilibrium =
            longitudinal > 0.0 ? 0.5e-6 * (r.gamma1_per_s - r.gamma2_per_s) / longitudinal : 0.0;
        m.assign(3 * n, 0.0);
        std::fill(m.begin() + static_cast<std::ptrdiff_t>(2 * n), m.end(), 0.5);
    }

    std::vector<double> slope(const std::vector<double>& s) const {
        std::vector<double> d(3 * n);
        for (std::size_t i = 0; i < n; ++i) {
            double w[3] = {};
            for (std::size_t j = 0; j < n; ++j) {
                for (std::size_t k = 0; k < 3; ++k) w[k] += coupling[i * n + j] * s[k * n + j];
            }
            const double bx = plane * w[0], by = plane * w[1], bz = offset[i] + z * w[2];
            const double x = s[i], y = s[n + i], u = s[2 * n + i];
            d[i] = y * bz - u * by - transverse * x;
            d[n + i] = u * bx - x * bz - transverse * y;
            d[2 * n + i] = x * by - y * bx - longitudinal * (u - equilibrium);
        }
        return d;
    }

    double fastest() const {
        double norm = 0.0, offsets = 0.0;
        for (std::size_t j = 0; j < n; ++j) norm += std::abs(coupling[j]);
        for (const double o : offset) offsets = std::max(offsets, std::abs(o));
        return offsets + 0.5 * norm * (std::abs(plane) + std::abs(z)) + longitudinal + transverse;
    }

    void evolve(double us) {
        if (us <= 0.0) return;
        // Steps of 0.02 rad of the fastest: 1e-10 a radian.
        const int steps = 1 + static_cast<int>(us * fastest() / 0.02);
        const double h = us / steps;
        std::vector<double> at(3 * n);
        const auto moved = [&](const std::vector<double>& d, double by) {
            for (std::size_t i = 0; i < 3 * n; ++i) at[i] = m[i] + by * d[i];
            return at;
        };
        for (int k = 0; k < steps; ++k) {
            const auto a = slope(m), b = slope(moved(a, 0.5 * h)), c = slope(moved(b, 0.5 * h));
            const auto d = slope(moved(c, h));
            for (std::size_t i = 0; i < 3 * n; ++i) {
                m[i] += h / 6.0 * (a[i] + 2.0 * b[i] + 2.0 * c[i] + d[i]);
            }
        }
    }

    void pulse(const Pulse& pulse) {
        const double t = pulse.flip_deg * kRadiansPerDegree;
        const double a = std::cos(pulse.phase_deg * kRadiansPerDegree);
        const double b = std::sin(pulse.phase_deg * kRadiansPerDegree);
        for (std::size_t i = 0; i < n; ++i) {
            const double x = m[i], y = m[n + i], u = m[2 * n + i], along = a * x + b * y;
            m[i] = std::cos(t) * x - std::sin(t) * u * b + (1.0 - std::cos(t)) * a * along;
            m[n + i] = std::cos(t) * y + std::sin(t) * u * a + (1.0 - std::cos(t)) * b * along;
            m[2 * n + i] = std::cos(t) * u + std::sin(t) * (x * b - y * a);
        }
    }

    std::array<double, 2> mean() const {
        std::array<double, 2> sum = {};
        for (std::size_t i = 0; i < n; ++i) {
            sum[0] += m[i] / static_cast<double>(n);
            sum[1] += m[n + i] / static_cast<double>(n);
        }
        return sum;
    }
};

/// M+ at the samples, by Runge-Kutta; a sample at the time of a pulse is taken after it.
std::vector<std::array<double, 2>> slow_curve(const Experiment& e) {
    Spins spins(e);
    const std::vector<double> times = acquisition_times_us(e);
    std::vector<std::array<double, 2>> curve;
    double now = 0.0, end = 0.0;
    const auto sample_to = [&](double until) {
        while (curve.size() < times.size() && times[curve.size()] < until) {
            spins.evolve(times[curve.size()] - now);
            now = times[curve.size()];
            curve.push_back(spins.mean());
        }
    };
    for (const Event& event : std::get<std::vector<Event>>(e.sequence.program)) {
        if (const auto* pulse = std::get_if<Pulse>(&event)) {
            spins.pulse(*pulse);
            continue;
        }
        end += std::get<Delay>(event).duration_us;
        sample_to(end - 1e-9 * times.back());
        if (curve.size() == times.size()) break;
        spins.evolve(end - now);
        now = end;
    }
    sample_to(2.0 * times.back() + 1.0);
    return curve;
}

TEST_CASE("random lattices keep their tolerance and their estimate") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        const Experiment e = random_lattice(seed);
        const Signal fast = simulate(e);
        const auto slow = slow_curve(e);
        double error = 0.0, peak = 0.0;
        for (std::size_t k = 0; k < slow.size(); ++k) {
            error = std::max(error, std::hypot(fast.mx[k] - slow[k][0], fast.my[k] - slow[k][1]));
            peak = std::max(peak, std::hypot(slow[k][0], slow[k][1]));
        }
        CAPTURE(seed, e.accuracy.tolerance, peak, error, fast.estimated_error);
        // The Runge-Kutta solution is right to 1e-8.
        CHECK(error <= e.accuracy.tolerance * peak + 1e-8);
        CHECK(error <= fast.estimated_error * peak + 1e-8);
        CHECK(fast.estimated_error <= e.accuracy.tolerance);
    }
}

TEST_CASE("no lattice in float is magnetized by more than its spins") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        Experiment e = random_lattice(seed);
        Draw draw(seed + 1000);
        e.line.half_width_khz = draw.spread(1e-2, 5.0);
        HahnEcho echo;
        echo.tau_us = draw.spread(0.2, 5.0);
        e.sequence.program = echo;
        e.acquisition.start_us = 0.0;
        e.acquisition.stop_us = 3.0 * echo.tau_us;
        e.acquisition.points = 61;
        e.accuracy.tolerance = 1e-3;
        e.accuracy.precision = Precision::single;
        const Signal signal = simulate(e);
        CAPTURE(seed);
        for (std::size_t k = 0; k < signal.points(); ++k) {
            CHECK(std::hypot(signal.mx[k], signal.my[k], signal.mz[k]) < 0.5 + 1e-5);
        }
    }
}

TEST_CASE("what follows the last sample does not change a lattice's curve") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Experiment e = random_lattice(seed);
        auto events = std::get<std::vector<Event>>(e.sequence.program);
        events.push_back(Delay{2.0 * e.acquisition.stop_us});
        e.sequence.program = events;
        const Signal before = simulate(e);
        events.push_back(Delay{40.0});
        events.push_back(Pulse{77.0, 10.0});
        events.push_back(Delay{300.0});
        events.push_back(Pulse{180.0, 0.0});
        e.sequence.program = events;
        const Signal after = simulate(e);
        CHECK(after.mx == before.mx);
        CHECK(after.my == before.my);
    }
}

}  // namespace
}  // namespace nmrsim
