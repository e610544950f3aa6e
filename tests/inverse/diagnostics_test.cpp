// Diagnostics on a posterior known in closed form: passed by the true one, failed by wrong ones.
#include "nmrinverse/diagnostics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "catch_compat.h"
#include "nmrsim/random.h"

using namespace nmrinverse;

namespace {

constexpr std::size_t kCount = 1000;
constexpr std::size_t kDraws = 127;
constexpr std::size_t kUnknowns = 2;
/// A true posterior gives less than this once in a thousand seeds; the seeds here are fixed.
constexpr double kPass = 1e-3;
/// Wrong posteriors are wrong enough to be seen without doubt.
constexpr double kFail = 1e-6;

/// What the posterior that is looked at does wrong; nothing by default.
struct Fault {
    double width = 1.0;        ///< standard deviations times this
    double bias = 0.0;         ///< means moved by this many standard deviations
    bool mirrored = false;     ///< correlation of the opposite sign: the marginals are right
    bool is_prior = false;     ///< draws of the prior, whatever the data
    double prior_scale = 1.0;  ///< of the prior: large makes the posterior narrow beside it
};

struct Problem {
    std::vector<double> truth;        // (count, 2)
    std::vector<double> samples;      // (count, draws, 2)
    std::vector<double> transforms;   // (count, 2): the marginals' distribution functions
    std::vector<double> log_density;  // (count)
    std::vector<double> data;         // (count, 2)
    std::vector<double> mean;         // (count, 2) of the posterior
};

double normal_cdf(double z) {
    return 0.5 * std::erfc(-z / std::numbers::sqrt2);
}

/// Unknowns x, y, each N(0, s^2); data their sum with noise of variance 0.1 and their difference
/// with noise of variance 10. Sum and difference have prior variance v = 2 s^2 each and are
/// independent, so each has a Gaussian posterior of variance 1 / (1/v + 1/noise) and x and y are
/// half their sum and half their difference: correlated by -0.7 (s = 1) to -0.98 (s large).
Problem problem(const Fault& fault, std::uint64_t seed = 1) {
    constexpr double kNoise[2] = {0.1, 10.0};
    const double s = fault.prior_scale;
    const double v = 2.0 * s * s;
    double gain[2], sd[2];  // of sum and difference
    for (int part = 0; part < 2; ++part) {
        gain[part] = v / (v + kNoise[part]);
        sd[part] = std::sqrt(gain[part] * kNoise[part]);
    }
    const double marginal = 0.5 * std::hypot(sd[0], sd[1]);  // of x and of y
    Problem result;
    for (std::size_t i = 0; i < kCount; ++i) {
        nmrsim::CounterRandom random(seed, i, nmrsim::RandomStream::noise);
        const double x = s * random.normal(), y = s * random.normal();
        const double data[2] = {x + y + std::sqrt(kNoise[0]) * random.normal(),
                                x - y + std::sqrt(kNoise[1]) * random.normal()};
        double center[2] = {gain[0] * data[0], gain[1] * data[1]};
        double spread[2] = {sd[0] * fault.width, sd[1] * fault.width};
        if (fault.mirrored) std::swap(spread[0], spread[1]);
        center[0] += 2.0 * fault.bias * marginal;  // moves x and y by bias * marginal each
        if (fault.is_prior) {
            center[0] = center[1] = 0.0;
            spread[0] = spread[1] = std::sqrt(v);
        }
        const auto add = [](std::vector<double>& to, double sum, double difference) {
            to.push_back(0.5 * (sum + difference));
            to.push_back(0.5 * (sum - difference));
        };
        result.truth.insert(result.truth.end(), {x, y});
        result.data.insert(result.data.end(), {data[0], data[1]});
        add(result.mean, center[0], center[1]);
        for (std::size_t j = 0; j < kDraws; ++j) {
            const double sum = center[0] + spread[0] * random.normal();
            add(result.samples, sum, center[1] + spread[1] * random.normal());
        }
        const double width = 0.5 * std::hypot(spread[0], spread[1]);
        for (std::size_t k = 0; k < 2; ++k) {
            result.transforms.push_back(
                normal_cdf((result.truth[2 * i + k] - result.mean[2 * i + k]) / width));
        }
        const double z0 = (x + y - center[0]) / spread[0], z1 = (x - y - center[1]) / spread[1];
        // (x, y) -> (sum, difference) stretches areas by 2.
        result.log_density.push_back(-0.5 * (z0 * z0 + z1 * z1) -
                                     std::log(std::numbers::pi * spread[0] * spread[1]));
    }
    return result;
}

std::vector<double> of_unknown(const std::vector<double>& values, std::size_t k) {
    std::vector<double> column;
    for (std::size_t i = k; i < values.size(); i += kUnknowns) column.push_back(values[i]);
    return column;
}

/// Of x, from the draws' ranks.
Uniformity ranks_of(const Problem& p) {
    const auto ranks = calibration_ranks(p.samples, p.truth, kUnknowns);
    return uniformity_of(of_unknown(transforms_of_ranks(ranks, kDraws), 0));
}

}  // namespace

