#include "lattice/lattice_grid.h"

#include <Eigen/Dense>
#include <cmath>
#include <complex>
#include <vector>

#include "catch_compat.h"
#include "lattice/lattice_simulator.h"
#include "lattice/lattice_spins.h"
#include "nmrsim/random.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

using Eigen::Vector3d;
using Complex = std::complex<double>;

Lattice lattice_of(int nx, int ny) {
    Lattice lattice;
    lattice.nx = nx;
    lattice.ny = ny;
    return lattice;
}

Interaction gaussian(double xi) {
    Interaction interaction;
    interaction.kernel = GaussianKernel{xi};
    interaction.normalize = true;
    return interaction;
}

std::optional<GridPlan> plan_for(const KernelResponse& kernel, const Lattice& lattice,
                                 double cutoff) {
    return plan_grid(kernel.spectrum, lattice, kernel.rest, cutoff,
                     mode_limits(kernel.spectrum, lattice, kernel.rest, cutoff));
}

/// Sum over r of f(r) m(i + r), by a plain Fourier sum over a real, even spectrum.
std::vector<double> convolved(const std::vector<double>& spectrum, const Lattice& lattice,
                              const std::vector<double>& m) {
    const int nx = lattice.nx;
    const int ny = lattice.ny;
    const auto along = [&](std::vector<Complex>& a, int sign) {
        std::vector<Complex> rows(a.size());
        for (int x = 0; x < nx; ++x) {
            for (int k = 0; k < ny; ++k) {
                for (int y = 0; y < ny; ++y) {
                    rows[static_cast<std::size_t>(x * ny + k)] +=
                        a[static_cast<std::size_t>(x * ny + y)] *
                        std::polar(1.0, sign * kTwoPi * (k * y % ny) / ny);
                }
            }
        }
        std::fill(a.begin(), a.end(), Complex());
        for (int k = 0; k < nx; ++k) {
            for (int x = 0; x < nx; ++x) {
                const Complex w = std::polar(1.0, sign * kTwoPi * (k * x % nx) / nx);
                for (int y = 0; y < ny; ++y) {
                    a[static_cast<std::size_t>(k * ny + y)] +=
                        rows[static_cast<std::size_t>(x * ny + y)] * w;
                }
            }
        }
    };
    std::vector<Complex> a(m.begin(), m.end());
    along(a, -1);
    for (std::size_t i = 0; i < a.size(); ++i) a[i] *= spectrum[i] / lattice.sites();
    along(a, +1);
    std::vector<double> w;
    for (const Complex& v : a) w.push_back(v.real());
    return w;
}

/// The field that a plan stands for, term by term.
std::vector<double> field_by(const GridPlan& plan, const Lattice& lattice,
                             const std::vector<double>& m) {
    const int nx = plan.grid.nx;
    const int ny = plan.grid.ny;
    const int half = plan.taps / 2;
    std::vector<double> on_grid(static_cast<std::size_t>(plan.grid.sites()));
    std::vector<double> w(m.size());
    const auto visit = [&](const auto& body) {
        for (int x = 0; x < lattice.nx; ++x) {
            for (int y = 0; y < lattice.ny; ++y) {
                for (int s = 0; s < plan.taps; ++s) {
                    for (int t = 0; t < plan.taps; ++t) {
                        const int gx = (x / plan.spacing_x + s + 1 - half + nx) % nx;
                        const int gy = (y / plan.spacing_y + t + 1 - half + ny) % ny;
                        body(static_cast<std::size_t>(x * lattice.ny + y),
                             static_cast<std::size_t>(gx * ny + gy),
                             plan.window_x[static_cast<std::size_t>(x % plan.spacing_x * plan.taps +
                                                                    s)] *
                                 plan.window_y[static_cast<std::size_t>(
                                     y % plan.spacing_y * plan.taps + t)]);
                    }
                }
            }
        }
    };
    visit([&](std::size_t site, std::size_t point, double v) { on_grid[point] += v * m[site]; });
    on_grid = convolved(plan.spectrum, plan.grid, on_grid);
    visit([&](std::size_t site, std::size_t point, double v) { w[site] += v * on_grid[point]; });
    return w;
}

double rms_difference(const std::vector<double>& a, const std::vector<double>& b) {
    double square = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) square += (a[i] - b[i]) * (a[i] - b[i]);
    return std::sqrt(square / static_cast<double>(a.size()));
}

