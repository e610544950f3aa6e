#include "lattice/lattice_kernel.h"

#include <Eigen/Dense>
#include <cmath>
#include <vector>

#include "catch_compat.h"
#include "lattice/lattice_field.h"
#include "nmrsim/random.h"
#include "nmrsim/units.h"
#include "reference/reference_step.h"

namespace nmrsim {
namespace {

using Eigen::Vector3d;

template <class Real>
struct NamedKernel {
    const char* name;
    const LatticeKernel<Real>* kernel;
};

/// The kernels of all instruction sets that this machine runs.
template <class Real>
std::vector<NamedKernel<Real>> kernels() {
    std::vector<NamedKernel<Real>> list;
    const auto add = [&](const char* name, const auto& single, const auto& twice) {
        if constexpr (sizeof(Real) == sizeof(float)) {
            list.push_back({name, &single});
        } else {
            list.push_back({name, &twice});
        }
    };
    add("baseline", baseline::kLatticeFloat, baseline::kLatticeDouble);
#if defined(__x86_64__)
    if (instruction_set() >= InstructionSet::avx2) {
        add("avx2", avx2::kLatticeFloat, avx2::kLatticeDouble);
    }
    if (instruction_set() >= InstructionSet::avx512) {
        add("avx512", avx512::kLatticeFloat, avx512::kLatticeDouble);
    }
#endif
    return list;
}

constexpr long kSites = 48;

/// Random spins in random fields that do not change in time; `history` past fields, all alike.
template <class Real>
struct Scene {
    AlignedArray<Real> m[3];
    AlignedArray<Real> offset;
    AlignedArray<Real> w[3];
    SiteStep<Real> step;

    explicit Scene(int history, bool couples_z) {
        CounterRandom random(3, 0, RandomStream::noise);
        for (AlignedArray<Real>* a : {&m[0], &m[1], &m[2], &offset, &w[0], &w[1], &w[2]}) {
            a->resize(kSites);
            for (std::size_t i = 0; i < kSites; ++i) {
                (*a)[i] = static_cast<Real>(random.uniform() - 0.5);
            }
        }
        step.sites = kSites;
        step.mx = m[0].data();
        step.my = m[1].data();
        step.mz = m[2].data();
        step.offset = offset.data();
        step.history = history;
        for (int p = 0; p < history; ++p) {
            step.wx[p] = w[0].data();
            step.wy[p] = w[1].data();
            step.wz[p] = w[2].data();
        }
        step.couples_z = couples_z;
    }

    /// 2 pi alpha in rad/us, the same along all axes.
    void set(double coupling, double length_us, const Relaxation& relaxation) {
        step.relaxes = relaxation.transverse_rate() > 0.0;
        const int parts = step.relaxes ? 2 : 1;
        const double part = length_us / parts;
        step.offset_time = static_cast<Real>(part);
        for (int k = 0; k < 2; ++k) {
            for (int p = 0; p < step.history; ++p) {
                // Weights of a constant: any that sum to its integral.
                const double share = (p + 1.0) / (0.5 * step.history * (step.history + 1.0));
                step.plane_mean[k][p] = static_cast<Real>(coupling * part * share);
                step.z_mean[k][p] = step.plane_mean[k][p];
                step.plane_moment[k][p] = step.z_moment[k][p] = 0;
            }
            const double seconds = length_us * kSecondsPerUs * (k == 0 ? 1.0 / 6.0 : 4.0 / 6.0);
            step.transverse_loss[k] =
                static_cast<Real>(-std::expm1(-relaxation.transverse_rate() * seconds));
            step.longitudinal_loss[k] =
                static_cast<Real>(-std::expm1(-relaxation.longitudinal_rate() * seconds));
        }
        step.equilibrium = static_cast<Real>(relaxation.equilibrium_mz());
        const double fastest = 0.5 + coupling;
        step.doublings = 0;
        for (double angle = 0.5 * part * fastest; angle > 1.0; angle *= 0.5) ++step.doublings;
    }

