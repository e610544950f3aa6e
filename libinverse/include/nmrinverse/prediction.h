/// What a model says about curves.
#pragma once

#include <cstddef>
#include <vector>

namespace nmrinverse {

/// Estimates of k unknowns for n curves; arrays (n, k), row-major, in the unknowns' units. Of a
/// categorical unknown only `probabilities` mean something.
struct Predictions {
    std::size_t count = 0;     ///< n
    std::size_t unknowns = 0;  ///< k
    std::vector<double> mean;  ///< point estimate: the posterior's mean
    /// Posterior standard deviations, not far below what the ends of 99% intervals say.
    std::vector<double> sd;
    std::vector<double> q05;  ///< 5% quantile
    std::vector<double> q25;  ///< 25% quantile
    std::vector<double> q75;  ///< 75% quantile
    std::vector<double> q95;  ///< 95% quantile
    /// (n, choices) of the first categorical unknown; empty without one.
    std::vector<double> probabilities;
};

}  // namespace nmrinverse
