// Importance sampling: against posteriors in closed form, and against proposals made wrong.

#include "nmrinverse/importance.h"

#include <Eigen/Cholesky>
#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "catch_compat.h"
#include "fit/student_density.h"
#include "nmrsim/dataset.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/random.h"
#include "nmrsim/signal.h"
#include "nmrsim/simulate.h"
#include "nmrsim/stop.h"
#include "noisy_curve.h"

using namespace nmrinverse;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

/// Log likelihood of a curve of this noise, each value by a simulation.
LogDensity simulated(const nmrsim::Experiment& e, const std::vector<float>& curve, double noise) {
    return [e, curve, noise](std::span<const double> all) {
        std::vector<float> curves(all.size() / 3 * curve.size());
        nmrsim::simulate_batch(e, all, {}, curves);
        std::vector<double> result;
        for (std::size_t i = 0; i < curves.size(); i += curve.size()) {
            double sum = 0.0;
            for (std::size_t k = 0; k < curve.size(); ++k) {
                const double off = static_cast<double>(curves[i + k]) - curve[k];
                sum += off * off;
            }
            result.push_back(-0.5 * sum / (noise * noise));
        }
        return result;
    };
}

nmrsim::Prior box() {
    return {{"alpha_x_khz", 0.0, 150.0}, {"flip_deg", 10.0, 90.0}};
}
constexpr double kLogVolume = 9.392661928770137;  // log(150 * 80)

/// A normal density of the two unknowns, its factor included.
struct Gaussian {
    VectorXd mean;
    MatrixXd covariance;

    double log(const double* x) const {
        const VectorXd d = Eigen::Map<const VectorXd>(x, 2) - mean;
        return -0.5 * d.dot(covariance.ldlt().solve(d)) - 0.5 * std::log(covariance.determinant()) -
               std::log(2.0 * std::numbers::pi);
    }
    std::vector<double> sample(int count, std::uint64_t seed) const {
        nmrsim::CounterRandom random(seed, 0, nmrsim::RandomStream::noise);
        const MatrixXd root = covariance.llt().matrixL();
        std::vector<double> result;
        for (int i = 0; i < count; ++i) {
            VectorXd z(2);
            for (double& value : z) value = random.normal();
            const VectorXd x = mean + root * z;
            result.insert(result.end(), x.begin(), x.end());
        }
        return result;
    }
    Minimum minimum() const { return {{mean(0), mean(1)}, 0.0, covariance}; }
    Proposal proposal(int count, std::uint64_t seed) const {
        return {sample(count, seed), [*this](std::span<const double> x) {
                    std::vector<double> result;
                    for (std::size_t i = 0; i < x.size(); i += 2) result.push_back(log(&x[i]));
                    return result;
                }};
    }
};

Gaussian linear_gaussian() {
    Gaussian g{VectorXd(2), MatrixXd(2, 2)};
    g.mean << 60.0, 45.0;
    g.covariance << 4.0, 1.2, 1.2, 1.0;
    return g;
}

/// Likelihood of a linear model with Gaussian noise: the posterior is this Gaussian itself, far
/// inside the box.
LogDensity likelihood_of(const Gaussian& g) {
    return g.proposal(0, 0).log_density;
}

/// Of a mean by weighted samples, in units of the posterior's standard deviation: k of its own.
double bound(const WeightedPosterior& posterior, double k = 5.0) {
    return k / std::sqrt(posterior.effective_size);
}

}  // namespace