TEST_CASE("diagnostics: the true posterior passes every check") {
    const Problem p = problem({});
    for (std::size_t k = 0; k < kUnknowns; ++k) {
        const auto ranks = calibration_ranks(p.samples, p.truth, kUnknowns);
        for (const auto& values :
             {of_unknown(transforms_of_ranks(ranks, kDraws), k), of_unknown(p.transforms, k)}) {
            const Uniformity u = uniformity_of(values);
            CHECK(u.chi_square_p > kPass);
            CHECK(u.deviation_p > kPass);
            CHECK(std::abs(u.mean_offset) < 3.3);
            CHECK(u.largest_deviation < deviation_band(kCount, 1.0 - kPass));
            const CountBand band = histogram_band(kCount, 20, 1.0 - kPass);
            for (const std::size_t number : u.histogram) {
                CHECK(number >= band.low);
                CHECK(number <= band.high);
            }
            // 19 levels, each within 3.9 standard errors with probability 1 - 1e-4.
            for (const Coverage& c : coverage_curve(values)) {
                CHECK(std::abs(c.observed - c.nominal) < 3.9 * c.error);
            }
        }
    }
    for (const TarpReference reference : {TarpReference::box, TarpReference::local}) {
        const Tarp t = tarp(p.samples, p.truth, kUnknowns, reference);
        CHECK(t.p_value > kPass);
        CHECK(t.coverage.front() == Approx(0.0).margin(5e-3));
        CHECK(t.coverage.back() == 1.0);
        // The area's deviation is below half the largest one.
        CHECK(std::abs(t.atc) < 0.5 * deviation_band(kCount, 1.0 - kPass));
    }
    CHECK(tarp_about(p.samples, p.truth, kUnknowns, p.data).p_value > kPass);
}

TEST_CASE("diagnostics: the share of seeds that a true posterior fails is what p-values say") {
    // Of 200 seeds 10% should fall below 0.1: 20 +- 4.2, within 3.5 standard deviations
    // [5.2, 34.8].
    int chi_square = 0, deviation = 0, joint = 0;
    for (std::uint64_t seed = 100; seed < 300; ++seed) {
        const Problem p = problem({}, seed);
        const Uniformity u = uniformity_of(of_unknown(p.transforms, 0));
        chi_square += u.chi_square_p < 0.1;
        deviation += u.deviation_p < 0.1;
        joint += tarp(p.samples, p.truth, kUnknowns, TarpReference::local, seed).p_value < 0.1;
    }
    for (const int share : {chi_square, deviation, joint}) {
        CHECK(share > 5);
        CHECK(share < 35);
    }
}

TEST_CASE("diagnostics: a posterior that is too narrow fails every check") {
    const Problem p = problem({.width = 0.7});
    const Uniformity u = ranks_of(p);
    CHECK(u.chi_square_p < kFail);
    CHECK(u.deviation_p < 1e-2);  // the deviations of a U shape cancel in part
    // Half the middle and 90% of it: normal_cdf(+-0.6745 * 0.7) and (+-1.645 * 0.7) hold 36% and
    // 75%.
    CHECK(coverage_of(of_unknown(p.transforms, 0), 0.5).observed == Approx(0.363).margin(0.06));
    CHECK(coverage_of(of_unknown(p.transforms, 0), 0.9).observed == Approx(0.750).margin(0.06));
    const Tarp t = tarp(p.samples, p.truth, kUnknowns, TarpReference::local);
    CHECK(t.p_value < kFail);
    CHECK(t.atc < -0.01);
}

TEST_CASE("diagnostics: a posterior that is too wide fails every check") {
    const Problem p = problem({.width = 1.4});
    const Uniformity u = ranks_of(p);
    CHECK(u.chi_square_p < kFail);
    CHECK(coverage_of(of_unknown(p.transforms, 0), 0.5).observed > 0.58);
    CHECK(coverage_of(of_unknown(p.transforms, 0), 0.9).observed > 0.93);
    const Tarp t = tarp(p.samples, p.truth, kUnknowns, TarpReference::local);
    CHECK(t.p_value < kFail);
    CHECK(t.atc > 0.01);
}

