/// The noise of a measured curve.
#pragma once

#include <complex>
#include <cstddef>
#include <span>
#include <vector>

namespace nmrinverse {

/// Noise of a curve.
struct NoiseEstimate {
    double sigma = 0.0;  ///< on each of Re and Im of a sample, in the curve's unit
    /// Relative standard deviation of sigma^2; 0 where sigma was given.
    double uncertainty = 0.0;
    /// At lags of 1, 2, ... samples, from the tail; empty where it is white, or not known.
    std::vector<double> correlation;
    bool from_tail = false;   ///< of the last samples; otherwise of neighbouring samples' scatter
    std::size_t samples = 0;  ///< of that tail
    double tail_us = 0.0;     ///< its length [us], where times are known
    std::complex<double> offset = 0.0;  ///< the tail's mean, where it is none of the noise

    double white() const;  ///< white noise that a slow curve would be as uncertain with
};

/// The noise from the curve's tail where that is nothing but noise: the last eighth, or the last
/// quarter or half where they are no louder, at least 32 samples, its quarters of one strength
/// within four standard deviations and not decaying by more than 2.5 of them. Where its samples are
/// white, it is below a fifth of the largest sample and at most 1.3 times what neighbouring samples
/// say; where they are correlated, as signal is too, below a twentieth, and each quarter holds 8
/// effective numbers. Otherwise from neighbouring samples (estimated_noise()), as if white.
///
/// Args: signal: (2, points), at least 16 points. scatter: what neighbouring samples say, where it
/// is known better than from these; 0: from these.
NoiseEstimate tail_noise(std::span<const float> signal, double scatter = 0.0);

/// The noise of a measurement at a model's spacing, once what lies above the model's band is
/// averaged away; that of EchoFinder's curves.
///
/// Args: time_us: (points), evenly spaced [us]. signal: (2, points). model_spacing_us: between the
/// model's samples [us]. given: standard deviation on each of Re and Im of the curve's own samples,
/// correlated or not, where that is known; 0: from the tail, see tail_noise().
/// Throws: std::invalid_argument as nmrsim::resampled().
NoiseEstimate noise_at_spacing(std::span<const double> time_us, std::span<const float> signal,
                               double model_spacing_us, double given = 0.0);

}  // namespace nmrinverse
