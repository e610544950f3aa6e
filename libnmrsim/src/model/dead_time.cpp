#include "model/dead_time.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "nmrsim/sequence.h"

namespace nmrsim {
namespace {

/// Times come with rounding; a sample at the very end of a dead time reads.
constexpr double kSlack = 1e-9;

/// Calls use(k) for each sample that is heard; for all where none is.
template <class Use>
void for_each_heard(const std::vector<std::size_t>& dead, std::size_t points, const Use& use) {
    auto next = dead.size() < points ? dead.begin() : dead.end();
    for (std::size_t k = 0; k < points; ++k) {
        if (next != dead.end() && *next == k) {
            ++next;
        } else {
            use(k);
        }
    }
}

}  // namespace

std::vector<std::size_t> dead_samples(const Experiment& experiment) {
    std::vector<std::size_t> dead;
    const double dead_time_us = experiment.acquisition.dead_time_us;
    if (dead_time_us == 0.0) return dead;
    const std::vector<double> times = acquisition_times_us(experiment);
    const double slack_us = kSlack * (1.0 + times.back());
    double now_us = 0.0;
    std::size_t next = 0;
    for (const Event& event : sequence_events(experiment.sequence)) {
        const auto* pulse = std::get_if<Pulse>(&event);
        if (!pulse) {
            now_us += std::get<Delay>(event).duration_us;
            continue;
        }
        const double start_us = now_us;
        now_us += pulse->duration_us;
        while (next < times.size() && times[next] < start_us - slack_us) ++next;
        for (; next < times.size() && times[next] < now_us + dead_time_us - slack_us; ++next) {
            dead.push_back(next);
        }
    }
    return dead;
}

bool samples_pulses(const Experiment& experiment) {
    if (!has_finite_pulses(experiment.sequence)) return false;
    const std::vector<double> times = acquisition_times_us(experiment);
    const double slack_us = kSlack * (1.0 + times.back());
    double now_us = 0.0;
    for (const Event& event : sequence_events(experiment.sequence)) {
        const auto* pulse = std::get_if<Pulse>(&event);
        const double from_us = now_us;
        now_us += pulse ? pulse->duration_us : std::get<Delay>(event).duration_us;
        if (!pulse || pulse->duration_us == 0.0) continue;
        const auto next = std::ranges::lower_bound(times, from_us - slack_us);
        if (next != times.end() && *next < now_us - slack_us) return true;
    }
    return false;
}

double heard_peak(const Experiment& experiment, const Signal& signal) {
    double largest = 0.0;
    for_each_heard(dead_samples(experiment), signal.points(), [&](std::size_t k) {
        largest = std::max(largest, std::hypot(signal.mx[k], signal.my[k]));
    });
    return largest;
}

double heard_peak(const std::vector<std::size_t>& dead, std::span<const float> mx,
                  std::span<const float> my) {
    double largest = 0.0;
    for_each_heard(dead, mx.size(), [&](std::size_t k) {
        largest = std::max(largest, std::hypot(double{mx[k]}, double{my[k]}));
    });
    return largest;
}

double heard_difference(const Experiment& experiment, const Signal& a, const Signal& b) {
    double largest = 0.0;
    for_each_heard(dead_samples(experiment), a.points(), [&](std::size_t k) {
        const double difference = std::hypot(a.mx[k] - b.mx[k], a.my[k] - b.my[k]);
        // nan must not pass for agreement
        if (!(difference <= largest) && !std::isnan(largest)) largest = difference;
    });
    return largest;
}

double relative_difference(const Experiment& experiment, const Signal& signal, const Signal& better,
                           double least) {
    const double peak = std::max(heard_peak(experiment, better), least);
    double along = 0.0, largest = peak;
    for (std::size_t k = 0; k < better.points(); ++k) {
        const double difference = std::abs(signal.mz[k] - better.mz[k]);
        if (!(difference <= along) && !std::isnan(along)) along = difference;
        largest = std::max(largest, std::abs(better.mz[k]));
    }
    const double across = heard_difference(experiment, signal, better);
    return std::isnan(along) ? along : std::max(across / peak, along / largest);
}

}  // namespace nmrsim