TEST_CASE("a linear Gaussian posterior is met from its Laplace approximation", "[importance]") {
    const Gaussian truth = linear_gaussian();
    const Minimum minimum = truth.minimum();
    ImportanceOptions options;
    options.draws = 4096;
    options.rounds = 1;
    const WeightedPosterior p =
        importance_posterior(box(), likelihood_of(truth), {&minimum, 1}, nullptr, options);
    // Three shares, each rounded up; of the widest one, 20 and 10 kHz and degrees, 3% are outside.
    CHECK(p.count() >= 4000);
    CHECK(p.count() <= 4098);
    // The effective share is 1 / E[p / q] with respect to p, q the mixture of Student densities: by
    // quadrature over the radius 0.708. The weights are bounded, so that 4,096 give it to 1%.
    CHECK(p.effective_share() == Approx(0.708).epsilon(0.05));
    for (Eigen::Index k = 0; k < 2; ++k) {
        const std::size_t i = static_cast<std::size_t>(k);
        const double sd = std::sqrt(truth.covariance(k, k));
        CHECK(std::abs(p.mean[i] - truth.mean(k)) < bound(p) * sd);
        // A variance has the relative deviation sqrt(2 / n).
        CHECK(std::abs(p.covariance(k, k) / (sd * sd) - 1.0) < std::sqrt(2.0) * bound(p));
        // A quantile's deviation is sqrt(s (1 - s) / n) over the density there, 0.1031 / sd at 5%
        // and 0.3178 / sd at 25%: 2.11 and 1.36 of a mean's.
        CHECK(std::abs(p.q05[i] - (truth.mean(k) - 1.64485 * sd)) < 2.11 * bound(p) * sd);
        CHECK(std::abs(p.q95[i] - (truth.mean(k) + 1.64485 * sd)) < 2.11 * bound(p) * sd);
        CHECK(std::abs(p.q25[i] - (truth.mean(k) - 0.67449 * sd)) < 1.36 * bound(p) * sd);
        CHECK(std::abs(p.q75[i] - (truth.mean(k) + 0.67449 * sd)) < 1.36 * bound(p) * sd);
    }
    CHECK(std::abs(p.covariance(0, 1) - 1.2) < 2.0 * bound(p) * 2.0);
    // All of the likelihood is inside: its mean over the prior is 1 / volume.
    CHECK(std::abs(p.log_evidence + kLogVolume) < bound(p));
}

TEST_CASE("a proposal that is the posterior has an effective share of 1", "[importance]") {
    const Gaussian truth = linear_gaussian();
    const Proposal proposal = truth.proposal(1000, 3);
    const WeightedPosterior p = importance_posterior(box(), likelihood_of(truth), {}, &proposal);
    CHECK(p.count() == 1000);  // more than enough: no further round
    CHECK(p.effective_share() == Approx(1.0).margin(1e-9));
}

TEST_CASE("a wrong proposal loses effective samples, and minima beside it mend it",
          "[importance]") {
    const Gaussian truth = linear_gaussian();
    ImportanceOptions options;
    options.rounds = 1;
    // Off by two deviations and twice as narrow: the weights' second moment has no bound at all.
    Gaussian wrong = truth;
    wrong.mean(0) += 4.0;
    wrong.covariance *= 0.25;
    const Proposal proposal = wrong.proposal(1000, 5);
    const WeightedPosterior alone =
        importance_posterior(box(), likelihood_of(truth), {}, &proposal, options);
    CHECK(alone.effective_share() < 0.05);
    CHECK(std::abs(alone.mean[0] - 60.0) > 0.5);  // a quarter of a deviation: useless
    const Minimum minimum = truth.minimum();
    options.draws = 1000;
    const WeightedPosterior mended =
        importance_posterior(box(), likelihood_of(truth), {&minimum, 1}, &proposal, options);
    CHECK(mended.count() >= 1960);  // a few of the widest are outside the box
    CHECK(mended.effective_share() > 0.3);
    CHECK(std::abs(mended.mean[0] - 60.0) < 2.0 * bound(mended));

    // Only too wide, s = 5 times in each direction: the share is (sqrt(2 s^2 - 1) / s^2)^2 =
    // (7 / 25)^2.
    Gaussian wide = truth;
    wide.covariance *= 25.0;
    const Proposal spread = wide.proposal(4000, 6);
    const WeightedPosterior p =
        importance_posterior(box(), likelihood_of(truth), {}, &spread, options);
    CHECK(p.effective_share() == Approx(0.0784).epsilon(0.25));
}

