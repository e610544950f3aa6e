#include "nmrsim/run_time.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "base/required_time.h"

namespace nmrsim {
namespace {

constexpr double kHour = 3600.0;

/// Of one core, in the simulators' loops: a slow one.
constexpr double kFlopsPerSecond = 1e9;

std::atomic<double>& longest() {
    static std::atomic<double> seconds = [] {
        const char* text = std::getenv("NMRSIM_LONGEST_S");
        const double told = text ? std::strtod(text, nullptr) : 0.0;
        return told > 0.0 ? told : kHour;
    }();
    return seconds;
}

}  // namespace

double longest_curve_s() {
    return longest();
}

void set_longest_curve_s(double seconds) {
    if (!(seconds > 0.0)) {
        throw std::invalid_argument(
            fmt::format("the longest time of a curve must be > 0 s, got {}", seconds));
    }
    longest() = seconds;
}

void require_time(double flops) {
    const double seconds = flops / kFlopsPerSecond;
    if (seconds <= longest_curve_s()) return;
    throw std::invalid_argument(fmt::format(
        "one curve would take about {:.1f} hours of one core: set NMRSIM_LONGEST_S={:.0f} "
        "in the environment to go on (now {:.0f} s)",
        seconds / kHour, std::ceil(1.1 * seconds), longest_curve_s()));
}

}  // namespace nmrsim
