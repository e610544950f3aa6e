#include "model/acquisition.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "nmrsim/parameters.h"
#include "nmrsim/series.h"

namespace nmrsim {

namespace {

/// Keeps a mistyped number of samples from asking for all memory.
constexpr int kMostPoints = 10'000'000;

/// Times of an echo come with rounding.
constexpr double kSameTime = 1e-9;

double origin_us(const Experiment& experiment, const AcquisitionWindow& window) {
    switch (window.origin) {
        case TimeOrigin::start:
            break;
        case TimeOrigin::pulse:
            return pulse_end_us(experiment.sequence, window.pulses);
        case TimeOrigin::echo:
            return echo_us(experiment.sequence, window.pulses);
    }
    return 0.0;
}

bool counts_from_start(const Acquisition& acquisition) {
    return acquisition.windows.empty() && acquisition.origin == TimeOrigin::start;
}

/// With times from the start of the sequence.
std::vector<AcquisitionWindow> resolved(const Experiment& experiment) {
    std::vector<AcquisitionWindow> windows = windows_of(experiment.acquisition);
    for (AcquisitionWindow& window : windows) {
        const double origin = origin_us(experiment, window);
        window.start_us += origin;
        window.stop_us += origin;
        // What rounding leaves of an echo's window that starts with the sequence.
        if (window.origin != TimeOrigin::start && window.start_us < 0.0 &&
            window.start_us > -kSameTime * (1.0 + origin)) {
            window.start_us = 0.0;
        }
        window.origin = TimeOrigin::start;
    }
    return windows;
}

double first_pulse_us(const Sequence& sequence) {
    double now_us = 0.0;
    for (const Event& event : sequence_events(sequence)) {
        if (std::holds_alternative<Pulse>(event)) break;
        now_us += std::get<Delay>(event).duration_us;
    }
    return now_us;
}

/// Args: key: "acquisition.", "acquisition.windows[1].".
void validate_window(const AcquisitionWindow& window, const std::string& key) {
    const bool from_start = window.origin == TimeOrigin::start;
    if (!std::isfinite(window.start_us) || (from_start && !(window.start_us >= 0.0))) {
        throw std::invalid_argument(fmt::format("{}start_us must be finite{}, got {}", key,
                                                from_start ? " and >= 0" : "", window.start_us));
    }
    if (window.points < 1 || window.points > kMostPoints) {
        throw std::invalid_argument(
            fmt::format("{}points must be in [1, {}], got {}", key, kMostPoints, window.points));
    }
    if (window.points == 1) {
        if (window.stop_us != window.start_us) {
            throw std::invalid_argument(
                fmt::format("{}stop_us must be start_us = {} for a single point, got {}", key,
                            window.start_us, window.stop_us));
        }
    } else if (!(window.stop_us > window.start_us) || !std::isfinite(window.stop_us)) {
        throw std::invalid_argument(
            fmt::format("{}stop_us must be finite and > start_us = {}, got {}", key,
                        window.start_us, window.stop_us));
    }
}

/// What samples see, and in which order.
void validate_times(const Experiment& experiment) {
    const std::vector<AcquisitionWindow> windows = windows_of(experiment.acquisition);
    std::vector<AcquisitionWindow> at;
    try {
        at = resolved(experiment);
    } catch (const std::invalid_argument& error) {
        throw std::invalid_argument(fmt::format("acquisition.origin: {}", error.what()));
    }
    const double first_us = first_pulse_us(experiment.sequence);
    for (std::size_t i = 0; i < at.size(); ++i) {
        const std::string key = experiment.acquisition.windows.empty()
                                    ? "acquisition."
                                    : fmt::format("acquisition.windows[{}].", i);
        if (windows[i].origin != TimeOrigin::start && at[i].start_us < first_us) {
            throw std::invalid_argument(
                fmt::format("{}start_us = {} us from the {} is {:.6g} us before the first pulse",
                            key, windows[i].start_us,
                            time_origin_names()[static_cast<std::size_t>(windows[i].origin)],
                            first_us - at[i].start_us));
        }
        if (i > 0 && !(at[i].start_us > at[i - 1].stop_us)) {
            throw std::invalid_argument(
                fmt::format("{}start_us must be after the window before, which ends at {} us of "
                            "the sequence, got {} us of the sequence",
                            key, at[i - 1].stop_us, at[i].start_us));
        }
    }
}

}  // namespace

const std::vector<std::string>& time_origin_names() {
    static const std::vector<std::string> names = {"start", "pulse", "echo"};
    return names;
}

std::vector<AcquisitionWindow> windows_of(const Acquisition& acquisition) {
    if (!acquisition.windows.empty()) return acquisition.windows;
    return {{acquisition.start_us, acquisition.stop_us, acquisition.points, acquisition.origin,
             kAllPulses}};
}

void validate_acquisition(const Experiment& experiment) {
    const Acquisition& acquisition = experiment.acquisition;
    long points = 0;
    for (std::size_t i = 0; i < acquisition.windows.size(); ++i) {
        validate_window(acquisition.windows[i], fmt::format("acquisition.windows[{}].", i));
        points += acquisition.windows[i].points;
    }
    if (acquisition.windows.empty()) {
        validate_window(windows_of(acquisition).front(), "acquisition.");
    } else if (points != acquisition.points || points > kMostPoints) {
        throw std::invalid_argument(
            fmt::format("acquisition.points must be the windows' in all, {}, and <= {}, got {}",
                        points, kMostPoints, acquisition.points));
    }
    if (!(acquisition.noise >= 0.0) || !std::isfinite(acquisition.noise)) {
        throw std::invalid_argument(
            fmt::format("acquisition.noise must be finite and >= 0, got {}", acquisition.noise));
    }
    if (!std::isfinite(acquisition.receiver_phase_deg)) {
        throw std::invalid_argument(
            fmt::format("acquisition.receiver_phase_deg must be finite, got {}",
                        acquisition.receiver_phase_deg));
    }
    if (!(acquisition.gain > 0.0) || !std::isfinite(acquisition.gain)) {
        throw std::invalid_argument(
            fmt::format("acquisition.gain must be finite and > 0, got {}", acquisition.gain));
    }
    if (!(acquisition.dead_time_us >= 0.0) || !std::isfinite(acquisition.dead_time_us)) {
        throw std::invalid_argument(fmt::format(
            "acquisition.dead_time_us must be finite and >= 0, got {}", acquisition.dead_time_us));
    }
    if (!counts_from_start(acquisition)) validate_times(experiment);
}

std::vector<double> acquisition_times_us(const Experiment& experiment) {
    std::vector<double> times;
    if (!experiment.series.empty()) {
        for (const Experiment& record : series_records(experiment)) {
            const std::vector<double> of_record = acquisition_times_us(record);
            times.insert(times.end(), of_record.begin(), of_record.end());
        }
        return times;
    }
    times.reserve(static_cast<std::size_t>(experiment.acquisition.points));
    for (const AcquisitionWindow& window : resolved(experiment)) {
        const double span = window.stop_us - window.start_us;
        const double intervals = window.points - 1;
        for (int i = 0; i < window.points; ++i) {
            times.push_back(i == 0 ? window.start_us : window.start_us + span * (i / intervals));
        }
        if (window.points > 1) times.back() = window.stop_us;
    }
    return times;
}

std::size_t sample_count(const Experiment& experiment) {
    if (experiment.series.empty()) return static_cast<std::size_t>(experiment.acquisition.points);
    std::size_t count = 0;
    for (const Experiment& record : series_records(experiment)) count += sample_count(record);
    return count;
}

double first_sample_us(const Experiment& experiment) {
    const Acquisition& acquisition = experiment.acquisition;
    if (counts_from_start(acquisition)) return acquisition.start_us;
    return resolved(experiment).front().start_us;
}

double last_sample_us(const Experiment& experiment) {
    const Acquisition& acquisition = experiment.acquisition;
    if (counts_from_start(acquisition)) return acquisition.stop_us;
    return resolved(experiment).back().stop_us;
}

double sample_spacing_us(const Experiment& experiment) {
    double least = 0.0;
    for (const AcquisitionWindow& window : windows_of(experiment.acquisition)) {
        if (window.points < 2) continue;
        const double spacing = (window.stop_us - window.start_us) / (window.points - 1);
        if (least == 0.0 || spacing < least) least = spacing;
    }
    return least;
}

bool moves_samples(const Experiment& experiment, const std::string& parameter_name) {
    if (counts_from_start(experiment.acquisition)) {
        return parameter_name == "start_us" || parameter_name == "stop_us" ||
               parameter_name == "dwell_us";
    }
    const Parameter& row = parameter(parameter_name);
    if (row.categorical || !row.applies(experiment)) return false;
    // Where times are a function of the parameter, they are not the same a little beside it.
    const double value = row.get(experiment);
    Experiment other = experiment;
    row.set(other, value + 1e-3 * (1.0 + std::abs(value)));
    return acquisition_times_us(other) != acquisition_times_us(experiment);
}

Acquisition counted_from_start(const Experiment& experiment, double later_us) {
    Acquisition result = experiment.acquisition;
    std::vector<AcquisitionWindow> windows = resolved(experiment);
    for (AcquisitionWindow& window : windows) {
        window.start_us += later_us;
        window.stop_us += later_us;
    }
    if (result.windows.empty()) {
        result.start_us = windows.front().start_us;
        result.stop_us = windows.front().stop_us;
        result.origin = TimeOrigin::start;
    } else {
        result.windows = std::move(windows);
    }
    return result;
}

}  // namespace nmrsim
