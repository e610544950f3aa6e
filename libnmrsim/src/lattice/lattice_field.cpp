#include "lattice/lattice_field.h"

#include <algorithm>
#include <cmath>

#include "lattice/lattice_grid_kernel.h"

namespace nmrsim {
namespace {

/// The modes method costs this many multiplications for one of N log2 N of the FFT method
/// (measured: 100 x 100 in float, an FFT field takes 75 us; products run at 50, 25 and 8 a ns).
double products_per_fft_unit() {
    switch (instruction_set()) {
        case InstructionSet::avx512:
            return 26.0;
        case InstructionSet::avx2:
            return 13.0;
        default:
            return 5.0;
    }
}

/// A field by FFT in multiplications of the modes method; in double the products are half as fast
/// and the FFT two thirds.
template <class Real>
double fft_products(const Lattice& lattice, int components) {
    return products_per_fft_unit() * (sizeof(Real) == sizeof(float) ? 1.0 : 0.6) * 0.5 *
           components * lattice.sites() * std::log2(std::max(2, lattice.sites()));
}

}  // namespace

template <>
const LatticeKernel<float>& lattice_kernel<float>() {
    return NMRSIM_BEST(kLatticeFloat);
}

template <>
const LatticeKernel<double>& lattice_kernel<double>() {
    return NMRSIM_BEST(kLatticeDouble);
}

const LatticeGridKernel& lattice_grid_kernel() {
    return NMRSIM_BEST(kLatticeGrid);
}

KernelResponse kernel_response(const Interaction& interaction, const Lattice& lattice) {
    const std::vector<double> table = kernel_table(interaction, lattice);
    KernelResponse response;
    for (const double f : table) response.norm += std::abs(f);
    response.spectrum = lattice_spectrum(table, lattice.nx, lattice.ny);
    response.rest = response.spectrum[static_cast<std::size_t>(lattice.nx / 2) *
                                          static_cast<std::size_t>(lattice.ny) +
                                      static_cast<std::size_t>(lattice.ny / 2)];
    return response;
}

double field_products(const ModeLimits& limits, const Lattice& lattice, int components) {
    return std::min(fft_products<float>(lattice, components),
                    mode_products(limits, lattice, components));
}

template <class Real>
void LatticeField<Real>::set_kernel(const KernelResponse& kernel, const Lattice& lattice,
                                    bool couples_z, double cutoff, FieldMethod method) {
    const std::vector<double>& spectrum = kernel.spectrum;
    lattice_ = lattice;
    couples_z_ = couples_z;
    const int components = couples_z ? 3 : 2;
    if (method != FieldMethod::fft) {
        const ModeLimits limits = mode_limits(spectrum, lattice, kernel.rest, cutoff);
        if (method == FieldMethod::modes ||
            mode_products(limits, lattice, components) < fft_products<Real>(lattice, components)) {
            method_ = FieldMethod::modes;
            modes_.prepare(spectrum, lattice, kernel.rest, limits, components);
            return;
        }
    }
    method_ = FieldMethod::fft;
    const std::size_t n = spectrum.size();
    const double scale = 1.0 / static_cast<double>(n);
    spectrum_.resize(n);
    for (std::size_t i = 0; i < n; ++i) spectrum_[i] = static_cast<Real>(spectrum[i] * scale);
    fft_ = &LatticeFft<Real>::of(lattice.nx, lattice.ny);
    a_.resize(fft_->size_a());
    b_.resize(fft_->size_b());
}

template <class Real>
void LatticeField<Real>::evaluate(const Real* mx, const Real* my, const Real* mz, Real* wx,
                                  Real* wy, Real* wz) {
    if (method_ == FieldMethod::modes) {
        const Real* const m[3] = {mx, my, mz};
        Real* const w[3] = {wx, wy, wz};
        modes_.evaluate(m, w);
        return;
    }
    evaluate_fft(mx, my, wx, wy);
    if (couples_z_) evaluate_fft(mz, nullptr, wz, nullptr);
}

/// Mx + i My is one complex array. The kernel is real and even, so that its convolution keeps the
/// two apart: w_i = sum over d of f(d) m(i + d) has the spectrum F M, F real.
template <class Real>
void LatticeField<Real>::evaluate_fft(const Real* re, const Real* im, Real* out_re, Real* out_im) {
    const int ny = lattice_.ny;
    const std::size_t stride = 2 * static_cast<std::size_t>(fft_->stride_a());
    for (std::size_t x = 0; x < static_cast<std::size_t>(lattice_.nx); ++x) {
        const std::size_t row = x * static_cast<std::size_t>(ny);
        kernel_->interleave(ny, re + row, im ? im + row : nullptr, a_.data() + x * stride);
    }
    fft_->transform(a_.data(), b_.data(), -1);
    for (std::size_t x = 0; x < static_cast<std::size_t>(lattice_.nx); ++x) {
        const std::size_t row = x * static_cast<std::size_t>(ny);
        kernel_->scale_pairs(ny, spectrum_.data() + row, a_.data() + x * stride);
    }
    fft_->transform(a_.data(), b_.data(), +1);
    for (std::size_t x = 0; x < static_cast<std::size_t>(lattice_.nx); ++x) {
        const std::size_t row = x * static_cast<std::size_t>(ny);
        kernel_->split(ny, a_.data() + x * stride, out_re + row, out_im ? out_im + row : nullptr);
    }
}

template class LatticeField<float>;
template class LatticeField<double>;

}  // namespace nmrsim
