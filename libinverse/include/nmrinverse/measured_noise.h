/// The noise of a measured curve.
#pragma once

#include <complex>
#include <cstddef>
#include <span>

namespace nmrinverse {

/// White noise of a curve.
struct NoiseEstimate {
    double sigma = 0.0;       ///< on each of Re and Im, in the curve's unit
    bool from_tail = false;   ///< of the last samples; otherwise of neighbouring samples' scatter
    std::size_t samples = 0;  ///< of that tail
    double tail_us = 0.0;     ///< its length [us], where times are known
    std::complex<double> offset = 0.0;  ///< the tail's mean, where it is none of the noise
};

/// The noise from the curve's tail where that is nothing but noise: the last eighth, at least 32
/// samples, its quarters of one strength within four standard deviations, below a fifth of the
/// largest sample and at most 1.3 times what neighbouring samples say; otherwise from neighbouring
/// samples (estimated_noise()).
///
/// Args: signal: (2, points), at least 16 points. scatter: what neighbouring samples say, where it
/// is known better than from these; 0: from these.
NoiseEstimate tail_noise(std::span<const float> signal, double scatter = 0.0);

/// The noise of a measurement at a model's spacing, once what lies above the model's band is
/// averaged away: EchoFinder::find()'s `sigma`.
///
/// Args: time_us: (points), evenly spaced [us]. signal: (2, points). model_spacing_us: between the
/// model's samples [us]. given: standard deviation on each of Re and Im of the curve's own samples,
/// where that is known; 0: from the tail, see tail_noise().
/// Throws: std::invalid_argument as nmrsim::resampled().
NoiseEstimate noise_at_spacing(std::span<const double> time_us, std::span<const float> signal,
                               double model_spacing_us, double given = 0.0);

}  // namespace nmrinverse
