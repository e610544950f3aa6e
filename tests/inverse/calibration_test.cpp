// Intervals that hold what they promise, and estimates inside the prior's box.
#include "calibration.h"

#include <cmath>

#include "catch_compat.h"

using namespace nmrinverse;

TEST_CASE("Calibration finds how far the network's standard deviation is off", "[calibration]") {
    // Errors are spread evenly over [-0.3, 0.3] where the network says 0.05: their root mean square
    // is 0.3 / sqrt(3), half lie within 0.15 and 90% within 0.27.
    std::vector<float> mean;
    std::vector<float> log_sd;
    std::vector<float> truth;
    const int count = 2001;
    for (int i = 0; i < count; ++i) {
        mean.push_back(0.5f);
        log_sd.push_back(std::log(0.05f));
        truth.push_back(0.5f - 0.3f + 0.6f * static_cast<float>(i) / (count - 1));
    }
    const Calibration calibration = fit_calibration(mean, log_sd, truth, 1);
    const double wide = std::hypot(calibration[0].sd_scale * 0.05, calibration[0].sd_floor);
    // Steps of the search end at 0.1%.
    CHECK(std::abs(wide / (0.3 / std::sqrt(3.0)) - 1.0) < 0.005);
    CHECK(std::abs(calibration[0].half_width50 * wide - 0.15) < 0.001);
    CHECK(std::abs(calibration[0].half_width90 * wide - 0.27) < 0.001);

    const nmrsim::Prior prior = {{"alpha_x_khz", 0.0, 100.0}};
    const Predictions predictions = calibrated(mean, log_sd, calibration, prior);
    double inside50 = 0.0;
    double inside90 = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
        const double value = 100.0 * truth[i];
        inside50 += value >= predictions.q25[i] && value <= predictions.q75[i];
        inside90 += value >= predictions.q05[i] && value <= predictions.q95[i];
    }
    CHECK(std::abs(inside50 / count - 0.5) < 0.002);
    CHECK(std::abs(inside90 / count - 0.9) < 0.002);
    CHECK(std::abs(predictions.sd[0] - 30.0 / std::sqrt(3.0)) < 0.1);
}

TEST_CASE("A network that is too sure of itself for some curves gets a floor", "[calibration]") {
    // Errors are Gaussian of standard deviation 0.1 throughout, by 200 quantiles of theirs; the
    // network says 0.1 for one half and 0.001 for the other. Best: scale 0, floor 0.1, so a spread
    // of 0.1 for both.
    std::vector<float> mean;
    std::vector<float> log_sd;
    std::vector<float> truth;
    for (int i = 0; i < 200; ++i) {
        // Quantiles of a logistic of the same standard deviation are close enough to a Gaussian's.
        const double p = (i + 0.5) / 200.0;
        for (const double claimed : {0.1, 0.001}) {
            mean.push_back(0.5f);
            log_sd.push_back(static_cast<float>(std::log(claimed)));
            truth.push_back(static_cast<float>(0.5 + 0.1 * std::sqrt(3.0) / 3.14159265 *
                                                         std::log(p / (1.0 - p))));
        }
    }
    const Calibration calibration = fit_calibration(mean, log_sd, truth, 1);
    const Predictions predictions =
        calibrated(mean, log_sd, calibration, {{"alpha_x_khz", 0.0, 1.0}});
    // 200 quantiles have 0.99 of the variance.
    CHECK(std::abs(predictions.sd[0] - 0.1) < 0.005);
    CHECK(std::abs(predictions.sd[1] - 0.1) < 0.005);
}

TEST_CASE("Nothing lies outside the prior's box", "[calibration]") {
    const nmrsim::Prior prior = {{"alpha_x_khz", 20.0, 200.0}, {"xi", 3.0, 30.0}};
    const std::vector<float> mean = {-0.2f, 1.3f, 0.99f, 0.01f};
    const std::vector<float> log_sd = {-1.0f, -1.0f, -1.0f, -1.0f};
    const Predictions predictions = calibrated(mean, log_sd, Calibration(2), prior);
    REQUIRE(predictions.count == 2);
    for (std::size_t at = 0; at < 4; ++at) {
        const nmrsim::PriorRange& range = prior[at % 2];
        for (const auto* values : {&predictions.mean, &predictions.q05, &predictions.q25,
                                   &predictions.q75, &predictions.q95}) {
            CHECK((*values)[at] >= range.low);
            CHECK((*values)[at] <= range.high);
        }
        CHECK(predictions.q05[at] <= predictions.q25[at]);
        CHECK(predictions.q25[at] <= predictions.mean[at]);
        CHECK(predictions.mean[at] <= predictions.q75[at]);
        CHECK(predictions.q75[at] <= predictions.q95[at]);
    }
    CHECK(predictions.mean[0] == 20.0);
    CHECK(predictions.mean[1] == 30.0);
}

TEST_CASE("A handful of held-out curves keeps the Gaussian's intervals", "[calibration]") {
    const std::vector<float> mean(3, 0.5f);
    const std::vector<float> log_sd(3, -3.0f);
    const Calibration calibration = fit_calibration(mean, log_sd, mean, 1);
    CHECK(calibration[0].sd_scale == 1.0);
    CHECK(std::abs(calibration[0].half_width90 - 1.645) < 1e-3);
}

TEST_CASE("A calibration survives its text form; nonsense does not pass", "[calibration]") {
    Calibration calibration(2);
    calibration[1].sd_scale = 1.0 / 3.0;
    calibration[0].half_width90 = 2.1;
    const Calibration back = calibration_from_json(to_json(calibration), 2);
    CHECK(back[1].sd_scale == calibration[1].sd_scale);
    CHECK(back[0].half_width90 == calibration[0].half_width90);
    CHECK_THROWS_AS(calibration_from_json(to_json(calibration), 3), std::invalid_argument);
    CHECK_THROWS_AS(calibration_from_json("[1]", 1), std::invalid_argument);
    calibration[0].sd_scale = -1.0;
    CHECK_THROWS_AS(calibration_from_json(to_json(calibration), 2), std::invalid_argument);
}
