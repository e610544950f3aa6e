#include "nmrinverse/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "nmrinverse/refine.h"
#include "nmrsim/prior.h"
#include "nmrsim/series.h"
#include "nmrsim/simulate.h"

namespace nmrinverse {
namespace {

/// Curves judged at a time, to bound the memory.
constexpr std::size_t kChunk = 512;

/// Finer simulations only cost: single precision holds curves to 6e-8.
constexpr double kFinestTolerance = 1e-7;

/// Mean square |M - M'| of two curves (2, points).
double mean_square(std::span<const float> a, std::span<const float> b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double difference = static_cast<double>(a[i]) - b[i];
        sum += difference * difference;
    }
    return sum / (0.5 * static_cast<double>(a.size()));
}

/// `value` inside the range; the middle where it is not finite.
double allowed(double value, const nmrsim::PriorRange& range) {
    return std::isfinite(value) ? std::clamp(value, range.low, range.high)
                                : 0.5 * (range.low + range.high);
}

/// `value` moved by its standard deviation, to the side where the prior has more room.
double moved(double value, double sd, const nmrsim::PriorRange& range) {
    if (!std::isfinite(sd)) return value;
    const bool up = value <= 0.5 * (range.low + range.high);
    return std::clamp(up ? value + sd : value - sd, range.low, range.high);
}

/// One curve's estimate, and those around it that say how far its error shows.
class Variants {
public:
    Variants(const Predictions& estimates, const nmrsim::Prior& prior, const JudgeOptions& options,
             bool lattice)
        : estimates_(estimates), prior_(prior), options_(options), lattice_(lattice) {
        if (estimates.count == 0 || options.samples.empty()) return;
        draws_ = options.samples.size() / (estimates.count * prior.size());
    }

    /// Curves that tell the error, after the first, which is at the estimate.
    std::size_t around() const {
        if (options_.best_fit) return 0;
        return draws_ ? std::min(draws_, kMostDraws) : prior_.size();
    }
    /// All, on a lattice the one with another draw of offsets last.
    std::size_t count() const { return 1 + around() + (lattice_ ? 1 : 0); }
    bool drawn() const { return draws_ > 0 && !options_.best_fit; }
    /// The squared distances around are summed with this weight.
    double weight() const { return draws_ ? 1.0 / static_cast<double>(around()) : 1.0; }

