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
    /// (points), or none: each sample's standard deviation over the noise's; infinite: it does not
    /// count, and `signal` is a straight line there.
    std::vector<double> relative_noise;
    int step = 1;            ///< of the instrument's samples from one of these to the next
    std::size_t margin = 0;  ///< samples at each end that a fit leaves out: low-passed by halves

    std::size_t points() const { return time_us.size(); }
    double spacing_us() const;
};

/// What a record's samples are worth, where they are not alike; such records are not low-passed.
struct SampleWeights {
    /// (points), or none: each one's standard deviation. With `noise` given their sizes count alone
    /// among each other: the noise is that in the mean of 1 / sigma^2.
    std::vector<float> sigma = {};
    /// (points), or none: those that do not count. Without `noise` and `sigma` the noise is that of
    /// the longest run of others.
    std::vector<bool> dead = {};

    bool alike() const { return sigma.empty() && dead.empty(); }
    std::size_t longest_run(std::size_t points) const;  ///< of samples that count
};

/// The instrument's own samples; where there are 24 or more in a period of the largest frequency
/// that the experiment's spins can turn at, low-passed to 12 or more of them.
///
/// Args: time_us: (points), evenly spaced, ascending [us]. signal: (2, points), at least 64 points.
/// noise: standard deviation on each of Re and Im of these samples, correlated or not, where that
/// is known; 0: from the tail, or from what lies above the curve's band (tail_noise()). counts: see
/// SampleWeights.
/// Throws: std::invalid_argument for times that are not, or sizes that do not fit.
MeasuredRecord measured_record(std::span<const double> time_us, std::span<const float> signal,
                               const nmrsim::Experiment& experiment, double noise = 0.0,
                               const SampleWeights& weights = {});

}  // namespace nmrinverse
