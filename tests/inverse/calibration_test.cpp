// Widths that fit the errors.
#include "network/calibration.h"

#include <cmath>

#include "catch_compat.h"

using namespace nmrinverse;

namespace {

/// Gaussian errors with true standard deviations `sd` where `claimed` is said: the expected
/// surprise, mean over i of 0.5 sd_i^2 / wide_i^2 + log wide_i.
Surprise gaussian_surprise(std::vector<double> sd, std::vector<double> claimed) {
    return [sd = std::move(sd), claimed = std::move(claimed)](const Calibration& calibration) {
        std::vector<double> result;
        for (const UnknownCalibration& unknown : calibration) {
            double sum = 0.0;
            for (std::size_t i = 0; i < sd.size(); ++i) {
                const double wide = std::hypot(unknown.sd_scale * claimed[i], unknown.sd_floor);
                sum += 0.5 * sd[i] * sd[i] / (wide * wide) + std::log(wide);
            }
            result.push_back(sum / static_cast<double>(sd.size()));
        }
        return result;
    };
}

}  // namespace

TEST_CASE("Calibration finds how far the network's standard deviation is off", "[calibration]") {
    const Calibration calibration =
        fit_calibration(2, 1000, gaussian_surprise({0.17, 0.017}, {0.05, 0.005}));
    for (const UnknownCalibration& unknown : calibration) {
        // Steps end at 1%; off by x, the surprise grows by x^2, and gains below 1e-4 are not taken.
        CHECK(std::abs(std::hypot(unknown.sd_scale * 0.05, unknown.sd_floor) / 0.17 - 1.0) < 0.02);
        CHECK(std::abs(std::hypot(unknown.sd_scale * 0.005, unknown.sd_floor) / 0.017 - 1.0) <
              0.03);
    }
}

TEST_CASE("A network that is too sure of itself for some curves gets a floor", "[calibration]") {
    // It says 0.1 for one half and 0.001 for the other, and both err by 0.1.
    const Calibration calibration =
        fit_calibration(1, 1000, gaussian_surprise({0.1, 0.1}, {0.1, 0.001}));
    CHECK(std::abs(std::hypot(calibration[0].sd_scale * 0.1, calibration[0].sd_floor) - 0.1) <
          0.015);
    CHECK(std::abs(std::hypot(calibration[0].sd_scale * 0.001, calibration[0].sd_floor) - 0.1) <
          0.015);
}

TEST_CASE("Nothing is changed where nothing is wrong, or too few curves tell", "[calibration]") {
    const Surprise right = gaussian_surprise({0.1, 0.01}, {0.1, 0.01});
    CHECK(fit_calibration(1, 1000, right)[0].sd_scale == 1.0);
    CHECK(fit_calibration(1, 1000, right)[0].sd_floor == 0.0);
    CHECK(fit_calibration(1, 3, gaussian_surprise({0.1}, {0.01}))[0].sd_scale == 1.0);
}

TEST_CASE("Factors are found where the unevenness is least, each unknown by itself",
          "[calibration]") {
    // Parabolas in the logarithm: the fit through three points is exact.
    const auto parabola = [](double factor, double best) {
        return 0.1 + std::pow(std::log(factor / best), 2);
    };
    const std::vector<double> factors = fit_factors([&](double factor) {
        return std::vector<double>{parabola(factor, 1.37), parabola(factor, 0.61),
                                   parabola(factor, 100.0)};
    });
    CHECK(std::abs(factors[0] / 1.37 - 1.0) < 1e-9);
    CHECK(std::abs(factors[1] / 0.61 - 1.0) < 1e-9);
    CHECK(std::abs(factors[2] / 4.0 - 1.0) < 1e-9);  // the largest that is tried
    const auto far = [&](double factor) { return std::vector<double>{parabola(factor, 0.1)}; };
    CHECK(std::abs(fit_factors(far, {1.5, 3})[0] * 1.5 - 1.0) < 1e-9);
}

