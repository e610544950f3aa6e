/// From the network's numbers to a posterior that is as wide as its errors.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace nmrinverse {

/// What turns the network's standard deviation of one unknown into an honest one, measured on
/// curves that were not trained on: sd^2 = (sd_scale * the network's)^2 + sd_floor^2, in unit-box
/// coordinates. The densities about the estimate widen with it. The floor is for networks that have
/// seen their few curves too often to doubt themselves.
struct UnknownCalibration {
    double sd_scale = 1.0;
    double sd_floor = 0.0;
};

using Calibration = std::vector<UnknownCalibration>;

std::string to_json(const Calibration& calibration);

/// Throws: std::invalid_argument unless there are `unknowns` of them, all finite and in range.
Calibration calibration_from_json(const std::string& text, std::size_t unknowns);

/// Mean negative logarithm of each unknown's density at the true values, (unknowns), under a
/// calibration on trial.
using Surprise = std::function<std::vector<double>(const Calibration&)>;

/// The calibration under which the true values surprise least, each unknown by itself.
///
/// Args: count: curves behind `surprise`; with fewer than 20 nothing is changed.
Calibration fit_calibration(std::size_t unknowns, std::size_t count, const Surprise& surprise);

}  // namespace nmrinverse
