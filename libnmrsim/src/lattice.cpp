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
    const long long product = static_cast<long long>(nx) * ny;
    if (product > kMaxSites) {
        throw std::invalid_argument(
            fmt::format("lattice.nx * lattice.ny must be <= {}, got {}", kMaxSites, product));
    }
}

}  // namespace nmrsim
