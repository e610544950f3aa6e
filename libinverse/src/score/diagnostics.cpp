#include "nmrinverse/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <stdexcept>

#include "nmrsim/random.h"

namespace nmrinverse {
namespace {

/// Levels of a TARP curve.
constexpr std::size_t kTarpSteps = 50;

/// Uses of the random stream that must not share numbers; the curve's index fills the rest.
enum class Use : std::uint64_t { ties = 0, steps = 1, references = 2, distance_ties = 3 };

nmrsim::CounterRandom random_of(std::uint64_t seed, Use use, std::size_t curve) {
    const std::uint64_t index = (static_cast<std::uint64_t>(use) << 56) + curve;
    return {seed, index, nmrsim::RandomStream::diagnostics};
}

/// Sizes of samples (count, draws, unknowns).
struct Shape {
    std::size_t count = 0;
    std::size_t draws = 0;
};

void require_finite(std::span<const double> values, const char* name) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!std::isfinite(values[i])) {
            throw std::invalid_argument(
                fmt::format("{} must be finite, got {} at {}", name, values[i], i));
        }
    }
}

Shape shape_of(std::span<const double> samples, std::span<const double> truth,
               std::size_t unknowns) {
    if (unknowns == 0 || truth.empty() || truth.size() % unknowns != 0 || samples.empty() ||
        samples.size() % truth.size() != 0) {
        throw std::invalid_argument(
            fmt::format("{} samples do not fit {} true values of {} unknowns", samples.size(),
                        truth.size(), unknowns));
    }
    require_finite(samples, "samples");
    require_finite(truth, "true values");
    return {truth.size() / unknowns, samples.size() / truth.size()};
}

/// Chance that chi-square of `degrees` > 0 degrees of freedom exceeds `value`: the finite sums of
/// M. Abramowitz, I. Stegun, Handbook of Mathematical Functions, 26.4.4 and 26.4.5.
double chi_square_tail(double value, std::size_t degrees) {
    const double half = 0.5 * value;
    double sum = degrees % 2 ? std::erfc(std::sqrt(half)) : 0.0;
    // Terms half^s exp(-half) / Gamma(s + 1), by logarithms: single factors leave the range.
    for (double s = degrees % 2 ? 0.5 : 0.0; s < 0.5 * static_cast<double>(degrees) - 0.25; ++s) {
        if (half > 0.0) {
            sum += std::exp(s * std::log(half) - half - std::lgamma(s + 1.0));
        } else if (s == 0.0) {
            sum += 1.0;
        }
    }
    return std::min(sum, 1.0);
}

/// Stephens' scaled deviation, whose distribution is Kolmogorov's for any count.
double deviation_scale(std::size_t count) {
    const double root = std::sqrt(static_cast<double>(count));
    return root + 0.12 + 0.11 / root;
}

/// Chance that Kolmogorov's statistic exceeds `scaled`.
double kolmogorov_tail(double scaled) {
    if (scaled < 0.2) return 1.0;  // 1 to 1e-12, where the series below needs many terms
    double sum = 0.0;
    for (int j = 1; j <= 100; ++j) {
        const double term = std::exp(-2.0 * j * j * scaled * scaled);
        sum += j % 2 ? term : -term;
        if (term < 1e-16) break;
    }
    return std::clamp(2.0 * sum, 0.0, 1.0);
}

/// Largest distance of the empirical distribution function of sorted values from the diagonal.
double largest_deviation_of(std::span<const double> sorted) {
    const auto n = static_cast<double>(sorted.size());
    double largest = 0.0;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        largest = std::max({largest, sorted[i] - static_cast<double>(i) / n,
                            static_cast<double>(i + 1) / n - sorted[i]});
    }
    return largest;
}

/// Number of `values` below `limit`; those that equal it count with a random share.
std::uint32_t rank_among(std::span<const double> values, std::size_t stride, double limit,
                         nmrsim::CounterRandom& random) {
    std::uint32_t below = 0, equal = 0;
    for (std::size_t i = 0; i < values.size(); i += stride) {
        below += values[i] < limit;
        equal += values[i] == limit;
    }
    if (equal == 0) return below;
    return below + static_cast<std::uint32_t>(random.uniform() * (equal + 1));
}