TEST_CASE("a plan's field errs as much as it says, and by no more than the cutoff") {
    const Lattice lattice = lattice_of(64, 48);
    for (const double xi : {4.0, 6.0, 9.0}) {
        const KernelResponse kernel = kernel_response(gaussian(xi), lattice);
        std::vector<double> smooth = kernel.spectrum;
        for (double& v : smooth) v -= kernel.rest;
        CounterRandom random(5, 0, RandomStream::noise);
        std::vector<double> m;
        for (int i = 0; i < lattice.sites(); ++i) m.push_back(random.uniform() - 0.5);
        const std::vector<double> exact = convolved(smooth, lattice, m);
        for (const double cutoff : {1e-2, 1e-3, 2e-5}) {
            const auto plan = plan_for(kernel, lattice, cutoff);
            CAPTURE(xi, cutoff);
            REQUIRE(plan);
            CHECK(plan->error <= cutoff);
            // Independent components in [-1/2, 1/2] have root mean square 0.289, and the sum over
            // 3072 of them few modes of which count strays by a half at most.
            CHECK(rms_difference(field_by(*plan, lattice, m), exact) <= 1.5 * 0.289 * plan->error);
            // Aligned spins: the ripple alone.
            const std::vector<double> aligned(m.size(), 0.5);
            CHECK(rms_difference(field_by(*plan, lattice, aligned),
                                 convolved(smooth, lattice, aligned)) <=
                  0.5 * plan->error * std::abs(smooth[0]) + 1e-12);
        }
    }
}

TEST_CASE("coarser grids do for smoother kernels, and none for rough ones") {
    const Lattice lattice = lattice_of(96, 96);
    const auto plan = [&](const Interaction& interaction) {
        return plan_for(kernel_response(interaction, lattice), lattice, 2e-5);
    };
    const auto fine = plan(gaussian(5.0));
    const auto coarse = plan(gaussian(11.0));
    REQUIRE(fine);
    REQUIRE(coarse);
    CHECK(fine->spacing_x == 2);
    CHECK(coarse->spacing_x == 4);
    Interaction rough;
    rough.kernel = PowerLawKernel{1.0, 3.0};
    CHECK(!plan(rough));
    // Odd sides have no grid.
    const KernelResponse odd = kernel_response(gaussian(11.0), lattice_of(97, 96));
    CHECK(!plan_for(odd, lattice_of(97, 96), 2e-5));
}

struct NamedKernel {
    const char* name;
    const LatticeGridKernel* kernel;
};

std::vector<NamedKernel> kernels() {
    std::vector<NamedKernel> list = {{"baseline", &baseline::kLatticeGrid}};
#if defined(__x86_64__)
    if (instruction_set() >= InstructionSet::avx2) list.push_back({"avx2", &avx2::kLatticeGrid});
    if (instruction_set() >= InstructionSet::avx512) {
        list.push_back({"avx512", &avx512::kLatticeGrid});
    }
#endif
    return list;
}

/// m turned about B0 - B1 x B0, m' = m x B.
Vector3d turned(const Vector3d& m, const Vector3d& mean, const Vector3d& moment) {
    const Vector3d omega = mean - moment.cross(mean);
    const double angle = omega.norm();
    if (angle == 0.0) return m;
    return Eigen::AngleAxisd(-angle, omega / angle) * m;
}

