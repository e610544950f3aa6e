#include "refined_estimates.h"

#include <algorithm>
#include <cmath>

#include "nmrinverse/refine.h"
#include "nmrsim/random.h"

namespace nmrapps {
namespace {

/// A network may be too sure, most of all of curves noisier than those it was trained on: thirds of
/// the starts are drawn with so many of its standard deviations.
constexpr double kSpreads[] = {1.0, 3.0, 10.0};
constexpr std::size_t kStarts = 384;

/// Quantiles of a normal distribution [standard deviations].
constexpr double kQuantile95 = 1.6448536269514722;
constexpr double kQuantile75 = 0.6744897501960817;

std::vector<double> starts_about(const nmrinverse::Predictions& estimates, std::size_t curve,
                                 const nmrsim::Prior& prior) {
    const std::size_t unknowns = prior.size();
    nmrsim::CounterRandom random(0, curve, nmrsim::RandomStream::noise);
    std::vector<double> starts;
    for (std::size_t i = 0; i < kStarts; ++i) {
        const double spread = i == 0 ? 0.0 : kSpreads[i % std::size(kSpreads)];
        for (std::size_t k = 0; k < unknowns; ++k) {
            const double start = estimates.mean[curve * unknowns + k] +
                                 spread * estimates.sd[curve * unknowns + k] * random.normal();
            starts.push_back(std::clamp(start, prior[k].low, prior[k].high));
        }
    }
    return starts;
}

}  // namespace

RefinedEstimates refined_estimates(const Curves& curves, const nmrinverse::Predictions& estimates,
                                   const nmrsim::Experiment& experiment, double noise, int threads,
                                   const std::function<bool(double)>& progress) {
    const nmrsim::Prior& prior = experiment.prior;
    const std::size_t unknowns = prior.size();
    const std::size_t values = curves.count() ? curves.signal.size() / curves.count() : 0;
    RefinedEstimates result;
    nmrinverse::Predictions& out = result.estimates;
    out.unknowns = unknowns;
    nmrinverse::RefineOptions options;
    options.noise = noise;
    options.threads = threads;
    for (std::size_t c = 0; c < curves.count(); ++c) {
        const std::span<const float> signal =
            std::span<const float>(curves.signal).subspan(c * values, values);
        const nmrinverse::Refinement fit =
            nmrinverse::refine(experiment, signal, starts_about(estimates, c, prior), options);
        const std::vector<double> deviations = fit.deviations();
        for (std::size_t k = 0; k < unknowns; ++k) {
            const double mean = fit.estimate[k], sd = deviations[k];
            const auto inside = [&](double value) {
                return std::clamp(value, prior[k].low, prior[k].high);
            };
            out.mean.push_back(mean);
            out.sd.push_back(sd);
            out.q05.push_back(inside(mean - kQuantile95 * sd));
            out.q25.push_back(inside(mean - kQuantile75 * sd));
            out.q75.push_back(inside(mean + kQuantile75 * sd));
            out.q95.push_back(inside(mean + kQuantile95 * sd));
        }
        const double off = std::abs(fit.chi_square - fit.degrees);
        result.doubtful.push_back(!fit.converged || !fit.rivals.empty() ||
                                  off > 5.0 * std::sqrt(2.0 * fit.degrees));
        out.count = c + 1;
        if (progress && !progress(static_cast<double>(c + 1) / curves.count())) break;
    }
    return result;
}

}  // namespace nmrapps
