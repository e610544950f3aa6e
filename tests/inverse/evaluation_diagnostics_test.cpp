// Scores and diagnostics of estimates and posteriors that are made here, without a network.
#include <cmath>
#include <numbers>
#include <stdexcept>

#include "catch_compat.h"
#include "nmrinverse/evaluation.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/random.h"

using namespace nmrinverse;

namespace {

constexpr std::size_t kCount = 900;
constexpr std::size_t kDraws = 63;
/// The 2021 task's priors are 150 kHz, 300 kHz and 80 degrees wide.
constexpr double kSd[3] = {2.0, 12.0, 1.0};

/// True values and normal posteriors about estimates that err by their standard deviations;
/// where blind, above a theta of 63 degrees, alpha_z errs by three times as much and its
/// posterior does not know.
struct Made {
    nmrsim::Dataset data;
    Predictions estimates;
    PosteriorArrays posterior;
};

Made made(bool blind_at_high_theta = false) {
    const nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    Made result;
    result.data.unknowns = experiment.prior;
    result.data.time_us = {0.0};
    result.data.experiment_toml = nmrsim::experiment_to_toml(experiment);
    result.data.signal.assign(2 * kCount, 0.0f);
    Predictions& p = result.estimates;
    p.count = kCount;
    p.unknowns = 3;
    for (std::size_t i = 0; i < kCount; ++i) {
        nmrsim::CounterRandom random(3, i, nmrsim::RandomStream::noise);
        double log_density = 0.0;
        const std::vector<double> truth = nmrsim::draw_parameters(experiment.prior, 1, i);
        for (std::size_t k = 0; k < 3; ++k) {
            const bool blind = blind_at_high_theta && k == 1 && truth[2] > 63.0;
            const double z = (blind ? 3.0 : 1.0) * random.normal();
            const double mean = truth[k] - kSd[k] * z;
            result.data.parameters.push_back(truth[k]);
            p.mean.push_back(mean);
            p.sd.push_back(kSd[k]);
            p.q05.push_back(mean - 1.6448536 * kSd[k]);
            p.q25.push_back(mean - 0.6744898 * kSd[k]);
            p.q75.push_back(mean + 0.6744898 * kSd[k]);
            p.q95.push_back(mean + 1.6448536 * kSd[k]);
            result.posterior.transforms.push_back(0.5 * std::erfc(-z / std::sqrt(2.0)));
            log_density -= 0.5 * z * z + std::log(kSd[k] * std::sqrt(2.0 * std::numbers::pi));
        }
        result.posterior.log_density.push_back(log_density);
        for (std::size_t j = 0; j < kDraws; ++j) {
            for (std::size_t k = 0; k < 3; ++k) {
                result.posterior.samples.push_back(p.mean[3 * i + k] + kSd[k] * random.normal());
            }
        }
    }
    return result;
}

const CoverageInThirds& thirds(const Diagnostics& diagnostics, const std::string& name,
                               const std::string& by, bool of_estimates) {
    for (const CoverageInThirds& found : diagnostics.thirds) {
        if (found.name == name && found.by == by && found.of_estimates == of_estimates) {
            return found;
        }
    }
    throw std::runtime_error("no thirds of " + name + " by " + by);
}

}  // namespace

TEST_CASE("evaluation: the challenge's score stands in the table") {
    const Made m = made();
    Evaluation evaluation = evaluate_estimates(m.estimates, m.data);
    REQUIRE(evaluation.challenge);
    // Sum of sd^2 over the variances: 4 / 1875 + 144 / 7500 + 1 / 533 = 0.0232 a curve. 900 squared
    // normal errors and the variances of 900 uniforms err by 4.7% and 3%; four of these.
    CHECK(evaluation.challenge->score == Approx(23.2).epsilon(0.22));
    CHECK(evaluation.challenge->mean_scaled_error ==
          Approx(evaluation.challenge->score / 3000.0).epsilon(1e-12));
    double sum = 0.0;
    for (const UnknownScore& score : evaluation.scores) sum += 1.0 - score.r2;
    CHECK(evaluation.challenge->score == Approx(1000.0 * sum).epsilon(1e-9));
    CHECK_THAT(evaluation_table(evaluation), ContainsSubstring("challenge score 2"));
    CHECK_THAT(evaluation_table(evaluation), ContainsSubstring("of 1000 curves"));

    // With samples the estimates are their means: 63 draws add 1/63 to the errors' squares, some
    // more or less.
    const double before = evaluation.challenge->score;
    add_posterior(evaluation, m.posterior, m.data);
    CHECK(evaluation.challenge->score != before);
    CHECK(evaluation.challenge->score == Approx(before * (1.0 + 1.0 / 63.0)).epsilon(0.05));
}

