#include "base/lattice_fft.h"

#include <fftw3.h>

#include <map>
#include <mutex>
#include <utility>

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

}  // namespace

std::mutex& fftw_planner() {
    static auto& mutex = *new std::mutex;
    return mutex;
}

template <class Real>
const LatticeFft<Real>& LatticeFft<Real>::of(int nx, int ny) {
    const std::lock_guard<std::mutex> lock(fftw_planner());
    static auto& plans = *new std::map<std::pair<int, int>, const LatticeFft*>;
    const LatticeFft*& entry = plans[{nx, ny}];
    if (!entry) entry = new LatticeFft(nx, ny);
    return *entry;
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
