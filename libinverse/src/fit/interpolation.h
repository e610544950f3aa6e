/// Values of an evenly sampled curve between its samples.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

#include "nmrsim/interpolation.h"

namespace nmrinverse {

/// Of Lagrange's polynomial through the samples around. Of exp(i w t) sampled every h it misses at
/// most (w h)^8 (1 3 5 7 / 2^4)^2 / 8! = 1.1e-3 (w h)^8: 2e-8 at 25 samples a turn.
constexpr std::size_t kInterpolationPoints = 8;

/// Weights that read a curve at a fixed shift from its samples.
struct Stencil {
    std::ptrdiff_t first = 0;  ///< of the samples around, from the sample that is shifted
    std::array<double, kInterpolationPoints> weight{};
    std::array<double, kInterpolationPoints> slope{};  ///< of the derivative by the sample's number

    double value(const float* curve, std::size_t sample) const {
        return dot(weight, curve, sample);
    }
    double derivative(const float* curve, std::size_t sample) const {
        return dot(slope, curve, sample);
    }

private:
    double dot(const std::array<double, kInterpolationPoints>& by, const float* curve,
               std::size_t sample) const {
        const float* from = curve + static_cast<std::ptrdiff_t>(sample) + first;
        double sum = 0.0;
        for (std::size_t j = 0; j < kInterpolationPoints; ++j) {
            sum += by[j] * static_cast<double>(from[j]);
        }
        return sum;
    }
};

/// For values at sample + shift, `shift` in samples.
inline Stencil shift_stencil(double shift) {
    Stencil stencil;
    const double whole = std::floor(shift);
    constexpr std::ptrdiff_t kBefore = static_cast<std::ptrdiff_t>(kInterpolationPoints) / 2 - 1;
    stencil.first = static_cast<std::ptrdiff_t>(whole) - kBefore;
    const double at = shift - whole + static_cast<double>(kBefore);  // from the first sample
    const auto number = [](std::size_t j) { return static_cast<double>(j); };
    const auto weights = nmrsim::lagrange_weights<kInterpolationPoints>(at, number);
    stencil.weight = weights.value;
    stencil.slope = weights.slope;
    return stencil;
}

}  // namespace nmrinverse
