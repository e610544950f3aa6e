#include "nmrsim/lattice.h"

#include <fmt/format.h>

#include <stdexcept>

namespace nmrsim {
namespace {

/// Most sites of a lattice: their number fits an int and their state a machine's memory.
constexpr long long kMaxSites = 1LL << 26;

}  // namespace

void Lattice::validate() const {
    if (nx < 1) throw std::invalid_argument(fmt::format("lattice.nx must be >= 1, got {}", nx));
    if (ny < 1) throw std::invalid_argument(fmt::format("lattice.ny must be >= 1, got {}", ny));
    if (nz < 1) throw std::invalid_argument(fmt::format("lattice.nz must be >= 1, got {}", nz));
    // Three sides below 2^31 may pass 64 bits.
    const double product = static_cast<double>(nx) * ny * nz;
    if (product > static_cast<double>(kMaxSites)) {
        throw std::invalid_argument(fmt::format(
            "lattice.nx * lattice.ny * lattice.nz must be <= {}, got {:.0f}", kMaxSites, product));
    }
}

}  // namespace nmrsim
