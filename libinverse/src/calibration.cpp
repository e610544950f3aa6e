#include "calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace nmrinverse {
namespace {

// Fewer held-out curves than this say nothing about a 90% interval: the Gaussian's are kept.
constexpr std::size_t kFewestCurves = 20;
// Keeps a calibration from a handful of perfect curves usable.
constexpr double kSmallest = 1e-3;

/// The value that a share `level` of `values` does not exceed, by the conformal rule
/// ceil((n + 1) level) that makes the coverage of a new curve at least `level`.
double conformal_quantile(std::vector<double>& values, double level) {
    const double rank = std::ceil(level * static_cast<double>(values.size() + 1));
    const std::size_t index =
        std::min(values.size(), static_cast<std::size_t>(std::max(1.0, rank))) - 1;
    std::nth_element(values.begin(), values.begin() + static_cast<long>(index), values.end());
    return values[index];
}

double spread(double network_sd, const UnknownCalibration& unknown) {
    return std::hypot(unknown.sd_scale * network_sd, unknown.sd_floor);
}

/// Mean negative logarithm of the Gaussian likelihood of the errors, but for a constant.
double surprise(const std::vector<double>& error, const std::vector<double>& sd,
                const UnknownCalibration& unknown) {
    double sum = 0.0;
    for (std::size_t i = 0; i < error.size(); ++i) {
        const double wide = spread(sd[i], unknown);
        sum += 0.5 * std::pow(error[i] / wide, 2) + std::log(wide);
    }
    return sum / static_cast<double>(error.size());
}

/// Sets scale and floor to what makes the errors most likely: steps by factors, up or down, each
/// half as long in the logarithm as those before.
void fit_spread(const std::vector<double>& error, const std::vector<double>& sd,
                UnknownCalibration& unknown) {
    double least = std::numeric_limits<double>::infinity();
    for (double floor = 0.3; floor > 1e-5; floor *= 0.5) {  // a coarse look at floors first
        for (double scale = 0.125; scale < 10.0; scale *= 2.0) {
            UnknownCalibration trial = unknown;
            trial.sd_scale = scale;
            trial.sd_floor = floor;
            const double value = surprise(error, sd, trial);
            if (value < least) {
                least = value;
                unknown = trial;
            }
        }
    }
    for (double factor = 1.4; factor > 1.001;) {
        bool better = false;
        for (const double scale : {factor, 1.0, 1.0 / factor}) {
            for (const double floor : {factor, 1.0, 1.0 / factor}) {
                UnknownCalibration trial = unknown;
                trial.sd_scale *= scale;
                trial.sd_floor *= floor;
                const double value = surprise(error, sd, trial);
                if (value < least) {
                    least = value;
                    unknown = trial;
                    better = true;
                }
            }
        }
        if (!better) factor = std::sqrt(factor);
    }
    unknown.sd_scale = std::max(unknown.sd_scale, kSmallest);
}

}  // namespace

std::string to_json(const Calibration& calibration) {
    nlohmann::json json = nlohmann::json::array();
    for (const UnknownCalibration& unknown : calibration) {
        json.push_back({{"sd_scale", unknown.sd_scale},
                        {"sd_floor", unknown.sd_floor},
                        {"half_width50", unknown.half_width50},
                        {"half_width90", unknown.half_width90}});
    }
    return json.dump();
}

Calibration calibration_from_json(const std::string& text, std::size_t unknowns) {
    try {
        Calibration calibration;
        for (const nlohmann::json& json : nlohmann::json::parse(text)) {
            UnknownCalibration unknown;
            json.at("sd_scale").get_to(unknown.sd_scale);
            json.at("sd_floor").get_to(unknown.sd_floor);
            json.at("half_width50").get_to(unknown.half_width50);
            json.at("half_width90").get_to(unknown.half_width90);
            for (const double value :
                 {unknown.sd_scale, unknown.half_width50, unknown.half_width90}) {
                if (!std::isfinite(value) || !(value > 0.0)) {
                    throw std::invalid_argument(
                        fmt::format("calibration must be > 0 and finite, got {}", value));
                }
            }
            if (!std::isfinite(unknown.sd_floor) || !(unknown.sd_floor >= 0.0)) {
                throw std::invalid_argument(fmt::format(
                    "calibration.sd_floor must be >= 0 and finite, got {}", unknown.sd_floor));
            }
            calibration.push_back(unknown);
        }
        if (calibration.size() != unknowns) {
            throw std::invalid_argument(fmt::format("calibration must have {} unknowns, got {}",
                                                    unknowns, calibration.size()));
        }
        return calibration;
    } catch (const nlohmann::json::exception& error) {
        throw std::invalid_argument(fmt::format("calibration: {}", error.what()));
    }
}

Calibration fit_calibration(std::span<const float> mean, std::span<const float> log_sd,
                            std::span<const float> truth, std::size_t unknowns) {
    const std::size_t count = mean.size() / unknowns;
    Calibration calibration(unknowns);
    if (count < kFewestCurves) return calibration;
    for (std::size_t k = 0; k < unknowns; ++k) {
        std::vector<double> error(count);
        std::vector<double> sd(count);
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t at = i * unknowns + k;
            const double estimate = std::clamp(static_cast<double>(mean[at]), 0.0, 1.0);
            error[i] = std::abs(truth[at] - estimate);
            sd[i] = std::exp(static_cast<double>(log_sd[at]));
        }
        fit_spread(error, sd, calibration[k]);
        for (std::size_t i = 0; i < count; ++i) error[i] /= spread(sd[i], calibration[k]);
        calibration[k].half_width50 = std::max(kSmallest, conformal_quantile(error, 0.5));
        calibration[k].half_width90 = std::max(kSmallest, conformal_quantile(error, 0.9));
    }
    return calibration;
}

Predictions calibrated(std::span<const float> mean, std::span<const float> log_sd,
                       const Calibration& calibration, const nmrsim::Prior& prior) {
    const std::size_t unknowns = prior.size();
    Predictions predictions;
    predictions.unknowns = unknowns;
    predictions.count = mean.size() / unknowns;
    for (std::vector<double>* values : {&predictions.mean, &predictions.sd, &predictions.q05,
                                        &predictions.q25, &predictions.q75, &predictions.q95}) {
        values->resize(mean.size());
    }
    for (std::size_t at = 0; at < mean.size(); ++at) {
        const nmrsim::PriorRange& range = prior[at % unknowns];
        const UnknownCalibration& unknown = calibration[at % unknowns];
        const double width = range.high - range.low;
        const double estimate = std::clamp(static_cast<double>(mean[at]), 0.0, 1.0);
        const double sd = spread(std::exp(static_cast<double>(log_sd[at])), unknown);
        const auto in_units = [&](double unit) {
            return range.low + width * std::clamp(unit, 0.0, 1.0);
        };
        predictions.mean[at] = in_units(estimate);
        predictions.sd[at] = width * sd;
        predictions.q05[at] = in_units(estimate - unknown.half_width90 * sd);
        predictions.q25[at] = in_units(estimate - unknown.half_width50 * sd);
        predictions.q75[at] = in_units(estimate + unknown.half_width50 * sd);
        predictions.q95[at] = in_units(estimate + unknown.half_width90 * sd);
    }
    return predictions;
}

}  // namespace nmrinverse
