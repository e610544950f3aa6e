/// The inner loop of the lattice simulator with fields on a coarse grid, compiled once for each
/// instruction set.
#pragma once

#include "lattice/lattice_kernel.h"

namespace nmrsim {

/// Grid points along a side that a site's field is interpolated from: the fewer or the more.
inline constexpr int kFewTaps = 4;
inline constexpr int kMostTaps = 6;

/// Past values of mz that a step reads beside the present one.
inline constexpr int kPastZ = 2;

/// One step of every site: its field interpolated along x from the rows of a coarse grid, the turn
/// of SiteStep, and the turned spins gathered onto the grid's rows by the same weights.
///
/// Sites s = 0 to spacing - 1 of interval j, rows j * spacing + s of the lattice, see the grid rows
/// from j + 1 - taps / 2 on, periodic. Rows of sites and of fields both have `columns` numbers.
struct GridStep : StepTurns<float> {
    int grid_rows = 0;
    int spacing = 0;                ///< lattice rows an interval, even
    int taps = kMostTaps;           ///< kFewTaps or kMostTaps
    long columns = 0;               ///< a multiple of kLatticePadding
    float* mx = nullptr;            ///< (grid_rows * spacing, columns)
    float* my = nullptr;            ///< the same
    float* mz = nullptr;            ///< the same
    const float* offset = nullptr;  ///< the same [rad/us]
    const float* window = nullptr;  ///< (spacing, taps)
    /// Fields (grid_rows, parts, mean then moment, components, columns), the couplings and times in
    /// them: B0 and B1 of SiteStep [rad].
    const float* field = nullptr;
    float* gathered = nullptr;  ///< result: (grid_rows, components, columns)
    /// A spin's own part of the field, a field along z of so much mz: past mz, and weights of B0
    /// [rad] with the present one's last. Its B1 is left out: less than 1e-6 of a turn.
    float* past_z[kPastZ] = {};
    int store_z = 0;  ///< the past_z that the present mz replaces
    float self_mean[2][kPastZ + 1];
};

/// The functions for this machine's instruction set.
///
/// Along y the sites of a row are sorted by their place in an interval: first those at 0, `points`
/// of them, then those at 1, and so on. `window` is (spacing, taps).
struct LatticeGridKernel {
    void (*advance)(GridStep& step);
    /// A row's fields `out` (spacing, points) from grid values `in` (points + taps - 1), continued
    /// periodically. Reads and writes up to kLatticePadding - 1 numbers beyond.
    void (*interpolate)(int points, int spacing, int taps, const float* window, const float* in,
                        float* out);
    /// The reverse: grid values `out` (points) from a row of sites `in` (spacing, points), in
    /// `scratch` (spacing, points + taps - 1). Reads scratch and writes up to kLatticePadding - 1
    /// numbers beyond.
    void (*gather)(int points, int spacing, int taps, const float* window, const float* in,
                   float* scratch, float* out);
};
const LatticeGridKernel& lattice_grid_kernel();

namespace baseline {
extern const LatticeGridKernel kLatticeGrid;
}
namespace avx2 {
extern const LatticeGridKernel kLatticeGrid;
}
namespace avx512 {
extern const LatticeGridKernel kLatticeGrid;
}

}  // namespace nmrsim