void check_step(const NamedKernel& named, int spacing, int taps, bool couples_z, bool relaxes,
                int doublings) {
    constexpr int kRows = 9;
    constexpr std::size_t kColumns = 48;
    const std::size_t components = couples_z ? 3 : 2;
    const std::size_t parts = relaxes ? 2 : 1;
    const std::size_t rows = static_cast<std::size_t>(kRows * spacing);
    const std::size_t sites = rows * kColumns;
    CounterRandom random(8, 0, RandomStream::noise);
    const auto fill = [&](AlignedArray<float>& a, std::size_t n, double scale) {
        a.resize(n);
        for (std::size_t i = 0; i < n; ++i) {
            a[i] = static_cast<float>(scale * (random.uniform() - 0.5));
        }
    };
    AlignedArray<float> mx, my, mz, offset, past[kPastZ], window, field, gathered;
    for (AlignedArray<float>* a : {&mx, &my, &mz}) fill(*a, sites, 0.5);
    fill(offset, sites, 1.0);
    for (AlignedArray<float>& a : past) fill(a, sites, 0.5);
    fill(window, static_cast<std::size_t>(spacing * taps), 0.4);
    fill(field, kRows * parts * 2 * components * kColumns, 0.3);
    fill(gathered, kRows * components * kColumns, 1.0);  // to be replaced
    GridStep step;
    step.couples_z = couples_z;
    step.relaxes = relaxes;
    step.offset_time = 0.3f;
    step.doublings = doublings;
    step.equilibrium = 0.2f;
    step.grid_rows = kRows;
    step.spacing = spacing;
    step.taps = taps;
    step.columns = kColumns;
    step.mx = mx.data();
    step.my = my.data();
    step.mz = mz.data();
    step.offset = offset.data();
    step.window = window.data();
    step.field = field.data();
    step.gathered = gathered.data();
    step.store_z = 1;
    for (std::size_t p = 0; p < kPastZ; ++p) step.past_z[p] = past[p].data();
    for (int k = 0; k < 2; ++k) {
        step.transverse_loss[k] = 0.01f * static_cast<float>(k + 1);
        step.longitudinal_loss[k] = 0.02f * static_cast<float>(k + 1);
        for (int p = 0; p <= kPastZ; ++p) {
            step.self_mean[k][p] = 0.05f * static_cast<float>(p - 2 * k + 1);
        }
    }

    // The same in double, site by site.
    std::vector<Vector3d> after;
    std::vector<double> grid(gathered.size());
    Vector3d sum = Vector3d::Zero();
    for (std::size_t i = 0; i < sites; ++i) {
        const int x = static_cast<int>(i / kColumns);
        const std::size_t column = i % kColumns;
        Vector3d m(mx[i], my[i], mz[i]);
        const auto point = [&](int t) {
            return static_cast<std::size_t>((x / spacing + t + 1 - taps / 2 + kRows) % kRows);
        };
        const auto weight = [&](int t) {
            return static_cast<double>(window[static_cast<std::size_t>(x % spacing * taps + t)]);
        };
        const auto relax = [&](int k) {
            if (!relaxes) return;
            m[0] -= m[0] * static_cast<double>(step.transverse_loss[k]);
            m[1] -= m[1] * static_cast<double>(step.transverse_loss[k]);
            m[2] -= (m[2] - static_cast<double>(step.equilibrium)) *
                    static_cast<double>(step.longitudinal_loss[k]);
        };
        for (std::size_t part = 0; part < parts; ++part) {
            Vector3d b[2] = {Vector3d::Zero(), Vector3d::Zero()};
            for (std::size_t k = 0; k < 2; ++k) {
                for (std::size_t c = 0; c < components; ++c) {
                    for (int t = 0; t < taps; ++t) {
                        const std::size_t row =
                            ((point(t) * parts + part) * 2 + k) * components + c;
                        b[k][static_cast<int>(c)] +=
                            weight(t) * static_cast<double>(field[row * kColumns + column]);
                    }
                }
            }
            b[0][2] += static_cast<double>(offset[i] * step.offset_time) +
                       static_cast<double>(mz[i] * step.self_mean[part][kPastZ]);
            for (int p = 0; p < kPastZ; ++p) {
                b[0][2] += static_cast<double>(past[p][i] * step.self_mean[part][p]);
            }
            relax(static_cast<int>(part));
            m = turned(m, b[0], b[1]);
        }
        relax(0);
        after.push_back(m);
        sum += m;
        for (std::size_t c = 0; c < components; ++c) {
            for (int t = 0; t < taps; ++t) {
                grid[(point(t) * components + c) * kColumns + column] +=
                    weight(t) * m[static_cast<int>(c)];
            }
        }
    }
    const std::vector<float> z_before(mz.data(), mz.data() + sites);
    named.kernel->advance(step);
    double largest = 0.0;
    double largest_on_grid = 0.0;
    bool stored = true;
    for (std::size_t i = 0; i < sites; ++i) {
        largest = std::max(largest, (Vector3d(mx[i], my[i], mz[i]) - after[i]).norm());
        stored = stored && past[1][i] == z_before[i];
    }
    for (std::size_t i = 0; i < grid.size(); ++i) {
        largest_on_grid =
            std::max(largest_on_grid, std::abs(static_cast<double>(gathered[i]) - grid[i]));
    }
    CAPTURE(named.name, spacing, taps, couples_z, relaxes, doublings);
    // Some twenty roundings of 3e-8 of numbers below 1/2, four times as much where squared twice.
    CHECK(largest < (doublings ? 2e-6 : 5e-7));
    CHECK(stored);
    // At most 48 such terms of weight 0.2.
    CHECK(largest_on_grid < 5e-6);
    for (int c = 0; c < 3; ++c) {
        CHECK(step.sum[c] ==
              Approx(sum[c]).margin(5e-8 * static_cast<double>(sites)));  // errors of one sign
    }
}

