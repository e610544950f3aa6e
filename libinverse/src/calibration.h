/// From the network's numbers to estimates whose intervals hold what they promise.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "nmrinverse/prediction.h"
#include "nmrsim/prior.h"

namespace nmrinverse {

/// What turns the network's standard deviation of one unknown into honest ones, measured on curves
/// that were not trained on: sd^2 = (sd_scale * the network's)^2 + sd_floor^2, in unit-box
/// coordinates. The floor is for networks that have seen their few curves too often to doubt
/// themselves.
///
/// The intervals are conformal: estimate +- half_width * sd, cut at the prior's box, which can only
/// take away what is impossible. Errors of a curve with several explanations have long tails, so
/// the half widths are not those of a Gaussian (0.674 and 1.645).
struct UnknownCalibration {
    double sd_scale = 1.0;
    double sd_floor = 0.0;
    double half_width50 = 0.6744897501960817;
    double half_width90 = 1.6448536269514722;
};

using Calibration = std::vector<UnknownCalibration>;

std::string to_json(const Calibration& calibration);

/// Throws: std::invalid_argument unless there are `unknowns` of them, all finite and in range.
Calibration calibration_from_json(const std::string& text, std::size_t unknowns);

/// Fits the calibration. All arrays (count, unknowns) in unit-box coordinates.
Calibration fit_calibration(std::span<const float> mean, std::span<const float> log_sd,
                            std::span<const float> truth, std::size_t unknowns);

/// The network's output in the unknowns' units.
///
/// Args: mean, log_sd: (count, unknowns), unit-box coordinates.
Predictions calibrated(std::span<const float> mean, std::span<const float> log_sd,
                       const Calibration& calibration, const nmrsim::Prior& prior);

}  // namespace nmrinverse
