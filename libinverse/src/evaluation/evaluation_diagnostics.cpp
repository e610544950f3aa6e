#include <algorithm>
#include <cmath>

#include "evaluation/table_column.h"
#include "nmrinverse/evaluation.h"

namespace nmrinverse {
namespace {

/// Coverage of [low, high] of unknown k in one third.
Coverage covered(const Evaluation& evaluation, std::size_t k, const std::vector<double>& low,
                 const std::vector<double>& high, double nominal, const std::vector<int>& third,
                 int which) {
    const std::size_t unknowns = evaluation.scores.size();
    // 1/2 where the interval holds the true value, 0 where not: a transform in its stead.
    std::vector<double> inside;
    for (std::size_t i = 0; i < evaluation.count; ++i) {
        const double truth = evaluation.truth[i * unknowns + k];
        const std::size_t at = i * unknowns + k;
        inside.push_back(truth >= low[at] && truth <= high[at] ? 0.5 : 0.0);
    }
    return coverage_of(in_third(inside, third, which), nominal);
}

CoverageInThirds in_thirds(const Evaluation& evaluation, std::size_t of, std::size_t by,
                           bool of_estimates) {
    const std::size_t unknowns = evaluation.scores.size();
    const Predictions& estimates = evaluation.predictions;
    const std::vector<double> values =
        column(of_estimates ? estimates.mean : evaluation.truth, unknowns, by);
    const std::vector<int> third = thirds_of(values);
    CoverageInThirds result;
    result.name = evaluation.scores[of].name;
    result.by = evaluation.scores[by].name;
    result.of_estimates = of_estimates;
    for (int which = 0; which < 3; ++which) {
        const std::vector<double> own = in_third(values, third, which);
        if (own.empty()) continue;
        const auto [least, most] = std::minmax_element(own.begin(), own.end());
        result.from[which] = *least;
        result.to[which] = *most;
        result.coverage50[which] =
            covered(evaluation, of, estimates.q25, estimates.q75, 0.5, third, which);
        result.coverage90[which] =
            covered(evaluation, of, estimates.q05, estimates.q95, 0.9, third, which);
    }
    return result;
}

}  // namespace

Diagnostics diagnose(const Evaluation& evaluation) {
    const std::size_t unknowns = evaluation.scores.size();
    const PosteriorArrays& posterior = evaluation.posterior;
    Diagnostics result;
    std::vector<double> ranks = posterior.transforms;
    if (!posterior.samples.empty()) {
        const std::size_t draws = posterior.samples.size() / evaluation.truth.size();
        ranks = transforms_of_ranks(
            calibration_ranks(posterior.samples, evaluation.truth, unknowns), draws);
        result.tarp_box = tarp(posterior.samples, evaluation.truth, unknowns, TarpReference::box);
        if (draws >= 8) {
            result.tarp_local =
                tarp(posterior.samples, evaluation.truth, unknowns, TarpReference::local);
        }
    }
    // A choice has no rank among numbers, and no intervals.
    const auto ordered = [&](std::size_t k) { return !evaluation.prior[k].categorical(); };
    for (std::size_t k = 0; k < unknowns && !ranks.empty(); ++k) {
        if (!ordered(k)) continue;
        // The closed-form marginals have no steps: better for coverage than ranks.
        const std::vector<double>& exact =
            posterior.transforms.empty() ? ranks : posterior.transforms;
        result.unknowns.push_back({evaluation.scores[k].name,
                                   uniformity_of(column(ranks, unknowns, k)),
                                   coverage_curve(column(exact, unknowns, k))});
    }
    for (std::size_t of = 0; of < unknowns; ++of) {
        for (std::size_t by = 0; by < unknowns; ++by) {
            if (!ordered(of) || !ordered(by)) continue;
            for (const bool of_estimates : {false, true}) {
                result.thirds.push_back(in_thirds(evaluation, of, by, of_estimates));
            }
        }
    }
    if (!posterior.log_density.empty()) {
        result.log_density = expected_log_density(posterior.log_density);
        result.information = result.log_density;
        for (const nmrsim::PriorRange& range : evaluation.prior) {
            result.information->mean += std::log(range.high - range.low);
        }
    }
    return result;
}

}  // namespace nmrinverse
