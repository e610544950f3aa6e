/// Noise whose neighbouring samples are alike, as every receiver's filter leaves it.
#pragma once

#include <span>
#include <vector>

namespace nmrinverse {

/// Correlation of stationary noise of mean 0 at lags of 1, 2, ... samples; empty where it is white.
///
/// Lags count up to twice the one after which five in a row are within 2 sqrt(log10(n) / n) of 0,
/// with a weight that falls to 0 over the second half; at most half of the points.
///
/// Args: values: (2, points), Re and Im of the noise.
/// Source: D. N. Politis, Journal of Nonparametric Statistics 15, 517 (2003).
std::vector<double> noise_correlation(std::span<const double> values);

/// 1 + 2 sum of r: what the variance of a slow curve's amplitude grows by against white noise, at
/// least 0.1.
double slow_excess(std::span<const double> correlation);

/// 1 + 2 sum of r^2: what the variance of a mean square grows by against white noise.
double square_excess(std::span<const double> correlation);

/// The same along a curve: u^T R u / u^T u with R the noise's correlation matrix, at least 0.1.
///
/// Args: curve: (2, points), with the noise on it. noise: its standard deviation; what it adds is
/// taken out, and where nothing is left the curve counts as slow.
double excess_along(std::span<const double> curve, double noise,
                    std::span<const double> correlation);

}  // namespace nmrinverse
