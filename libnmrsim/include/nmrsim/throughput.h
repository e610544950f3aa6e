/// How fast an experiment's curves are simulated on this machine, and how exactly.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "nmrsim/experiment.h"

namespace nmrsim {

struct ThroughputOptions {
    /// To measure the rate for, > 0, and for one curve at least; errors take up to four times as
    /// long.
    double seconds = 10.0;
    int threads = 0;  ///< 0 for all cores
    /// Called with what is done and the share of it; false ends the measurement.
    std::function<bool(const std::string& stage, double share)> progress = {};
};

/// What was measured on draws of the prior, the same in each run.
struct Throughput {
    int threads = 0;
    std::size_t curves = 0;  ///< simulated to measure the rate
    double seconds = 0.0;    ///< that they took
    /// Largest |M - M_converged| of some draws, at most 200, ascending.
    std::vector<double> errors;
    double spin_steps = 0.0;  ///< of a curve, in the mean
    double flops = 0.0;       ///< additions and multiplications of a curve, in the mean
    double peak_flops = 0.0;  ///< of the machine, see measured_peak_flops() [1/s]

    double curves_per_s() const { return static_cast<double>(curves) / seconds; }
    double peak_share() const { return curves_per_s() * flops / peak_flops; }
    /// The error that a share of the draws stays within, 0 where none was measured.
    double error(double share) const;
};

/// Measures curves per second, and their errors against curves of tolerance 1e-9 in double
/// precision.
///
/// Throws: std::invalid_argument for seconds <= 0 and as simulate_batch() does; Stopped where
/// `progress` says so.
Throughput measure_throughput(const Experiment& experiment, const ThroughputOptions& options = {});

}  // namespace nmrsim