TEST_CASE("a step on the grid, all instruction sets") {
    for (const NamedKernel& named : kernels()) {
        for (const int taps : {kFewTaps, kMostTaps}) {
            for (const bool couples_z : {false, true}) {
                for (const bool relaxes : {false, true}) {
                    for (const int spacing : {2, 4, 8}) {
                        check_step(named, spacing, taps, couples_z, relaxes, 0);
                    }
                    check_step(named, 2, taps, couples_z, relaxes, 2);
                }
            }
        }
    }
}

TEST_CASE("rows to the grid and back, all instruction sets and lengths") {
    for (const NamedKernel& named : kernels()) {
        for (const int taps : {kFewTaps, kMostTaps}) {
            for (const int spacing : {2, 4, 8}) {
                for (const int points : {8, 15, 16, 17, 25, 48}) {
                    CAPTURE(named.name, taps, spacing, points);
                    CounterRandom random(9, 0, RandomStream::noise);
                    const auto numbers = [&](int n) {
                        std::vector<float> v;
                        for (int i = 0; i < n; ++i) {
                            v.push_back(static_cast<float>(random.uniform() - 0.5));
                        }
                        return v;
                    };
                    const int sites = points * spacing;
                    const std::vector<float> window = numbers(spacing * taps);
                    const std::vector<float> on_grid = numbers(points + taps - 1 + 16);
                    const std::vector<float> row = numbers(sites + 16);
                    std::vector<float> out(static_cast<std::size_t>(sites + 16));
                    named.kernel->interpolate(points, spacing, taps, window.data(), on_grid.data(),
                                              out.data());
                    std::vector<float> scratch(
                        static_cast<std::size_t>(spacing * (points + taps - 1) + 32));
                    std::vector<float> gathered(static_cast<std::size_t>(points + 16));
                    named.kernel->gather(points, spacing, taps, window.data(), row.data(),
                                         scratch.data(), gathered.data());
                    std::vector<double> exact(static_cast<std::size_t>(points));
                    double largest = 0.0;
                    for (int s = 0; s < spacing; ++s) {
                        for (int j = 0; j < points; ++j) {
                            const std::size_t at = static_cast<std::size_t>(s * points + j);
                            double sum = 0.0;
                            for (int t = 0; t < taps; ++t) {
                                const double w = static_cast<double>(
                                    window[static_cast<std::size_t>(s * taps + t)]);
                                sum += w * static_cast<double>(
                                               on_grid[static_cast<std::size_t>(j + t)]);
                                exact[static_cast<std::size_t>((j + t + 1 - taps / 2 + points) %
                                                               points)] +=
                                    w * static_cast<double>(row[at]);
                            }
                            largest =
                                std::max(largest, std::abs(static_cast<double>(out[at]) - sum));
                        }
                    }
                    for (std::size_t j = 0; j < exact.size(); ++j) {
                        largest = std::max(largest,
                                           std::abs(static_cast<double>(gathered[j]) - exact[j]));
                    }
                    // At most 48 terms of 1/4 with a rounding of 6e-8 each.
                    CHECK(largest < 48 * 0.25 * 6e-8);
                }
            }
        }
    }
}

TEST_CASE("curves by way of a grid agree with double") {
    for (const auto& [nx, ny, xi] : {std::tuple{128, 96, 10.0}, {100, 60, 9.0}, {100, 104, 11.0}}) {
        for (const bool everything : {false, true}) {
            Experiment e;
            e.interaction = gaussian(xi);
            e.interaction.alpha_x_khz = 90.0;
            e.lattice = lattice_of(nx, ny);
            HahnEcho hahn{.flip_deg = 80.0, .refocus_phase_deg = 90.0, .tau_us = 8.0};
            if (everything) {
                e.interaction.alpha_z_khz = -50.0;
                e.relaxation = {9000.0, 4000.0, 15000.0, e.relaxation.d_base};
            }
            e.sequence.program = hahn;
            e.acquisition.start_us = 0.0;
            e.acquisition.stop_us = 24.0;
            e.acquisition.points = 61;
            LatticeSpins<float> spins;
            spins.prepare(e);
            CAPTURE(nx, ny, xi, everything);
            CHECK(spins.on_grid());
            LatticeWorkspace workspace;
            const Signal single = simulate_lattice(e, workspace).value();
            e.accuracy.precision = Precision::double_;
            const Signal twice = simulate_lattice(e, workspace).value();
            double z = 0.0;
            for (std::size_t i = 0; i < single.points(); ++i) {
                z = std::max(z, std::abs(single.mz[i] - twice.mz[i]));
            }
            // The cutoff's 2e-5 of the field over some ten turns, most of it not of one sign.
            CHECK(largest_difference(single, twice) < 3e-5);
            CHECK(z < 3e-5);
        }
    }
}

}  // namespace
}  // namespace nmrsim