TEST_CASE("further rounds find the shape that a Laplace approximation misses", "[importance]") {
    // A ridge that bends by two of its widths where alpha is off by a deviation, and by eight at
    // two: with u standard normal, flip = 40 + u^2 + 0.5 v has the mean 41 and the variance 2.25.
    const LogDensity likelihood = [](std::span<const double> x) {
        std::vector<double> result;
        for (std::size_t i = 0; i < x.size(); i += 2) {
            const double u = (x[i] - 75.0) / 10.0;
            const double v = (x[i + 1] - 40.0 - u * u) / 0.5;
            result.push_back(-0.5 * (u * u + v * v));
        }
        return result;
    };
    Minimum minimum{{75.0, 40.0}, 0.0, MatrixXd::Zero(2, 2)};
    minimum.covariance(0, 0) = 100.0;
    minimum.covariance(1, 1) = 0.25;
    ImportanceOptions options;
    options.draws = 2000;
    options.rounds = 1;
    const WeightedPosterior once =
        importance_posterior(box(), likelihood, {&minimum, 1}, nullptr, options);
    options.rounds = 8;
    options.enough = 1e9;
    const WeightedPosterior more =
        importance_posterior(box(), likelihood, {&minimum, 1}, nullptr, options);
    CHECK(more.count() > 7000);  // rounds of 1,000 and more
    CHECK(once.effective_share() < 0.25);
    CHECK(more.effective_share() > 1.5 * once.effective_share());
    CHECK(std::abs(more.mean[0] - 75.0) < 10.0 * bound(more));
    CHECK(std::abs(more.mean[1] - 41.0) < 1.5 * bound(more));
    // The mean over the prior: 2 pi 10 0.5 over its volume.
    CHECK(std::abs(more.log_evidence - (std::log(10.0 * std::numbers::pi) - kLogVolume)) <
          bound(more));
}

TEST_CASE("two modes get the shares of their evidence", "[importance]") {
    Gaussian a = linear_gaussian(), b = linear_gaussian();
    b.mean << 100.0, 70.0;
    b.covariance *= 0.5;
    const LogDensity likelihood = [&](std::span<const double> x) {
        std::vector<double> result;
        for (std::size_t i = 0; i < x.size(); i += 2) {
            result.push_back(std::log(0.3 * std::exp(a.log(&x[i])) + 0.7 * std::exp(b.log(&x[i]))));
        }
        return result;
    };
    const std::vector<Minimum> minima{a.minimum(), b.minimum()};
    ImportanceOptions options;
    options.draws = 4096;
    const WeightedPosterior p = importance_posterior(box(), likelihood, minima, nullptr, options);
    double first = 0.0;
    for (std::size_t i = 0; i < p.count(); ++i) {
        if (p.samples[2 * i] < 80.0) first += p.weights[i];
    }
    CHECK(std::abs(first - 0.3) < bound(p) * std::sqrt(0.3 * 0.7));
    CHECK(std::abs(p.mean[0] - (0.3 * 60.0 + 0.7 * 100.0)) <
          bound(p) * std::sqrt(p.covariance(0, 0)));
    CHECK(p.q05[0] < 70.0);
    CHECK(p.q95[0] > 95.0);
}

TEST_CASE("a likelihood that says nothing leaves the prior", "[importance]") {
    const LogDensity flat = [](std::span<const double> x) {
        return std::vector<double>(x.size() / 2, 0.0);
    };
    // What refine() reports where nothing is known: the prior's own variance.
    Minimum minimum{{75.0, 50.0}, 0.0, MatrixXd::Zero(2, 2)};
    minimum.covariance(0, 0) = 150.0 * 150.0 / 12.0;
    minimum.covariance(1, 1) = 80.0 * 80.0 / 12.0;
    ImportanceOptions options;
    options.draws = 4096;
    const WeightedPosterior p = importance_posterior(box(), flat, {&minimum, 1}, nullptr, options);
    CHECK(p.effective_share() > 0.5);
    CHECK(std::abs(p.mean[0] - 75.0) < bound(p) * 150.0 / std::sqrt(12.0));
    // A uniform density's quantiles have the deviation sqrt(s (1 - s) / n) widths.
    CHECK(std::abs(p.q05[0] - 7.5) < bound(p) * std::sqrt(0.05 * 0.95) * 150.0);
    CHECK(std::abs(p.q75[1] - 70.0) < bound(p) * std::sqrt(0.25 * 0.75) * 80.0);
    CHECK(std::abs(p.log_evidence) < bound(p));
    for (std::size_t i = 0; i < p.count(); ++i) {
        REQUIRE(p.samples[2 * i] >= 0.0);
        REQUIRE(p.samples[2 * i] <= 150.0);
    }
}