TEST_CASE("diagnostics: a biased posterior fails every check") {
    const Problem p = problem({.bias = 0.5});
    const Uniformity u = ranks_of(p);
    CHECK(u.chi_square_p < kFail);
    CHECK(u.deviation_p < kFail);
    // The means lie half a standard deviation too high, so the true values rank low: the mean
    // transform is normal_cdf(-0.5 / sqrt(2)) = 0.362, 15.1 standard errors off; the error is 1.
    CHECK(u.mean_offset == Approx(-15.1).margin(4.0));
    CHECK(tarp(p.samples, p.truth, kUnknowns, TarpReference::local).p_value < kFail);
}

TEST_CASE("diagnostics: only TARP sees a wrong correlation") {
    const Problem p = problem({.mirrored = true});
    // The marginals are exact.
    CHECK(ranks_of(p).chi_square_p > kPass);
    for (std::size_t k = 0; k < kUnknowns; ++k) {
        CHECK(uniformity_of(of_unknown(p.transforms, k)).deviation_p > kPass);
        CHECK(std::abs(coverage_of(of_unknown(p.transforms, k), 0.9).observed - 0.9) < 0.033);
    }
    CHECK(tarp(p.samples, p.truth, kUnknowns, TarpReference::box).p_value < kFail);
    CHECK(tarp(p.samples, p.truth, kUnknowns, TarpReference::local).p_value < kPass);
    CHECK(expected_log_density(p.log_density).mean <
          expected_log_density(problem({}).log_density).mean - 1.0);
}

TEST_CASE("diagnostics: TARP sees a wrong correlation of posteriors far narrower than the box") {
    // Fifty times the prior's width: correlation -0.98.
    const Problem good = problem({.prior_scale = 50.0});
    const Problem bad = problem({.mirrored = true, .prior_scale = 50.0});
    CHECK(ranks_of(bad).chi_square_p > kPass);
    for (const TarpReference reference : {TarpReference::box, TarpReference::local}) {
        CHECK(tarp(good.samples, good.truth, kUnknowns, reference).p_value > kPass);
        CHECK(tarp(bad.samples, bad.truth, kUnknowns, reference).p_value < kFail);
    }
}

TEST_CASE("diagnostics: a posterior that is the prior passes all but what follows the data") {
    const Problem p = problem({.is_prior = true});
    CHECK(ranks_of(p).chi_square_p > kPass);
    CHECK(std::abs(coverage_of(of_unknown(p.transforms, 0), 0.9).observed - 0.9) < 0.033);
    CHECK(tarp(p.samples, p.truth, kUnknowns, TarpReference::box).p_value > kPass);
    CHECK(tarp(p.samples, p.truth, kUnknowns, TarpReference::local).p_value > kPass);
    // Reference points at the true posterior's means: the truth is nearer to them than prior draws.
    const Problem truth = problem({});
    CHECK(tarp_about(p.samples, p.truth, kUnknowns, truth.mean).p_value < kFail);
    // The log density knows: the data cut the variances of sum and difference, 2, by 21 and by 1.2,
    // which tells (ln 21 + ln 1.2) / 2 = 1.61 nat.
    const MeanWithError known = expected_log_density(truth.log_density);
    const MeanWithError nothing = expected_log_density(p.log_density);
    CHECK(known.mean - nothing.mean == Approx(0.5 * (std::log(21.0) + std::log(1.2)))
                                           .margin(4.0 * std::hypot(known.error, nothing.error)));
}

TEST_CASE("diagnostics: ranks count smaller draws and break ties evenly") {
    // Two curves of one unknown, three draws each.
    const std::vector<double> samples = {1.0, 2.0, 3.0, 5.0, 5.0, 7.0};
    const auto ranks = calibration_ranks(samples, std::vector<double>{2.5, 8.0}, 1);
    CHECK(ranks == std::vector<std::uint32_t>{2, 3});
    // All draws equal to the truth: any rank, each as often. 600 curves of 2 draws: 200 +- 11.5 for
    // each rank, within 4 standard deviations.
    const auto tied =
        calibration_ranks(std::vector<double>(1200, 0.5), std::vector<double>(600, 0.5), 1);
    for (const std::uint32_t rank : {0u, 1u, 2u}) {
        const auto number = std::count(tied.begin(), tied.end(), rank);
        CHECK(std::abs(static_cast<double>(number) - 200.0) < 46.2);
    }
    // The same seed, the same numbers.
    CHECK(transforms_of_ranks(ranks, 3, 7) == transforms_of_ranks(ranks, 3, 7));
    CHECK(transforms_of_ranks(ranks, 3, 7) != transforms_of_ranks(ranks, 3, 8));
    CHECK_THROWS_AS(transforms_of_ranks(ranks, 2), std::invalid_argument);
}

