/// Random numbers that depend on (seed, index, stream) alone.
#pragma once

#include <cstdint>

namespace nmrsim {

/// What a stream of numbers is for; no two uses share one. The numbers are part of what a seed
/// means: never renumber, add at the end.
enum class RandomStream : std::uint32_t {
    parameters = 1,              ///< draws of the prior, of a data set's true values
    offsets = 2,                 ///< draws of the lattice's offsets
    noise = 3,                   ///< noise on a data set's curves
    lattice_seed = 4,            ///< the lattice seed of one sample of a data set
    diagnostics = 16,            ///< reference points and broken ties of a posterior's diagnostics
    posterior_draws = 32,        ///< draws of a network's posterior
    importance = 33,             ///< draws that are weighted by the likelihood
    refined_draws = 34,          ///< draws of a refined posterior where it is normal
    search = 35,                 ///< starts of a least-squares search, widened ones among them
    echo_bank = 36,              ///< stand-ins by which a measured echo is found
    bootstrap = 37,              ///< resampled curves, for the scatter of a score
    training_parameters = 38,    ///< true values of curves simulated for training
    training_lattice_seed = 39,  ///< their lattice seeds
    training_noise = 40,         ///< noise and receiver given to curves in training
    training_order = 41,         ///< order of curves in training
    calibration = 42             ///< noise and receiver given to curves in calibration
};

/// Counter-based generator (Philox 4x32-10 of Random123): sample `index` of stream `stream` under
/// `seed` gives the same numbers on any thread, rank or machine.
class CounterRandom {
public:
    CounterRandom(std::uint64_t seed, std::uint64_t index, RandomStream stream);

    std::uint64_t bits();  ///< 64 random bits
    double uniform();      ///< in the open interval (0, 1)
    double normal();       ///< mean 0, variance 1 (Box-Muller)

private:
    void refill();

    std::uint32_t counter_[4];
    std::uint32_t key_[2];
    std::uint64_t block_[2];
    int left_ = 0;
    bool has_spare_ = false;
    double spare_ = 0.0;
};

}  // namespace nmrsim
