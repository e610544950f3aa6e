#include "nmrinverse/estimates_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <stdexcept>
#include <vector>

#include "nmrinverse/challenge_score.h"
#include "nmrinverse/classification.h"
#include "nmrsim/challenge_files.h"
#include "nmrsim/prior.h"
#include "verdict/csv_field.h"

namespace nmrinverse {

std::string csv_field(const std::string& text) {
    if (text.find_first_of(",\"\n") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text) {
        quoted += c;
        if (c == '"') quoted += c;
    }
    return quoted + "\"";
}

namespace {

/// Draws of a posterior that a challenge's columns are averaged over.
constexpr std::size_t kChallengeDraws = 99;

/// Probabilities of one curve's choices: (choices).
std::span<const double> probabilities_of(const Predictions& estimates, std::size_t curve,
                                         const nmrsim::PriorRange& unknown) {
    const std::size_t choices = unknown.choices.size();
    if (estimates.probabilities.size() != estimates.count * choices) {
        throw std::invalid_argument(fmt::format(
            "estimates of {} must have {} probabilities for {} curves, got {}", unknown.name,
            estimates.count * choices, estimates.count, estimates.probabilities.size()));
    }
    return std::span(estimates.probabilities).subspan(curve * choices, choices);
}

std::string header_of(const nmrsim::Prior& prior) {
    std::string text = "curve";
    for (const nmrsim::PriorRange& range : prior) {
        if (range.categorical()) {
            text += "," + range.name;
            for (const std::string& choice : range.choices) {
                text += fmt::format(",{}_{}", range.name, choice);
            }
        } else {
            text += fmt::format(",{0},{0}_sd,{0}_q05,{0}_q95", range.name);
        }
    }
    return text + ",residual,verdict\n";
}

}  // namespace

std::string estimates_as_csv(const Curves& curves, const Predictions& estimates,
                             const Judgements& judgements, const nmrsim::Prior& prior) {
    std::string text = header_of(prior);
    for (std::size_t c = 0; c < curves.count(); ++c) {
        text += csv_field(curves.names[c]);
        for (std::size_t k = 0; k < prior.size(); ++k) {
            if (prior[k].categorical()) {
                const std::span<const double> p = probabilities_of(estimates, c, prior[k]);
                text += "," + prior[k].choices[likeliest_choice(p)];
                for (const double probability : p) text += fmt::format(",{:.4g}", probability);
                continue;
            }
            const std::size_t i = c * prior.size() + k;
            text += fmt::format(",{:.7g},{:.4g},{:.7g},{:.7g}", estimates.mean[i], estimates.sd[i],
                                estimates.q05[i], estimates.q95[i]);
        }
        text += fmt::format(",{:.4g},{}\n", judgements.residual[c],
                            verdict_name(judgements.verdict[c]));
    }
    return text;
}

std::string samples_as_csv(const Curves& curves, std::span<const double> samples,
                           const nmrsim::Prior& prior) {
    std::string text = "curve,draw";
    for (const nmrsim::PriorRange& range : prior) text += "," + range.name;
    text += "\n";
    const std::size_t rows = samples.size() / prior.size();
    const std::size_t draws = curves.count() ? rows / curves.count() : 0;
    for (std::size_t row = 0; row < rows; ++row) {
        text += fmt::format("{},{}", csv_field(curves.names[row / draws]), row % draws);
        for (std::size_t k = 0; k < prior.size(); ++k) {
            const double value = samples[row * prior.size() + k];
            text += prior[k].categorical()
                        ? "," + prior[k].choices[nmrsim::choice_of(prior[k], value)]
                        : fmt::format(",{:.7g}", value);
        }
        text += "\n";
    }
    return text;
}

std::string challenge_rows(std::span<const double> values, std::size_t columns) {
    std::string text;
    for (std::size_t i = 0; i < values.size(); ++i) {
        text += fmt::format("{:.9g}{}", values[i], (i + 1) % columns == 0 ? '\n' : '\t');
    }
    return text;
}

std::string estimates_as_challenge(const Predictions& estimates,
                                   const nmrsim::Experiment& experiment) {
    const nmrsim::Prior& prior = experiment.prior;
    std::string text;
    for (std::size_t c = 0; c < estimates.count; ++c) {
        const auto begin = estimates.mean.begin() + static_cast<long>(c * prior.size());
        std::vector<double> values(begin, begin + static_cast<long>(prior.size()));
        for (std::size_t k = 0; k < prior.size(); ++k) {
            if (!prior[k].categorical()) continue;
            values[k] =
                nmrsim::choice_value(likeliest_choice(probabilities_of(estimates, c, prior[k])));
        }
        const std::vector<double> row = nmrsim::challenge_values(experiment, values);
        text += challenge_rows(row, row.size());
    }
    return text;
}

std::size_t challenge_draws(const FitOptions& options, const nmrsim::Experiment& experiment) {
    const bool averaged = !options.refines() && !experiment.challenge.empty() &&
                          nmrsim::find_categorical(experiment.prior) == nullptr;
    return averaged ? kChallengeDraws : 0;
}

std::string fit_as_challenge(const FitResult& result, const FitOptions& options,
                             const nmrsim::Experiment& experiment) {
    const std::size_t draws = challenge_draws(options, experiment);
    if (draws == 0) return estimates_as_challenge(result.estimates, experiment);
    return challenge_rows(challenge_means(experiment, result.first_samples(draws), draws),
                          experiment.challenge.size());
}

std::string t2_in_words(const Predictions& estimates, std::size_t curve,
                        const nmrsim::Experiment& experiment) {
    const nmrsim::Prior& prior = experiment.prior;
    const auto place_of = [&](const char* name) {
        return std::find_if(prior.begin(), prior.end(),
                            [&](const nmrsim::PriorRange& range) { return range.name == name; });
    };
    const auto rate = place_of("gamma3_per_s");
    if (rate == prior.end() || place_of("gamma1_per_s") != prior.end() ||
        place_of("gamma2_per_s") != prior.end()) {
        return "";
    }
    const std::size_t at =
        curve * prior.size() + static_cast<std::size_t>(std::distance(prior.begin(), rate));
    const auto t2_us = [&](double gamma3_per_s) {
        nmrsim::Relaxation relaxation = experiment.relaxation;
        relaxation.gamma3_per_s = gamma3_per_s;
        return 1e6 / relaxation.transverse_rate();
    };
    return fmt::format("T2 = {:.4g} us, 90% in {:.4g} to {:.4g}", t2_us(estimates.mean[at]),
                       t2_us(estimates.q95[at]), t2_us(estimates.q05[at]));
}

std::string choice_in_words(const Predictions& estimates, std::size_t curve,
                            const nmrsim::PriorRange& unknown) {
    const std::span<const double> p = probabilities_of(estimates, curve, unknown);
    const std::size_t likeliest = likeliest_choice(p);
    return fmt::format("{} ({:.1f}%)", unknown.choices[likeliest], 100.0 * p[likeliest]);
}

}  // namespace nmrinverse
