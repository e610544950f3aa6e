/// From the network's numbers to a posterior that is as wide as its errors.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace nmrinverse {

/// What turns the network's standard deviation of one unknown into an honest one, measured on
/// curves that were not trained on: sd^2 = factor^2 ((sd_scale * the network's)^2 + sd_floor^2), in
/// unit-box coordinates. The densities about the estimate widen with it. The floor is for networks
/// that have seen their few curves too often to doubt themselves; the factor depends on the noise.
struct UnknownCalibration {
    static constexpr int kEstimateKnots = 3;

    double sd_scale = 1.0;
    double sd_floor = 0.0;
    /// Factors at equal steps of the noise level's logarithm, from the lowest trained to the
    /// highest; between them their logarithm is linear. One where the level is no input.
    std::vector<double> by_noise = {1.0};
    /// More factors, by where the estimate of each unknown lies: (unknowns) tables of
    /// (by_noise.size(), kEstimateKnots), empty for an unknown that changes nothing; or none at
    /// all. Knots are the middles of equal parts of the unit interval, between which, and between
    /// levels of noise, the logarithm is linear.
    std::vector<std::vector<double>> by_estimate = {};
    /// Where, after all that, the cumulative's logit is in size for half, 90, 99 and 99.9% of true
    /// values, at each level of noise: (by_noise.size(), kLevelKnots), or none. Cumulatives are
    /// bent so that those shares hold, linear in the logit between them.
    std::vector<double> by_level = {};

    static constexpr int kLevelKnots = 4;
    static constexpr double kShares[kLevelKnots] = {0.5, 0.9, 0.99, 0.999};
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

/// How far the cumulatives at the true values are from uniform, for each unknown, (unknowns), when
/// the standard deviations are `factor` times what they are.
using Unevenness = std::function<std::vector<double>(double factor)>;

/// Factors that are tried: in equal steps of the logarithm, so many each way, up to `largest`
/// times.
struct TriedFactors {
    double largest = 4.0;
    int each_way = 16;
};

/// The factor of each unknown that makes them the most uniform, (unknowns).
/// Unlike the likelihood it is not ruled by the few curves that are farthest off.
std::vector<double> fit_factors(const Unevenness& unevenness, const TriedFactors& tried = {});

}  // namespace nmrinverse