/// Box of the true values; sides of length 0 become 1.
struct Box {
    std::vector<double> low;
    std::vector<double> side;
};

Box box_of(std::span<const double> truth, std::size_t unknowns) {
    Box box;
    for (std::size_t k = 0; k < unknowns; ++k) {
        double low = truth[k], high = truth[k];
        for (std::size_t i = k; i < truth.size(); i += unknowns) {
            low = std::min(low, truth[i]);
            high = std::max(high, truth[i]);
        }
        box.low.push_back(low);
        box.side.push_back(high > low ? high - low : 1.0);
    }
    return box;
}

/// Means and standard deviations of one curve's draws, (draws, unknowns).
void moments_of(std::span<const double> draws, std::size_t unknowns, std::vector<double>& mean,
                std::vector<double>& sd) {
    mean.assign(unknowns, 0.0);
    sd.assign(unknowns, 0.0);
    const double weight = static_cast<double>(unknowns) / static_cast<double>(draws.size());
    for (std::size_t i = 0; i < draws.size(); ++i) mean[i % unknowns] += weight * draws[i];
    for (std::size_t i = 0; i < draws.size(); ++i) {
        const double off = draws[i] - mean[i % unknowns];
        sd[i % unknowns] += weight * off * off;
    }
    for (double& value : sd) value = value > 0.0 ? std::sqrt(value) : 1.0;
}

double squared_distance(const double* a, const double* b, std::span<const double> unit) {
    double sum = 0.0;
    for (std::size_t k = 0; k < unit.size(); ++k) {
        const double part = (a[k] - b[k]) / unit[k];
        sum += part * part;
    }
    return sum;
}

/// A reference point and the units of the distances to it, of one curve.
struct Reference {
    std::vector<double> point;
    std::vector<double> unit;
    /// Draws that made it. They are left out of the ranks: the truth did not help to make it, so
    /// among draws that did, its rank would not be uniform.
    std::size_t used_draws = 0;
};

template <typename ReferenceOf>
Tarp tarp_with(std::span<const double> samples, std::span<const double> truth, std::size_t unknowns,
               std::uint64_t seed, const ReferenceOf& reference_of) {
    const auto [count, draws] = shape_of(samples, truth, unknowns);
    std::vector<double> transforms(count);
    std::vector<double> distances;
    for (std::size_t c = 0; c < count; ++c) {
        const auto own = samples.subspan(c * draws * unknowns, draws * unknowns);
        const Reference reference = reference_of(c, own);
        distances.clear();
        for (std::size_t j = reference.used_draws; j < draws; ++j) {
            distances.push_back(
                squared_distance(&own[j * unknowns], reference.point.data(), reference.unit));
        }
        const double limit =
            squared_distance(&truth[c * unknowns], reference.point.data(), reference.unit);
        nmrsim::CounterRandom random = random_of(seed, Use::distance_ties, c);
        const std::uint32_t rank = rank_among(distances, 1, limit, random);
        transforms[c] = (rank + random.uniform()) / static_cast<double>(distances.size() + 1);
    }
    std::sort(transforms.begin(), transforms.end());
    Tarp result;
    for (std::size_t i = 0; i <= kTarpSteps; ++i) {
        const double level = static_cast<double>(i) / kTarpSteps;
        const auto inside = std::upper_bound(transforms.begin(), transforms.end(), level);
        const double coverage =
            static_cast<double>(inside - transforms.begin()) / static_cast<double>(count);
        result.level.push_back(level);
        result.coverage.push_back(coverage);
        const bool end = i == kTarpSteps || 2 * i == kTarpSteps;
        if (2 * i >= kTarpSteps) result.atc += (end ? 0.5 : 1.0) * (coverage - level) / kTarpSteps;
    }
    result.largest_deviation = largest_deviation_of(transforms);
    result.p_value = kolmogorov_tail(deviation_scale(count) * result.largest_deviation);
    return result;
}

}  // namespace

