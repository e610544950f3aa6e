/// The periodic lattice on which finite-range kernels act.
#pragma once

#include <cstdint>

namespace nmrsim {

/// nx x ny x nz sites, periodic in all directions, distances in lattice units by the minimum image:
/// a chain with ny = nz = 1, a plane with nz = 1. Site (x, y, z) has index (x ny + y) nz + z.
struct Lattice {
    int nx = 100;            ///< sites along x, >= 1
    int ny = 100;            ///< sites along y, >= 1
    int nz = 1;              ///< sites along z, >= 1
    std::uint64_t seed = 1;  ///< of the draw of offsets

    int sites() const { return nx * ny * nz; }
    void validate() const;
};

}  // namespace nmrsim
