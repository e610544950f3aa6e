/// Real Fourier transforms of a lattice in one to three dimensions, double precision.
#pragma once

#include <complex>
#include <cstddef>

namespace nmrsim {

/// Plans for one size, kept to the end of the program; safe to use from many threads.
class VolumeFft {
public:
    static const VolumeFft& of(int nx, int ny, int nz);

    VolumeFft(const VolumeFft&) = delete;
    VolumeFft& operator=(const VolumeFft&) = delete;

    std::size_t modes() const { return modes_; }  ///< complex numbers of a transform

    /// (sites) to (modes), not normalised; both 64-byte aligned.
    void forward(double* sites, std::complex<double>* modes) const;
    /// The reverse; the modes are lost.
    void backward(std::complex<double>* modes, double* sites) const;

private:
    VolumeFft(int nx, int ny, int nz);

    std::size_t modes_;
    void* forward_;
    void* backward_;
};

}  // namespace nmrsim
