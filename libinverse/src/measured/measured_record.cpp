#include "nmrinverse/measured_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

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

}  // namespace

double MeasuredRecord::spacing_us() const {
    return (time_us.back() - time_us.front()) / static_cast<double>(points() - 1);
}

MeasuredRecord measured_record(std::span<const double> time_us, std::span<const float> signal,
                               const nmrsim::Experiment& experiment, double noise) {
    const double spacing = nmrsim::even_spacing_us(time_us);
    if (time_us.size() < kFewestPoints || signal.size() != 2 * time_us.size() || !(spacing > 0.0)) {
        throw std::invalid_argument(fmt::format(
            "measured_record: {} samples are not Re and Im at {} or more evenly spaced times, {} "
            "given",
            signal.size(), kFewestPoints, time_us.size()));
    }
    MeasuredRecord record;
    record.time_us.assign(time_us.begin(), time_us.end());
    record.signal.assign(signal.begin(), signal.end());
    // Turns a sample of the curve's largest frequency.
    const double band = 1e-3 * largest_frequency_khz(experiment) * spacing;
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