    Vector3d spin(std::size_t i) const {
        return {static_cast<double>(m[0][i]), static_cast<double>(m[1][i]),
                static_cast<double>(m[2][i])};
    }
    Vector3d field_rad_per_s(std::size_t i, double coupling) const {
        return 1e6 * Vector3d(coupling * static_cast<double>(w[0][i]),
                              coupling * static_cast<double>(w[1][i]),
                              static_cast<double>(offset[i]) +
                                  (step.couples_z ? coupling * static_cast<double>(w[2][i]) : 0.0));
    }
};

/// Largest error of `steps` steps that cover `length_us` against the exponential.
double error_of(const LatticeKernel<double>& kernel, int history, double coupling, double length_us,
                int steps, const Relaxation& relaxation, bool couples_z = true) {
    Scene<double> scene(history, couples_z);
    std::vector<Vector3d> start;
    for (std::size_t i = 0; i < kSites; ++i) start.push_back(scene.spin(i));
    scene.set(coupling, length_us / steps, relaxation);
    for (int k = 0; k < steps; ++k) kernel.advance(scene.step);
    double largest = 0.0;
    Vector3d sum = Vector3d::Zero();
    for (std::size_t i = 0; i < kSites; ++i) {
        const Vector3d exact =
            mean_spin(liouville_step(density_matrix(start[i]), scene.field_rad_per_s(i, coupling),
                                     relaxation, length_us * kSecondsPerUs));
        largest = std::max(largest, (scene.spin(i) - exact).norm());
        sum += scene.spin(i);
    }
    for (int k = 0; k < 3; ++k) CHECK(scene.step.sum[k] == Approx(sum[k]).margin(1e-12));
    return largest;
}

TEST_CASE("a step is the exponential of the Liouville generator, all instruction sets") {
    for (const auto& [name, kernel] : kernels<double>()) {
        for (const int history : {1, 3, 5, 8}) {
            for (const double length_us : {0.01, 0.3, 3.0, 40.0}) {  // turns up to 28 rad
                CAPTURE(name, history, length_us);
                CHECK(error_of(*kernel, history, 0.6, length_us, 1, {}) < 1e-12);
                CHECK(error_of(*kernel, history, 0.6, length_us, 1, {}, false) < 1e-12);
            }
        }
    }
}

TEST_CASE("relaxation with fields along z is exact") {
    Relaxation relaxation;
    relaxation.gamma1_per_s = 3e4;
    relaxation.gamma2_per_s = 1e4;
    relaxation.gamma3_per_s = 5e4;
    for (const auto& [name, kernel] : kernels<double>()) {
        CAPTURE(name);
        CHECK(error_of(*kernel, 5, 0.0, 2.0, 1, relaxation) < 1e-12);
    }
}

TEST_CASE("relaxation beside a turn converges, to fourth order in the turn") {
    const auto rates = [](double scale) {
        Relaxation relaxation;
        relaxation.gamma1_per_s = 3e4 * scale;
        relaxation.gamma2_per_s = 1e4 * scale;
        relaxation.gamma3_per_s = 5e4 * scale;
        return relaxation;
    };
    for (const auto& [name, kernel] : kernels<double>()) {
        // Fast relaxation leaves a second order, its square times the turn: with 0.02 of it a step
        // and turns of 0.5, 0.02^2 0.5 / 72 a step.
        const double strong1 = error_of(*kernel, 5, 0.9, 2.0, 4, rates(1.0));
        const double strong2 = error_of(*kernel, 5, 0.9, 2.0, 8, rates(1.0));
        // Where that is negligible the fourth order of Simpson's rule shows: 16, less what is left
        // of the second.
        const double weak1 = error_of(*kernel, 5, 0.9, 8.0, 8, rates(1e-4));
        const double weak2 = error_of(*kernel, 5, 0.9, 8.0, 16, rates(1e-4));
        CAPTURE(name, strong1, strong2, weak1, weak2);
        CHECK(strong1 < 1e-5);
        CHECK(strong1 > 3.5 * strong2);
        CHECK(weak1 > 12.0 * weak2);
        CHECK(error_of(*kernel, 5, 0.9, 0.002, 2, rates(1.0)) < 1e-12);
    }
}

/// Whether 2000 turns leave the lengths of spins as they are.
template <class Real>
void check_lengths(double most) {
    for (const auto& [name, kernel] : kernels<Real>()) {
        Scene<Real> scene(5, true);
        std::vector<double> length;
        for (std::size_t i = 0; i < kSites; ++i) length.push_back(scene.spin(i).norm());
        scene.set(0.7, 0.31, {});
        for (int k = 0; k < 2000; ++k) kernel->advance(scene.step);
        for (std::size_t i = 0; i < kSites; ++i) {
            CHECK(std::abs(scene.spin(i).norm() - length[i]) < most);
        }
    }
}

TEST_CASE("turns keep the length of spins to rounding") {
    check_lengths<double>(4e-13);  // roundings of 1e-16, even if all of one sign
    check_lengths<float>(2.5e-5);  // of 6e-8, a fifth of them of one sign
}

/// Numbers that differ, of about one.
template <class Real>
std::vector<Real> numbers(std::size_t n, std::uint64_t seed) {
    CounterRandom random(seed, 1, RandomStream::noise);
    std::vector<Real> v(n);
    for (Real& x : v) x = static_cast<Real>(random.uniform() - 0.5);
    return v;
}

template <class Real>
void check_products(Real rounding) {
    for (const auto& [name, kernel] : kernels<Real>()) {
        for (const int rows : {0, 1, 2, 5, 6, 7, 13, 25}) {
            for (const int depth : {0, 1, 7, 51}) {
                for (const int columns : {16, 32, 48, 112}) {
                    const long a_stride = depth + 3;
                    const long stride = columns + 16;
                    const auto a =
                        numbers<Real>(static_cast<std::size_t>((rows + 1) * a_stride), 1);
                    const auto in =
                        numbers<Real>(static_cast<std::size_t>((depth + 1) * stride), 2);
                    std::vector<Real> out(static_cast<std::size_t>((rows + 1) * stride), Real(9));
                    kernel->multiply(rows, depth, columns, a.data(), a_stride, in.data(), stride,
                                     out.data(), stride);
                    CAPTURE(name, rows, depth, columns);
                    bool right = true;
                    for (int r = 0; r <= rows; ++r) {
                        for (int c = 0; c < stride; ++c) {
                            double exact = 9.0;  // not touched
                            if (r < rows && c < columns) {
                                exact = 0.0;
                                for (int k = 0; k < depth; ++k) {
                                    exact += static_cast<double>(
                                                 a[static_cast<std::size_t>(r * a_stride + k)]) *
                                             static_cast<double>(
                                                 in[static_cast<std::size_t>(k * stride + c)]);
                                }
                            }
                            const double got =
                                static_cast<double>(out[static_cast<std::size_t>(r * stride + c)]);
                            // 51 terms of at most 1/4.
                            right = right && std::abs(got - exact) <=
                                                 51.0 * 0.25 * static_cast<double>(rounding);
                        }
                    }
                    CHECK(right);
                }
            }
        }
    }
}

TEST_CASE("matrix products, all shapes and instruction sets") {
    check_products<float>(6e-8f);
    check_products<double>(1.2e-16);
}

template <class Real>
void check_rows() {
    for (const auto& [name, kernel] : kernels<Real>()) {
        for (std::size_t n = 0; n < 70; ++n) {
            CAPTURE(name, n);
            const int count = static_cast<int>(n);
            const auto a = numbers<Real>(n, 1);
            const auto b = numbers<Real>(n, 2);
            const auto c = numbers<Real>(n, 3);
            const auto d = numbers<Real>(n, 4);
            std::vector<Real> p(n + 1, Real(9));
            std::vector<Real> q(n + 1, Real(9));
            const Real self = Real(-0.25);
            kernel->add_subtract(count, a.data(), b.data(), p.data(), q.data());
            for (std::size_t j = 0; j < n; ++j) {
                CHECK(p[j] == a[j] + b[j]);
                CHECK(q[j] == a[j] - b[j]);
            }
            kernel->add_subtract_reversed(count, a.data(), b.data(), p.data(), q.data());
            for (std::size_t j = 0; j < n; ++j) {
                CHECK(p[j] == a[j] + b[n - 1 - j]);
                CHECK(q[j] == a[j] - b[n - 1 - j]);
            }
            kernel->unfold_reversed(count, a.data(), b.data(), p.data(), q.data());
            for (std::size_t j = 0; j < n; ++j) {
                CHECK(p[j] == a[j] + b[j]);
                CHECK(q[n - 1 - j] == a[j] - b[j]);
            }
            kernel->unfold(count, a.data(), b.data(), self, c.data(), d.data(), p.data(), q.data());
            for (std::size_t j = 0; j < n; ++j) {
                CHECK(p[j] == Approx(a[j] + b[j] + self * c[j]).margin(1e-6));
                CHECK(q[j] == Approx(a[j] - b[j] + self * d[j]).margin(1e-6));
            }
            kernel->add_scaled(count, a.data(), self, c.data(), p.data());
            for (std::size_t j = 0; j < n; ++j) {
                CHECK(p[j] == Approx(a[j] + self * c[j]).margin(1e-6));
            }
            CHECK(p[n] == Real(9));
            CHECK(q[n] == Real(9));
        }
    }
}

TEST_CASE("sums and differences of rows of any length, all instruction sets") {
    check_rows<float>();
    check_rows<double>();
}

}  // namespace
}  // namespace nmrsim
