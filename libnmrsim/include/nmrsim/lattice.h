/// The periodic lattice on which finite-range kernels act.
#pragma once

#include <cstdint>

namespace nmrsim {

/// nx x ny sites, periodic in both directions, distances in lattice units by the minimum image.
/// Site (x, y) has index x * ny + y.
struct Lattice {
    int nx = 100;            ///< sites along x, >= 1
    int ny = 100;            ///< sites along y, >= 1
    std::uint64_t seed = 1;  ///< of the draw of offsets

    int sites() const { return nx * ny; }
    void validate() const;
};

}  // namespace nmrsim
