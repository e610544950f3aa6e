#include "lattice/lattice_field.h"

#include <atomic>
#include <cmath>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "base/fft.h"
#include "catch_compat.h"
#include "nmrsim/random.h"

namespace nmrsim {
namespace {

Lattice lattice_of(int nx, int ny) {
    Lattice lattice;
    lattice.nx = nx;
    lattice.ny = ny;
    return lattice;
}

/// Three components of random spins on padded arrays.
template <class Real>
struct Components {
    AlignedArray<Real> x, y, z;
    explicit Components(const Lattice& lattice)
        : x(padded(static_cast<std::size_t>(lattice.sites()))), y(x.size()), z(x.size()) {}
};

template <class Real>
Components<Real> random_spins(const Lattice& lattice) {
    Components<Real> m(lattice);
    CounterRandom random(7, 0, RandomStream::noise);
    for (std::size_t i = 0; i < static_cast<std::size_t>(lattice.sites()); ++i) {
        m.x[i] = static_cast<Real>(random.uniform() - 0.5);
        m.y[i] = static_cast<Real>(random.uniform() - 0.5);
        m.z[i] = static_cast<Real>(random.uniform() - 0.5);
    }
    return m;
}

/// w_i = sum_j f(r_ij) m_j, term by term.
template <class Real>
std::vector<double> direct_sum(const std::vector<double>& table, const Lattice& lattice,
                               const AlignedArray<Real>& m) {
    std::vector<double> w(static_cast<std::size_t>(lattice.sites()));
    for (int i = 0; i < lattice.sites(); ++i) {
        for (int j = 0; j < lattice.sites(); ++j) {
            const int dx = (j / lattice.ny - i / lattice.ny + lattice.nx) % lattice.nx;
            const int dy = (j % lattice.ny - i % lattice.ny + lattice.ny) % lattice.ny;
            w[static_cast<std::size_t>(i)] +=
                table[static_cast<std::size_t>(dx * lattice.ny + dy)] *
                static_cast<double>(m[static_cast<std::size_t>(j)]);
        }
    }
    return w;
}

template <class Real>
double largest_error(const AlignedArray<Real>& w, const std::vector<double>& exact) {
    double largest = 0.0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
        largest = std::max(largest, std::abs(static_cast<double>(w[i]) - exact[i]));
    }
    return largest;
}

double norm(const std::vector<double>& table) {
    double sum = 0.0;
    for (const double f : table) sum += std::abs(f);
    return sum;
}

template <class Real>
void check_against_direct_sum(const Interaction& interaction, const Lattice& lattice,
                              FieldMethod method, double rounding) {
    const std::vector<double> table = kernel_table(interaction, lattice);
    const Components<Real> m = random_spins<Real>(lattice);
    Components<Real> w(lattice);
    LatticeField<Real> field;
    // What is left out for the cutoff, a few times 0.3 cutoff at the worst site, must not count.
    field.set_kernel(kernel_response(interaction, lattice), lattice, true, 0.1 * rounding, method);
    CHECK(kernel_response(interaction, lattice).norm == Approx(norm(table)));
    field.evaluate(m.x.data(), m.y.data(), m.z.data(), w.x.data(), w.y.data(), w.z.data());
    // Rounding of sums of `norm` whose terms are at most 1/2, in log N stages of transforms.
    const double tolerance = rounding * norm(table) * 0.5;
    CHECK(largest_error(w.x, direct_sum(table, lattice, m.x)) <= tolerance);
    CHECK(largest_error(w.y, direct_sum(table, lattice, m.y)) <= tolerance);
    CHECK(largest_error(w.z, direct_sum(table, lattice, m.z)) <= tolerance);
    for (std::size_t i = static_cast<std::size_t>(lattice.sites()); i < w.x.size(); ++i) {
        CHECK(w.x[i] == 0);
    }
}

constexpr double kRoundingDouble = 20 * 2.2e-16;
constexpr double kRoundingFloat = 20 * 1.2e-7;

const Kernel kKernels[] = {GaussianKernel{2.5}, PowerLawKernel{1.3, 3.0}, RkkyKernel{4.0}};
const int kSizes[][2] = {{6, 5}, {7, 9}, {8, 8},   {12, 10}, {1, 7},
                         {2, 3}, {5, 1}, {34, 40}, {1, 1},   {17, 70}};

TEST_CASE("the field equals the direct sum, all kernels and angular factors") {
    for (const auto& size : kSizes) {
        const Lattice lattice = lattice_of(size[0], size[1]);
        for (const Kernel& kernel : kKernels) {
            for (const AngularFactor& angular :
                 {AngularFactor{1.0, 0.0}, AngularFactor{0.4, -0.8}, AngularFactor{0.3, 0.5}}) {
                Interaction interaction;
                interaction.kernel = kernel;
                interaction.angular = angular;
                for (const FieldMethod method :
                     {FieldMethod::automatic, FieldMethod::fft, FieldMethod::modes}) {
                    CAPTURE(size[0], size[1], kernel_name(kernel), angular.d_weight);
                    check_against_direct_sum<double>(interaction, lattice, method, kRoundingDouble);
                    check_against_direct_sum<float>(interaction, lattice, method, kRoundingFloat);
                }
            }
        }
    }
}

TEST_CASE("leaving out modes costs no more of the field than allowed") {
    const Lattice lattice = lattice_of(60, 52);
    for (const double xi : {4.0, 15.0}) {  // without and with a kink at half the lattice
        Interaction interaction;
        interaction.kernel = GaussianKernel{xi};
        interaction.normalize = true;
        const std::vector<double> table = kernel_table(interaction, lattice);
        const Components<double> m = random_spins<double>(lattice);
        const std::vector<double> exact = direct_sum(table, lattice, m.x);
        for (const double cutoff : {1e-2, 1e-4, 1e-6}) {
            Components<double> w(lattice);
            LatticeField<double> field;
            field.set_kernel(kernel_response(interaction, lattice), lattice, false, cutoff,
                             FieldMethod::modes);
            field.evaluate(m.x.data(), m.y.data(), nullptr, w.x.data(), w.y.data(), nullptr);
            double square = 0.0;
            for (std::size_t i = 0; i < exact.size(); ++i) {
                square += (w.x[i] - exact[i]) * (w.x[i] - exact[i]);
            }
            // The field of aligned spins is the kernel's sum 1 times 1/2; independent components in
            // [-1/2, 1/2] have root mean square 0.29, so that 0.29 cutoff is expected at most, and
            // the mean over 3120 sites of few modes may exceed that by a half.
            const double rms = std::sqrt(square / static_cast<double>(exact.size()));
            CAPTURE(xi, cutoff);
            CHECK(rms <= 0.5 * cutoff);
            if (cutoff == 1e-2) CHECK(rms > 0.0);
        }
    }
}

TEST_CASE("a smooth kernel is done by modes, a rough one by FFT") {
    const Lattice lattice = lattice_of(100, 100);
    Interaction interaction;
    LatticeField<float> field;
    interaction.kernel = GaussianKernel{11.0};
    field.set_kernel(kernel_response(interaction, lattice), lattice, false, 2e-5);
    CHECK(field.method() == FieldMethod::modes);
    interaction.kernel = PowerLawKernel{1.0, 3.0};
    field.set_kernel(kernel_response(interaction, lattice), lattice, false, 2e-5);
    CHECK(field.method() == FieldMethod::fft);
}

TEST_CASE("a field object can go from kernel to kernel and size to size") {
    Interaction interaction;
    LatticeField<double> field;
    for (const auto& size : kSizes) {
        const Lattice lattice = lattice_of(size[0], size[1]);
        for (const FieldMethod method : {FieldMethod::modes, FieldMethod::fft}) {
            interaction.kernel = GaussianKernel{0.7 + 0.1 * size[0]};
            const Components<double> m = random_spins<double>(lattice);
            Components<double> again(lattice);
            Components<double> fresh(lattice);
            field.set_kernel(kernel_response(interaction, lattice), lattice, true, 1e-14, method);
            field.evaluate(m.x.data(), m.y.data(), m.z.data(), again.x.data(), again.y.data(),
                           again.z.data());
            LatticeField<double> other;
            other.set_kernel(kernel_response(interaction, lattice), lattice, true, 1e-14, method);
            other.evaluate(m.x.data(), m.y.data(), m.z.data(), fresh.x.data(), fresh.y.data(),
                           fresh.z.data());
            for (std::size_t i = 0; i < fresh.x.size(); ++i) {
                REQUIRE(again.x[i] == fresh.x[i]);
                REQUIRE(again.z[i] == fresh.z[i]);
            }
        }
    }
}

TEST_CASE("threads may plan planes in both precisions and volumes at once") {
    // FFTW's planner is one, whatever it plans: without one lock for all this ends in a crash.
    std::vector<std::thread> threads;
    std::atomic<int> planned = 0;
    for (int t = 0; t < 6; ++t) {
        threads.emplace_back([t, &planned] {
            for (int side = 3; side < 43; ++side) {
                if (t % 3 == 0) LatticeFft<double>::of(side, side + 1 + t);
                if (t % 3 == 1) LatticeFft<float>::of(side, side + 1 + t);
                if (t % 3 == 2) {
                    Lattice volume = lattice_of(side, 4 + t);
                    volume.nz = 3;
                    VolumeFft::of(volume.nx, volume.ny, volume.nz);
                }
                ++planned;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(planned == 240);
    CHECK(&LatticeFft<double>::of(7, 8) == &LatticeFft<double>::of(7, 8));
}

}  // namespace
}  // namespace nmrsim
