/// Random numbers of a training, for each purpose and each place of the training others.
#pragma once

#include "network/torch.h"

#include <cstdint>

#include "nmrsim/random.h"

namespace nmrinverse {

enum class Purpose {
    split,           ///< which curves are held out
    order,           ///< of the curves in one epoch or chunk, and what is done to them
    order_again,     ///< the same by the step, once all simulated curves are there
    windows,         ///< which curves a window of a large data set holds
    held_out_noise,  ///< noise and receiver of held-out curves
    calibration      ///< of those that calibrate
};

/// Numbers for one purpose at one place, index < 2^56.
inline nmrsim::CounterRandom random_for(Purpose purpose, std::uint64_t seed, std::int64_t index) {
    using nmrsim::RandomStream;
    const RandomStream stream = purpose == Purpose::held_out_noise ? RandomStream::training_noise
                                : purpose == Purpose::calibration  ? RandomStream::calibration
                                                                   : RandomStream::training_order;
    // Curves' own numbers have the lower half of the indices.
    const std::uint64_t part = 0x80 + static_cast<std::uint64_t>(purpose);
    return {seed, part << 56 | static_cast<std::uint64_t>(index), stream};
}

/// Torch's generator for them.
inline torch::Generator generator(std::uint64_t seed, std::int64_t index, Purpose purpose) {
    return at::make_generator<at::CPUGeneratorImpl>(random_for(purpose, seed, index).bits());
}

}  // namespace nmrinverse