    /// Parameters of variant v of a curve.
    void append(std::size_t curve, std::size_t v, std::vector<double>& parameters) const {
        const std::size_t unknowns = prior_.size();
        const bool around_it = v >= 1 && v <= around();
        for (std::size_t k = 0; k < unknowns; ++k) {
            const std::size_t at = curve * unknowns + k;
            double value = allowed(estimates_.mean[at], prior_[k]);
            if (around_it && draws_) {
                value =
                    allowed(options_.samples[(curve * draws_ + v - 1) * unknowns + k], prior_[k]);
            } else if (around_it && v - 1 == k) {
                value = moved(value, estimates_.sd[at], prior_[k]);
            }
            parameters.push_back(value);
        }
    }

private:
    const Predictions& estimates_;
    const nmrsim::Prior& prior_;
    const JudgeOptions& options_;
    bool lattice_;
    std::size_t draws_ = 0;
};

/// Whether every kernel of finite range has it, and shows it.
bool applies_to_every_kernel(const std::string& name) {
    return name != "xi" && name != "exponent";
}

/// What the estimates alone say.
void look_at_estimates(const Predictions& estimates, std::size_t curve, const nmrsim::Prior& prior,
                       VerdictEvidence& evidence) {
    const bool mixed = nmrsim::find_categorical(prior) != nullptr;
    for (std::size_t k = 0; k < prior.size(); ++k) {
        // A choice has no interval, and what does not apply to every choice may well stay untold.
        if (prior[k].categorical() || (mixed && !applies_to_every_kernel(prior[k].name))) continue;
        const std::size_t i = curve * prior.size() + k;
        const double low = estimates.q05[i], high = estimates.q95[i];
        evidence.finite = evidence.finite && std::isfinite(estimates.mean[i]) &&
                          std::isfinite(estimates.sd[i]) && std::isfinite(low) &&
                          std::isfinite(high);
        const double range = prior[k].high - prior[k].low;
        const double margin = std::max(1e-6 * range, kPiledShare * (high - low));
        const double mean = estimates.mean[i];
        evidence.piled =
            evidence.piled || mean <= prior[k].low + margin || mean >= prior[k].high - margin;
        evidence.piled =
            evidence.piled || low <= prior[k].low + margin || high >= prior[k].high - margin;
        evidence.untold =
            evidence.untold || estimates.sd[i] > kUntoldShare * range / std::sqrt(12.0);
    }
}

void require_fitting(const JudgeOptions& options, std::size_t count, std::size_t unknowns) {
    const auto check = [&](std::size_t size, const char* name) {
        if (size != 0 && size != count) {
            throw std::invalid_argument(
                fmt::format("{} must be of {} curves, got {}", name, count, size));
        }
    };
    check(options.noise_of.size(), "noise levels");
    check(options.distance.size(), "distances");
    check(options.efficiency.size(), "efficiencies");
    check(options.factor.size(), "receiver factors");
    check(options.time_zero_us.size(), "time zeros");
    if (count * unknowns == 0 ? !options.samples.empty()
                              : options.samples.size() % (count * unknowns) != 0) {
        throw std::invalid_argument(fmt::format("{} samples do not fit {} curves of {} unknowns",
                                                options.samples.size(), count, unknowns));
    }
}

/// The experiment so exact that the simulation's error is a tenth of the noise.
nmrsim::Experiment fine_for(nmrsim::Experiment experiment, double noise) {
    // |M| is at most 1/2.
    const double needed = noise > 0.0 ? std::max(kFinestTolerance, 0.1 * noise / 0.5) : 1.0;
    experiment.accuracy.tolerance = std::min(experiment.accuracy.tolerance, needed);
    return experiment;
}

/// The receiver's factor on a curve (2, points).
void turn(std::span<float> signal, std::complex<double> factor) {
    const std::size_t points = signal.size() / 2;
    for (std::size_t i = 0; i < points; ++i) {
        const std::complex<double> m = factor * std::complex<double>(signal[i], signal[points + i]);
        signal[i] = static_cast<float>(m.real());
        signal[points + i] = static_cast<float>(m.imag());
    }
}

/// What each sample of a curve counts, so that noise is alike: 1 in the mean over those that count;
/// empty where all are alike.
struct SampleFactors {
    std::vector<float> factor;  ///< (points)
    std::size_t counted = 0;

    SampleFactors(const Curves& curves, std::size_t curve, std::size_t points) : counted(points) {
        const Curves::Own* own = curves.own_of(curve);
        if (own == nullptr || own->relative_noise.empty()) return;
        for (const double relative : own->relative_noise) {
            factor.push_back(static_cast<float>(1.0 / relative));
            counted -= factor.back() == 0.0f;
        }
        // Means are taken over all samples.
        const double more = static_cast<double>(points) / static_cast<double>(counted);
        for (float& f : factor) f *= static_cast<float>(std::sqrt(more));
    }

    void apply(std::span<float> signal) const {
        for (std::size_t i = 0; i < signal.size() && !factor.empty(); ++i) {
            signal[i] *= factor[i % factor.size()];
        }
    }
};

}  // namespace

