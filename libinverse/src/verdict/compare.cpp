#include "nmrinverse/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <stdexcept>

#include "nmrinverse/importance.h"
#include "nmrinverse/measured_echo.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/prior.h"
#include "nmrsim/random.h"
#include "verdict/csv_field.h"

namespace nmrinverse {
namespace {

/// Starts of an alternative beside its own best fit, and how many of them are followed.
constexpr int kStarts = 256;
constexpr int kFollowed = 16;
/// Where their random numbers begin, beyond those of searches.
constexpr std::uint64_t kStartDraws = std::uint64_t{1} << 33;

nmrsim::Experiment without_coupling(nmrsim::Experiment experiment) {
    std::erase_if(experiment.prior, [](const nmrsim::PriorRange& range) {
        return range.name.starts_with("alpha_") || range.name.starts_with("summed_");
    });
    experiment.interaction.alpha_y_khz.reset();
    for (const char* setting : {"interaction.alpha_x_khz = 0", "interaction.alpha_z_khz = 0"}) {
        nmrsim::apply_setting(experiment, setting);
    }
    return experiment;
}

/// The curve as the best alternative had it, under its noise.
RefineOptions options_for(const FitOptions& options, const FitResult& best, std::size_t curve,
                          const nmrsim::Experiment& acquired) {
    RefineOptions result;
    result.noise = best.refinements[curve].effective_noise;
    static_cast<ReceiverUnknowns&>(result) = options.receiver();
    result.fit_time_zero = options.fit_time_zero || options.measured;
    // As far about the best one's place as that was from where it was sought.
    const double spacing_us = nmrsim::sample_spacing_us(acquired);
    result.time_zero_range_us = 2.0 * options.time_zero_range_us.value_or(
                                          options.measured ? clock_range_us(acquired, spacing_us)
                                                           : result.time_zero_range_us);
    if (const Curves::Own* own = best.curves.own_of(curve)) {
        result.relative_noise = own->relative_noise;
    }
    result.screened = result.drawn = kStarts;
    result.refined = kFollowed;
    result.seed = options.seed;
    result.threads = options.threads;
    return result;
}

/// Its own best fit, then draws of the prior.
std::vector<double> starts_of(const nmrsim::Prior& prior, const Refinement& fit,
                              std::uint64_t seed) {
    std::vector<double> starts = fit.estimate;
    for (std::uint64_t i = 0; i < kStarts; ++i) {
        nmrsim::CounterRandom random(seed, kStartDraws + i, nmrsim::RandomStream::search);
        for (const nmrsim::PriorRange& range : prior) {
            starts.push_back(range.low + (range.high - range.low) * random.uniform());
        }
    }
    return starts;
}

}  // namespace

std::vector<Alternative> alternatives_of(const nmrsim::Experiment& experiment,
                                         std::span<const std::string> words) {
    std::vector<Alternative> result;
    for (const std::string& word : words) {
        for (const Alternative& before : result) {
            if (before.name == word) throw std::invalid_argument(word + " is named twice");
        }
        if (word == "uniform") {
            result.push_back({word, experiment});
        } else if (word == "none") {
            result.push_back({word, without_coupling(experiment)});
        } else {
            nmrsim::Experiment other = experiment;
            try {
                nmrsim::apply_setting(other, fmt::format("line.shape = \"{}\"", word));
            } catch (const std::exception& error) {
                throw std::invalid_argument(
                    fmt::format("expected uniform, none or the name of a line, got {} ({})", word,
                                error.what()));
            }
            result.push_back({word, std::move(other)});
        }
        if (result.back().experiment.prior.empty()) {
            throw std::invalid_argument(word + " leaves no unknown in the prior");
        }
        result.back().experiment.validate();
    }
    return result;
}

Comparison compare(std::span<const Alternative> alternatives, std::span<const InputCurves> inputs,
                   const FitOptions& options) {
    if (alternatives.size() < 2 || options.joint) {
        throw std::invalid_argument(
            "to compare takes two or more alternatives, and each curve by itself");
    }
    std::vector<FitResult> fits;
    FitOptions plain = options;
    plain.judge = false;
    plain.samples = 0;
    for (const Alternative& alternative : alternatives) {
        if (!alternative.experiment.series.empty()) {
            throw std::invalid_argument("to compare takes records by themselves, no series");
        }
        fits.push_back(fit(alternative.experiment, inputs, plain));
    }
    Comparison result;
    for (const Alternative& one : alternatives) result.alternatives.push_back(one.name);
    result.curves = fits.front().curves.names;
    for (std::size_t c = 0; c < result.count(); ++c) {
        const auto misfit = [c](const FitResult& fit) {
            return fit.refinements[c].chi_square / fit.refinements[c].degrees;
        };
        const auto best = std::min_element(
            fits.begin(), fits.end(),
            [&](const FitResult& a, const FitResult& b) { return misfit(a) < misfit(b); });
        std::vector<double> evidence;
        for (std::size_t a = 0; a < alternatives.size(); ++a) {
            const nmrsim::Experiment acquired =
                best->curves.experiment_of(c, alternatives[a].experiment);
            const std::span<const float> signal = best->curves.samples(c);
            const RefineOptions fitting = options_for(options, *best, c, acquired);
            const Refinement there =
                refine(acquired, signal,
                       starts_of(acquired.prior, fits[a].refinements[c], options.seed), fitting);
            // Under the best one's noise, whatever this one leaves.
            Refinement weighed = there;
            weighed.effective_noise = fitting.noise;
            evidence.push_back(importance_posterior(acquired, signal, weighed, fitting, nullptr,
                                                    {.seed = options.seed, .index = c})
                                   .log_evidence);
            result.chi_square.push_back(there.chi_square);
            result.degrees.push_back(there.degrees);
        }
        const double most = *std::max_element(evidence.begin(), evidence.end());
        double sum = 0.0;
        for (const double log : evidence) sum += std::exp(log - most);
        for (const double log : evidence) {
            result.log_evidence.push_back(log);
            result.probability.push_back(std::exp(log - most) / sum);
        }
    }
    return result;
}

std::string comparison_as_csv(const Comparison& comparison) {
    std::string text = "curve,alternative,probability,log_evidence,chi_square,degrees\n";
    const std::size_t each = comparison.alternatives.size();
    for (std::size_t i = 0; i < comparison.probability.size(); ++i) {
        fmt::format_to(std::back_inserter(text), "{},{},{:.4g},{:.7g},{:.6g},{:.6g}\n",
                       csv_field(comparison.curves[i / each]), comparison.alternatives[i % each],
                       comparison.probability[i], comparison.log_evidence[i],
                       comparison.chi_square[i], comparison.degrees[i]);
    }
    return text;
}

}  // namespace nmrinverse
