#include "nmrinverse/measured_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "fit/curve_band.h"
#include "nmrsim/resampling.h"

namespace nmrinverse {
namespace {

/// Samples in a period of a curve's largest frequency that are as good as more.
constexpr double kEnough = 12.0;
/// Reach of the low pass [its samples], and the highest frequency that it leaves as it is [turns a
/// sample] (nmrsim/resampling.h).
constexpr std::size_t kReach = 32;
constexpr double kFlat = 0.45;
constexpr std::size_t kFewestPoints = 64;
constexpr std::size_t kFewestWithNoise = 8;

/// The record at every `step`th time, what lies above that rate's band averaged away.
MeasuredRecord thinned(const MeasuredRecord& record, int step) {
    MeasuredRecord result;
    result.step = step;
    result.margin = kReach;
    const double spacing = record.spacing_us();
    for (std::size_t i = 0; i < record.points(); i += static_cast<std::size_t>(step)) {
        result.time_us.push_back(record.time_us.front() + static_cast<double>(i) * spacing);
    }
    result.signal = nmrsim::resampled(record.time_us, record.signal, result.time_us);
    return result;
}

/// Less its margins, (2, points).
std::vector<float> inner(const MeasuredRecord& record) {
    std::vector<float> result;
    for (const std::size_t part : {std::size_t{0}, record.points()}) {
        const auto begin = record.signal.begin() + static_cast<std::ptrdiff_t>(part);
        result.insert(result.end(), begin + static_cast<std::ptrdiff_t>(record.margin),
                      begin + static_cast<std::ptrdiff_t>(record.points() - record.margin));
    }
    return result;
}

/// First and past-the-last place of the longest run of samples that count.
std::pair<std::size_t, std::size_t> longest_run_of(const std::vector<bool>& dead,
                                                   std::size_t points) {
    std::pair<std::size_t, std::size_t> longest{0, dead.empty() ? points : 0};
    std::size_t first = 0;
    for (std::size_t i = 0; i <= dead.size() && !dead.empty(); ++i) {
        if (i < points && !dead[i]) continue;
        if (i - first > longest.second - longest.first) longest = {first, i};
        first = i + 1;
    }
    return longest;
}

/// Straight lines over the samples that do not count.
void bridge(const std::vector<bool>& dead, std::vector<float>& signal) {
    const std::size_t points = dead.size();
    for (const std::size_t part : {std::size_t{0}, points}) {
        for (std::size_t i = 0; i < points;) {
            if (!dead[i]) {
                ++i;
                continue;
            }
            std::size_t past = i;
            while (past < points && dead[past]) ++past;
            const float after = past < points ? signal[part + past] : 0.0f;
            const float before = i > 0 ? signal[part + i - 1] : past < points ? after : 0.0f;
            const float end = past < points ? after : before;
            const float steps = static_cast<float>(past - i + 1);
            for (std::size_t k = i; k < past; ++k) {
                signal[part + k] = before + (end - before) * static_cast<float>(k - i + 1) / steps;
            }
            i = past;
        }
    }
}

/// A record whose samples are not alike: its noise and what each is worth.
void weigh_samples(const SampleWeights& weights, double band, double noise,
                   MeasuredRecord& record) {
    const std::size_t points = record.points();
    const auto lives = [&](std::size_t i) { return weights.dead.empty() || !weights.dead[i]; };
    record.relative_noise.assign(points, 1.0);
    record.noise.samples = points;
    if (!weights.sigma.empty()) {
        double information = 0.0, count = 0.0;
        for (std::size_t i = 0; i < points; ++i) {
            if (!lives(i)) continue;
            information += 1.0 / std::pow(static_cast<double>(weights.sigma[i]), 2);
            count += 1.0;
        }
        const double mean = std::sqrt(count / information);
        for (std::size_t i = 0; i < points; ++i) {
            record.relative_noise[i] = static_cast<double>(weights.sigma[i]) / mean;
        }
        record.noise.sigma = noise > 0.0 ? noise : mean;
    } else if (noise > 0.0) {
        record.noise.sigma = noise;
    } else {
        const auto [first, past] = longest_run_of(weights.dead, points);
        std::vector<float> run;
        for (const std::size_t part : {std::size_t{0}, points}) {
            const auto begin = record.signal.begin() + static_cast<std::ptrdiff_t>(part);
            run.insert(run.end(), begin + static_cast<std::ptrdiff_t>(first),
                       begin + static_cast<std::ptrdiff_t>(past));
        }
        record.noise = tail_noise(run, band);
    }
    for (std::size_t i = 0; i < points; ++i) {
        if (!lives(i)) record.relative_noise[i] = std::numeric_limits<double>::infinity();
    }
}

}  // namespace

std::size_t SampleWeights::longest_run(std::size_t points) const {
    const auto [first, past] = longest_run_of(dead, points);
    return past - first;
}

double MeasuredRecord::spacing_us() const {
    return (time_us.back() - time_us.front()) / static_cast<double>(points() - 1);
}

MeasuredRecord measured_record(std::span<const double> time_us, std::span<const float> signal,
                               const nmrsim::Experiment& experiment, double noise,
                               const SampleWeights& weights) {
    const double spacing = nmrsim::even_spacing_us(time_us);
    const bool told = noise > 0.0 || !weights.sigma.empty();
    const std::size_t least = told ? kFewestWithNoise : kFewestPoints;
    if (weights.longest_run(time_us.size()) < (told ? 1 : kFewestPoints) ||
        time_us.size() < least || signal.size() != 2 * time_us.size() || !(spacing > 0.0)) {
        throw std::invalid_argument(fmt::format(
            "measured_record: {} samples are not Re and Im at {} or more evenly spaced times, {} "
            "given",
            signal.size(), least, time_us.size()));
    }
    MeasuredRecord record;
    record.time_us.assign(time_us.begin(), time_us.end());
    record.signal.assign(signal.begin(), signal.end());
    // Turns a sample of the curve's largest frequency.
    const double band = 1e-3 * largest_frequency_khz(experiment) * spacing;
    if (!weights.alike()) {
        if (!weights.dead.empty()) bridge(weights.dead, record.signal);
        weigh_samples(weights, band, noise, record);
        return record;
    }
    const int step = static_cast<int>(1.0 / (kEnough * band));
    const bool dense =
        step > 1 && time_us.size() / static_cast<std::size_t>(step) > kFewestPoints + 2 * kReach;
    const NoiseEstimate own = tail_noise(signal, band);
    record.noise = own;
    // White noise is averaged by so much, and all the samples tell more of it than those left.
    double averaged = 1.0 / std::sqrt(static_cast<double>(dense ? step : 1));
    if (dense) {
        record = thinned(record, step);
        record.noise = own;
        record.noise.sigma *= averaged;
        record.noise.samples /= static_cast<std::size_t>(step);
        if (own.coloured) record.noise = tail_noise(inner(record), band * step, kFlat);
        if (own.from_tail && record.noise.from_tail) averaged = record.noise.sigma / own.sigma;
    }
    if (noise > 0.0) {
        record.noise.sigma = averaged * noise;
        if (!dense || record.noise.correlation.empty()) record.noise.uncertainty = 0.0;
    }
    for (std::size_t i = 0; i < record.signal.size(); ++i) {
        const bool real = i < record.points();
        record.signal[i] -=
            static_cast<float>(real ? record.noise.offset.real() : record.noise.offset.imag());
    }
    return record;
}

}  // namespace nmrinverse
