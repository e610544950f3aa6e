#include "base/volume_fft.h"

#include <fftw3.h>

#include <array>
#include <map>
#include <mutex>

#include "base/aligned_array.h"
#include "base/lattice_fft.h"

namespace nmrsim {

const VolumeFft& VolumeFft::of(int nx, int ny, int nz) {
    const std::lock_guard<std::mutex> lock(fftw_planner());
    static auto& plans = *new std::map<std::array<int, 3>, const VolumeFft*>;
    const VolumeFft*& entry = plans[{nx, ny, nz}];
    if (!entry) entry = new VolumeFft(nx, ny, nz);
    return *entry;
}

VolumeFft::VolumeFft(int nx, int ny, int nz) {
    // Sides of one site are left out, so that the last one is halved in any case.
    const std::array<int, 3> side = {nx, ny, nz};
    int rank = 0;
    std::array<int, 3> used{};
    for (const int n : side) {
        if (n > 1) used[static_cast<std::size_t>(rank++)] = n;
    }
    if (rank == 0) used[static_cast<std::size_t>(rank++)] = 1;
    modes_ = 1;
    for (int k = 0; k < rank; ++k) {
        const std::size_t n = static_cast<std::size_t>(used[static_cast<std::size_t>(k)]);
        modes_ *= k + 1 == rank ? n / 2 + 1 : n;
    }
    AlignedArray<double> sites(static_cast<std::size_t>(nx) * static_cast<std::size_t>(ny) *
                               static_cast<std::size_t>(nz));
    AlignedArray<double> modes(2 * modes_);
    auto* complex = reinterpret_cast<fftw_complex*>(modes.data());
    // Planned by estimate: timed plans would change the roundings from run to run.
    forward_ = fftw_plan_dft_r2c(rank, used.data(), sites.data(), complex, FFTW_ESTIMATE);
    backward_ = fftw_plan_dft_c2r(rank, used.data(), complex, sites.data(), FFTW_ESTIMATE);
}

void VolumeFft::forward(double* sites, std::complex<double>* modes) const {
    fftw_execute_dft_r2c(static_cast<fftw_plan>(forward_), sites,
                         reinterpret_cast<fftw_complex*>(modes));
}

void VolumeFft::backward(std::complex<double>* modes, double* sites) const {
    fftw_execute_dft_c2r(static_cast<fftw_plan>(backward_), reinterpret_cast<fftw_complex*>(modes),
                         sites);
}

}  // namespace nmrsim
