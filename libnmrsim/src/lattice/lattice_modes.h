/// The field of a smooth kernel from the few cosines and sines that it is made of.
#pragma once

#include <vector>

#include "base/aligned_array.h"
#include "base/fft.h"
#include "lattice/lattice_kernel.h"
#include "nmrsim/lattice.h"

namespace nmrsim {

/// Modes to keep: |kx| <= x, and for each of these |ky| <= y_of_x.
struct ModeLimits {
    int x = 0;
    int y = 0;                ///< largest of y_of_x
    std::vector<int> y_of_x;  ///< (x + 1), not ascending
};

/// The fewest modes of the real, even `spectrum` less its constant `rest` that leave out no more
/// than `cutoff` of the field, in root mean square over sites of independent spins and as a part of
/// the field of aligned ones; closed so that with a mode all smaller ones are kept.
ModeLimits mode_limits(const std::vector<double>& spectrum, const Lattice& lattice, double rest,
                       double cutoff);

/// Multiplications that a field takes.
double mode_products(const ModeLimits& limits, const Lattice& lattice, int components);

/// Fields w = F m by cos and sin transforms along x, then y, of a few modes, the product with the
/// spectrum, and back; sums and differences of mirrored sites halve the products. What remains of
/// the spectrum far out, a constant, is a multiple of the spin itself.
///
/// Mode rows along x: 0 is the constant, 2 k - 1 sin(k), 2 k cos(k).
template <class Real>
class LatticeModes {
public:
    /// `spectrum` real and even, (nx, ny); `rest` its constant part.
    void prepare(const std::vector<double>& spectrum, const Lattice& lattice, double rest,
                 const ModeLimits& limits, int components);

    /// Of each component: w from m, (sites).
    void evaluate(const Real* const* m, Real* const* w);

private:
    int half_x() const { return lattice_.nx / 2 + 1; }     ///< sites with sums
    int pairs_x() const { return (lattice_.nx - 1) / 2; }  ///< sites with differences
    int half_y() const { return lattice_.ny / 2 + 1; }
    int pairs_y() const { return (lattice_.ny - 1) / 2; }

    void prepare_x();
    void prepare_y();
    void to_modes_x(const Real* m, int component);
    void along_y();
    void from_modes_x(const Real* m, int component, Real* w);

    const LatticeKernel<Real>* kernel_ = nullptr;
    Lattice lattice_;
    ModeLimits limits_;
    int components_ = 2;
    Real self_ = 0;                               ///< what the spin itself adds to its field
    std::size_t width_ = 0;                       ///< of rows along y of one component, padded
    std::size_t columns_ = 0;                     ///< modes along y, padded
    AlignedArray<Real> cos_x_, sin_x_;            ///< (modes, sites): to modes along x
    AlignedArray<Real> cos_x_back_, sin_x_back_;  ///< (sites, modes)
    AlignedArray<Real> cos_y_, sin_y_;            ///< (sites, modes): to modes along y
    AlignedArray<Real> cos_y_back_, sin_y_back_;  ///< (modes, sites)
    AlignedArray<Real> factor_;                   ///< (|kx|, columns): spectrum over N
    AlignedArray<Real> rows_;                     ///< (modes along x, component, width)
    AlignedArray<Real> even_, odd_;               ///< (half of x, kPanel): sums, differences
    AlignedArray<Real> even_y_, odd_y_;           ///< (kLines, half of y)
    AlignedArray<Real> mode_cos_, mode_sin_;      ///< (kLines, columns)
};

}  // namespace nmrsim
