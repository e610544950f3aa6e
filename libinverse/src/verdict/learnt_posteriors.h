/// What fit() asks of a network, so that it need not know one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "nmrinverse/curves.h"
#include "nmrinverse/fit.h"
#include "nmrinverse/measured_echo.h"
#include "nmrinverse/prediction.h"

namespace nmrinverse {

/// The posteriors of some curves, see Posterior.
struct CurvePosteriors {
    std::function<Predictions()> summary;
    std::function<std::vector<double>(std::size_t draws, std::uint64_t seed)> sample;
    std::function<std::vector<double>()> distance;
};

/// What has learnt to read an experiment's curves, see Model.
struct LearntPosteriors {
    double largest_noise = 0.0;
    /// Of curves (count, 2, points) with noise (count).
    std::function<CurvePosteriors(std::span<const float> curves, std::span<const double> noise,
                                  int threads)>
        posterior;
    EchoProposal proposal;
};

/// fit() by what was learnt; without it (nullptr) from draws of the prior.
FitResult fit_curves(const nmrsim::Experiment& experiment, const LearntPosteriors* learnt,
                     std::span<const InputCurves> inputs, const FitOptions& options);

}  // namespace nmrinverse
