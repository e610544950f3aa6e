/// Fourier transforms of periodic lattices, by FFTW.
///
/// Plans are made once a size, one at a time as FFTW asks, by its own estimate: timing would choose
/// other plans, and other roundings, from run to run. They are kept to the end of the process and
/// never destroyed: threads may still use them while static objects go. Transforms are not
/// normalised, are safe to call from many threads, and want arrays aligned as AlignedArray.
#pragma once

#include <complex>
#include <cstddef>
#include <vector>

namespace nmrsim {

/// Two-dimensional complex transforms of one size: two passes along the slow axis that write
/// transposed, each out of place, A (nx, ny) -> B (ny, nx) -> A (nx, ny), complex numbers
/// interleaved, rows padded.
///
/// This layout is as fast as a timed plan of the whole (100 x 100 in float: 30 us).
template <class Real>
class LatticeFft {
public:
    static const LatticeFft& of(int nx, int ny);

    LatticeFft(const LatticeFft&) = delete;
    LatticeFft& operator=(const LatticeFft&) = delete;

    std::size_t size_a() const;  ///< numbers in A, twice the complex ones
    std::size_t size_b() const;
    int stride_a() const;  ///< of a row, in complex numbers
    int stride_b() const;

    /// In `a`, with `b` as scratch; `direction` -1 or +1 is the exponent's sign.
    void transform(Real* a, Real* b, int direction) const;

private:
    LatticeFft(int nx, int ny);

    int nx_;
    int ny_;
    void* along_x_[2];  ///< plans, forward and back
    void* along_y_[2];
};

/// Real transforms in one to three dimensions.
class VolumeFft {
public:
    static const VolumeFft& of(int nx, int ny, int nz);

    VolumeFft(const VolumeFft&) = delete;
    VolumeFft& operator=(const VolumeFft&) = delete;

    std::size_t modes() const { return modes_; }  ///< complex numbers of a transform

    /// (sites) to (modes).
    void forward(double* sites, std::complex<double>* modes) const;
    /// The reverse; the modes are lost.
    void backward(std::complex<double>* modes, double* sites) const;

private:
    VolumeFft(int nx, int ny, int nz);

    std::size_t modes_;
    void* forward_;
    void* backward_;
};

/// F(k) = sum over r of f(r) exp(-i k r) of an even f, which is real; both (nx, ny), row-major.
std::vector<double> lattice_spectrum(const std::vector<double>& f, int nx, int ny);

}  // namespace nmrsim
