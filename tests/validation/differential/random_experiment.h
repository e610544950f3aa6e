/// Random experiments over the whole domain of the simulators.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "nmrsim/experiment.h"

namespace differential {

/// What an experiment is drawn as; each has its share of the draws.
enum class Kind { uniform, plane, chain, volume, spins, uniform_more, lattice_more, sites };

inline constexpr const char* kKindNames[] = {"uniform", "plane",        "chain",        "volume",
                                             "spins",   "uniform-more", "lattice-more", "sites"};
inline constexpr int kKinds = 8;

/// An experiment and what is asked of it.
struct Draw {
    std::uint64_t index = 0;
    Kind kind = Kind::uniform;
    nmrsim::Experiment experiment;
    int threads = 1;
    std::vector<std::string> unknowns;       ///< of its batch; empty: no batch
    int company = 0;                         ///< curves of the batch beside its own
    bool mixed = false;                      ///< the others' parameters differ
    std::string slope;                       ///< parameter of its derivative; empty: none
    std::map<std::string, int> passed_over;  ///< draws before it that were not kept, by reason
};

/// A function of these two alone.
Kind kind_of_draw(std::uint64_t seed, std::uint64_t index);

/// Draw `index` under `seed`, a function of these two alone.
///
/// Its kind and traits come first; then such experiments are drawn until the oracle can afford one.
/// Every experiment has been through its own TOML, so that what runs is what a file says.
Draw draw_experiment(std::uint64_t seed, std::uint64_t index);

/// "uniform", "lattice" or "general": which simulator is meant for it.
std::string path_of(const nmrsim::Experiment& experiment);

}  // namespace differential
