// Rows of refined estimates, as the programs print them.
#include "verdict/refined_estimates.h"

#include <algorithm>
#include <cmath>

#include "catch_compat.h"
#include "nmrinverse/importance.h"
#include "nmrinverse/verdict.h"
#include "nmrsim/dataset.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/random.h"
#include "nmrsim/simulate.h"

namespace {

const nmrsim::Prior kPrior{{"alpha_x_khz", 0.0, 150.0}, {"flip_deg", 10.0, 90.0}};

/// Two curves with these estimates and deviations.
nmrinverse::JointFit joint_fit(std::vector<double> estimate, std::vector<double> deviations) {
    nmrinverse::JointFit fit;
    fit.curves = 2;
    fit.unknowns = 2;
    fit.estimate = std::move(estimate);
    fit.deviations = std::move(deviations);
    fit.factor.assign(2, 1.0);
    fit.time_zero_us.assign(2, 0.0);
    fit.alone.resize(2);
    return fit;
}

constexpr double kNoise = 1e-3;

/// Refined fits of noisy curves of these parameters, (count, 3), with the verdicts of nmr-fit
/// --refine; alpha_x, alpha_z and theta.
struct Judged {
    nmrinverse::RefinedEstimates refined;
    std::vector<nmrinverse::Verdict> verdict;
    std::vector<std::string> reason;
};

Judged judged(const std::vector<double>& parameters, std::uint64_t seed, int widenings = 10) {
    nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
    nmrsim::Experiment wider = experiment;  // what makes a curve may lie beyond the prior
    for (nmrsim::PriorRange& range : wider.prior) range.high *= 1.5;
    nmrinverse::Curves curves;
    curves.time_us = nmrsim::acquisition_times_us(experiment);
    std::vector<double> starts;
    nmrsim::CounterRandom random(seed, 0, nmrsim::RandomStream::noise);
    const double spread[3] = {1.0, 6.0, 0.5};
    constexpr std::size_t kStarts = 128;
    for (std::size_t c = 0; c < parameters.size() / 3; ++c) {
        const std::span<const double> truth(&parameters[3 * c], 3);
        nmrsim::Signal signal = nmrsim::simulate(nmrsim::with_parameters(wider, truth));
        nmrsim::add_noise(signal, kNoise, seed, c);
        curves.names.push_back("curve");
        curves.signal.insert(curves.signal.end(), signal.mx.begin(), signal.mx.end());
        curves.signal.insert(curves.signal.end(), signal.my.begin(), signal.my.end());
        for (std::size_t i = 0; i < 3 * kStarts; ++i) {
            starts.push_back(truth[i % 3] + spread[i % 3] * random.normal());
        }
    }
    Judged result;
    nmrinverse::RefineOptions options;
    options.noise = kNoise;
    options.widenings = widenings;
    result.refined = nmrinverse::refined_estimates(curves, starts, experiment, options);
    nmrinverse::JudgeOptions judging;
    judging.noise = kNoise;
    judging.best_fit = true;
    nmrinverse::Predictions at = result.refined.estimates;
    for (std::size_t c = 0; c < curves.count(); ++c) {
        const double share = result.refined.effective_share[c];
        judging.efficiency.push_back(share > 0.0 ? share : 1.0);
        std::copy_n(result.refined.fits[c].estimate.begin(), 3,
                    at.mean.begin() + static_cast<std::ptrdiff_t>(3 * c));
    }
    const nmrinverse::Judgements judgements = nmrinverse::judge(curves, at, experiment, judging);
    for (std::size_t c = 0; c < curves.count(); ++c) {
        const bool doubted = !result.refined.doubt[c].empty();
        result.verdict.push_back(std::max(judgements.verdict[c], doubted
                                                                     ? nmrinverse::Verdict::caution
                                                                     : nmrinverse::Verdict::ok));
        result.reason.push_back(judgements.reason[c] + "; " + result.refined.doubt[c]);
    }
    return result;
}

/// Largest error of a curve's estimate, in its standard deviations.
double worst_error(const Judged& fits, const std::vector<double>& parameters, std::size_t curve) {
    double worst = 0.0;
    for (std::size_t i = 3 * curve; i < 3 * curve + 3; ++i) {
        worst = std::max(worst, std::abs(fits.refined.estimates.mean[i] - parameters[i]) /
                                    fits.refined.estimates.sd[i]);
    }
    return worst;
}

}  // namespace

