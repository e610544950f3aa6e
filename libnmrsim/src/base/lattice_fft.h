/// Fourier transforms of the periodic lattice, by FFTW.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

namespace nmrsim {

/// Held while FFTW plans, which it does in one thread at a time whatever the plan; one for all.
///
/// Plans are kept to the end of the process and never destroyed: threads may still use them while
/// static objects go.
std::mutex& fftw_planner();

/// Two-dimensional complex transforms of one size: two passes along the slow axis that write
/// transposed, each out of place, A (nx, ny) -> B (ny, nx) -> A (nx, ny), complex numbers
/// interleaved, rows padded.
///
/// Planned by FFTW's own estimate: timing would choose other plans, and other roundings, from run
/// to run, and this layout is as fast as a timed plan of the whole (100 x 100 in float: 30 us).
template <class Real>
class LatticeFft {
public:
    /// One set of plans a size, shared by all threads and kept to the end of the program.
    static const LatticeFft& of(int nx, int ny);

    LatticeFft(const LatticeFft&) = delete;
    LatticeFft& operator=(const LatticeFft&) = delete;

    std::size_t size_a() const;  ///< numbers in A, twice the complex ones
    std::size_t size_b() const;
    int stride_a() const;  ///< of a row, in complex numbers
    int stride_b() const;

    /// In `a`, with `b` as scratch, both aligned as AlignedArray; `direction` -1 or +1 is the
    /// exponent's sign. Not normalised. Safe to call from many threads.
    void transform(Real* a, Real* b, int direction) const;

private:
    LatticeFft(int nx, int ny);

    int nx_;
    int ny_;
    void* along_x_[2];  ///< plans, forward and back
    void* along_y_[2];
};

/// F(k) = sum over r of f(r) exp(-i k r) of an even f, which is real; both (nx, ny), row-major.
std::vector<double> lattice_spectrum(const std::vector<double>& f, int nx, int ny);

}  // namespace nmrsim