std::vector<std::uint32_t> calibration_ranks(std::span<const double> samples,
                                             std::span<const double> truth, std::size_t unknowns,
                                             std::uint64_t seed) {
    const auto [count, draws] = shape_of(samples, truth, unknowns);
    std::vector<std::uint32_t> ranks(truth.size());
    for (std::size_t c = 0; c < count; ++c) {
        nmrsim::CounterRandom random = random_of(seed, Use::ties, c);
        for (std::size_t k = 0; k < unknowns; ++k) {
            const std::size_t begin = c * draws * unknowns + k;
            ranks[c * unknowns + k] = rank_among(samples.subspan(begin, (draws - 1) * unknowns + 1),
                                                 unknowns, truth[c * unknowns + k], random);
        }
    }
    return ranks;
}

std::vector<double> transforms_of_ranks(std::span<const std::uint32_t> ranks, std::size_t draws,
                                        std::uint64_t seed) {
    std::vector<double> transforms;
    transforms.reserve(ranks.size());
    for (std::size_t i = 0; i < ranks.size(); ++i) {
        if (ranks[i] > draws) {
            throw std::invalid_argument(
                fmt::format("ranks among {} draws must be <= {}, got {}", draws, draws, ranks[i]));
        }
        nmrsim::CounterRandom random = random_of(seed, Use::steps, i);
        transforms.push_back((ranks[i] + random.uniform()) / static_cast<double>(draws + 1));
    }
    return transforms;
}

Uniformity uniformity_of(std::span<const double> values, std::size_t bins) {
    if (values.empty()) throw std::invalid_argument("values must be at least one, got none");
    if (bins < 2) throw std::invalid_argument(fmt::format("bins must be >= 2, got {}", bins));
    Uniformity result;
    result.histogram.assign(bins, 0);
    const auto n = static_cast<double>(values.size());
    double mean = 0.0;
    for (const double value : values) {
        if (!(value >= 0.0 && value <= 1.0)) {
            throw std::invalid_argument(fmt::format("values must be in [0, 1], got {}", value));
        }
        const auto bin = static_cast<std::size_t>(value * static_cast<double>(bins));
        ++result.histogram[std::min(bin, bins - 1)];
        mean += value / n;
    }
    const double expected = n / static_cast<double>(bins);
    for (const std::size_t number : result.histogram) {
        const double off = static_cast<double>(number) - expected;
        result.chi_square += off * off / expected;
    }
    result.chi_square_p = chi_square_tail(result.chi_square, bins - 1);
    std::vector<double> sorted(values.begin(), values.end());
    std::sort(sorted.begin(), sorted.end());
    result.largest_deviation = largest_deviation_of(sorted);
    result.deviation_p = kolmogorov_tail(deviation_scale(values.size()) * result.largest_deviation);
    result.mean_offset = (mean - 0.5) * std::sqrt(12.0 * n);
    return result;
}

double deviation_band(std::size_t count, double level) {
    if (count == 0 || !(level > 0.0 && level < 1.0)) {
        throw std::invalid_argument(
            fmt::format("a band needs values and a level in (0, 1), got {} and {}", count, level));
    }
    double low = 0.0, high = 10.0;
    while (high - low > 1e-12) {
        const double middle = 0.5 * (low + high);
        (kolmogorov_tail(middle) > 1.0 - level ? low : high) = middle;
    }
    return high / deviation_scale(count);
}

CountBand histogram_band(std::size_t count, std::size_t bins, double level) {
    if (bins < 2 || !(level > 0.0 && level < 1.0)) {
        throw std::invalid_argument(fmt::format(
            "a band needs bins >= 2 and a level in (0, 1), got {} and {}", bins, level));
    }
    const double tail = 0.5 * (1.0 - level) / static_cast<double>(bins);
    const auto n = static_cast<double>(count);
    const double log_p = -std::log(static_cast<double>(bins));
    const double log_q = std::log1p(-1.0 / static_cast<double>(bins));
    CountBand band{0, count};
    double sum = 0.0;
    for (std::size_t i = 0; i <= count; ++i) {
        const auto k = static_cast<double>(i);
        if (sum <= tail) band.low = i;
        sum += std::exp(std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0) +
                        k * log_p + (n - k) * log_q);
        if (sum >= 1.0 - tail) {
            band.high = i;
            break;
        }
    }
    return band;
}