TEST_CASE("of good curves none is called ok and is wrong, and few are not called ok", "[verdict]") {
    const nmrsim::Prior prior = nmrsim::load_experiment("challenge-2021").prior;
    const std::size_t count = 40;
    const std::vector<double> parameters = nmrsim::draw_many(prior, count, 4711);
    const Judged fits = judged(parameters, 5);
    std::size_t ok = 0, ok_and_wrong = 0, rejected = 0;
    for (std::size_t c = 0; c < count; ++c) {
        const bool right = worst_error(fits, parameters, c) < 4.5;
        CAPTURE(c, worst_error(fits, parameters, c), fits.reason[c]);
        CHECK((right || fits.verdict[c] != nmrinverse::Verdict::ok));
        ok += fits.verdict[c] == nmrinverse::Verdict::ok;
        ok_and_wrong += !right && fits.verdict[c] == nmrinverse::Verdict::ok;
        rejected += fits.verdict[c] == nmrinverse::Verdict::reject;
    }
    CHECK(ok_and_wrong == 0);
    CHECK(rejected == 0);
    // 287 of 8,000 got caution: of 40 one or two, six with a chance of 1%.
    CHECK(ok >= count - 6);
}

TEST_CASE("intervals of refined estimates hold their share where chi-square bends",
          "[importance]") {
    // Curves that the fit's covariance would be taken for: its 90% would hold 0.83 to 0.87 of
    // alpha_z.
    struct Case {
        double noise;
        std::uint64_t seed, index;
    };
    for (const Case& at : {Case{1e-3, 900003, 410}, Case{1e-2, 900004, 58}}) {
        CAPTURE(at.noise, at.index);
        nmrsim::Experiment experiment = nmrsim::load_experiment("challenge-2021");
        experiment.acquisition.noise = at.noise;
        const nmrsim::Dataset data = nmrsim::generate_dataset(experiment, 1, at.seed, at.index);
        nmrinverse::Curves curves;
        curves.names.push_back("curve");
        curves.time_us = data.time_us;
        curves.signal = data.signal;
        nmrinverse::RefineOptions options;
        options.noise = at.noise;
        const nmrinverse::RefinedEstimates refined =
            nmrinverse::refined_estimates(curves, data.parameters, experiment, options, {}, 200);
        const nmrinverse::Refinement& fit = refined.fits.front();
        REQUIRE((fit.minima() == 1 && fit.valleys.empty()));
        CHECK(refined.effective_share.front() == 0.0);
        // By weights of simulations.
        nmrinverse::ImportanceOptions many;
        many.draws = 1024;
        many.enough = 2000.0;
        const nmrinverse::WeightedPosterior oracle =
            nmrinverse::importance_posterior(experiment, data.signal, fit, options, nullptr, many);
        const nmrinverse::Predictions& p = refined.estimates;
        for (std::size_t k = 0; k < 3; ++k) {
            double held = 0.0, drawn = 0.0;
            for (std::size_t i = 0; i < oracle.count(); ++i) {
                const double value = oracle.samples[3 * i + k];
                if (value >= p.q05[k] && value <= p.q95[k]) held += oracle.weights[i];
            }
            for (std::size_t i = 0; i < 200; ++i) {
                const double value = refined.samples[3 * i + k];
                drawn += value >= p.q05[k] && value <= p.q95[k] ? 1.0 / 200.0 : 0.0;
            }
            CAPTURE(k, held, drawn);
            // Quantiles of some 1,500 effective samples, and the oracle's 2,000: 0.010.
            CHECK(std::abs(held - 0.9) < 0.035);
            CHECK(std::abs(drawn - 0.9) < 4.0 * 0.3 / std::sqrt(200.0));
        }
    }
}

