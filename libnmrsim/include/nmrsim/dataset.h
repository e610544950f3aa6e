/// Data sets: many curves of one experiment with the parameters that made them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "nmrsim/experiment.h"
#include "nmrsim/simulate.h"

namespace nmrsim {

/// Curves and parameters of one experiment.
struct Dataset {
    std::vector<PriorRange> unknowns;  ///< names and ranges, (k)
    std::vector<double> time_us;       ///< (points) [us]
    std::vector<double> parameters;    ///< (count, k), row-major; empty where unknown
    std::vector<float> signal;         ///< (count, 2, points): Mx, My
    std::string experiment_toml;       ///< the full experiment, so that the set can be made again
    std::uint64_t seed = 0;
    std::uint64_t first_index = 0;  ///< index of the first curve under the seed
    std::string version;            ///< of the library that made it

    std::size_t points() const { return time_us.size(); }
    std::size_t count() const { return points() ? signal.size() / (2 * points()) : 0; }
};

/// Curves first_index ... first_index + count - 1 of `experiment` under `seed`: parameters drawn
/// from its prior, a lattice drawn anew for each, acquisition.noise added.
///
/// Sample i depends on (experiment, seed, i) alone, not on count, threads or first_index.
/// Throws: std::invalid_argument for an experiment without a prior. If `progress` returns false,
/// the set holds the first curves, up to the first one that was not done.
Dataset generate_dataset(const Experiment& experiment, std::size_t count, std::uint64_t seed,
                         std::uint64_t first_index = 0, int threads = 0,
                         const BatchProgress& progress = {});

}  // namespace nmrsim
