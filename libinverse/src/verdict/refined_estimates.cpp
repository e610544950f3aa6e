#include "verdict/refined_estimates.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <numbers>
#include <optional>
#include <stdexcept>

#include "fit/linear_algebra.h"
#include "nmrinverse/importance.h"
#include "nmrsim/random.h"
#include "nmrsim/threads.h"

namespace nmrinverse {
namespace {

/// Whether the fit's normal density stands for the posterior.
bool makes_posterior(const Refinement& fit, const nmrsim::Prior& prior) {
    if (!fit.rivals.empty() || !fit.valleys.empty()) return false;
    const std::vector<double> deviations = fit.deviations();
    // A fit's covariance is taken for the posterior, where no polynomial is, if its standard
    // deviations are at most this share of the prior's range and its estimate is so many of them
    // from the edges: beyond, chi-square bends within the posterior (measured on the 2021 task).
    constexpr double kNarrow = 0.01;
    constexpr double kFromEdge = 4.0;
    for (std::size_t k = 0; k < prior.size(); ++k) {
        const double low = prior[k].low, high = prior[k].high, sd = deviations[k];
        if (sd > kNarrow * (high - low)) return false;
        if (fit.estimate[k] - kFromEdge * sd < low || fit.estimate[k] + kFromEdge * sd > high) {
            return false;
        }
    }
    return true;
}

/// All that speaks against a fit, with "; " between.
std::string doubt_of(bool converged, std::size_t rivals, double chi_square, double degrees,
                     bool within_noise) {
    std::vector<std::string> doubts;
    if (!within_noise) {
        doubts.push_back(
            fmt::format("chi-square {:.5g} where {:.5g} is expected", chi_square, degrees));
    }
    if (rivals > 0) {
        doubts.push_back(fmt::format("{} other minim{} fit{} as well", rivals,
                                     rivals == 1 ? "um" : "a", rivals == 1 ? "s" : ""));
    }
    if (!converged) doubts.emplace_back("the fit did not come to rest");
    return fmt::format("{}", fmt::join(doubts, "; "));
}

/// What becomes of one curve: its row of the estimates and the rest.
struct Refined {
    Refinement fit;
    Predictions row;
    double effective_share = 0.0;
    std::vector<double> samples;  ///< (draws, unknowns)
};

/// Draws from weighted samples: each as often as its weight says, but for one; in no order.
std::vector<double> resampled(const WeightedPosterior& posterior, std::size_t draws,
                              nmrsim::CounterRandom& random) {
    std::vector<double> result;
    const double offset = random.uniform();
    double sum = 0.0;
    for (std::size_t i = 0, drawn = 0; i < posterior.count() && drawn < draws; ++i) {
        sum += posterior.weights[i];
        const bool last = i + 1 == posterior.count();  // rounding must not leave one out
        while (drawn < draws &&
               (last || (static_cast<double>(drawn) + offset) / static_cast<double>(draws) < sum)) {
            const auto sample =
                posterior.samples.begin() + static_cast<std::ptrdiff_t>(i * posterior.unknowns);
            result.insert(result.end(), sample,
                          sample + static_cast<std::ptrdiff_t>(posterior.unknowns));
            ++drawn;
        }
    }
    const auto row = [&](std::size_t i) {
        return result.begin() + static_cast<std::ptrdiff_t>(i * posterior.unknowns);
    };
    for (std::size_t left = draws; left > 1; --left) {
        const auto other = std::min(
            left - 1, static_cast<std::size_t>(random.uniform() * static_cast<double>(left)));
        std::swap_ranges(row(left - 1), row(left), row(other));
    }
    return result;
}

/// Draws from a fit's normal density.
std::vector<double> normal_draws(const Refinement& fit, std::size_t draws,
                                 nmrsim::CounterRandom& random) {
    const Eigen::MatrixXd root = root_of(fit.covariance);
    std::vector<double> result;
    Eigen::VectorXd z(root.cols());
    for (std::size_t i = 0; i < draws; ++i) {
        for (double& value : z) value = random.normal();
        const Eigen::VectorXd off = root * z;
        for (std::size_t k = 0; k < fit.estimate.size(); ++k) {
            result.push_back(fit.estimate[k] + off(static_cast<Eigen::Index>(k)));
        }
    }
    return result;
}

/// Mean, standard deviation and quantiles of a normal density.
void append_normal(double mean, double sd, Predictions& row) {
    row.mean.push_back(mean);
    row.sd.push_back(sd);
    // Quantiles of a normal distribution [standard deviations].
    constexpr double kQuantile95 = 1.6448536269514722;
    constexpr double kQuantile75 = 0.6744897501960817;
    row.q05.push_back(mean - kQuantile95 * sd);
    row.q25.push_back(mean - kQuantile75 * sd);
    row.q75.push_back(mean + kQuantile75 * sd);
    row.q95.push_back(mean + kQuantile95 * sd);
}

double normal_below(double x) {
    return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

/// The same of a normal density about `middle`, inside the range, that ends at its edges.
void append_cut_normal(double middle, double sd, const nmrsim::PriorRange& range,
                       Predictions& row) {
    const double low = (range.low - middle) / sd, high = (range.high - middle) / sd;
    // A normal density that ends so many standard deviations from its middle is whole: 2e-9 is
    // lost.
    constexpr double kCutsNothing = 6.0;
    if (low < -kCutsNothing && high > kCutsNothing) {
        append_normal(middle, sd, row);
        return;
    }
    const auto density = [](double x) {
        return std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi);
    };
    const double below = normal_below(low), mass = normal_below(high) - below;
    const double shift = (density(low) - density(high)) / mass;
    const double bend = (low * density(low) - high * density(high)) / mass;
    const auto quantile = [&](double share) {
        double from = low, to = high;
        for (int i = 0; i < 60; ++i) {
            const double x = 0.5 * (from + to);
            (normal_below(x) - below < share * mass ? from : to) = x;
        }
        return std::clamp(middle + sd * 0.5 * (from + to), range.low, range.high);
    };
    row.mean.push_back(middle + sd * shift);
    row.sd.push_back(sd * std::sqrt(1.0 + bend - shift * shift));
    row.q05.push_back(quantile(0.05));
    row.q25.push_back(quantile(0.25));
    row.q75.push_back(quantile(0.75));
    row.q95.push_back(quantile(0.95));
}

Refined with_posterior(const nmrsim::Experiment& experiment, std::span<const float> signal,
                       Refinement fit, const RefineOptions& options, std::size_t draws,
                       std::size_t curve) {
    const nmrsim::Prior& prior = experiment.prior;
    nmrsim::CounterRandom random(options.seed, curve, nmrsim::RandomStream::refined_draws);
    Refined result;
    result.fit = std::move(fit);
    Predictions& row = result.row;
    const ImportanceOptions drawing{.seed = options.seed, .index = curve};
    std::optional<WeightedPosterior> posterior =
        polynomial_posterior(experiment, signal, result.fit, options, drawing);
    if (!posterior && !makes_posterior(result.fit, prior)) {
        posterior = importance_posterior(experiment, signal, result.fit, options, nullptr, drawing);
        result.effective_share = posterior->effective_share();
    }
    if (posterior) {
        row.mean = posterior->mean;
        row.sd = posterior->deviations();
        row.q05 = posterior->q05;
        row.q25 = posterior->q25;
        row.q75 = posterior->q75;
        row.q95 = posterior->q95;
        result.samples = resampled(*posterior, draws, random);
        return result;
    }
    const std::vector<double> deviations = result.fit.deviations();
    for (std::size_t k = 0; k < prior.size(); ++k) {
        append_normal(result.fit.estimate[k], deviations[k], row);
    }
    result.samples = normal_draws(result.fit, draws, random);
    return result;
}

void append(const std::vector<double>& from, std::vector<double>& to) {
    to.insert(to.end(), from.begin(), from.end());
}

void append(Refined one, RefinedEstimates& result) {
    Predictions& out = result.estimates;
    append(one.row.mean, out.mean);
    append(one.row.sd, out.sd);
    append(one.row.q05, out.q05);
    append(one.row.q25, out.q25);
    append(one.row.q75, out.q75);
    append(one.row.q95, out.q95);
    ++out.count;
    result.doubt.push_back(doubt_of(one.fit.converged, one.fit.rivals.size(), one.fit.chi_square,
                                    one.fit.degrees, one.fit.within_noise()));
    result.effective_share.push_back(one.effective_share);
    append(one.samples, result.samples);
    result.fits.push_back(std::move(one.fit));
}

}  // namespace

void append_refinement(const nmrsim::Experiment& experiment, std::span<const float> signal,
                       Refinement fit, const RefineOptions& options, RefinedEstimates& result,
                       std::size_t draws) {
    result.estimates.unknowns = experiment.prior.size();
    append(
        with_posterior(experiment, signal, std::move(fit), options, draws, result.estimates.count),
        result);
}

RefinedEstimates joint_estimates(const JointFit& fit, const nmrsim::Prior& prior) {
    RefinedEstimates result;
    Predictions& out = result.estimates;
    out.count = fit.curves;
    out.unknowns = fit.unknowns;
    for (std::size_t i = 0; i < fit.estimate.size(); ++i) {
        append_cut_normal(fit.estimate[i], fit.deviations[i], prior[i % fit.unknowns], out);
    }
    result.effective_share.assign(fit.curves, 0.0);
    result.doubt.assign(fit.curves, doubt_of(fit.converged, fit.rivals, fit.chi_square, fit.degrees,
                                             fit.within_noise()));
    result.fits = fit.alone;
    for (std::size_t c = 0; c < fit.curves; ++c) {
        const auto row = fit.estimate.begin() + static_cast<std::ptrdiff_t>(c * fit.unknowns);
        result.fits[c].estimate.assign(row, row + static_cast<std::ptrdiff_t>(fit.unknowns));
        result.fits[c].factor = fit.factor[c];
        result.fits[c].time_zero_us = fit.time_zero_us[c];
    }
    return result;
}

RefinedEstimates refined_estimates(const Curves& curves, std::span<const double> samples,
                                   const nmrsim::Experiment& experiment, const RefineOptions& given,
                                   const std::function<bool(double)>& progress, std::size_t draws) {
    const nmrsim::Prior& prior = experiment.prior;
    const std::size_t count = curves.count();
    const std::size_t of_curve = count ? samples.size() / count : 0;
    if (of_curve % prior.size() != 0 || of_curve * count != samples.size() ||
        (count > 0 && of_curve == 0)) {
        throw std::invalid_argument(
            fmt::format("refined_estimates: {} numbers are no samples of {} unknowns for each of "
                        "{} curves",
                        samples.size(), prior.size(), count));
    }
    RefinedEstimates result;
    Predictions& out = result.estimates;
    out.unknowns = prior.size();
    RefineOptions options = given;
    const int threads = given.threads;
    // Each core takes a curve of its own, as long as there are enough of them.
    const auto cores = static_cast<std::size_t>(nmrsim::team_size(threads));
    const std::size_t block = count >= cores ? 4 * cores : 1;
    options.threads = count >= cores ? 1 : threads;
    for (std::size_t first = 0; first < count; first += block) {
        const std::size_t size = std::min(block, count - first);
        std::vector<Refined> refined(size);
        std::exception_ptr error;
#pragma omp parallel for schedule(dynamic) num_threads(static_cast <int>(cores)) if (size > 1)
        for (std::size_t i = 0; i < size; ++i) {
            try {
                const std::size_t c = first + i;
                const std::span<const float> signal = curves.samples(c);
                const nmrsim::Experiment acquired = curves.experiment_of(c, experiment);
                refined[i] = with_posterior(
                    acquired, signal,
                    refine(acquired, signal, samples.subspan(c * of_curve, of_curve), options),
                    options, draws, c);
            } catch (...) {
#pragma omp critical(refined_estimates)
                error = std::current_exception();
            }
        }
        if (error) std::rethrow_exception(error);
        for (Refined& one : refined) append(std::move(one), result);
        const double share = static_cast<double>(out.count) / static_cast<double>(count);
        if (progress && !progress(share)) break;
    }
    return result;
}

}  // namespace nmrinverse