TEST_CASE("a Student density is normalised, and its draws have its moments", "[importance]") {
    nmrsim::CounterRandom random(4, 0, nmrsim::RandomStream::noise);
    VectorXd centre(2);
    centre << 0.5, 0.4;
    MatrixXd scale(2, 2);
    scale << 1e-4, 3e-5, 3e-5, 4e-5;
    const double tail = 6.0;
    const StudentDensity density(centre, scale, tail);
    REQUIRE(density.finite());
    // Midpoint rule: 1e-3 steps are a tenth and a sixth of the widths; an analytic integrand.
    double sum = 0.0;
    for (int i = 0; i < 1000; ++i) {
        for (int j = 0; j < 1000; ++j) {
            VectorXd at(2);
            at << (i + 0.5) * 1e-3, (j + 0.5) * 1e-3;
            sum += std::exp(density.log_density(at)) * 1e-6;
        }
    }
    CHECK(sum == Approx(1.0).margin(1e-3));
    const int n = 20000;
    VectorXd mean = VectorXd::Zero(2);
    double square = 0.0;
    for (int i = 0; i < n; ++i) {
        const VectorXd x = density.draw(random);
        mean += x / n;
        square += (x(0) - 0.5) * (x(0) - 0.5) / n;
    }
    CHECK(std::abs(mean(0) - 0.5) < 5.0 * std::sqrt(1.5e-4 / n));
    // Variance scale * tail / (tail - 2); kurtosis 3 + 6 / (tail - 4) = 6.
    CHECK(std::abs(square / 1.5e-4 - 1.0) < 5.0 * std::sqrt(5.0 / n));
}

TEST_CASE("the posterior of an echo is its Fisher ellipsoid where the noise is small",
          "[importance]") {
    nmrsim::Experiment e = nmrsim::load_experiment("challenge-2021");
    // Away from 45 degrees, where aliases of alpha_z are minima of their own.
    const std::vector<double> truth{60.0, 120.0, 35.0};
    const std::vector<float> curve = noisy_curve(e, truth, 1e-3, 8);
    RefineOptions options;
    const Refinement fit = refine(e, curve, std::vector<double>{60.1, 120.2, 35.02}, options);
    ImportanceOptions once;
    once.rounds = 1;
    const WeightedPosterior p = importance_posterior(e, curve, fit, options, nullptr, once);
    const std::vector<double> deviations = fit.deviations();
    // By the quadrature above, in three dimensions: 0.662 where the posterior is normal.
    CHECK(p.effective_share() > 0.8 * 0.662);
    for (std::size_t k = 0; k < 3; ++k) {
        CHECK(std::abs(p.mean[k] - fit.estimate[k]) < bound(p) * deviations[k]);
        const double ratio = p.deviations()[k] / deviations[k];
        CHECK(std::abs(ratio - 1.0) < bound(p) / std::sqrt(2.0));
    }
    // A fit of another curve: its ellipsoid has nothing to do with this posterior, and further
    // rounds are off.
    Refinement wrong = fit;
    wrong.estimate[0] += 5.0 * deviations[0];
    CHECK(importance_posterior(e, curve, wrong, options, nullptr, once).effective_share() <
          0.3 * p.effective_share());
}