TEST_CASE("diagnostics: statistics are those of the tables") {
    // Counts 4, 1 of two bins: chi-square 1.8 of one degree, P = erfc(sqrt(0.9)) = 0.17971.
    const std::vector<double> values = {0.1, 0.2, 0.3, 0.4, 0.9};
    const Uniformity u = uniformity_of(values, 2);
    CHECK(u.histogram == std::vector<std::size_t>{4, 1});
    CHECK(u.chi_square == Approx(1.8));
    CHECK(u.chi_square_p == Approx(0.179712).epsilon(1e-5));
    CHECK(u.largest_deviation == Approx(0.4));  // at 0.4, where 4 of 5 have come
    // Counts 30, 10, 20, 20, 20: chi-square 2 * 100 / 20 = 10 of 4 degrees, whose tail is
    // (1 + 5) exp(-5) = 0.040428.
    std::vector<double> shifted;
    for (int bin = 0; bin < 5; ++bin) {
        const int number = bin == 0 ? 30 : bin == 1 ? 10 : 20;
        for (int i = 0; i < number; ++i) shifted.push_back((bin + 0.5) / 5.0);
    }
    CHECK(uniformity_of(shifted, 5).chi_square_p == Approx(6.0 * std::exp(-5.0)));
    // Kolmogorov: 1% lies above 1.6276 / (sqrt(n) + 0.12 + 0.11 / sqrt(n)).
    CHECK(deviation_band(100, 0.99) == Approx(1.62762 / 10.131).epsilon(1e-5));
    // Binomial(10, 1/2): P(X <= 1) = 0.0107, P(X = 0) = 0.00098; level 0.96 leaves 0.01 a tail and
    // bin, so 1 ... 9.
    const CountBand band = histogram_band(10, 2, 0.96);
    CHECK(band.low == 1);
    CHECK(band.high == 9);
}

TEST_CASE("diagnostics: coverage in thirds") {
    const std::vector<double> by = {9.0, 1.0, 5.0, 2.0, 8.0, 4.0};
    CHECK(thirds_of(by) == std::vector<int>{2, 0, 1, 0, 2, 1});
    CHECK(in_third(by, thirds_of(by), 1) == std::vector<double>{5.0, 4.0});
    // 0.3 and 0.7 lie in the central half, 0.1 does not; 0.75 is its edge.
    const Coverage half = coverage_of(std::vector<double>{0.3, 0.7, 0.1, 0.75}, 0.5);
    CHECK(half.observed == Approx(0.75));
    CHECK(half.error == Approx(0.25));
    // In thirds of the estimate a true posterior has nominal coverage (333 curves: 0.016; 3.9
    // standard errors), ...
    const Problem p = problem({});
    const auto covered = [](const Problem& of, const std::vector<double>& values, int which) {
        return coverage_of(in_third(of_unknown(of.transforms, 0), thirds_of(values), which), 0.9)
            .observed;
    };
    for (const int which : {0, 1, 2}) {
        CHECK(std::abs(covered(p, of_unknown(p.mean, 0), which) - 0.9) < 0.064);
    }
    // ... in thirds of true values not even the prior as the posterior of data that tell nothing:
    // outside [q05, q95] lie 5 of the lowest 33%.
    const Problem prior = problem({.is_prior = true});
    CHECK(covered(prior, of_unknown(prior.truth, 0), 0) == Approx(0.85).margin(0.08));
    CHECK(covered(prior, of_unknown(prior.truth, 0), 1) == 1.0);
}

TEST_CASE("diagnostics: what cannot be judged is refused") {
    const std::vector<double> three(3, 0.5), four(4, 0.5);
    const std::vector<double> nan(4, std::numeric_limits<double>::quiet_NaN());
    CHECK_THROWS_AS(calibration_ranks(four, three, 1), std::invalid_argument);
    CHECK_THROWS_AS(calibration_ranks(four, four, 3), std::invalid_argument);
    CHECK_THROWS_AS(calibration_ranks(nan, four, 1), std::invalid_argument);
    CHECK_THROWS_AS(tarp(four, four, 1, TarpReference::local), std::invalid_argument);
    CHECK_THROWS_AS(tarp_about(four, four, 1, three), std::invalid_argument);
    CHECK_THROWS_AS(uniformity_of(nan), std::invalid_argument);
    CHECK_THROWS_AS(uniformity_of({}), std::invalid_argument);
    CHECK_THROWS_AS(uniformity_of(four, 1), std::invalid_argument);
    CHECK_THROWS_AS(coverage_of(four, 1.0), std::invalid_argument);
    CHECK_THROWS_AS(expected_log_density({}), std::invalid_argument);
    CHECK_THROWS_AS(expected_log_density(nan), std::invalid_argument);
}
