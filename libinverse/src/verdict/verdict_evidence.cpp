// From what is known about a fit to a verdict: numbers only, no simulation.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "nmrinverse/verdict.h"

namespace nmrinverse {
namespace {

/// Squared residual that noise and the estimate's error explain, and the share of it that is
/// correlated from sample to sample.
struct Explained {
    double most = 0.0;     ///< largest squared residual without doubt
    double noise = 0.0;    ///< largest of noise alone
    double least = 0.0;    ///< smallest
    double colored = 1.0;  ///< share that need not be white
};

Explained explained_by(const VerdictEvidence& evidence) {
    const double noise = 2.0 * evidence.noise * evidence.noise;
    const double error = std::max(0.0, evidence.expected * evidence.expected - noise);
    // The mean of |noise|^2 over the points has the relative standard deviation 1 / sqrt(points).
    const double points = static_cast<double>(std::max<std::size_t>(evidence.points, 1));
    const double spread = kDeviations * std::hypot(std::sqrt(evidence.noise_excess / points),
                                                   evidence.noise_uncertainty);
    const double slack = kNoiseSlack * kNoiseSlack;
    const double largest_error = kCautionRatio * kCautionRatio * error;
    Explained result;
    result.noise = noise * (slack + spread);
    result.most = result.noise + largest_error;
    result.least = evidence.noise_is_bound ? 0.0 : noise * std::max(0.0, 1.0 / slack - spread);
    if (noise > 0.0) result.colored = largest_error / (largest_error + noise);
    return result;
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
    switch (verdict) {
        case Verdict::ok:
            return "ok";
        case Verdict::caution:
            return "caution";
        default:
            return "reject";
    }
}

Judgement verdict_of(const VerdictEvidence& evidence) {
    Judgement result;
    const auto find = [&](Verdict verdict, const std::string& reason) {
        result.verdict = std::max(result.verdict, verdict);
        result.reason += (result.reason.empty() ? "" : "; ") + reason;
    };
    if (!evidence.finite || !std::isfinite(evidence.residual) ||
        !std::isfinite(evidence.expected)) {
        find(Verdict::reject, "not finite");
        return result;
    }
    const Explained explained = explained_by(evidence);
    const double square = evidence.residual * evidence.residual;
    const double ratio = evidence.residual / evidence.expected;
    const double white =
        evidence.noise_correlation +
        kDeviations * std::sqrt(evidence.noise_excess) /
            std::sqrt(2.0 * static_cast<double>(std::max<std::size_t>(evidence.points, 1)));
    const double colored_square = square * evidence.correlation;
    if (!(evidence.residual <= kRejectRatio * evidence.expected)) {
        find(evidence.fitted ? Verdict::reject : Verdict::caution,
             fmt::format("residual {:.3g} times the expected one", ratio));
    } else if (evidence.fitted && evidence.noise > 0.0 && evidence.correlation > white &&
               colored_square > kMisfitRatio * kMisfitRatio * explained.most) {
        find(Verdict::reject, fmt::format("residual {:.3g} times the expected one", ratio));
    } else if (square > explained.most) {
        find(Verdict::caution, fmt::format("residual {:.3g} times the expected one", ratio));
    }
    if (square < explained.least) {
        find(Verdict::caution, fmt::format("residual {:.3g} times the noise given",
                                           std::sqrt(0.5 * square) / evidence.noise));
    }
    if (evidence.correlation > explained.colored + white) {
        find(Verdict::caution, fmt::format("residual correlated by {:.2g}", evidence.correlation));
    }
    const bool confirmed = evidence.distance || evidence.efficiency;
    // The residual of a weak curve is noise.
    if (!confirmed && square > explained.noise &&
        evidence.residual > kUnfollowedShare * evidence.magnitude) {
        find(Verdict::caution, "the fit does not follow the curve");
    }
    if (evidence.nearest && *evidence.nearest > evidence.magnitude &&
        *evidence.nearest * *evidence.nearest > explained.noise) {
        find(Verdict::caution, "no draw of the posterior follows the curve");
    }
    if (evidence.clipped) find(Verdict::caution, "clipped");
    if (evidence.piled) find(Verdict::caution, "at the edge of the prior");
    if (evidence.untold) find(Verdict::caution, "the curve does not tell an unknown");
    if (evidence.distance && !(*evidence.distance <= kFarShare)) {
        find(Verdict::caution, "unlike the curves of the training");
    }
    if (evidence.efficiency && !(*evidence.efficiency >= kLeastEfficiency)) {
        find(Verdict::caution,
             fmt::format("posterior and curve overlap by {:.2g}%", 100.0 * *evidence.efficiency));
    }
    return result;
}

double residual_correlation(std::span<const float> residual) {
    const std::size_t points = residual.size() / 2;
    double square = 0.0;
    for (const float value : residual) square += static_cast<double>(value) * value;
    if (!(square > 0.0)) return 0.0;
    double largest = 0.0;
    for (std::size_t lag = 1; lag <= kLags && lag < points; ++lag) {
        double product = 0.0;
        for (const std::size_t part : {std::size_t{0}, points}) {
            for (std::size_t i = part; i + lag < part + points; ++i) {
                product += static_cast<double>(residual[i]) * residual[i + lag];
            }
        }
        largest = std::max(largest, std::abs(product) / square);
    }
    return largest;
}

std::size_t longest_clipped_run(std::span<const float> signal) {
    const std::size_t points = signal.size() / 2;
    std::size_t longest = 0;
    for (const std::size_t part : {std::size_t{0}, points}) {
        const auto channel = signal.subspan(part, points);
        if (channel.empty()) continue;
        const auto [low, high] = std::minmax_element(channel.begin(), channel.end());
        if (*low == *high) continue;
        std::size_t run = 0;
        for (std::size_t i = 0; i < points; ++i) {
            const bool extreme = channel[i] == *low || channel[i] == *high;
            run = !extreme ? 0 : i > 0 && channel[i] == channel[i - 1] ? run + 1 : 1;
            // A receiver that is off reads 0, which may be the least of |M|: no clipping.
            if (channel[i] != 0.0f) longest = std::max(longest, run);
        }
    }
    return longest;
}

}  // namespace nmrinverse