TEST_CASE("The ends of shares survive the text form and must rise", "[calibration]") {
    Calibration calibration(2);
    calibration[0].by_noise = {1.0, 0.9};
    calibration[0].by_level = {1.0, 3.0, 6.0, 9.0, 1.1, 3.1, 6.1, 1.0 / 0.11};
    const Calibration back = calibration_from_json(to_json(calibration), 2);
    CHECK(back[0].by_level == calibration[0].by_level);
    CHECK(back[1].by_level.empty());
    const auto ends = [](const std::string& table) {
        return R"([{"sd_scale": 1, "sd_floor": 0, "by_noise": [1], "by_level": )" + table + "}]";
    };
    CHECK_NOTHROW(calibration_from_json(ends("[1, 2, 3, 4]"), 1));
    CHECK_THROWS_WITH(calibration_from_json(ends("[1, 2, 3]"), 1),
                      ContainsSubstring("0 or 4 values, got 3"));
    CHECK_THROWS_WITH(calibration_from_json(ends("[1, 2, 2, 4]"), 1),
                      ContainsSubstring("by_level must rise, got 2 after 2"));
    CHECK_THROWS_WITH(calibration_from_json(ends("[0, 2, 3, 4]"), 1),
                      ContainsSubstring("by_level must be > 0"));
    CHECK_THROWS_AS(calibration_from_json(ends("4"), 1), std::invalid_argument);
}

TEST_CASE("A calibration survives its text form; nonsense does not pass", "[calibration]") {
    Calibration calibration(2);
    calibration[1].sd_scale = 1.0 / 3.0;
    calibration[0].sd_floor = 0.01;
    calibration[0].by_noise = {0.9, 1.0 / 7.0};
    calibration[0].by_estimate = {{}, {1.0, 0.9, 1.1, 1.0 / 3.0, 1.2, 0.8}};
    const Calibration back = calibration_from_json(to_json(calibration), 2);
    CHECK(back[1].sd_scale == calibration[1].sd_scale);
    CHECK(back[0].sd_floor == calibration[0].sd_floor);
    CHECK(back[0].by_noise == calibration[0].by_noise);
    CHECK(back[0].by_estimate == calibration[0].by_estimate);
    CHECK(back[1].by_estimate.empty());
    CHECK_THROWS_AS(calibration_from_json(R"([{"sd_scale": 1, "sd_floor": 0, "by_noise": []}])", 1),
                    std::invalid_argument);
    CHECK_THROWS_AS(
        calibration_from_json(R"([{"sd_scale": 1, "sd_floor": 0, "by_noise": [0]}])", 1),
        std::invalid_argument);
    const auto estimates = [](const std::string& tables) {
        return R"([{"sd_scale": 1, "sd_floor": 0, "by_noise": [1, 1], "by_estimate": )" + tables +
               "}]";
    };
    CHECK_NOTHROW(calibration_from_json(estimates("[[]]"), 1));
    CHECK_NOTHROW(calibration_from_json(estimates("[[1, 1, 1, 2, 2, 2]]"), 1));
    CHECK_THROWS_WITH(calibration_from_json(estimates("[[1, 1, 1]]"), 1),
                      ContainsSubstring("0 or 6 factors, got 3"));
    CHECK_THROWS_WITH(calibration_from_json(estimates("[[], []]"), 1),
                      ContainsSubstring("must have 1 tables, got 2"));
    CHECK_THROWS_WITH(calibration_from_json(estimates("[[1, 1, 1, 2, 2, -2]]"), 1),
                      ContainsSubstring("by_estimate must be > 0"));
    CHECK_THROWS_AS(calibration_from_json(estimates("[1]"), 1), std::invalid_argument);
    CHECK_THROWS_AS(calibration_from_json(to_json(calibration), 3), std::invalid_argument);
    CHECK_THROWS_AS(calibration_from_json("[1]", 1), std::invalid_argument);
    calibration[0].sd_scale = -1.0;
    CHECK_THROWS_AS(calibration_from_json(to_json(calibration), 2), std::invalid_argument);
}
