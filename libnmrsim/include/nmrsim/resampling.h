/// A curve that was sampled at evenly spaced times, at others.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace nmrsim {

/// Spacing of evenly spaced times [us]; 0 where they are not, to a thousandth, or fewer than two.
double even_spacing_us(std::span<const double> time_us);

/// The band-limited curve at `times`, whatever lies above half the coarser of the two sampling
/// rates taken out: a sinc cut by a Kaiser window, 32 of the coarser spacings to each side.
///
/// Noise above the band is averaged away: white noise of standard deviation sigma becomes all but
/// white noise of sigma times the root of (finer spacing / coarser spacing) where `times` are the
/// coarser. A curve without content above 0.9 of the band is kept to 1e-4, but for the ends, where
/// samples that the window would reach are missing.
///
/// Args: time_us: evenly spaced, ascending, (points) [us]. signal: (rows, points). times: evenly
/// spaced, ascending [us], inside the first ones' range. Returns: (rows, times). Throws:
/// std::invalid_argument for times that are not, or sizes that do not fit.
/// Source: J. F. Kaiser and R. W. Schafer, IEEE Trans. ASSP 28, 105 (1980).
std::vector<float> resampled(std::span<const double> time_us, std::span<const float> signal,
                             std::span<const double> times);

}  // namespace nmrsim
