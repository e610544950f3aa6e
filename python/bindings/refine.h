/// Options of a refined fit.
#pragma once

#include <cstdint>

#include "nmrinverse/refine.h"

namespace nmrpython {

/// What Python may say of a refined fit; all else is as by default.
inline nmrinverse::RefineOptions refine_options(double noise, bool fit_gain, bool fit_phase,
                                                bool fit_time_zero, double time_zero_range_us,
                                                std::uint64_t seed, int threads) {
    nmrinverse::RefineOptions options;
    static_cast<nmrinverse::ReceiverUnknowns&>(options) = {fit_gain, fit_phase};
    options.noise = noise;
    options.fit_time_zero = fit_time_zero;
    options.time_zero_range_us = time_zero_range_us;
    options.seed = seed;
    options.threads = threads;
    return options;
}

}  // namespace nmrpython
