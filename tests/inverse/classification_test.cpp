#include "nmrinverse/classification.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "catch_compat.h"
#include "nmrsim/random.h"

using namespace nmrinverse;

namespace {

const std::vector<std::string> kKernels = {"gaussian", "power-law", "rkky"};

struct Answers {
    std::vector<double> probabilities;  // (count, 3)
    std::vector<std::size_t> truth;     // (count)
};

/// Probabilities from nearly sure to nearly none, with truths drawn from them; then each logarithm
/// of a probability stretched by `sharpness`: 1 leaves them calibrated, more makes them too sure.
Answers drawn_answers(std::size_t count, double sharpness, std::uint64_t seed = 4) {
    Answers answers;
    for (std::size_t i = 0; i < count; ++i) {
        nmrsim::CounterRandom random(seed, i, nmrsim::RandomStream::noise);
        double p[3], total = 0.0, sharp = 0.0;
        for (double& weight : p) total += weight = std::exp(2.0 * random.normal());
        const double u = random.uniform() * total;
        answers.truth.push_back(u < p[0] ? 0 : u < p[0] + p[1] ? 1 : 2);
        for (double& weight : p) sharp += weight = std::pow(weight, sharpness);
        for (const double weight : p) answers.probabilities.push_back(weight / sharp);
    }
    return answers;
}

Classification score(const Answers& answers) {
    return evaluate_classification(answers.probabilities, answers.truth, kKernels);
}

}  // namespace

TEST_CASE("answers counted by hand give accuracy, precision, recall and F1") {
    // Truth 0 0 0 1 1 2, answers 0 0 1 1 1 0.
    const std::vector<double> p = {0.8, 0.1, 0.1, 0.5, 0.25, 0.25, 0.2, 0.7, 0.1,
                                   0.1, 0.8, 0.1, 0.0, 1.0,  0.0,  0.6, 0.2, 0.2};
    const std::vector<std::size_t> truth = {0, 0, 0, 1, 1, 2};
    const Classification c = evaluate_classification(p, truth, kKernels);
    CHECK(c.count == 6);
    CHECK(c.confusion == std::vector<std::size_t>{2, 1, 0, 0, 2, 0, 1, 0, 0});
    CHECK(c.accuracy == Approx(4.0 / 6.0));
    CHECK((c.scores[0].name == "gaussian" && c.scores[0].count == 3));
    CHECK(c.scores[0].precision == Approx(2.0 / 3.0));
    CHECK(c.scores[0].recall == Approx(2.0 / 3.0));
    CHECK(c.scores[1].precision == Approx(2.0 / 3.0));
    CHECK(c.scores[1].recall == 1.0);
    CHECK(c.scores[1].f1 == Approx(0.8));
    // Never answered, and wrong where it was due.
    CHECK((c.scores[2].precision == 0.0 && c.scores[2].recall == 0.0 && c.scores[2].f1 == 0.0));
    CHECK(c.macro_f1 == Approx((2.0 / 3.0 + 0.8 + 0.0) / 3.0));
    CHECK(c.log_loss == Approx(-std::log(0.8 * 0.5 * 0.2 * 0.8 * 1.0 * 0.2) / 6.0));
    // Sums of squares: 0.06, 0.375, 1.14, 0.06, 0, 1.04.
    CHECK(c.brier == Approx(2.675 / 6.0));
}

TEST_CASE("a choice that neither occurs nor is answered is left out of the macro F1") {
    const std::vector<double> p = {0.9, 0.1, 0.0, 0.2, 0.8, 0.0};
    const Classification c = evaluate_classification(p, std::vector<std::size_t>{0, 1}, kKernels);
    CHECK(c.macro_f1 == 1.0);
    CHECK(c.accuracy == 1.0);
}