TEST_CASE("a bent valley is sampled from end to end", "[importance]") {
    // Near 90 degrees only alpha_z cos(theta) shows: any alpha_z above some 30 kHz fits.
    nmrsim::Experiment e = nmrsim::load_experiment("challenge-2021");
    const std::vector<double> truth{9.5531, 296.5089, 89.9326};
    const std::vector<float> curve = noisy_curve(e, truth, 1e-3, 4);
    const Refinement fit = refine(e, curve, std::vector<double>{9.6, 49.4, 89.588});
    REQUIRE(!fit.valleys.empty());
    ImportanceOptions options;
    options.draws = 3072;
    options.enough = 1024.0;
    const WeightedPosterior p = importance_posterior(e, curve, fit, {}, nullptr, options);
    CHECK(p.effective_size > 400.0);

    // The oracle draws where the valley is straight: alpha_z from its prior, u = alpha_z
    // cos(theta) and alpha_x from normal densities, twice too wide.
    const double radian = std::numbers::pi / 180.0;
    const double u0 = truth[1] * std::cos(truth[2] * radian), u_sd = 0.01, x_sd = 0.12;
    nmrsim::CounterRandom random(1, 0, nmrsim::RandomStream::noise);
    Proposal straight;
    while (straight.samples.size() < 3 * 16000) {
        const double x = truth[0] + x_sd * random.normal(), z = 300.0 * random.uniform();
        const double flip = std::acos((u0 + u_sd * random.normal()) / z) / radian;
        if (!(x >= 0.0 && flip >= 10.0 && flip <= 90.0)) continue;
        straight.samples.insert(straight.samples.end(), {x, z, flip});
    }
    // Those outside the prior are drawn anew: the density lacks a factor that cancels.
    straight.log_density = [&](std::span<const double> all) {
        std::vector<double> result;
        for (std::size_t i = 0; i < all.size(); i += 3) {
            const double z = all[i + 1], flip = all[i + 2] * radian;
            const double a = (all[i] - truth[0]) / x_sd, b = (z * std::cos(flip) - u0) / u_sd;
            result.push_back(-0.5 * (a * a + b * b) + std::log(z * std::sin(flip)));
        }
        return result;
    };
    e.accuracy.tolerance = 1e-5;
    const LogDensity likelihood = simulated(e, curve, 1e-3);
    ImportanceOptions once;
    once.rounds = 1;
    const WeightedPosterior oracle = importance_posterior(e.prior, likelihood, {}, &straight, once);
    REQUIRE(oracle.effective_size > 400.0);
    for (std::size_t k = 0; k < 3; ++k) {
        const double sd = oracle.deviations()[k];
        const double both = std::hypot(bound(p), bound(oracle));
        CAPTURE(k, oracle.mean[k], sd, p.mean[k], p.deviations()[k]);
        CHECK(std::abs(p.mean[k] - oracle.mean[k]) < both * sd);
        CHECK(std::abs(p.deviations()[k] / sd - 1.0) < both);
        CHECK(std::abs(p.q05[k] - oracle.q05[k]) < 2.11 * both * sd);
        CHECK(std::abs(p.q95[k] - oracle.q95[k]) < 2.11 * both * sd);
    }
    CHECK(p.deviations()[1] > 40.0);
    // Without the valley: samples about the minimum alone do not reach along all of it.
    Refinement minimum = fit;
    minimum.valleys.clear();
    CHECK(importance_posterior(e, curve, minimum, {}, nullptr, options).deviations()[1] <
          0.8 * oracle.deviations()[1]);
}

namespace {

/// Share of a posterior between two values of unknown k.
double share_between(const WeightedPosterior& p, std::size_t k, double low, double high) {
    double sum = 0.0;
    for (std::size_t i = 0; i < p.count(); ++i) {
        const double value = p.samples[p.unknowns * i + k];
        if (value >= low && value <= high) sum += p.weights[i];
    }
    return sum;
}

}  // namespace

