/// Low-pass filter and decimation: echoes are sampled far above their bandwidth.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "nmrsim/experiment.h"

namespace nmrinverse {

/// Keeps every step-th sample of a curve after a Kaiser-windowed sinc filter.
struct LowPass {
    int points = 0;      ///< samples of a curve
    int step = 1;        ///< samples of the curve for one of the result, >= 1
    int half_width = 0;  ///< taps on each side of the middle one
    int first = 0;       ///< sample of the curve that the result's first one is at
    int samples = 0;     ///< of the result

    /// Throws: std::invalid_argument that names the inequality.
    void validate() const;
};

/// The low-pass for curves of `points` samples; step 1 keeps every sample as it is.
LowPass make_low_pass(int points, int step);

/// Taps, (2 half_width + 1), sum 1.
std::vector<double> low_pass_taps(const LowPass& low_pass);

/// The whole filter as a matrix, (samples, points). Each row sums to 1, at the curve's ends too,
/// where taps that would reach beyond it are left out.
std::vector<float> low_pass_matrix(const LowPass& low_pass);

/// Filters `count` curves.
///
/// Args: signal: (count, 2, points). reduced: receives (count, 2, samples). threads: 0 for all
/// cores.
void apply_low_pass(const LowPass& low_pass, std::span<const float> signal, std::size_t count,
                    std::span<float> reduced, int threads);

/// The decimation that keeps what the curves hold: the largest step whose pass band reaches
/// beyond every frequency at which the curves' mean power spectrum stands out of its noise floor.
///
/// Args: signal: (count, 2, points), some hundred curves.
int decimation_for(std::span<const float> signal, std::size_t count, int points);

/// The decimation that keeps every frequency that spins can turn at: the line's cut and the largest
/// field of the coupling anywhere in the prior. A pulse inside the window makes a curve jump, which
/// has no band, but tells nothing that the smooth parts do not.
int decimation_for(const nmrsim::Experiment& experiment);

}  // namespace nmrinverse
