// Noise whose neighbouring samples are alike: found, and what it does to chi-square and intervals.

#include <Eigen/Core>
#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <vector>

#include "catch_compat.h"
#include "nmrinverse/importance.h"
#include "nmrinverse/measured_noise.h"
#include "nmrinverse/noise_correlation.h"
#include "nmrinverse/refine.h"
#include "nmrsim/dataset.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/measured_curves.h"
#include "nmrsim/prior.h"
#include "nmrsim/random.h"
#include "nmrsim/simulate.h"

using namespace nmrinverse;

namespace {

/// Normal noise with the correlation exp(-(lag / width)^2 / 4): white noise under a Gaussian of
/// this width [samples], (2, points), of standard deviation 1.
std::vector<double> smooth_noise(std::size_t points, double width, std::uint64_t seed) {
    nmrsim::CounterRandom random(seed, 0, nmrsim::RandomStream::noise);
    const auto reach = static_cast<std::ptrdiff_t>(std::ceil(4.0 * width));
    std::vector<double> filter;
    double square = 0.0;
    for (std::ptrdiff_t j = -reach; j <= reach; ++j) {
        const double u = width > 0.0 ? static_cast<double>(j) / width : 0.0;
        filter.push_back(std::exp(-0.5 * u * u));
        square += filter.back() * filter.back();
    }
    std::vector<double> noise;
    for (int part = 0; part < 2; ++part) {
        std::vector<double> white(points + filter.size());
        for (double& value : white) value = random.normal();
        for (std::size_t i = 0; i < points; ++i) {
            double sum = 0.0;
            for (std::size_t j = 0; j < filter.size(); ++j) sum += filter[j] * white[i + j];
            noise.push_back(sum / std::sqrt(square));
        }
    }
    return noise;
}

/// tests/field-files/owner.toml: uniform kernel, Lorentzian of 15 kHz cut at 150, tau 50 us. Spins
/// turn at 190 kHz at most.
nmrsim::Experiment owner() {
    nmrsim::Experiment e = nmrsim::load_experiment(NMRSIM_FIELD_FILES "/owner.toml");
    e.acquisition.start_us = 60.0;
    e.acquisition.stop_us = 220.0;
    e.acquisition.points = 641;  // 0.25 us
    return e;
}

std::vector<float> curve_with(const nmrsim::Experiment& e, std::vector<double> truth,
                              const std::vector<double>& noise, double sigma) {
    std::vector<float> curve(2 * static_cast<std::size_t>(e.acquisition.points));
    nmrsim::simulate_batch(e, truth, {}, curve, 1);
    for (std::size_t i = 0; i < curve.size(); ++i) curve[i] += static_cast<float>(sigma * noise[i]);
    return curve;
}

}  // namespace

TEST_CASE("white noise has no correlation, smooth noise its own", "[noise]") {
    int white = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        white += noise_correlation(smooth_noise(400, 0.0, seed)).empty();
    }
    // Five lags, each beyond 2 sqrt(log10(800) / 800) = 3.4 of its deviations in 0.07%.
    CHECK(white >= 97);
    // Known: 1 + 2 sum exp(-(k/w)^2/4) = 2 sqrt(pi) w, its squares sqrt(2 pi) w.
    double slow = 0.0, square = 0.0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const std::vector<double> r = noise_correlation(smooth_noise(2000, 4.0, seed));
        slow += slow_excess(r) / 20.0;
        square += square_excess(r) / 20.0;
        CHECK(r[0] == Approx(std::exp(-1.0 / 64.0)).margin(0.01));
    }
    // Each is known to some sqrt(2 x lags / effective samples) = 0.3, their mean to a twentieth.
    CHECK(slow == Approx(2.0 * std::sqrt(M_PI) * 4.0).epsilon(0.2));
    CHECK(square == Approx(std::sqrt(2.0 * M_PI) * 4.0).epsilon(0.2));
    CHECK(slow_excess({}) == 1.0);
    CHECK(noise_correlation(std::vector<double>(100, 0.0)).empty());
}