TEST_CASE("polynomials in the curve's place give the posterior", "[importance]") {
    struct Case {
        double noise;
        std::uint64_t seed, index;
        std::size_t minima;
        double by_fit;  ///< largest share of alpha_z's posterior that the fit's 90% holds
    };
    // Two that bend and look straight along their weakest direction, one with an alias, one with a
    // valley.
    for (const Case& at : {Case{1e-3, 900003, 410, 1, 0.85}, Case{1e-2, 900004, 58, 1, 0.88},
                           Case{1e-2, 900004, 37, 2, 1.0}, Case{1e-2, 900004, 21, 1, 1.0}}) {
        CAPTURE(at.noise, at.index);
        nmrsim::Experiment e = nmrsim::load_experiment("challenge-2021");
        e.acquisition.noise = at.noise;
        const nmrsim::Dataset data = nmrsim::generate_dataset(e, 1, at.seed, at.index);
        RefineOptions refining;
        refining.noise = at.noise;
        const Refinement fit = refine(e, data.signal, data.parameters, refining);
        REQUIRE(fit.minima() == at.minima);
        const std::optional<WeightedPosterior> p =
            polynomial_posterior(e, data.signal, fit, refining);
        REQUIRE(p);
        CHECK(p->effective_size >= 512.0);
        ImportanceOptions many;
        many.draws = 1024;
        many.enough = 2000.0;
        std::vector<Minimum> minima{{fit.estimate, fit.chi_square, fit.covariance}};
        minima.insert(minima.end(), fit.rivals.begin(), fit.rivals.end());
        minima.insert(minima.end(), fit.valleys.begin(), fit.valleys.end());
        const WeightedPosterior oracle = importance_posterior(
            e.prior, simulated(e, data.signal, at.noise), minima, nullptr, many);
        // The share between two quantiles, and the oracle's word on it: as of so many draws.
        const double error = std::sqrt(1.0 / p->effective_size + 1.0 / oracle.effective_size);
        for (std::size_t k = 0; k < 3; ++k) {
            CAPTURE(k, p->effective_size, oracle.effective_size);
            const double held90 = share_between(oracle, k, p->q05[k], p->q95[k]);
            const double held50 = share_between(oracle, k, p->q25[k], p->q75[k]);
            CHECK(std::abs(held90 - 0.9) < 4.0 * 0.3 * error);
            CHECK(std::abs(held50 - 0.5) < 4.0 * 0.5 * error);
            CHECK(std::abs(p->mean[k] - oracle.mean[k]) < 5.0 * error * oracle.deviations()[k]);
            CHECK(std::abs(p->deviations()[k] / oracle.deviations()[k] - 1.0) < 5.0 * error);
        }
        CHECK(std::abs(p->log_evidence - oracle.log_evidence) < 5.0 * error);
        const double reach = 1.6448536 * fit.deviations()[1];
        CHECK(share_between(oracle, 1, fit.estimate[1] - reach, fit.estimate[1] + reach) <
              at.by_fit);
    }
}

TEST_CASE("a polynomial does not end a valley too soon", "[importance]") {
    // A weak coupling near 90 degrees: along alpha_z cos(theta) chi-square rises by some 2 up to
    // the prior's end. Cubics let it rise at 220 kHz, and no place of theirs lies beyond.
    nmrsim::Experiment e = nmrsim::load_experiment("challenge-2021");
    e.acquisition.noise = 1e-3;
    nmrsim::Experiment weak = e;
    weak.prior[0] = {"alpha_x_khz", 1.0, 12.0};
    weak.prior[2] = {"flip_deg", 89.0, 90.0};
    const nmrsim::Dataset data = nmrsim::generate_dataset(weak, 1, 7000001, 4);
    const Refinement fit = refine(e, data.signal, data.parameters);
    REQUIRE(fit.valleys.size() > 20);
    const std::optional<WeightedPosterior> p = polynomial_posterior(e, data.signal, fit, {});
    REQUIRE(p);
    const WeightedPosterior oracle = importance_posterior(e, data.signal, fit, {});
    const double error = std::sqrt(1.0 / p->effective_size + 1.0 / oracle.effective_size);
    for (std::size_t k = 0; k < 3; ++k) {
        CAPTURE(k, p->q05[k], p->q95[k], oracle.q05[k], oracle.q95[k], error);
        const double held90 = share_between(oracle, k, p->q05[k], p->q95[k]);
        CHECK(std::abs(held90 - 0.9) < 4.0 * 0.3 * error);
        CHECK(std::abs(p->mean[k] - oracle.mean[k]) < 5.0 * error * oracle.deviations()[k]);
    }
}

