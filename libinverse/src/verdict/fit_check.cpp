#include "verdict/fit_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace nmrinverse {
namespace {

double largest(std::span<const float> curve) {
    float most = 0.0f;
    for (const float value : curve) most = std::max(most, std::abs(value));
    return static_cast<double>(most);
}

/// Whether a fit lies where the posterior does.
bool among(const Refinement& fit, const Predictions& estimates, std::size_t curve) {
    // A fit so many interval lengths beyond the 90% interval is another answer.
    constexpr double kFarIntervals = 2.0;
    for (std::size_t k = 0; k < estimates.unknowns; ++k) {
        const std::size_t i = curve * estimates.unknowns + k;
        const double margin = kFarIntervals * (estimates.q95[i] - estimates.q05[i]);
        if (fit.estimate[k] < estimates.q05[i] - margin ||
            fit.estimate[k] > estimates.q95[i] + margin) {
            return false;
        }
    }
    return true;
}

Judgement judgement_of(const Refinement& fit, const Predictions& estimates, std::size_t curve,
                       bool upper) {
    // Where the noise is an estimate, chi-square may be above what is expected by a share besides
    // kDeviations of its standard deviations.
    constexpr double kEstimateSlack = 1.2;
    const double slack = upper ? kEstimateSlack : 1.0;
    const double most = slack * fit.degrees + kDeviations * fit.chi_square_deviation;
    if (fit.chi_square > most) {
        const double correlated = fit.chi_square * std::abs(fit.residual_correlation);
        const bool far = fit.chi_square > kRejectRatio * kRejectRatio * fit.degrees ||
                         correlated > kMisfitRatio * kMisfitRatio * most;
        return {far ? Verdict::reject : Verdict::caution,
                fmt::format("no curve of the experiment fits: chi-square {:.5g} where {:.5g} is "
                            "expected",
                            fit.chi_square, fit.degrees)};
    }
    if (!among(fit, estimates, curve)) {
        return {Verdict::caution, "the best fit lies elsewhere (a refined fit gives it)"};
    }
    return {};
}

}  // namespace

std::vector<Judgement> check_by_fits(const Curves& curves, const Predictions& estimates,
                                     std::span<const double> starts, std::span<const double> noise,
                                     bool upper, const nmrsim::Experiment& experiment,
                                     const RefineOptions& options,
                                     const std::function<bool(double)>& progress) {
    const std::size_t of_curve = curves.count() ? starts.size() / curves.count() : 0;
    RefineOptions checking = options;
    // Of drawing starts anew where no fit is good enough: a fit that is only asked whether there is
    // one may give up sooner than one that is asked for.
    constexpr int kWidenings = 2;
    checking.widenings = kWidenings;
    std::vector<Judgement> result;
    // Where the noise is an estimate, it is taken for this share of the largest sample at least: a
    // curve without noise has other errors, of whoever simulated it.
    constexpr double kLeastShare = 1e-3;
    for (std::size_t c = 0; c < curves.count(); ++c) {
        if (progress && !progress(static_cast<double>(c) / static_cast<double>(curves.count()))) {
            break;
        }
        const std::span<const float> curve = curves.samples(c);
        checking.noise = upper ? std::max(noise[c], kLeastShare * largest(curve)) : noise[c];
        if (!(checking.noise > 0.0)) {
            result.push_back({});
            continue;
        }
        const Refinement fit = refine(curves.experiment_of(c, experiment), curve,
                                      starts.subspan(c * of_curve, of_curve), checking);
        result.push_back(judgement_of(fit, estimates, c, upper));
    }
    return result;
}

}  // namespace nmrinverse
