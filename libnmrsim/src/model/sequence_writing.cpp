#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "model/acquisition.h"
#include "model/sequence_item.h"
#include "model/sequence_names.h"
#include "nmrsim/sequence_text.h"

namespace nmrsim {

namespace {

std::string phase_text(double phase_deg) {
    for (int quarter = 0; quarter < 4; ++quarter) {
        if (phase_deg == 90.0 * quarter && !std::signbit(phase_deg)) return kPhaseNames[quarter];
    }
    return fmt::format("{}", phase_deg);
}

std::string hahn_text(const HahnEcho& echo) {
    // What is left out at the end is what parsing puts there.
    const bool durations = echo.flip_duration_us != 0.0 || echo.refocus_duration_us != 0.0;
    const bool phases =
        durations || phase_text(echo.flip_phase_deg) != "x" || echo.refocus_phase_deg != 90.0;
    const bool ratio = phases || echo.refocus_ratio != 2.0;
    std::string text = fmt::format("hahn {}us {}", echo.tau_us, echo.flip_deg);
    if (ratio) text += fmt::format(" {}", echo.refocus_ratio);
    if (phases) {
        text += fmt::format(" {} {}", phase_text(echo.flip_phase_deg),
                            phase_text(echo.refocus_phase_deg));
    }
    if (durations) {
        text += fmt::format(" {}us {}us", echo.flip_duration_us, echo.refocus_duration_us);
    }
    return text;
}

}  // namespace

namespace {

std::string event_text(const Event& event) {
    const auto* pulse = std::get_if<Pulse>(&event);
    if (!pulse) return fmt::format("delay {}us", std::get<Delay>(event).duration_us);
    std::string text = fmt::format("pulse {} {}", pulse->flip_deg, phase_text(pulse->phase_deg));
    if (pulse->duration_us != 0.0) text += fmt::format(" {}us", pulse->duration_us);
    return text;
}

std::string window_text(const AcquisitionWindow& window) {
    const auto time = [&](double time_us) {
        if (window.origin == TimeOrigin::start) return fmt::format("{}us", time_us);
        return fmt::format("{}{}{}us", time_origin_names()[static_cast<std::size_t>(window.origin)],
                           std::signbit(time_us) ? "" : "+", time_us);
    };
    return fmt::format("acquire {} {} {}", time(window.start_us), time(window.stop_us),
                       window.points);
}

/// What a sequence with names says as long as its text stands.
bool says_text(const Sequence& sequence) {
    return !sequence.names.empty() && sequence.pulse_scale == 1.0;
}

}  // namespace

std::string text_with_names(const Sequence& sequence) {
    std::string text;
    for (const SequenceName& name : sequence.names) {
        text += fmt::format("let {} = {}{}; ", name.name, name.value,
                            name.unit == "degree" ? "deg" : name.unit);
    }
    return text + sequence.text;
}

bool says_windows(const Sequence& sequence) {
    return !sequence.names.empty() && sequence.text.find("acquire") != std::string::npos;
}

std::string sequence_to_text(const Sequence& sequence) {
    if (says_text(sequence)) return text_with_names(sequence);
    if (const auto* echo = std::get_if<HahnEcho>(&sequence.program)) {
        HahnEcho scaled = *echo;
        scaled.flip_deg *= sequence.pulse_scale;
        return hahn_text(scaled);
    }
    std::vector<std::string> items;
    for (const Event& event : sequence_events(sequence)) {
        items.push_back(event_text(event));
    }
    return fmt::format("{}", fmt::join(items, "; "));
}

std::string sequence_to_text(const Sequence& sequence, const Acquisition& acquisition) {
    const std::vector<AcquisitionWindow> windows = windows_of(acquisition);
    std::vector<std::string> items;
    std::size_t next = 0, pulses = 0;
    const bool at_end =
        says_text(sequence) || std::all_of(windows.begin(), windows.end(), [&](const auto& window) {
            return window.pulses >= pulse_count(sequence);
        });
    if (at_end) {
        items.push_back(sequence_to_text(sequence));
        if (items.back().empty()) items.clear();
        if (says_text(sequence) && says_windows(sequence)) next = windows.size();
    } else {
        // Each behind the pulse that it may count from.
        for (const Event& event : sequence_events(sequence)) {
            if (std::holds_alternative<Pulse>(event)) {
                for (; next < windows.size() && windows[next].pulses <= pulses; ++next) {
                    items.push_back(window_text(windows[next]));
                }
                ++pulses;
            }
            items.push_back(event_text(event));
        }
    }
    for (; next < windows.size(); ++next) items.push_back(window_text(windows[next]));
    return fmt::format("{}", fmt::join(items, "; "));
}

}  // namespace nmrsim
