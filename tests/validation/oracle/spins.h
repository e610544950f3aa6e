/// The spins that an experiment speaks of, with numbers of the oracle's own: offsets, weights and
/// couplings by pairs.
#pragma once

#include <cstdint>
#include <vector>

#include "nmrsim/experiment.h"

namespace oracle {

struct Spins {
    std::vector<double> offset;    ///< (spins) [rad/us]
    std::vector<double> weight;    ///< (spins) in the mean
    std::vector<double> strength;  ///< (spins) of the pulses over the nominal; empty: 1
    std::vector<double> rate1;     ///< (spins) 1/T1 [1/us]
    std::vector<double> rate2;     ///< (spins) 1/T2 [1/us]
    std::vector<double> pump;      ///< (spins) equilibrium mz over T1 [1/us]
    std::vector<double> pair;      ///< (spins, spins), entry j n + i: f of j on i; empty: f of j is
                                   ///< its weight
};

/// Args: longest_us, refinement: of line_rule(), where the spins are an integral over the line.
Spins spins_of(const nmrsim::Experiment& experiment, double longest_us, double refinement);

/// How many spins_of() takes.
double count_of_spins(const nmrsim::Experiment& experiment, double longest_us);

/// Sum of |f| over the spins that one couples to.
double coupling_sum(const nmrsim::Experiment& experiment);

/// Numbers in (0, 1) of the offsets' stream under `seed`: Philox 4x32-10 (J. K. Salmon et al.,
/// SC11) of the counters (block, 2, 0, 0) under the key `seed`; two numbers a block, of the upper
/// 52 bits of 64, the lower word first.
std::vector<double> offset_shares(std::uint64_t seed, std::size_t count);

}  // namespace oracle
