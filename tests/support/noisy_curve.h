/// Simulated curves with noise, as fits take them.
#pragma once

#include <cstdint>
#include <vector>

#include "nmrsim/prior.h"
#include "nmrsim/signal.h"
#include "nmrsim/simulate.h"

/// The curve of an experiment whose unknowns are `truth`, (2, points).
inline std::vector<float> noisy_curve(const nmrsim::Experiment& experiment,
                                      const std::vector<double>& truth, double noise,
                                      std::uint64_t seed) {
    nmrsim::Signal signal = nmrsim::simulate(nmrsim::with_parameters(experiment, truth));
    nmrsim::add_noise(signal, noise, seed);
    std::vector<float> curve(signal.mx.begin(), signal.mx.end());
    curve.insert(curve.end(), signal.my.begin(), signal.my.end());
    return curve;
}