Coverage coverage_of(std::span<const double> transforms, double nominal) {
    if (!(nominal > 0.0 && nominal < 1.0)) {
        throw std::invalid_argument(fmt::format("nominal must be in (0, 1), got {}", nominal));
    }
    Coverage result;
    result.count = transforms.size();
    result.nominal = nominal;
    if (transforms.empty()) return result;
    std::size_t inside = 0;
    for (const double value : transforms) inside += std::abs(value - 0.5) <= 0.5 * nominal;
    const auto n = static_cast<double>(transforms.size());
    result.observed = static_cast<double>(inside) / n;
    result.error = std::sqrt(nominal * (1.0 - nominal) / n);
    return result;
}

std::vector<Coverage> coverage_curve(std::span<const double> transforms) {
    std::vector<Coverage> curve;
    for (int percent = 5; percent <= 95; percent += 5) {
        curve.push_back(coverage_of(transforms, percent / 100.0));
    }
    return curve;
}

std::vector<int> thirds_of(std::span<const double> by) {
    require_finite(by, "values that make thirds");
    std::vector<std::size_t> order(by.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return by[a] < by[b]; });
    std::vector<int> third(by.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        third[order[i]] = static_cast<int>(3 * i / order.size());
    }
    return third;
}

std::vector<double> in_third(std::span<const double> values, std::span<const int> third,
                             int which) {
    if (values.size() != third.size()) {
        throw std::invalid_argument(
            fmt::format("{} values do not fit the thirds of {}", values.size(), third.size()));
    }
    std::vector<double> chosen;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (third[i] == which) chosen.push_back(values[i]);
    }
    return chosen;
}

Tarp tarp(std::span<const double> samples, std::span<const double> truth, std::size_t unknowns,
          TarpReference reference, std::uint64_t seed) {
    const std::size_t draws = shape_of(samples, truth, unknowns).draws;
    if (reference == TarpReference::local && draws < 8) {
        throw std::invalid_argument(fmt::format("local TARP needs >= 8 draws, got {}", draws));
    }
    const Box box = box_of(truth, unknowns);
    std::vector<double> mean, sd;
    return tarp_with(samples, truth, unknowns, seed, [&](std::size_t c, auto own) {
        nmrsim::CounterRandom random = random_of(seed, Use::references, c);
        Reference result;
        if (reference == TarpReference::box) {
            result.unit = box.side;
            for (std::size_t k = 0; k < unknowns; ++k) {
                result.point.push_back(box.low[k] + box.side[k] * random.uniform());
            }
        } else {
            result.used_draws = draws / 4;
            moments_of(own.first(result.used_draws * unknowns), unknowns, mean, sd);
            result.unit = sd;
            for (std::size_t k = 0; k < unknowns; ++k) {
                result.point.push_back(mean[k] + 2.0 * sd[k] * random.normal());
            }
        }
        return result;
    });
}

Tarp tarp_about(std::span<const double> samples, std::span<const double> truth,
                std::size_t unknowns, std::span<const double> references, std::uint64_t seed) {
    shape_of(samples, truth, unknowns);
    if (references.size() != truth.size()) {
        throw std::invalid_argument(
            fmt::format("references must be {} numbers, got {}", truth.size(), references.size()));
    }
    require_finite(references, "references");
    const Box box = box_of(truth, unknowns);
    return tarp_with(samples, truth, unknowns, seed, [&](std::size_t c, auto) {
        const auto point = references.subspan(c * unknowns, unknowns);
        return Reference{{point.begin(), point.end()}, box.side, 0};
    });
}

MeanWithError expected_log_density(std::span<const double> log_density) {
    if (log_density.empty()) throw std::invalid_argument("log densities must be at least one");
    const auto n = static_cast<double>(log_density.size());
    MeanWithError result;
    for (const double value : log_density) {
        if (std::isnan(value)) throw std::invalid_argument("log densities must not be NaN");
        result.mean += value / n;
    }
    double variance = 0.0;
    for (const double value : log_density) {
        variance += (value - result.mean) * (value - result.mean) / n;
    }
    result.error = std::sqrt(variance / n);
    return result;
}

}  // namespace nmrinverse
