/// The field w_i = sum_j f(r_ij) m_j on the periodic lattice.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "lattice_kernel.h"
#include "nmrsim/coupling.h"

namespace nmrsim {

/// Zeros at first, aligned to 64 bytes as the kernels and FFTW like it.
template <class Real>
class AlignedArray {
public:
    AlignedArray() = default;
    explicit AlignedArray(std::size_t size) { resize(size); }

    /// All zeros afterwards where the size changes; otherwise as it was.
    void resize(std::size_t size) {
        if (size == size_) return;
        data_.reset(size ? static_cast<Real*>(
                               ::operator new (size * sizeof(Real), std::align_val_t{kAlignment}))
                         : nullptr);
        size_ = size;
        clear();
    }
    void clear() {
        if (size_) std::memset(data_.get(), 0, size_ * sizeof(Real));
    }
    std::size_t size() const { return size_; }
    Real* data() { return data_.get(); }
    const Real* data() const { return data_.get(); }
    Real& operator[](std::size_t i) { return data_.get()[i]; }
    const Real& operator[](std::size_t i) const { return data_.get()[i]; }

private:
    static constexpr std::size_t kAlignment = 64;
    struct Delete {
        void operator()(Real* p) const { ::operator delete (p, std::align_val_t{kAlignment}); }
    };
    std::unique_ptr<Real, Delete> data_;
    std::size_t size_ = 0;
};

/// `n` rounded up to a multiple of kLatticePadding.
inline std::size_t padded(std::size_t n) {
    constexpr std::size_t kStep = static_cast<std::size_t>(kLatticePadding);
    return (n + kStep - 1) / kStep * kStep;
}

/// The kernel functions of this machine's instruction set.
template <class Real>
const LatticeKernel<Real>& lattice_kernel();

/// How the field is computed.
enum class FieldMethod {
    automatic,  ///< the cheaper one by operation counts
    fft,        ///< fast Fourier transforms: any kernel
    /// Products with the few cosines and sines that a smooth kernel is made of, plus a multiple of
    /// the spin itself (which makes f(0) = 0). Only without a p-wave factor; otherwise FFT.
    modes
};

/// Computes fields for one kernel at a time; owns its buffers, one thread at a time.
template <class Real>
class LatticeField {
public:
    LatticeField();
    ~LatticeField();
    LatticeField(LatticeField&&) noexcept;
    LatticeField& operator=(LatticeField&&) noexcept;

    /// Prepares for a kernel.
    ///
    /// Args: couples_z: whether evaluate() has a third component. cutoff: the modes method may
    /// leave out this much of the field, root mean square for independent spins, as a part of the
    /// field of aligned ones; in (0, 1).
    void set_kernel(const Interaction& interaction, const Lattice& lattice, bool couples_z,
                    double cutoff, FieldMethod method = FieldMethod::automatic);

    /// w from m, each (padded(sites)), the padding untouched; the z ones may be null unless
    /// couples_z.
    void evaluate(const Real* mx, const Real* my, const Real* mz, Real* wx, Real* wy, Real* wz);

    FieldMethod method() const;  ///< fft or modes
    double kernel_norm() const;  ///< sum of |f|: |w| <= kernel_norm() / 2

private:
    struct Buffers;
    void evaluate_fft(const Real* re, const Real* im, Real* out_re, Real* out_im);
    void evaluate_modes(const Real* const* m, Real* const* w);
    std::unique_ptr<Buffers> buffers_;
};

/// Largest mode to keep along either axis and for each kx, of a spectrum without its constant part.
struct ModeLimits {
    int x = 0;
    int y = 0;
    std::vector<int> y_of_x;  ///< (x + 1), largest |ky| at |kx| or beyond
};

}  // namespace nmrsim
