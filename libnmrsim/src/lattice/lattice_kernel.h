/// The inner loops of the lattice simulator, compiled once for each instruction set.
#pragma once

#include "base/instruction_set.h"
#include "base/padding.h"

namespace nmrsim {

/// Most past fields that a step extrapolates from.
inline constexpr int kMostHistory = 8;

/// That of all steps but the first few after a pulse, for which the loops are unrolled.
inline constexpr int kUsualHistory = 5;

/// What the turns of a step have in common.
///
/// The step is one part without relaxation, and with it two halves, with relaxation around each.
template <class Real>
struct StepTurns {
    bool couples_z = false;  ///< whether the field has a z component
    bool relaxes = false;
    Real offset_time = 0;            ///< length of a part [us]
    int doublings = 0;               ///< the turn's quaternion is squared this often
    Real transverse_loss[2] = {};    ///< share of M+ lost outside and between the halves
    Real longitudinal_loss[2] = {};  ///< of mz - equilibrium
    Real equilibrium = 0;
    double sum[3] = {0, 0, 0};  ///< result: sums of mx, my, mz after the step
};

/// One step of every site: a turn about its offset and the field extrapolated from past ones.
///
/// In a part the field is w(u) = sum over p of weight_p(u) w_p, and the turn's vector is the Magnus
/// expansion to fourth order, Omega = B0 - B1 x B0, with B0 the integral of B over the part and B1
/// that of B times the time from its middle, over its length (for m' = m x B).
///
/// Source: S. Blanes, F. Casas, J. A. Oteo, J. Ros, Phys. Rep. 470, 151 (2009), section 5.4.
template <class Real>
struct SiteStep : StepTurns<Real> {
    long sites = 0;  ///< padded number
    Real* mx = nullptr;
    Real* my = nullptr;
    Real* mz = nullptr;
    const Real* offset = nullptr;  ///< (sites) [rad/us]
    int history = 0;               ///< past fields, 1 to kMostHistory
    const Real* wx[kMostHistory] = {};
    const Real* wy[kMostHistory] = {};
    const Real* wz[kMostHistory] = {};   ///< read only where couples_z
    Real plane_mean[2][kMostHistory];    ///< of each part: weights of B0 [rad], in plane
    Real plane_moment[2][kMostHistory];  ///< of B1 [rad]
    Real z_mean[2][kMostHistory];        ///< along z
    Real z_moment[2][kMostHistory];
};

/// Function table of one instruction set.
template <class Real>
struct LatticeKernel {
    void (*advance)(SiteStep<Real>& step);
    /// out[r][c] = sum over k of a[r][k] in[k][c]; `columns` a multiple of kLatticePadding, rows
    /// apart by the strides.
    void (*multiply)(int rows, int depth, int columns, const Real* a, long a_stride, const Real* in,
                     long in_stride, Real* out, long out_stride);
    /// plus[j] = a[j] + b[j], minus[j] = a[j] - b[j]
    void (*add_subtract)(int n, const Real* a, const Real* b, Real* plus, Real* minus);
    /// plus[j] = a[j] + b[n - 1 - j], minus[j] = a[j] - b[n - 1 - j]
    void (*add_subtract_reversed)(int n, const Real* a, const Real* b, Real* plus, Real* minus);
    /// front[j] = even[j] + odd[j], back[n - 1 - j] = even[j] - odd[j]
    void (*unfold_reversed)(int n, const Real* even, const Real* odd, Real* front, Real* back);
    /// front = even + odd + self mf, back = even - odd + self mb
    void (*unfold)(int n, const Real* even, const Real* odd, Real self, const Real* mf,
                   const Real* mb, Real* front, Real* back);
    /// out = even + self m
    void (*add_scaled)(int n, const Real* even, Real self, const Real* m, Real* out);
    /// out[j] *= factor[j]
    void (*scale)(int n, const Real* factor, Real* out);
    /// out = (re, im) interleaved; im may be null for zeros
    void (*interleave)(int n, const Real* re, const Real* im, Real* out);
    /// the reverse; im may be null
    void (*split)(int n, const Real* in, Real* re, Real* im);
    /// interleaved complex `out` times `factor`
    void (*scale_pairs)(int n, const Real* factor, Real* out);
};

/// The functions for this machine's instruction set.
template <class Real>
const LatticeKernel<Real>& lattice_kernel();
template <>
const LatticeKernel<float>& lattice_kernel<float>();
template <>
const LatticeKernel<double>& lattice_kernel<double>();

namespace baseline {
extern const LatticeKernel<float> kLatticeFloat;
extern const LatticeKernel<double> kLatticeDouble;
}  // namespace baseline
namespace avx2 {
extern const LatticeKernel<float> kLatticeFloat;
extern const LatticeKernel<double> kLatticeDouble;
}  // namespace avx2
namespace avx512 {
extern const LatticeKernel<float> kLatticeFloat;
extern const LatticeKernel<double> kLatticeDouble;
}  // namespace avx512

}  // namespace nmrsim