TEST_CASE("sure and right answers have no loss and are calibrated") {
    std::vector<double> p;
    std::vector<std::size_t> truth;
    for (std::size_t i = 0; i < 30; ++i) {
        truth.push_back(i % 3);
        for (std::size_t k = 0; k < 3; ++k) p.push_back(k == i % 3 ? 1.0 : 0.0);
    }
    Classification c = evaluate_classification(p, truth, kKernels);
    CHECK((c.accuracy == 1.0 && c.macro_f1 == 1.0));
    CHECK((c.log_loss == 0.0 && c.expected_log_loss == 0.0 && c.brier == 0.0));
    CHECK(c.calibration_error == 0.0);
    CHECK(c.calibration_p_value == 1.0);
    // One sure answer that is wrong is impossible, and finite.
    truth[7] = 2;
    c = evaluate_classification(p, truth, kKernels);
    CHECK(std::isfinite(c.log_loss));
    CHECK(c.log_loss > 27.0 / 30.0);
    CHECK(c.calibration_p_value < 0.01);
}

TEST_CASE("calibrated probabilities are found calibrated") {
    const std::size_t n = 4000;
    const Classification c = score(drawn_answers(n, 1.0));
    CHECK(std::abs(c.log_loss - c.expected_log_loss) < 4.0 * c.log_loss_error);
    CHECK(c.calibration_p_value > 0.01);
    // |a mean of n_b draws| is about 0.8 of its standard error, at most 0.5 / sqrt(n_b).
    CHECK(c.chance_calibration_error < 0.8 * 0.5 * std::sqrt(10.0 / static_cast<double>(n)));
    REQUIRE(c.reliability.size() == 10);
    std::size_t total = 0;
    for (const ReliabilityBin& bin : c.reliability) {
        total += bin.count;
        CHECK(bin.count == n / 10);
        CHECK((bin.low <= bin.probability && bin.probability <= bin.high));
        CHECK(std::abs(bin.frequency - bin.probability) < 4.0 * bin.standard_error);
    }
    CHECK(total == n);
    CHECK(c.reliability.front().low >= 1.0 / 3.0);  // the likeliest of three
}

TEST_CASE("the p-value of calibrated probabilities is even") {
    // Over seeds it is uniform: 5 sigma of the mean of 60, and none all below 0.2.
    double mean = 0.0;
    int small = 0;
    for (std::uint64_t seed = 100; seed < 160; ++seed) {
        const double p = score(drawn_answers(200, 1.0, seed)).calibration_p_value;
        mean += p / 60.0;
        small += p <= 0.1;
    }
    CHECK(std::abs(mean - 0.5) < 5.0 * std::sqrt(1.0 / 12.0 / 60.0));
    // A binomial count with p = 0.1: 6 +- 2.3.
    CHECK(small < 6 + 5 * 3);
}

TEST_CASE("overconfidence and underconfidence show") {
    const Classification calibrated = score(drawn_answers(2000, 1.0));
    const Classification sure = score(drawn_answers(2000, 2.0));
    const Classification careful = score(drawn_answers(2000, 0.5));
    // The answers are the same, so that only the probabilities tell.
    CHECK((sure.accuracy == calibrated.accuracy && careful.accuracy == calibrated.accuracy));
    CHECK(sure.log_loss > sure.expected_log_loss + 5.0 * sure.log_loss_error);
    CHECK(careful.log_loss < careful.expected_log_loss - 5.0 * careful.log_loss_error);
    CHECK(sure.brier > sure.expected_brier);
    for (const Classification& c : {sure, careful}) {
        CHECK(c.log_loss > calibrated.log_loss);  // a proper score is best where they are right
        CHECK(c.brier > calibrated.brier);
        CHECK(c.calibration_p_value == Approx(1e-3));  // the least that 999 draws can say
        CHECK(c.calibration_error > 3.0 * c.chance_calibration_error);
    }
    // Most answers are right less often than said, or more often.
    int below = 0, above = 0;
    for (const ReliabilityBin& bin : sure.reliability) below += bin.frequency < bin.probability;
    for (const ReliabilityBin& bin : careful.reliability) above += bin.frequency > bin.probability;
    CHECK(below >= 8);
    CHECK(above >= 8);
}