TEST_CASE("noise along a curve counts as u^T R u says", "[noise]") {
    const std::size_t n = 200;
    const std::vector<double> r = {0.7, 0.4, 0.1};
    std::vector<double> curve(2 * n);
    for (std::size_t i = 0; i < n; ++i) {
        const double t = static_cast<double>(i);
        curve[i] = std::exp(-t / 60.0) * std::cos(0.5 * t);
        curve[n + i] = std::exp(-t / 50.0) * std::sin(0.3 * t);
    }
    Eigen::MatrixXd matrix = Eigen::MatrixXd::Identity(2 * n, 2 * n);
    for (std::size_t i = 0; i < 2 * n; ++i) {
        for (std::size_t k = 1; k <= 3; ++k) {
            const std::size_t j = i + k;
            if (j < 2 * n && i / n == j / n) {
                matrix(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = r[k - 1];
                matrix(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(i)) = r[k - 1];
            }
        }
    }
    const Eigen::Map<const Eigen::VectorXd> u(curve.data(), 2 * n);
    CHECK(excess_along(curve, 0.0, r) ==
          Approx(u.dot(matrix * u) / u.squaredNorm()).epsilon(1e-12));
    CHECK(excess_along(std::vector<double>(2 * n, 0.0), 1.0, r) == Approx(3.4));
}

TEST_CASE("a stationary tail is believed, correlated or not; a decaying one is not", "[noise]") {
    const nmrsim::Experiment e = owner();
    const double sigma = 2e-3;
    double mean = 0.0, square = 0.0, told = 0.0;
    const int records = 40;
    for (int i = 0; i < records; ++i) {
        CAPTURE(i);
        nmrsim::Experiment longer = e;
        longer.acquisition.stop_us = 460.0;
        longer.acquisition.points = 1601;
        const std::vector<float> curve =
            curve_with(longer, {0.0, 0.0, 60.0},  // gone after 170 us
                       smooth_noise(1601, 2.0, static_cast<std::uint64_t>(i)), sigma);
        const NoiseEstimate noise = tail_noise(curve, 0.05);
        CHECK(noise.from_tail);
        CHECK_FALSE(noise.correlation.empty());
        const double ratio = noise.sigma * noise.sigma / (sigma * sigma);
        mean += ratio / records;
        square += ratio * ratio / records;
        told += noise.uncertainty * noise.uncertainty / records;
    }
    // Relative deviations of sigma^2 are as large as they are said to be: a variance of 40 is known
    // to 22%, three of these and what the estimated correlation adds.
    CHECK(mean == Approx(1.0).margin(5.0 * std::sqrt(told / records)));
    CHECK((square - mean * mean) / told > 0.3);
    CHECK((square - mean * mean) / told < 2.0);
    // The echo's own end is stationary for nobody.
    nmrsim::Experiment cut = e;
    cut.acquisition.stop_us = 140.0;
    cut.acquisition.points = 321;
    const std::vector<float> curve =
        curve_with(cut, {12.0, 30.0, 60.0}, smooth_noise(321, 2.0, 1), 1e-4);
    CHECK_FALSE(tail_noise(curve, 0.05).from_tail);
}

TEST_CASE("fits under correlated noise have chi-square and intervals that hold", "[noise]") {
    // 60 curves: errors over deviations have the mean square 1. As if white it is 5 to 8.
    const nmrsim::Experiment e = owner();
    const double sigma = 2e-3;
    const double width = 2.0;
    std::vector<double> r;
    for (int k = 1; k < 12; ++k) r.push_back(std::exp(-0.25 * k * k / (width * width)));
    double z2 = 0.0, z2_white = 0.0, z2_unsaid = 0.0, chi = 0.0, chi2 = 0.0;
    const int curves = 60;
    for (int i = 0; i < curves; ++i) {
        CAPTURE(i);
        const auto seed = static_cast<std::uint64_t>(i);
        const std::vector<double> u = nmrsim::draw_parameters(e.prior, 21, seed);
        const std::vector<double> truth = {5.0 + 0.75 * u[0], 10.0 + 0.75 * u[1],
                                           25.0 + 0.7 * (u[2] - 20.0)};
        const std::vector<float> curve =
            curve_with(e, truth, smooth_noise(641, width, seed), sigma);
        RefineOptions options;
        options.noise = sigma;
        options.widenings = 0;
        options.threads = 1;
        const auto error_square = [&](const Refinement& fit) {
            double sum = 0.0;
            for (std::size_t k = 0; k < 3; ++k) {
                const double z = (fit.estimate[k] - truth[k]) / fit.deviations()[k];
                sum += z * z / (3.0 * curves);
            }
            return sum;
        };
        const Refinement unsaid = refine(e, curve, truth, options);
        z2_unsaid += error_square(unsaid);
        double white = 0.0;
        options.noise_correlation = r;
        const Refinement fit = refine(e, curve, truth, options);
        z2 += error_square(fit);
        const double scale = fit.effective_noise / sigma;
        white = error_square(fit) * scale * scale;
        z2_white += white;
        const double off = (fit.chi_square - fit.degrees) / fit.chi_square_deviation;
        chi += off / curves;
        chi2 += off * off / curves;
        CHECK(fit.within_noise());
    }
    INFO(z2 << " " << z2_white << " " << z2_unsaid << " " << chi << " " << chi2);
    // 180 squares of normals: 1 +- 0.105; the estimated correlation costs some.
    CHECK(z2 == Approx(1.0).margin(0.35));
    CHECK(z2_unsaid == Approx(1.0).margin(0.5));
    CHECK(z2_white > 3.0);
    CHECK(std::abs(chi) < 5.0 / std::sqrt(static_cast<double>(curves)));
    CHECK(chi2 == Approx(1.0).margin(5.0 * std::sqrt(2.0 / curves)));
}

TEST_CASE("white noise leaves a fit as it was, and a wrong curve widens it", "[noise]") {
    const nmrsim::Experiment e = owner();
    const std::vector<double> truth = {12.0, 30.0, 60.0};
    const double sigma = 1e-3;
    const std::vector<double> noise = smooth_noise(641, 0.0, 5);
    RefineOptions options;
    options.noise = sigma;
    options.widenings = 0;
    const std::vector<float> curve = curve_with(e, truth, noise, sigma);
    const Refinement fit = refine(e, curve, truth, options);
    CHECK(fit.within_noise());
    CHECK(fit.effective_noise == sigma);
    CHECK(fit.chi_square_deviation == Approx(std::sqrt(2.0 * fit.degrees)));
    // Noise three times as large as it was said: deviations grow by as much.
    const Refinement louder = refine(e, curve_with(e, truth, noise, 3.0 * sigma), truth, options);
    CHECK_FALSE(louder.within_noise());
    for (std::size_t k = 0; k < 3; ++k) {
        CHECK(louder.deviations()[k] == Approx(3.0 * fit.deviations()[k]).epsilon(0.3));
    }
    // A slow curve on top that no parameters make.
    std::vector<float> foreign = curve;
    for (std::size_t i = 0; i < 641; ++i) {
        foreign[i] += 5e-3f * std::sin(0.03f * static_cast<float>(i));
    }
    const Refinement wrong = refine(e, foreign, truth, options);
    CHECK_FALSE(wrong.within_noise());
    CHECK(wrong.residual_correlation > 0.8);
    for (std::size_t k = 0; k < 3; ++k) {
        CHECK(wrong.deviations()[k] > 3.0 * fit.deviations()[k]);
    }
    // What is drawn about such a fit is as wide.
    const WeightedPosterior wide = importance_posterior(e, foreign, wrong, options);
    CHECK(wide.deviations()[0] > 3.0 * fit.deviations()[0]);
    options.noise_correlation = {1.5};
    CHECK_THROWS_WITH(refine(e, curve, truth, options), ContainsSubstring("noise_correlation"));
}

TEST_CASE("noise that was estimated widens what chi-square may be", "[noise]") {
    // sigma^2 taken 9% too small, as an estimate of 6% deviation may be.
    const nmrsim::Experiment e = owner();
    const std::vector<double> truth = {12.0, 30.0, 60.0};
    const std::vector<float> curve = curve_with(e, truth, smooth_noise(641, 0.0, 6), 1e-3);
    RefineOptions options;
    options.widenings = 0;
    options.noise = 1e-3 * std::sqrt(0.8);
    CHECK_FALSE(refine(e, curve, truth, options).within_noise(4.0));
    options.noise_uncertainty = 0.09;
    CHECK(refine(e, curve, truth, options).within_noise(4.0));
}

TEST_CASE("a record with a receiver's correlated noise is fitted without a network", "[noise]") {
    // tests/field-files/correlated-noise.csv: uniform kernel, alpha_x = 12, alpha_z = 30 kHz, 60
    // degrees; Lorentzian of 15 kHz cut at 150; noise 2e-3, correlated over 0.84 us; gain 0.3.
    const nmrsim::MeasuredCurves record =
        nmrsim::read_measured_curves(NMRSIM_FIELD_FILES "/correlated-noise.csv");
    nmrsim::Experiment e = owner();
    e.acquisition.start_us = record.time_us.front();
    e.acquisition.stop_us = record.time_us.back();
    e.acquisition.points = static_cast<int>(record.points());
    const NoiseEstimate noise = tail_noise(record.signal, 0.02);
    CHECK(noise.from_tail);
    CHECK(noise.sigma == Approx(0.3 * 2e-3).epsilon(0.15));
    const std::vector<double> starts = nmrsim::draw_many(e.prior, 512, 1);
    RefineOptions options;
    options.noise = noise.sigma;
    options.noise_correlation = noise.correlation;
    options.noise_uncertainty = noise.uncertainty;
    options.fit_gain = options.fit_phase = true;
    const Refinement fit = refine(e, record.signal, starts, options);
    INFO(fit.chi_square << " of " << fit.degrees << " +- " << fit.chi_square_deviation);
    CHECK(fit.within_noise(3.0));
    CHECK(fit.chi_square / fit.degrees == Approx(1.0).margin(0.35));
    const double truth[3] = {12.0, 30.0, 60.0};
    for (std::size_t k = 0; k < 3; ++k) {
        CAPTURE(k, fit.estimate[k], fit.deviations()[k]);
        CHECK(std::abs(fit.estimate[k] - truth[k]) < 4.0 * fit.deviations()[k]);
    }
    CHECK(std::abs(fit.factor) == Approx(0.3).epsilon(0.05));
}
