// Evaluations of a trained model.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "evaluation/evaluated_fits.h"
#include "model/training_record.h"
#include "nmrinverse/diagnostic_figures.h"
#include "nmrinverse/evaluation_report.h"
#include "nmrinverse/model.h"

namespace nmrinverse {
namespace {

/// Of the one posterior that is drawn.
constexpr std::size_t kDrawsShown = 4000;
constexpr std::uint64_t kSeed = 1;

// Times may differ by the rounding of text files [us].
constexpr double kTimeTolerance = 1e-3;

/// Throws: std::invalid_argument that says in what the data differ from what the model was trained
/// for.
void require_same_kind(const Model& model, const nmrsim::Dataset& data) {
    const nmrsim::Experiment& experiment = model.experiment();
    const std::size_t unknowns = experiment.prior.size();
    if (data.unknowns.size() != unknowns) {
        throw std::invalid_argument(fmt::format(
            "the data must have the model's {} unknowns, got {}", unknowns, data.unknowns.size()));
    }
    for (std::size_t k = 0; k < unknowns; ++k) {
        if (data.unknowns[k].name != experiment.prior[k].name) {
            throw std::invalid_argument(fmt::format("the data's unknown {} must be {}, got {}",
                                                    k + 1, experiment.prior[k].name,
                                                    data.unknowns[k].name));
        }
    }
    if (data.parameters.empty() || data.parameters.size() != data.count() * unknowns) {
        throw std::invalid_argument("the data's parameters must be known to evaluate a model");
    }
    const std::vector<double> times = nmrsim::acquisition_times_us(experiment);
    if (data.points() != times.size()) {
        throw std::invalid_argument(fmt::format("the data must have the model's {} points, got {}",
                                                times.size(), data.points()));
    }
    for (std::size_t t = 0; t < times.size(); ++t) {
        if (!(std::abs(data.time_us[t] - times[t]) <= kTimeTolerance)) {
            throw std::invalid_argument(fmt::format("the data's time {} must be {} us, got {}", t,
                                                    times[t], data.time_us[t]));
        }
    }
}

void add_model(Evaluation& evaluation, const Model& model, const nmrsim::Dataset& data) {
    evaluation.learnt = curves_learnt(model, data);
    evaluation.model = model_table(model);
    evaluation.training = record_json<nlohmann::ordered_json>(model.record()).dump();
}

}  // namespace

Evaluation evaluate(const Model& model, const nmrsim::Dataset& data, double noise, int threads) {
    require_same_kind(model, data);
    const auto start = std::chrono::steady_clock::now();
    Predictions predictions =
        model.predict(data.signal, data.count(), std::min(noise, model.largest_noise()), threads);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    Evaluation evaluation = evaluate_estimates(std::move(predictions), data);
    evaluation.seconds = seconds;
    add_model(evaluation, model, data);
    return evaluation;
}

std::uint64_t curves_learnt(const Model& model, const nmrsim::Dataset& data) {
    const nmrsim::Prior& prior = model.experiment().prior;
    const bool drawn_alike = std::equal(
        data.unknowns.begin(), data.unknowns.end(), prior.begin(), prior.end(),
        [](const nmrsim::PriorRange& a, const nmrsim::PriorRange& b) {
            return a.name == b.name && a.low == b.low && a.high == b.high && a.choices == b.choices;
        });
    if (data.version.empty() || !drawn_alike) return 0;
    return curves_learnt(model.record(), data.seed, data.first_index, data.count());
}

std::vector<std::string> evaluation_doubts(const Model& model, const nmrsim::Dataset& data,
                                           bool fitted) {
    std::vector<std::string> doubts;
    const std::string noisier = fitted ? "" : noise_doubt(noise_of(data), model.largest_noise());
    if (!noisier.empty()) doubts.push_back(noisier);
    if (const std::uint64_t learnt = curves_learnt(model, data); learnt > 0) {
        doubts.push_back(fmt::format(
            "the model learnt from {} of these {} curves: it looks better on them than it is; "
            "generate others under another --seed",
            learnt, data.count()));
    }
    return doubts;
}

Evaluation evaluate_posterior(const Model& model, const nmrsim::Dataset& data, int threads) {
    const double noise = std::min(noise_of(data), model.largest_noise());
    Evaluation evaluation = evaluate(model, data, noise, threads);
    const Posterior posterior = model.posterior(data.signal, data.count(), noise, threads);
    PosteriorArrays arrays;
    arrays.transforms = posterior.cdf(data.parameters);
    arrays.samples = posterior.sample(kRankedDraws, kSeed);
    arrays.log_density = posterior.log_prob(data.parameters);
    add_posterior(evaluation, std::move(arrays), data);
    return evaluation;
}

Evaluation evaluate_fits(const Model& model, const nmrsim::Dataset& data, FitOptions options) {
    require_same_kind(model, data);
    const auto fit_them = [&](std::span<const InputCurves> inputs, const FitOptions& used) {
        return fit(model, inputs, used);
    };
    Evaluation evaluation = evaluate_fits_by(fit_them, data, std::move(options));
    add_model(evaluation, model, data);
    return evaluation;
}

Table model_table(const Model& model) {
    const TrainingRecord& record = model.record();
    Table table;
    table.header = {"model", ""};
    table.rows = {{"experiment", model.experiment().name},
                  {"weights", fmt::format("{}", record.weights)},
                  {"curves seen in training", fmt::format("{}", record.curves_seen)},
                  {"training time", fmt::format("{:.0f} s on {}", record.seconds, record.device)},
                  {"trained by version", record.version}};
    return table;
}

void add_one_posterior(Page& page, const Model& model, const nmrsim::Dataset& data) {
    const double noise = std::min(noise_of(data), model.largest_noise());
    const nmrsim::Prior& prior = model.experiment().prior;
    const std::span<const float> curve = std::span(data.signal).first(2 * data.points());
    const std::vector<double> samples = model.posterior(curve, 1, noise).sample(kDrawsShown, kSeed);
    page.heading("One posterior");
    page.paragraph(
        "The first curve's: draws of the joint posterior, the true values marked; and "
        "how much each estimate hangs on the curve's samples.");
    page.figures({corner_figure("Joint posterior", prior, samples,
                                std::span(data.parameters).first(prior.size()))});
    page.figures({gradient_figure("What the estimates are read from", prior, data.time_us, curve,
                                  model.gradient(curve, noise))});
}

}  // namespace nmrinverse
