#include "verdict.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "nmrsim/prior.h"
#include "nmrsim/simulate.h"

namespace nmrapps {
namespace {

/// Curves judged at a time, to bound the memory.
constexpr std::size_t kChunk = 512;

/// Mean square |M - M'| of two curves (2, points).
double mean_square(std::span<const float> a, std::span<const float> b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double difference = static_cast<double>(a[i]) - b[i];
        sum += difference * difference;
    }
    return sum / (0.5 * static_cast<double>(a.size()));
}

/// The estimate of a curve inside the prior's ranges; the middle where it is not finite.
std::vector<double> allowed_estimate(const nmrinverse::Predictions& estimates, std::size_t curve,
                                     const nmrsim::Prior& prior) {
    std::vector<double> values;
    for (std::size_t k = 0; k < prior.size(); ++k) {
        const double mean = estimates.mean[curve * prior.size() + k];
        values.push_back(std::isfinite(mean) ? std::clamp(mean, prior[k].low, prior[k].high)
                                             : 0.5 * (prior[k].low + prior[k].high));
    }
    return values;
}

/// `value` moved by its standard deviation, to the side where the prior has more room.
double moved(double value, double sd, const nmrsim::PriorRange& range) {
    if (!std::isfinite(sd)) return value;
    const bool up = value <= 0.5 * (range.low + range.high);
    return std::clamp(up ? value + sd : value - sd, range.low, range.high);
}

Verdict verdict_of(std::size_t curve, const nmrinverse::Predictions& estimates,
                   const nmrsim::Prior& prior, double residual, double expected, double magnitude) {
    bool doubtful = residual > kCautionRatio * expected || residual > kUnfollowedShare * magnitude;
    for (std::size_t k = 0; k < prior.size(); ++k) {
        const std::size_t i = curve * prior.size() + k;
        if (!std::isfinite(estimates.mean[i]) || !std::isfinite(estimates.sd[i])) {
            return Verdict::reject;
        }
        const double range = prior[k].high - prior[k].low;
        // Limits that a network returns meet a bound only to its rounding.
        const double margin = 1e-3 * range;
        doubtful = doubtful || estimates.q05[i] <= prior[k].low + margin ||
                   estimates.q95[i] >= prior[k].high - margin ||
                   estimates.sd[i] > kUntoldShare * range / std::sqrt(12.0);
    }
    if (!(residual <= kRejectRatio * expected)) return Verdict::reject;
    return doubtful ? Verdict::caution : Verdict::ok;
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

Judgements judge(const Curves& curves, const nmrinverse::Predictions& estimates,
                 const nmrsim::Experiment& experiment, double noise, int threads,
                 const std::function<bool(double)>& progress) {
    const nmrsim::Prior& prior = experiment.prior;
    const std::size_t unknowns = prior.size();
    const bool lattice = !nmrsim::is_uniform(experiment);
    // At the estimate, moved in each unknown, and on a lattice with another draw of offsets.
    const std::size_t variants = 1 + unknowns + (lattice ? 1 : 0);
    const std::size_t row = 2 * curves.points();

    const std::vector<float> nothing(row, 0.0f);
    Judgements result;
    for (std::size_t begin = 0; begin < curves.count(); begin += kChunk) {
        const std::size_t count = std::min(kChunk, curves.count() - begin);
        std::vector<double> parameters;
        std::vector<std::uint64_t> seeds(lattice ? count * variants : 0, experiment.lattice.seed);
        for (std::size_t c = 0; c < count; ++c) {
            const std::vector<double> best = allowed_estimate(estimates, begin + c, prior);
            for (std::size_t v = 0; v < variants; ++v) {
                std::vector<double> values = best;
                if (v >= 1 && v <= unknowns) {
                    values[v - 1] = moved(best[v - 1], estimates.sd[(begin + c) * unknowns + v - 1],
                                          prior[v - 1]);
                }
                parameters.insert(parameters.end(), values.begin(), values.end());
            }
            if (lattice) seeds[c * variants + variants - 1] = experiment.lattice.seed + 1;
        }
        std::vector<float> simulated(count * variants * row);
        const std::size_t done = nmrsim::simulate_batch(
            experiment, parameters, seeds, simulated, threads, [&](std::size_t now) {
                const double share = static_cast<double>(now) / (count * variants);
                return !progress || progress((begin + share * count) / curves.count());
            });
        for (std::size_t c = 0; c < done / variants; ++c) {
            const auto variant = [&](std::size_t v) {
                return std::span<const float>(simulated).subspan((c * variants + v) * row, row);
            };
            const auto data = std::span<const float>(curves.signal).subspan((begin + c) * row, row);
            double expected = 2.0 * noise * noise;
            for (std::size_t v = 1; v < variants; ++v)
                expected += mean_square(variant(v), variant(0));
            result.residual.push_back(std::sqrt(mean_square(data, variant(0))));
            result.expected.push_back(std::sqrt(expected));
            const double magnitude = std::sqrt(mean_square(data, nothing));
            result.verdict.push_back(verdict_of(begin + c, estimates, prior, result.residual.back(),
                                                result.expected.back(), magnitude));
            result.fit.insert(result.fit.end(), variant(0).begin(), variant(0).end());
        }
        if (done < count * variants) break;
    }
    return result;
}

}  // namespace nmrapps
