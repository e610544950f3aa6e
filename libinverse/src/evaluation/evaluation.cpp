#include "evaluation/evaluated_fits.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"

namespace nmrinverse {
namespace {

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<long>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2) return *middle;
    return 0.5 * (*middle + *std::max_element(values.begin(), middle));
}

UnknownScore score_of(const Predictions& predictions, const std::vector<double>& truth,
                      std::size_t unknown) {
    const std::size_t count = predictions.count;
    const auto n = static_cast<double>(count);
    UnknownScore score;
    std::vector<double> errors(count);
    double mean = 0.0;
    for (std::size_t i = 0; i < count; ++i) mean += truth[i * predictions.unknowns + unknown] / n;
    double variance = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t at = i * predictions.unknowns + unknown;
        errors[i] = std::abs(predictions.mean[at] - truth[at]);
        score.mse += errors[i] * errors[i] / n;
        variance += (truth[at] - mean) * (truth[at] - mean) / n;
        const auto inside = [&](double low, double high) {
            return truth[at] >= low && truth[at] <= high ? 1.0 / n : 0.0;
        };
        score.coverage50 += inside(predictions.q25[at], predictions.q75[at]);
        score.coverage90 += inside(predictions.q05[at], predictions.q95[at]);
    }
    score.rmse = std::sqrt(score.mse);
    score.median_error = median(std::move(errors));
    // Without any spread in the true values there is nothing to explain.
    score.r2 = variance > 0.0 ? 1.0 - score.mse / variance : 0.0;
    return score;
}

/// The experiment that made the data, with its challenge's score.
nmrsim::Experiment scored_experiment(const nmrsim::Dataset& data) {
    return with_shipped_score(nmrsim::parse_experiment(data.experiment_toml, "the data set"));
}

}  // namespace

double noise_of(const nmrsim::Dataset& data) {
    return nmrsim::parse_experiment(data.experiment_toml, "the data set").acquisition.noise;
}

Evaluation evaluate_fits_by(const FitCurves& fit, const nmrsim::Dataset& data, FitOptions options) {
    options.noise = noise_of(data);
    if (!(options.noise > 0.0)) {
        throw std::invalid_argument("fits need a data set made with acquisition.noise > 0");
    }
    options.refine = true;
    options.judge = false;
    if (options.samples == 0) options.samples = kRankedDraws;
    InputCurves input;
    input.name = "the data set";
    input.names.assign(data.count(), input.name);
    input.curves.time_us = data.time_us;
    input.curves.signal = data.signal;
    FitResult fits = fit({&input, 1}, options);
    Evaluation evaluation = evaluate_estimates(std::move(fits.estimates), data);
    // The score stays by the estimates, which are means of more than these draws.
    evaluation.posterior.samples = std::move(fits.samples);
    return evaluation;
}

Evaluation evaluate_fits(const nmrsim::Experiment& experiment, const nmrsim::Dataset& data,
                         FitOptions options) {
    const auto fit_them = [&](std::span<const InputCurves> inputs, const FitOptions& used) {
        return fit(experiment, inputs, used);
    };
    return evaluate_fits_by(fit_them, data, std::move(options));
}

Evaluation evaluate_estimates(Predictions estimates, const nmrsim::Dataset& data) {
    const nmrsim::Prior& prior = data.unknowns;
    if (estimates.count != data.count() || estimates.unknowns != prior.size()) {
        throw std::invalid_argument(
            fmt::format("estimates of {} unknowns for {} curves do not fit a data set of {} for {}",
                        estimates.unknowns, estimates.count, prior.size(), data.count()));
    }
    Evaluation evaluation;
    evaluation.count = data.count();
    evaluation.truth = data.parameters;
    evaluation.prior = prior;
    evaluation.predictions = std::move(estimates);
    for (std::size_t k = 0; k < prior.size(); ++k) {
        UnknownScore score = score_of(evaluation.predictions, evaluation.truth, k);
        score.name = prior[k].name;
        score.unit = nmrsim::parameter(prior[k].name).unit;
        score.categorical = prior[k].categorical();
        evaluation.scores.push_back(std::move(score));
    }
    // Estimates that were refined have no probabilities.
    if (!evaluation.predictions.probabilities.empty()) {
        evaluation.classification = evaluate_classification(evaluation.predictions, data);
    }
    const nmrsim::Experiment experiment = scored_experiment(data);
    if (experiment.score.scale != nmrsim::ScoreScale::none) {
        evaluation.challenge =
            challenge_result(experiment, evaluation.truth,
                             challenge_columns(experiment, evaluation.predictions.mean));
    }
    return evaluation;
}

void add_posterior(Evaluation& evaluation, PosteriorArrays posterior, const nmrsim::Dataset& data) {
    const std::size_t values = evaluation.truth.size();
    const auto fits = [&](const std::vector<double>& array, bool whole) {
        return array.empty() || (whole ? array.size() == values : array.size() % values == 0);
    };
    const bool densities_fit =
        posterior.log_density.empty() || posterior.log_density.size() == evaluation.count;
    if (values == 0 || !fits(posterior.transforms, true) || !fits(posterior.samples, false) ||
        !densities_fit) {
        throw std::invalid_argument(fmt::format(
            "a posterior's {} transforms, {} samples and {} log densities do not fit {} curves of "
            "{} unknowns",
            posterior.transforms.size(), posterior.samples.size(), posterior.log_density.size(),
            evaluation.count, evaluation.prior.size()));
    }
    evaluation.posterior = std::move(posterior);
    if (evaluation.challenge && !evaluation.posterior.samples.empty()) {
        const nmrsim::Experiment experiment = scored_experiment(data);
        evaluation.challenge =
            challenge_result(experiment, evaluation.truth,
                             challenge_means(experiment, evaluation.posterior.samples,
                                             evaluation.posterior.samples.size() / values));
    }
}

}  // namespace nmrinverse