TEST_CASE("no polynomials where they do not serve", "[importance]") {
    nmrsim::Experiment e = nmrsim::load_experiment("challenge-2021");
    e.acquisition.noise = 1e-3;
    const nmrsim::Dataset data = nmrsim::generate_dataset(e, 1, 900003, 0);
    RefineOptions options;
    const Refinement fit = refine(e, data.signal, data.parameters, options);
    REQUIRE(polynomial_posterior(e, data.signal, fit, options));
    Refinement other = fit;
    other.effective_noise *= 1.1;
    CHECK(!polynomial_posterior(e, data.signal, other, options));
    options.fit_time_zero = true;
    CHECK(!polynomial_posterior(e, data.signal, fit, options));
    // The echo at 40 times the noise says next to nothing: no polynomial follows it over the prior.
    e.acquisition.noise = options.noise = 0.3;
    options.fit_time_zero = false;
    const nmrsim::Dataset faint = nmrsim::generate_dataset(e, 1, 900003, 0);
    const Refinement broad = refine(e, faint.signal, faint.parameters, options);
    CHECK(!polynomial_posterior(e, faint.signal, broad, options));
}

TEST_CASE("fits and weights end where they are asked to, also between simulations",
          "[importance]") {
    const nmrsim::Experiment e = nmrsim::load_experiment("challenge-2021");
    const nmrsim::Signal signal =
        nmrsim::simulate(nmrsim::with_parameters(e, std::vector<double>{60.0, 120.0, 35.0}));
    std::vector<float> curve(signal.mx.begin(), signal.mx.end());
    curve.insert(curve.end(), signal.my.begin(), signal.my.end());
    nmrsim::request_stop();
    CHECK_THROWS_AS(refine(e, curve, std::vector<double>{60.1, 120.2, 35.02}), nmrsim::Stopped);
    nmrsim::clear_stop();
    // Asked while the likelihood of the first round is at work, which simulates nothing.
    const Gaussian truth = linear_gaussian();
    const LogDensity by = likelihood_of(truth);
    int asked = 0;
    const LogDensity stopping = [&](std::span<const double> x) {
        ++asked;
        nmrsim::request_stop();
        return by(x);
    };
    const Minimum minimum = truth.minimum();
    CHECK_THROWS_AS(importance_posterior(box(), stopping, {&minimum, 1}), nmrsim::Stopped);
    nmrsim::clear_stop();
    CHECK(asked == 1);
    CHECK(importance_posterior(box(), by, {&minimum, 1}).effective_size >= 512.0);
}

TEST_CASE("what cannot be weighted is refused", "[importance]") {
    const LogDensity flat = likelihood_of(linear_gaussian());
    const LogDensity nowhere = [](std::span<const double> x) {
        return std::vector<double>(x.size() / 2, -std::numeric_limits<double>::infinity());
    };
    const Minimum minimum = linear_gaussian().minimum();
    CHECK_THROWS_WITH(importance_posterior(box(), flat, {}),
                      ContainsSubstring("neither minima nor samples"));
    CHECK_THROWS_WITH(importance_posterior(box(), nowhere, {&minimum, 1}),
                      ContainsSubstring("0 at every sample"));
    Proposal outside = linear_gaussian().proposal(3, 1);
    outside.samples[0] = -1.0;
    CHECK_THROWS_WITH(importance_posterior(box(), flat, {}, &outside),
                      ContainsSubstring("outside the prior"));
    ImportanceOptions options;
    options.enough = 0.0;
    CHECK_THROWS_WITH(importance_posterior(box(), flat, {&minimum, 1}, nullptr, options),
                      "enough must be > 0, got 0");
}
