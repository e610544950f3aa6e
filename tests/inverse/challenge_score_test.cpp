// The challenges' scores against what their rules and known guesses give.
#include "nmrinverse/challenge_score.h"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "catch_compat.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/prior.h"

using namespace nmrinverse;

namespace {

/// (count, unknowns) draws of the experiment's prior.
std::vector<double> draws_of(const nmrsim::Experiment& experiment, std::size_t count) {
    const std::vector<double> values = nmrsim::draw_many(experiment.prior, count, 5);
    return values;
}

}  // namespace

TEST_CASE("challenge score: 2020 divides by the ranges, 500 curves") {
    const nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2020");
    const std::vector<double> truth = {25.0, 10.0, 3.0, 4.5,  //
                                       75.0, 15.0, 2.5, 3.5};
    // Of the first curve alpha is off by a tenth of its range, of the second d by a half.
    const std::vector<double> estimates = challenge_columns(
        experiment, std::vector<double>{35.0, 10.0, 3.0, 4.5, 75.0, 15.0, 2.5, 5.0});
    CHECK(estimates[0] == Approx(0.07));  // MHz, without the factor 1/2
    const auto result = challenge_result(experiment, truth, estimates);
    REQUIRE(result);
    REQUIRE(result->columns.size() == 4);
    CHECK(result->columns[0].name == "alpha");
    CHECK(result->columns[0].scale == Approx(0.2));
    CHECK(result->columns[0].mean_square == Approx(0.005));
    CHECK(result->columns[3].scale == Approx(3.0));
    CHECK(result->columns[3].mean_square == Approx(0.125));
    CHECK(result->score == Approx(500.0 * 0.13));
    CHECK(result->mean_scaled_error == Approx(0.13 / 4.0));
    // The curves' sums are 0.01 and 0.25: standard deviation 0.12.
    CHECK(result->error == Approx(500.0 * 0.12 / std::sqrt(2.0)));
}

TEST_CASE("challenge score: constant guesses score what was published for them") {
    // 2020, the middle of all ranges: 500 * 4 / 12 = 166.7. 4,000 draws: a uniform's squared offset
    // has the mean 1/12 and the variance 1/180, so 500 * 4 of them err by 500 sqrt(4 / 180 / 4000)
    // = 1.2; four of these.
    const nmrsim::Experiment y2020 = nmrsim::load_experiment("challenge-2020");
    const std::vector<double> truth = draws_of(y2020, 4000);
    std::vector<double> middle;
    for (std::size_t i = 0; i < 4000; ++i) middle.insert(middle.end(), {50.0, 10.0, 3.0, 4.5});
    const auto result = challenge_result(y2020, truth, challenge_columns(y2020, middle));
    CHECK(result->score == Approx(166.7).margin(4.8));
    CHECK(result->error == Approx(1.2).epsilon(0.1));

    // 2021, the mean of the true values: 1 a curve and column, 3,000 of 1,000 curves, exactly.
    const nmrsim::Experiment y2021 = nmrsim::load_experiment("challenge-2021");
    const std::vector<double> values = draws_of(y2021, 500);
    std::vector<double> mean(3, 0.0), guess;
    for (std::size_t i = 0; i < values.size(); ++i) mean[i % 3] += values[i] / 500.0;
    for (std::size_t i = 0; i < 500; ++i) guess.insert(guess.end(), mean.begin(), mean.end());
    CHECK(challenge_result(y2021, values, guess)->score == Approx(3000.0).epsilon(1e-9));
    // The published winner's mean squared errors in this rule: 250 with the prior's variances
    // (150^2, 300^2, 80^2 over 12), beside the official 237.4 on another 1,000 curves.
    std::vector<double> winner = values;
    const double mse[3] = {25.64, 1749.8, 1.362};
    for (std::size_t i = 0; i < winner.size(); ++i) {
        winner[i] += (i / 3 % 2 ? 1.0 : -1.0) * std::sqrt(mse[i % 3]);
    }
    // A uniform's sample variance errs by sqrt(0.8 / 500) = 4%: 0.233 * 1000 * 4% = 9 for the one
    // that counts.
    CHECK(challenge_result(y2021, values, winner)->score == Approx(249.5).margin(36.0));
}

TEST_CASE("challenge score: 2024 in its columns, by the means of the columns") {
    for (const char* name : {"challenge-2024-gaussian", "challenge-2024-rkky"}) {
        const nmrsim::Experiment experiment = nmrsim::load_experiment(name);
        const std::vector<double> truth = draws_of(experiment, 20);
        const auto exact =
            challenge_result(experiment, truth, challenge_columns(experiment, truth));
        REQUIRE(exact);
        CHECK(exact->score == 0.0);
        CHECK(exact->rule.curves == 6000);
        REQUIRE(exact->columns.size() == 3);
        CHECK(exact->columns[2].name == "d");
        // Two draws of the rate, a and e^2 a: d differs by 2, its mean lies 1 below d of a, not at
        // d of the mean rate.
        const std::vector<double> samples = {0.2, 75.0, 1000.0, 0.2, 75.0, 1000.0 * std::exp(2.0)};
        const std::vector<double> first =
            challenge_columns(experiment, std::span<const double>(samples).first(3));
        const std::vector<double> means = challenge_means(experiment, samples, 2);
        REQUIRE(means.size() == 3);
        CHECK(means[0] == Approx(first[0]));
        CHECK(means[1] == Approx(first[1]));
        CHECK(means[2] == Approx(first[2] - 1.0));
        CHECK(challenge_means(experiment, samples, 2, 1)[2] == Approx(first[2]));
    }
}

TEST_CASE("challenge score: none without a rule or a spread, refused where it cannot be") {
    nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    const std::vector<double> truth = {10.0, 20.0, 30.0}, two = {10.0, 20.0};
    CHECK_FALSE(challenge_result(experiment, truth, truth));  // one curve has no variance
    CHECK_THROWS_AS(challenge_result(experiment, truth, two), std::invalid_argument);
    CHECK_THROWS_AS(challenge_columns(experiment, two), std::invalid_argument);
    experiment.score.scale = nmrsim::ScoreScale::range;
    CHECK(challenge_result(experiment, truth, truth)->score == 0.0);
    experiment.score = {};
    CHECK_FALSE(challenge_result(experiment, truth, truth));
    CHECK(with_shipped_score(experiment).score.curves == 1000);
    CHECK(with_shipped_score(experiment).score.scale == nmrsim::ScoreScale::variance);
    experiment.challenge.pop_back();
    CHECK(with_shipped_score(experiment).score.scale == nmrsim::ScoreScale::none);
    // Gamma_3 from 0 on: d has no upper end.
    nmrsim::Experiment y2024 = nmrsim::load_experiment("challenge-2024-gaussian");
    y2024.score.scale = nmrsim::ScoreScale::range;
    const std::vector<double> values = draws_of(y2024, 3);
    CHECK_THROWS_WITH(challenge_result(y2024, values, challenge_columns(y2024, values)),
                      ContainsSubstring("range of d must be finite"));
}