Judgements judge(const Curves& curves, const Predictions& estimates,
                 const nmrsim::Experiment& described, const JudgeOptions& options,
                 const std::function<bool(double)>& progress) {
    const auto noise_of = [&](std::size_t curve) {
        if (!options.noise_of.empty()) return options.noise_of[curve];
        NoiseEstimate told;
        told.sigma = options.noise;
        return told;
    };
    double least = options.noise_of.empty() ? options.noise : options.noise_of.front().sigma;
    for (const NoiseEstimate& noise : options.noise_of) {
        least = std::min(least, noise.sigma);
    }
    const nmrsim::Experiment experiment = fine_for(described, least);
    const nmrsim::Prior& prior = experiment.prior;
    require_fitting(options, curves.count(), prior.size());
    const bool lattice = !nmrsim::is_uniform(experiment);
    const Variants variants(estimates, prior, options, lattice);
    const std::size_t each = variants.count();
    Judgements result;
    const auto judge_one = [&](std::size_t curve, std::span<float> simulated) {
        const std::span<const float> given = curves.samples(curve);
        const std::size_t row = given.size();
        const SampleFactors factors(curves, curve, row / 2);
        std::vector<float> data(given.begin(), given.end());
        factors.apply(data);
        const std::vector<float> nothing(row, 0.0f);
        const auto variant = [&](std::size_t v) { return simulated.subspan(v * row, row); };
        if (!options.factor.empty()) {
            for (std::size_t v = 0; v < each; ++v) turn(variant(v), options.factor[curve]);
        }
        result.fit.emplace_back(variant(0).begin(), variant(0).end());
        for (std::size_t v = 0; v < each; ++v) factors.apply(variant(v));
        double error = 0.0;
        for (std::size_t v = 1; v <= variants.around(); ++v) {
            error += variants.weight() * mean_square(variant(v), variant(0));
        }
        if (lattice) error += mean_square(variant(each - 1), variant(0));
        const double simulation = experiment.accuracy.tolerance * peak_of(variant(0));
        error += simulation * simulation;

        VerdictEvidence evidence;
        look_at_estimates(estimates, curve, prior, evidence);
        const NoiseEstimate noise = noise_of(curve);
        evidence.noise = noise.sigma;
        evidence.noise_uncertainty = noise.uncertainty;
        for (std::size_t lag = 0; lag < noise.correlation.size(); ++lag) {
            const double r = std::abs(noise.correlation[lag]);
            evidence.noise_excess += 2.0 * r * r;
            if (lag < kLags) evidence.noise_correlation = std::max(evidence.noise_correlation, r);
        }
        evidence.noise_is_bound = options.noise_is_bound;
        evidence.fitted = options.best_fit;
        evidence.points = factors.counted;
        evidence.residual = std::sqrt(mean_square(data, variant(0)));
        evidence.expected = std::sqrt(error + 2.0 * evidence.noise * evidence.noise);
        evidence.magnitude = std::sqrt(mean_square(data, nothing));
        if (variants.drawn() && !options.checked) {
            evidence.nearest = evidence.residual;
            for (std::size_t v = 1; v <= variants.around(); ++v) {
                evidence.nearest =
                    std::min(*evidence.nearest, std::sqrt(mean_square(data, variant(v))));
            }
        }
        evidence.clipped = longest_clipped_run(given) >= kClippedRun;
        std::vector<float> residual(row);
        for (std::size_t i = 0; i < row; ++i) residual[i] = data[i] - variant(0)[i];
        evidence.correlation = residual_correlation(residual);
        if (!options.distance.empty()) evidence.distance = options.distance[curve];
        if (!options.efficiency.empty()) evidence.efficiency = options.efficiency[curve];

        const Judgement judgement = verdict_of(evidence);
        result.residual.push_back(evidence.residual);
        result.expected.push_back(evidence.expected);
        result.correlation.push_back(evidence.correlation);
        result.verdict.push_back(judgement.verdict);
        result.reason.push_back(judgement.reason);
    };

    // Curves whose clocks differ cannot share a batch.
    const bool alike = options.time_zero_us.empty() &&
                       std::none_of(curves.own.begin(), curves.own.end(),
                                    [](const auto& own) { return own != nullptr; });
    const std::size_t chunk = alike ? kChunk : 1;
    for (std::size_t begin = 0; begin < curves.count(); begin += chunk) {
        const std::size_t count = std::min(chunk, curves.count() - begin);
        std::vector<double> parameters;
        std::vector<std::uint64_t> seeds(lattice ? count * each : 0, experiment.lattice.seed);
        for (std::size_t c = 0; c < count; ++c) {
            for (std::size_t v = 0; v < each; ++v) variants.append(begin + c, v, parameters);
            if (lattice) seeds[c * each + each - 1] = experiment.lattice.seed + 1;
        }
        const std::size_t row = curves.samples(begin).size();
        std::vector<float> simulated(count * each * row);
        nmrsim::Experiment acquired = curves.experiment_of(begin, experiment);
        if (!options.time_zero_us.empty()) {
            acquired = nmrsim::with_later_samples(std::move(acquired), options.time_zero_us[begin]);
        }
        const std::size_t done = nmrsim::simulate_batch(
            acquired, parameters, seeds, simulated, options.threads, [&](std::size_t now) {
                const double share = static_cast<double>(now) / static_cast<double>(count * each);
                return !progress ||
                       progress((static_cast<double>(begin) + share * static_cast<double>(count)) /
                                static_cast<double>(curves.count()));
            });
        for (std::size_t c = 0; c < done / each; ++c) {
            judge_one(begin + c, std::span<float>(simulated).subspan(c * each * row, each * row));
        }
        if (done < count * each) break;
    }
    return result;
}

}  // namespace nmrinverse
