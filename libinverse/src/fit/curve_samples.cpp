// Which samples of a curve count, with which weights, and what is simulated to read them from.

#include <algorithm>
#include <cmath>
#include <variant>

#include "fit/curve_band.h"
#include "fit/curve_likelihood.h"
#include "fit/interpolation.h"
#include "nmrsim/sequence.h"
#include "nmrsim/units.h"

namespace nmrinverse {
namespace {

using Eigen::VectorXd;

/// Times at which the curve may jump: pulses, and the ends of the receiver's dead times [us].
std::vector<double> jumps_us(const nmrsim::Experiment& experiment) {
    std::vector<double> jumps;
    double time = 0.0;
    for (const nmrsim::Event& event : nmrsim::sequence_events(experiment.sequence)) {
        if (const auto* delay = std::get_if<nmrsim::Delay>(&event)) {
            time += delay->duration_us;
            continue;
        }
        jumps.push_back(time);
        time += std::get<nmrsim::Pulse>(event).duration_us;
        jumps.push_back(time);
        jumps.push_back(time + experiment.acquisition.dead_time_us);
    }
    return jumps;
}

/// Most that a curve may turn between samples that it is interpolated from [rad]: what turns so
/// fast is missed by 2e-4 of itself (fit/interpolation.h).
constexpr double kLargestTurn = 0.8;

/// Simulated samples for each of a curve's, so that it can be read between them.
int steps_between(const nmrsim::Experiment& experiment, double spacing_us) {
    const double turn = nmrsim::kTwoPi * 1e-3 * largest_frequency_khz(experiment) * spacing_us;
    return std::max(1, static_cast<int>(std::ceil(turn / kLargestTurn)));
}

}  // namespace

double peak_of(std::span<const float> signal) {
    const std::size_t points = signal.size() / 2;
    double most = 0.0;
    for (std::size_t i = 0; i < points; ++i) {
        most = std::max(most, std::hypot(static_cast<double>(signal[i]), signal[points + i]));
    }
    return most;
}

void CurveLikelihood::add_record(nmrsim::Experiment& record, std::span<const float> signal,
                                 std::size_t before) {
    const std::size_t points = nmrsim::sample_count(record), all = signal.size() / 2;
    Record added;
    added.first = static_cast<Eigen::Index>(samples_.size());
    added.spacing_us = nmrsim::sample_spacing_us(record);
    std::size_t steps = 1, padding = 0;
    double reach_us = 0.0;
    std::vector<double> jumps;
    const std::vector<double> times = nmrsim::acquisition_times_us(record);
    if (options_.fit_time_zero) {
        // The model's curve is interpolated: it must be there, and smooth, as far as it is shifted
        // and the interpolation reaches.
        const double first_us = nmrsim::first_sample_us(record);
        steps = static_cast<std::size_t>(steps_between(record, added.spacing_us));
        added.spacing_us /= static_cast<double>(steps);
        const int after =
            static_cast<int>(std::ceil(options_.time_zero_range_us / added.spacing_us)) +
            static_cast<int>(kInterpolationPoints) / 2;
        padding = static_cast<std::size_t>(
            std::min(after, static_cast<int>(std::floor(first_us / added.spacing_us))));
        reach_us = after * added.spacing_us;
        nmrsim::Acquisition window = nmrsim::counted_from_start(record);
        window.start_us = std::max(0.0, first_us - static_cast<double>(padding) * added.spacing_us);
        window.points =
            (window.points - 1) * static_cast<int>(steps) + 1 + static_cast<int>(padding) + after;
        window.stop_us = window.start_us + (window.points - 1) * added.spacing_us;
        jumps = jumps_us(record);
        jumps.push_back(0.0);
        record.acquisition = window;
    }
    const std::vector<double>& relative = options_.relative_noise;
    const Eigen::Index most = added.first + static_cast<Eigen::Index>(points);
    x_.conservativeResize(most);
    y_.conservativeResize(most);
    if (!relative.empty()) weight_.conservativeResize(most);
    for (std::size_t i = 0; i < points; ++i) {
        const bool smooth = std::none_of(jumps.begin(), jumps.end(), [&](double jump) {
            return std::abs(times[i] - jump) <= reach_us;
        });
        if (!smooth || (!relative.empty() && std::isinf(relative[before + i]))) continue;
        const auto at = static_cast<Eigen::Index>(samples_.size());
        samples_.push_back(simulated_points_ + i * steps + padding);
        time_us_.push_back(times[i]);
        if (!relative.empty()) weight_(at) = 1.0 / relative[before + i];
        x_(at) = static_cast<double>(signal[before + i]);
        y_(at) = static_cast<double>(signal[all + before + i]);
    }
    added.count = static_cast<Eigen::Index>(samples_.size()) - added.first;
    simulated_points_ += nmrsim::sample_count(record);
    records_.push_back(added);
}

void CurveLikelihood::weigh(Eigen::Ref<VectorXd> x, Eigen::Ref<VectorXd> y) const {
    if (weight_.size() > 0) {
        x.array() *= weight_.array();
        y.array() *= weight_.array();
    }
    take_offset(x, y);
}

void CurveLikelihood::take_offset(Eigen::Ref<VectorXd> x, Eigen::Ref<VectorXd> y) const {
    if (!options_.fit_offset) return;
    for (const Record& record : records_) {
        if (record.count == 0) continue;
        for (auto* values : {&x, &y}) {
            auto own = values->segment(record.first, record.count);
            if (weight_.size() == 0) {
                own.array() -= own.mean();
            } else {
                const auto weight = weight_.segment(record.first, record.count);
                own -= weight * (weight.dot(own) / weight.squaredNorm());
            }
        }
    }
}

}  // namespace nmrinverse
