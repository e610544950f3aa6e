#include "base/fft.h"

#include <fftw3.h>

#include <array>
#include <map>
#include <mutex>

#include "base/aligned_array.h"

namespace nmrsim {
namespace {

/// FFTW in either precision.
template <class Real>
struct Fftw;
template <>
struct Fftw<double> {
    using Complex = fftw_complex;
    using Plan = fftw_plan;
    static constexpr auto plan_many = fftw_plan_many_dft;
    static constexpr auto execute = fftw_execute_dft;
};
template <>
struct Fftw<float> {
    using Complex = fftwf_complex;
    using Plan = fftwf_plan;
    static constexpr auto plan_many = fftwf_plan_many_dft;
    static constexpr auto execute = fftwf_execute_dft;
};

/// Rows of both arrays end in this many spare numbers: where a side is a power of two, columns
/// would else fall on the same cache lines (256 x 256: 2.5 times slower, measured).
constexpr int kRowPadding = 8;

/// Held while FFTW plans; one for all.
std::mutex& planner() {
    static auto& mutex = *new std::mutex;
    return mutex;
}

/// The plans of one size, made where there are none yet.
template <class Fft, std::size_t kSides, class Make>
const Fft& kept(const std::array<int, kSides>& size, const Make& make) {
    static auto& plans = *new std::map<std::array<int, kSides>, const Fft*>;
    const std::lock_guard<std::mutex> lock(planner());
    const Fft*& entry = plans[size];
    if (!entry) entry = make();
    return *entry;
}

}  // namespace

template <class Real>
const LatticeFft<Real>& LatticeFft<Real>::of(int nx, int ny) {
    return kept<LatticeFft>(std::array{nx, ny}, [&] { return new LatticeFft(nx, ny); });
}

template <class Real>
LatticeFft<Real>::LatticeFft(int nx, int ny) : nx_(nx), ny_(ny) {
    using Complex = typename Fftw<Real>::Complex;
    AlignedArray<Real> a(size_a());
    AlignedArray<Real> b(size_b());
    auto* ca = reinterpret_cast<Complex*>(a.data());
    auto* cb = reinterpret_cast<Complex*>(b.data());
    for (int k = 0; k < 2; ++k) {
        const int sign = k == 0 ? FFTW_FORWARD : FFTW_BACKWARD;
        along_x_[k] = Fftw<Real>::plan_many(1, &nx, ny, ca, nullptr, stride_a(), 1, cb, nullptr, 1,
                                            stride_b(), sign, FFTW_ESTIMATE);
        along_y_[k] = Fftw<Real>::plan_many(1, &ny, nx, cb, nullptr, stride_b(), 1, ca, nullptr, 1,
                                            stride_a(), sign, FFTW_ESTIMATE);
    }
}

template <class Real>
int LatticeFft<Real>::stride_a() const {
    return ny_ + kRowPadding;
}

template <class Real>
int LatticeFft<Real>::stride_b() const {
    return nx_ + kRowPadding;
}

template <class Real>
std::size_t LatticeFft<Real>::size_a() const {
    return 2 * static_cast<std::size_t>(nx_) * static_cast<std::size_t>(stride_a());
}

template <class Real>
std::size_t LatticeFft<Real>::size_b() const {
    return 2 * static_cast<std::size_t>(ny_) * static_cast<std::size_t>(stride_b());
}

template <class Real>
void LatticeFft<Real>::transform(Real* a, Real* b, int direction) const {
    using Complex = typename Fftw<Real>::Complex;
    using Plan = typename Fftw<Real>::Plan;
    auto* ca = reinterpret_cast<Complex*>(a);
    auto* cb = reinterpret_cast<Complex*>(b);
    const int k = direction < 0 ? 0 : 1;
    Fftw<Real>::execute(static_cast<Plan>(along_x_[k]), ca, cb);
    Fftw<Real>::execute(static_cast<Plan>(along_y_[k]), cb, ca);
}

template class LatticeFft<float>;
template class LatticeFft<double>;

const VolumeFft& VolumeFft::of(int nx, int ny, int nz) {
    return kept<VolumeFft>(std::array{nx, ny, nz}, [&] { return new VolumeFft(nx, ny, nz); });
}

VolumeFft::VolumeFft(int nx, int ny, int nz) {
    // Sides of one site are left out, so that the last one is halved in any case.
    const std::array<int, 3> side = {nx, ny, nz};
    int rank = 0;
    std::array<int, 3> used{};
    for (const int n : side) {
        if (n > 1) used[static_cast<std::size_t>(rank++)] = n;
    }
    if (rank == 0) used[static_cast<std::size_t>(rank++)] = 1;
    modes_ = 1;
    for (int k = 0; k < rank; ++k) {
        const std::size_t n = static_cast<std::size_t>(used[static_cast<std::size_t>(k)]);
        modes_ *= k + 1 == rank ? n / 2 + 1 : n;
    }
    AlignedArray<double> sites(static_cast<std::size_t>(nx) * static_cast<std::size_t>(ny) *
                               static_cast<std::size_t>(nz));
    AlignedArray<double> modes(2 * modes_);
    auto* complex = reinterpret_cast<fftw_complex*>(modes.data());
    forward_ = fftw_plan_dft_r2c(rank, used.data(), sites.data(), complex, FFTW_ESTIMATE);
    backward_ = fftw_plan_dft_c2r(rank, used.data(), complex, sites.data(), FFTW_ESTIMATE);
}

void VolumeFft::forward(double* sites, std::complex<double>* modes) const {
    fftw_execute_dft_r2c(static_cast<fftw_plan>(forward_), sites,
                         reinterpret_cast<fftw_complex*>(modes));
}

void VolumeFft::backward(std::complex<double>* modes, double* sites) const {
    fftw_execute_dft_c2r(static_cast<fftw_plan>(backward_), reinterpret_cast<fftw_complex*>(modes),
                         sites);
}

std::vector<double> lattice_spectrum(const std::vector<double>& f, int nx, int ny) {
    const auto& plans = LatticeFft<double>::of(nx, ny);
    AlignedArray<double> a(plans.size_a());
    AlignedArray<double> b(plans.size_b());
    const std::size_t columns = static_cast<std::size_t>(ny);
    const std::size_t stride = static_cast<std::size_t>(plans.stride_a());
    for (std::size_t x = 0; x < static_cast<std::size_t>(nx); ++x) {
        for (std::size_t y = 0; y < columns; ++y) a[2 * (x * stride + y)] = f[x * columns + y];
    }
    plans.transform(a.data(), b.data(), -1);
    std::vector<double> spectrum(f.size());
    for (std::size_t x = 0; x < static_cast<std::size_t>(nx); ++x) {
        for (std::size_t y = 0; y < columns; ++y) {
            spectrum[x * columns + y] = a[2 * (x * stride + y)];
        }
    }
    return spectrum;
}

}  // namespace nmrsim
