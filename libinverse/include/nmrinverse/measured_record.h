/// A curve as an instrument wrote it, made ready for a fit.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "nmrinverse/measured_noise.h"
#include "nmrsim/experiment.h"

namespace nmrinverse {

/// A curve on the instrument's axes: evenly sampled, less the receiver's offset.
struct MeasuredRecord {
    std::vector<double> time_us;  ///< (points)
    std::vector<float> signal;    ///< (2, points)
    NoiseEstimate noise;          ///< of these samples
    int step = 1;                 ///< of the instrument's samples from one of these to the next
    std::size_t margin = 0;  ///< samples at each end that a fit leaves out: low-passed by halves

    std::size_t points() const { return time_us.size(); }
    double spacing_us() const;
};

/// The instrument's own samples; where there are 24 or more in a period of the largest frequency
/// that the experiment's spins can turn at, low-passed to 12 or more of them.
///
/// Args: time_us: (points), evenly spaced, ascending [us]. signal: (2, points), at least 64 points.
/// noise: standard deviation on each of Re and Im of these samples, correlated or not, where that
/// is known; 0: from the tail, or from what lies above the curve's band (tail_noise()).
/// Throws: std::invalid_argument for times that are not, or sizes that do not fit.
MeasuredRecord measured_record(std::span<const double> time_us, std::span<const float> signal,
                               const nmrsim::Experiment& experiment, double noise = 0.0);

}  // namespace nmrinverse