TEST_CASE("predictions are scored against a data set's choices") {
    nmrsim::Dataset data;
    data.unknowns = {{"xi", 1.0, 2.0}, nmrsim::categorical_unknown("kernel", kKernels)};
    data.time_us = {0.0};
    data.signal.assign(2 * 2, 0.0f);
    data.parameters = {1.5, 2.5, 1.25, 0.5};  // rkky, gaussian
    Predictions predictions;
    predictions.count = 2;
    predictions.unknowns = 2;
    predictions.probabilities = {0.1, 0.1, 0.8, 0.2, 0.7, 0.1};
    const auto c = evaluate_classification(predictions, data);
    REQUIRE(c);
    CHECK(c->choices == kKernels);
    CHECK(c->confusion == std::vector<std::size_t>{0, 1, 0, 0, 0, 0, 0, 0, 1});
    predictions.probabilities.clear();
    CHECK_THROWS_WITH(evaluate_classification(predictions, data),
                      ContainsSubstring("0 probabilities do not fit 2 curves of 3 choices"));
    data.parameters.clear();
    CHECK_THROWS_WITH(evaluate_classification(predictions, data), ContainsSubstring("known"));
    data.unknowns.pop_back();
    CHECK_FALSE(evaluate_classification(predictions, data));
}

TEST_CASE("table, JSON and report say the same") {
    const Classification c = score(drawn_answers(300, 1.0));
    const std::string table = classification_table(c);
    CHECK_THAT(table, ContainsSubstring("as power-law"));
    CHECK_THAT(table, ContainsSubstring(fmt::format("macro F1 {:.4f}", c.macro_f1)));
    const auto json = nlohmann::json::parse(classification_json(c));
    CHECK(json["count"] == 300);
    CHECK(json["macro_f1"].get<double>() == c.macro_f1);
    CHECK(json["choices"][1]["name"] == "power-law");
    CHECK(json["choices"][1]["answered"]["rkky"] == c.confusion[1 * 3 + 2]);
    CHECK(json["reliability"].size() == 10);
    const Table report = classification_report_table(c);
    CHECK(report.header.size() == 8);
    REQUIRE(report.rows.size() == 3);
    CHECK(report.rows[2][7] == std::to_string(c.confusion[2 * 3 + 2]));
    CHECK(reliability_figure(c).series[0].error.size() == 10);
}

TEST_CASE("what is no probability of these curves is refused") {
    const std::vector<std::size_t> one = {1};
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const auto refuse = [&](const std::vector<double>& p, const char* what) {
        CHECK_THROWS_WITH(evaluate_classification(p, one, kKernels), ContainsSubstring(what));
    };
    refuse({0.5, 0.5}, "2 probabilities do not fit 1 curves of 3 choices");
    refuse({0.5, 0.6, -0.1}, "curve 0 must be in [0, 1], got -0.1");
    refuse({0.5, 0.5, 0.5}, "curve 0 must sum to 1, got 1.5");
    refuse({nan, 0.5, 0.5}, "curve 0 must be in [0, 1], got nan");
    const std::vector<double> p = {0.2, 0.3, 0.5};
    CHECK_THROWS_WITH(evaluate_classification(p, std::vector<std::size_t>{3}, kKernels),
                      ContainsSubstring("true choice of curve 0 must be < 3, got 3"));
    CHECK_THROWS_WITH(evaluate_classification(p, one, kKernels, 0),
                      ContainsSubstring("bins must be >= 1"));
    CHECK_THROWS_WITH(evaluate_classification({}, {}, kKernels), ContainsSubstring("0 curves"));
    CHECK(likeliest_choice(p) == 2);
    CHECK(likeliest_choice(std::vector<double>{0.4, 0.4, 0.2}) == 0);
}
