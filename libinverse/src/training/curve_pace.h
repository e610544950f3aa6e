/// How many curves a training on simulated ones can have, and in what portions.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>

#include "nmrinverse/trainer.h"
#include "nmrsim/dataset.h"
#include "nmrsim/experiment.h"

namespace nmrinverse {

/// Curves that features are scaled by.
inline constexpr std::int64_t kScaleCurves = 2048;

double seconds_since(std::chrono::steady_clock::time_point start);

struct CurvePortions {
    std::int64_t chunk = 0;     ///< curves that are simulated before the next is learnt from
    std::int64_t held_out = 0;  ///< curves
};

/// Where time is no matter.
CurvePortions usual_portions(const TrainingOptions& options);

/// Curves to scale features by, and by the time that they take the portions of a timed training.
class CurvePace {
public:
    /// Simulates them.
    ///
    /// Args: threads: of this process. producers: those that simulate while others learn.
    /// Throws: std::invalid_argument where options.minutes hold too few curves to learn anything.
    CurvePace(const nmrsim::Experiment& experiment, const TrainingOptions& options,
              const TrainingPeers& peers, int threads, int producers);

    std::span<const float> sample() const { return sample_.signal; }  ///< (count, 2, points)
    const CurvePortions& portions() const { return portions_; }

private:
    nmrsim::Dataset sample_;
    CurvePortions portions_;
};

}  // namespace nmrinverse
