/// The field w_i = sum_j f(r_ij) m_j on the periodic lattice.
#pragma once

#include <vector>

#include "base/aligned_array.h"
#include "base/fft.h"
#include "lattice/lattice_kernel.h"
#include "lattice/lattice_modes.h"
#include "nmrsim/coupling.h"

namespace nmrsim {

/// A kernel on a lattice.
struct KernelResponse {
    std::vector<double> spectrum;  ///< real, as f is even, (nx, ny)
    /// Constant part of the spectrum: what remains of it far out, the multiple of a spin itself
    /// that makes f(0) = 0.
    double rest = 0.0;
    double norm = 0.0;  ///< sum of |f|: |w| <= norm / 2
};

KernelResponse kernel_response(const Interaction& interaction, const Lattice& lattice);

/// How the field is computed.
enum class FieldMethod {
    automatic,  ///< the cheaper one by operation counts
    fft,        ///< fast Fourier transforms: any kernel
    /// Products with the few cosines and sines that a smooth kernel is made of, plus a multiple of
    /// the spin itself (which makes f(0) = 0)
    modes
};

/// Cost of a field in float by the cheaper method, in multiplications of the modes method.
double field_products(const ModeLimits& limits, const Lattice& lattice, int components);

/// Computes fields for one kernel at a time; owns its buffers, one thread at a time.
template <class Real>
class LatticeField {
public:
    /// Prepares for a kernel.
    ///
    /// Args: couples_z: whether evaluate() has a third component. cutoff: the modes method may
    /// leave out this much of the field, root mean square for independent spins, as a part of the
    /// field of aligned ones; in (0, 1).
    void set_kernel(const KernelResponse& kernel, const Lattice& lattice, bool couples_z,
                    double cutoff, FieldMethod method = FieldMethod::automatic);

    /// w from m, each (padded(sites)), the padding untouched; the z ones may be null unless
    /// couples_z.
    void evaluate(const Real* mx, const Real* my, const Real* mz, Real* wx, Real* wy, Real* wz);

    FieldMethod method() const { return method_; }  ///< fft or modes

private:
    void evaluate_fft(const Real* re, const Real* im, Real* out_re, Real* out_im);

    const LatticeKernel<Real>* kernel_ = &lattice_kernel<Real>();
    Lattice lattice_;
    bool couples_z_ = false;
    FieldMethod method_ = FieldMethod::fft;
    LatticeModes<Real> modes_;
    const LatticeFft<Real>* fft_ = nullptr;
    AlignedArray<Real> spectrum_;  ///< over N, (nx, ny)
    AlignedArray<Real> a_, b_;     ///< the transforms' arrays
};

}  // namespace nmrsim
