/// The field w_i = sum_j f(r_ij) m_j of the general simulator.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

#include "base/aligned_array.h"
#include "base/fft.h"
#include "general/bloch_action.h"
#include "general/ensemble_inputs.h"

namespace nmrsim {

/// One Bloch vector or field a spin, (spins).
template <class Scalar>
using SpinVectors = std::vector<Vec3<Scalar>>;

/// The weighted mean of all spins' vectors.
template <class Scalar>
Vec3<Scalar> weighted_mean(const std::vector<Scalar>& weight, const SpinVectors<Scalar>& v) {
    Vec3<Scalar> mean;
    for (std::size_t i = 0; i < v.size(); ++i) mean = mean + weight[i] * v[i];
    return mean;
}

/// The largest |v|, without tangents.
template <class Scalar>
double largest_length(const SpinVectors<Scalar>& v) {
    double square = 0.0;
    for (const Vec3<Scalar>& one : v) {
        const double x = part(one.x, 0), y = part(one.y, 0), z = part(one.z, 0);
        square = std::max(square, x * x + y * y + z * z);
    }
    return std::sqrt(square);
}

/// Fields of any vectors v in place of the spins; linear in v.
template <class Scalar>
class EnsembleField {
public:
    /// Keeps a reference to `inputs`.
    EnsembleField(const EnsembleInputs<Scalar>& inputs, const Lattice& lattice);

    /// w from v, both (spins). Uniform kernel: the weighted mean of all; a lattice: by FFT, its z
    /// part left as it is where nothing couples to it.
    void evaluate(const SpinVectors<Scalar>& v, SpinVectors<Scalar>& w);

    /// Largest |w| of any spin, all of w counted: where nothing couples to Mz, it is still the rate
    /// at which a small transverse part moves.
    double largest(const SpinVectors<Scalar>& v);

    /// Sum of |f| over the lattice; the line's weight for the uniform kernel.
    double norm() const { return norm_; }

private:
    void convolve(const SpinVectors<Scalar>& v, SpinVectors<Scalar>& w, Scalar Vec3<Scalar>::*axis);

    const EnsembleInputs<Scalar>& inputs_;
    const VolumeFft* fft_ = nullptr;
    double norm_ = 0.0;
    AlignedArray<double> sites_;
    SpinVectors<Scalar> w_;  ///< of largest()
    /// Spectra of the kernel and its tangents, conjugated and over N, (1 + tangents, modes).
    std::vector<AlignedArray<std::complex<double>>> kernel_;
    AlignedArray<std::complex<double>> value_, product_;
};

}  // namespace nmrsim