TEST_CASE("an estimate at the prior's edge has no narrow interval without a word", "[verdict]") {
    // alpha_x ends at 150 kHz; a curve of these tells it to some 0.02 kHz.
    std::vector<double> parameters;
    const double alpha_x[] = {148.0, 149.98, 150.0, 150.02, 150.1};
    for (const double x : alpha_x) parameters.insert(parameters.end(), {x, 120.0, 40.0});
    const Judged fits = judged(parameters, 6, 1);
    CHECK(fits.verdict.front() == nmrinverse::Verdict::ok);
    std::size_t at_edge = 0;
    for (std::size_t c = 0; c < std::size(alpha_x); ++c) {
        const nmrinverse::Predictions& p = fits.refined.estimates;
        CAPTURE(alpha_x[c], p.mean[3 * c], p.sd[3 * c], p.q95[3 * c], fits.reason[c]);
        CHECK(p.q95[3 * c] <= 150.0);
        const double fit = fits.refined.fits[c].estimate[0];
        const bool edge = fit >= 150.0 - 0.1 * fits.refined.fits[c].deviations()[0];
        at_edge += edge;
        if (edge) CHECK(fits.verdict[c] != nmrinverse::Verdict::ok);
        if (fits.verdict[c] == nmrinverse::Verdict::ok) {
            CHECK(worst_error(fits, parameters, c) < 4.5);
        }
    }
    CHECK(at_edge >= 2);
}

TEST_CASE("joint estimates at the prior's edge stay inside", "[joint]") {
    // At the lower edge of alpha_x, and a deviation and a half below the upper edge of theta.
    const nmrinverse::JointFit fit = joint_fit({0.0, 45.0, 0.0, 87.0}, {2.0, 0.5, 2.0, 2.0});
    const nmrinverse::RefinedEstimates rows = nmrinverse::joint_estimates(fit, kPrior);
    const nmrinverse::Predictions& p = rows.estimates;
    // Half a normal density: sqrt(2 / pi), sqrt(1 - 2 / pi), and normal quantiles of
    // (1 + share) / 2.
    CHECK(p.mean[0] == Approx(2.0 * 0.797884561));
    CHECK(p.sd[0] == Approx(2.0 * 0.602810211));
    CHECK(p.q05[0] == Approx(2.0 * 0.062706778));
    CHECK(p.q25[0] == Approx(2.0 * 0.318639364));
    CHECK(p.q75[0] == Approx(2.0 * 1.150349380));
    CHECK(p.q95[0] == Approx(2.0 * 1.959963985));
    // Far inside it is whole.
    CHECK(p.mean[1] == 45.0);
    CHECK(p.sd[1] == 0.5);
    CHECK(p.q95[1] == Approx(45.0 + 0.5 * 1.644853627));
    // Below 1.5 deviations lies 0.933193 of a normal density: 0.95 of that is 0.886533,
    // at 1.208295.
    CHECK(p.q95[3] == Approx(87.0 + 2.0 * 1.208295).epsilon(1e-6));
    for (std::size_t i = 0; i < 4; ++i) {
        const nmrsim::PriorRange& range = kPrior[i % 2];
        CHECK(p.q05[i] >= range.low);
        CHECK(p.q95[i] <= range.high);
        CHECK(p.mean[i] > p.q05[i]);
        CHECK(p.mean[i] < p.q95[i]);
    }
    // What is judged is the fit itself.
    CHECK(rows.fits[0].estimate == std::vector<double>{0.0, 45.0});
    CHECK(rows.fits[1].estimate == std::vector<double>{0.0, 87.0});
}
