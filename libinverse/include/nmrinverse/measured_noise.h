/// The noise of a measured curve.
#pragma once

#include <complex>
#include <cstddef>
#include <optional>
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
    bool coloured = false;    ///< it falls with the frequency outside the curve's band
    bool from_tail = false;   ///< of the last samples; otherwise of the whole curve's scatter
    std::size_t samples = 0;  ///< of a tail that is nothing but noise
    std::complex<double> offset = 0.0;  ///< that tail's mean, where it is none of the noise

    double white() const;  ///< white noise that a slow curve would be as uncertain with
};

/// White noise from what a curve holds between two frequencies that it has no part in, up to a few
/// pulses. Where too little lies between them, from differences of the eighth order
/// (estimated_noise()).
///
/// Args: signal: (2, points), at least 16 points. low, high: turns a sample, 0 <= low < high <=
/// 0.5.
NoiseEstimate noise_outside(std::span<const float> signal, double low, double high = 0.5);

/// The noise from the curve's tail where that is nothing but noise: the last eighth, or the last
/// quarter or half where they are no louder, at least 32 samples, its quarters of one strength
/// within four standard deviations and not decaying by more than 2.5 of them.
///
/// Where its samples are white, it is below a fifth of the largest sample and above the noise
/// outside the curve's band by four standard deviations at most, which is taken instead where it is
/// known better. Where they are correlated, as signal is too, it is below a twentieth, each quarter
/// holds 8 effective numbers, and the noise outside the band falls with the frequency: a receiver's
/// filter leaves no step at the end of the curve's band. A longer tail is looked at where the
/// shortest is none of that. Otherwise the noise outside the band, as if white; where that falls
/// with the frequency, carried on into the band as behind a filter of one pole, its variance hardly
/// known.
///
/// Args: signal: (2, points), at least 16 points. low, high: as for noise_outside().
NoiseEstimate tail_noise(std::span<const float> signal, double low, double high = 0.5);

/// The noise that a fit leaves of a curve, all of whose samples are as a tail's then; none where
/// they are not noise (of a curve that does not fit, most is left where the curve is).
///
/// Args: residual: (2, points). largest: |M| of the curve. before: what was known of it.
std::optional<NoiseEstimate> residual_noise(std::span<const float> residual, double largest,
                                            const NoiseEstimate& before);

}  // namespace nmrinverse
