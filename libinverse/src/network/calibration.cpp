#include "network/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace nmrinverse {
namespace {

// Fewer held-out curves than this say nothing about widths.
constexpr std::size_t kFewestCurves = 20;
// Gains below this [nats a curve] are the held-out curves' own chance: the simpler one stays.
constexpr double kWorthwhile = 1e-3;
constexpr std::size_t kMostKnots = 1000;

void require_factors(const char* name, const std::vector<double>& factors) {
    for (const double factor : factors) {
        if (!std::isfinite(factor) || !(factor > 0.0)) {
            throw std::invalid_argument(
                fmt::format("calibration.{} must be > 0 and finite, got {}", name, factor));
        }
    }
}

void require_levels(const UnknownCalibration& unknown) {
    constexpr std::size_t kLevels = UnknownCalibration::kLevelKnots;
    const std::vector<double>& table = unknown.by_level;
    if (!table.empty() && table.size() != unknown.by_noise.size() * kLevels) {
        throw std::invalid_argument(
            fmt::format("calibration.by_level must have 0 or {} values, got {}",
                        unknown.by_noise.size() * kLevels, table.size()));
    }
    require_factors("by_level", table);
    for (std::size_t at = 0; at < table.size(); ++at) {
        if (at % kLevels > 0 && !(table[at] > table[at - 1])) {
            throw std::invalid_argument(fmt::format(
                "calibration.by_level must rise, got {} after {}", table[at], table[at - 1]));
        }
    }
}

/// The search's state: each unknown moves by itself, but all are looked at in one go.
struct Search {
    const Surprise& surprise;
    Calibration best;
    std::vector<double> least;

    /// Tries one change of each unknown. Returns: whether any of them got better by `gain`.
    template <class Change>
    bool tries(const Change& change, double gain) {
        Calibration trial = best;
        for (UnknownCalibration& unknown : trial) change(unknown);
        const std::vector<double> value = surprise(trial);
        bool better = false;
        for (std::size_t k = 0; k < best.size(); ++k) {
            if (!(value[k] < least[k] - gain)) continue;
            best[k] = trial[k];
            least[k] = value[k];
            better = true;
        }
        return better;
    }
};

}  // namespace

std::string to_json(const Calibration& calibration) {
    nlohmann::json json = nlohmann::json::array();
    for (const UnknownCalibration& unknown : calibration) {
        nlohmann::json each = {{"sd_scale", unknown.sd_scale},
                               {"sd_floor", unknown.sd_floor},
                               {"by_noise", unknown.by_noise}};
        if (!unknown.by_estimate.empty()) each["by_estimate"] = unknown.by_estimate;
        if (!unknown.by_level.empty()) each["by_level"] = unknown.by_level;
        json.push_back(std::move(each));
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
            if (!std::isfinite(unknown.sd_scale) || !(unknown.sd_scale > 0.0)) {
                throw std::invalid_argument(fmt::format(
                    "calibration.sd_scale must be > 0 and finite, got {}", unknown.sd_scale));
            }
            if (!std::isfinite(unknown.sd_floor) || !(unknown.sd_floor >= 0.0)) {
                throw std::invalid_argument(fmt::format(
                    "calibration.sd_floor must be >= 0 and finite, got {}", unknown.sd_floor));
            }
            json.at("by_noise").get_to(unknown.by_noise);
            if (unknown.by_noise.empty() || unknown.by_noise.size() > kMostKnots) {
                throw std::invalid_argument(
                    fmt::format("calibration.by_noise must have 1 to {} factors, got {}",
                                kMostKnots, unknown.by_noise.size()));
            }
            require_factors("by_noise", unknown.by_noise);
            if (json.contains("by_estimate")) json["by_estimate"].get_to(unknown.by_estimate);
            if (!unknown.by_estimate.empty() && unknown.by_estimate.size() != unknowns) {
                throw std::invalid_argument(
                    fmt::format("calibration.by_estimate must have {} tables, got {}", unknowns,
                                unknown.by_estimate.size()));
            }
            for (const std::vector<double>& table : unknown.by_estimate) {
                const std::size_t size =
                    unknown.by_noise.size() * UnknownCalibration::kEstimateKnots;
                if (!table.empty() && table.size() != size) {
                    throw std::invalid_argument(
                        fmt::format("calibration.by_estimate must have tables of 0 or {} factors, "
                                    "got {}",
                                    size, table.size()));
                }
                require_factors("by_estimate", table);
            }
            if (json.contains("by_level")) json["by_level"].get_to(unknown.by_level);
            require_levels(unknown);
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

Calibration fit_calibration(std::size_t unknowns, std::size_t count, const Surprise& surprise) {
    Search search{surprise, Calibration(unknowns), {}};
    if (count < kFewestCurves) return search.best;
    search.least = surprise(search.best);
    for (double scale = 0.5; scale < 10.0; scale *= 2.0) {  // a coarse look first
        search.tries([&](UnknownCalibration& u) { u = {scale, 0.0, {1.0}}; }, kWorthwhile);
        for (double floor = 0.3; floor > 1e-5; floor *= 0.25) {
            search.tries([&](UnknownCalibration& u) { u = {scale, floor, {1.0}}; }, kWorthwhile);
        }
    }
    // Steps by factors, up or down, each half as long in the logarithm as those before.
    for (double factor = 1.4; factor > 1.01;) {
        bool better = false;
        for (const double scale : {factor, 1.0, 1.0 / factor}) {
            for (const double floor : {factor, 1.0, 1.0 / factor}) {
                if (scale == 1.0 && floor == 1.0) continue;
                better |= search.tries(
                    [&](UnknownCalibration& u) {
                        u.sd_scale *= scale;
                        u.sd_floor *= floor;
                    },
                    0.1 * kWorthwhile);
            }
        }
        if (!better) factor = std::sqrt(factor);
    }
    return search.best;
}

std::vector<double> fit_factors(const Unevenness& unevenness, const TriedFactors& tried) {
    const double step = std::log(tried.largest) / tried.each_way;
    std::vector<std::vector<double>> found;  // (tried, unknowns)
    for (int i = -tried.each_way; i <= tried.each_way; ++i) {
        found.push_back(unevenness(std::exp(step * i)));
    }
    std::vector<double> factors;
    for (std::size_t k = 0; k < found.front().size(); ++k) {
        std::size_t best = 0;
        for (std::size_t i = 1; i < found.size(); ++i) {
            if (found[i][k] < found[best][k]) best = i;
        }
        double at = static_cast<double>(best) - tried.each_way;
        if (best > 0 && best + 1 < found.size()) {  // the parabola through three neighbours
            const double left = found[best - 1][k], right = found[best + 1][k];
            const double bend = left - 2.0 * found[best][k] + right;
            if (bend > 0.0) at += 0.5 * (left - right) / bend;
        }
        factors.push_back(std::exp(step * at));
    }
    return factors;
}

}  // namespace nmrinverse