TEST_CASE("evaluation: diagnostics of a true posterior") {
    const Made m = made();
    Evaluation evaluation = evaluate_estimates(m.estimates, m.data);
    Diagnostics diagnostics = diagnose(evaluation);
    CHECK(diagnostics.unknowns.empty());
    CHECK_FALSE(diagnostics.tarp_box);
    CHECK_FALSE(diagnostics.log_density);
    CHECK(diagnostics.thirds.size() == 18);

    add_posterior(evaluation, m.posterior, m.data);
    diagnostics = diagnose(evaluation);
    REQUIRE(diagnostics.unknowns.size() == 3);
    for (const UnknownDiagnostics& unknown : diagnostics.unknowns) {
        CHECK(unknown.ranks.chi_square_p > 1e-3);
        CHECK(unknown.coverage.size() == 19);
    }
    CHECK(diagnostics.unknowns[2].name == "flip_deg");
    CHECK(diagnostics.tarp_box->p_value > 1e-3);
    CHECK(diagnostics.tarp_local->p_value > 1e-3);
    // Normal posteriors: minus 3/2 minus the logs of sd sqrt(2 pi); against the box: 300 curves in
    // a third err by 0.017, 900 log densities of variance 3/2 by 0.041; four of each.
    const double expected = -1.5 - std::log(24.0) - 1.5 * std::log(2.0 * std::numbers::pi);
    CHECK(diagnostics.log_density->mean == Approx(expected).margin(0.164));
    CHECK(diagnostics.information->mean ==
          Approx(diagnostics.log_density->mean + std::log(150.0 * 300.0 * 80.0)));
    for (const CoverageInThirds& found : diagnostics.thirds) {
        for (int i = 0; i < 3; ++i) {
            CHECK(found.coverage90[i].count == 300);
            CHECK(std::abs(found.coverage90[i].observed - 0.9) < 0.069);
            CHECK(std::abs(found.coverage50[i].observed - 0.5) < 0.116);
        }
        CHECK(found.to[0] <= found.from[1]);
    }
}

TEST_CASE("evaluation: thirds show where a posterior is wrong") {
    const Made m = made(true);
    const Diagnostics diagnostics = diagnose(evaluate_estimates(m.estimates, m.data));
    for (const bool of_estimates : {false, true}) {
        const auto& wrong = thirds(diagnostics, "alpha_z_khz", "flip_deg", of_estimates);
        CHECK(wrong.coverage90[0].observed > 0.83);
        // 1.645 / 3 standard deviations hold 42%.
        CHECK(wrong.coverage90[2].observed == Approx(0.42).margin(0.13));
        CHECK(thirds(diagnostics, "alpha_x_khz", "flip_deg", of_estimates).coverage90[2].observed >
              0.83);
    }
}

TEST_CASE("evaluation: arrays of the wrong size are refused") {
    const Made m = made();
    Evaluation evaluation = evaluate_estimates(m.estimates, m.data);
    PosteriorArrays posterior = m.posterior;
    posterior.transforms.pop_back();
    CHECK_THROWS_AS(add_posterior(evaluation, posterior, m.data), std::invalid_argument);
    posterior = m.posterior;
    posterior.samples.pop_back();
    CHECK_THROWS_AS(add_posterior(evaluation, posterior, m.data), std::invalid_argument);
    posterior = m.posterior;
    posterior.log_density.pop_back();
    CHECK_THROWS_AS(add_posterior(evaluation, posterior, m.data), std::invalid_argument);
}
