#include "random_sequence.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace differential {
namespace {

using namespace nmrsim;

double random_angle(Chance& chance) {
    switch (chance.whole(0, 5)) {
        case 0:
            return 90.0;
        case 1:
            return 180.0;
        case 2:
            return chance.scaled(0.1, 5.0);
        default:
            return chance.uniform(-200.0, 360.0);
    }
}

double random_delay(Chance& chance, bool long_delay) {
    if (long_delay) return chance.uniform(5000.0, 10000.0);
    switch (chance.whole(0, 9)) {
        case 0:
            return 0.0;
        case 1:
        case 2:
            return chance.scaled(0.01, 5.0);
        default:
            return chance.uniform(0.0, 100.0);
    }
}

double random_duration(Chance& chance) {
    return chance.with(0.1) ? chance.scaled(1e-6, 0.01) : chance.scaled(0.05, 20.0);
}

}  // namespace

nmrsim::Sequence random_sequence(Chance& chance, bool finite, bool small, bool with_long_delay) {
    using namespace nmrsim;
    Sequence sequence;
    if (chance.with(0.1)) sequence.pulse_scale = chance.uniform(0.5, 1.5);
    if (chance.with(0.25) && !with_long_delay) {
        HahnEcho echo;
        echo.flip_deg = small ? chance.scaled(0.2, 5.0) : random_angle(chance);
        echo.refocus_ratio =
            small ? chance.uniform(0.0, 180.0) / echo.flip_deg : chance.uniform(0.5, 3.0);
        echo.refocus_ratio = std::min(echo.refocus_ratio, 100.0);
        echo.flip_phase_deg = chance.with(0.5) ? 0.0 : chance.uniform(-180.0, 180.0);
        echo.refocus_phase_deg = chance.with(0.5) ? 90.0 : chance.uniform(-180.0, 180.0);
        echo.tau_us = chance.uniform(0.2, 100.0);
        if (finite) {
            echo.flip_duration_us = std::min(random_duration(chance), 0.9 * echo.tau_us);
            if (chance.with(0.7)) {
                echo.refocus_duration_us = std::min(random_duration(chance), 0.9 * echo.tau_us);
            }
        }
        sequence.program = echo;
        return sequence;
    }
    std::vector<Event> events;
    const int pulses = chance.with(0.7) ? chance.whole(1, 3) : chance.whole(4, 8);
    const int long_at = with_long_delay ? chance.whole(0, pulses - 1) : -1;
    if (chance.with(0.1)) events.push_back(Delay{random_delay(chance, false)});
    for (int k = 0; k < pulses; ++k) {
        Pulse pulse;
        pulse.flip_deg =
            small && (k == 0 || chance.with(0.3)) ? chance.scaled(0.2, 5.0) : random_angle(chance);
        pulse.phase_deg =
            chance.with(0.5) ? 90.0 * chance.whole(0, 3) : chance.uniform(-180.0, 360.0);
        if (finite && (k == 0 || chance.with(0.6))) pulse.duration_us = random_duration(chance);
        events.push_back(pulse);
        if (k + 1 < pulses || chance.with(0.4) || long_at == k) {
            events.push_back(Delay{random_delay(chance, long_at == k)});
        }
    }
    sequence.program = events;
    return sequence;
}

namespace {

/// Times at which something is to be seen: the ends of pulses, and the echoes of each pair.
struct Landmarks {
    std::vector<double> pulse_us;  ///< their ends
    std::vector<double> echo_us;
    double end_us = 0.0;  ///< of the last event
};

Landmarks landmarks(const Sequence& sequence) {
    Landmarks marks;
    for (const Event& event : sequence_events(sequence)) {
        if (const auto* pulse = std::get_if<Pulse>(&event)) {
            marks.end_us += pulse->duration_us;
            marks.pulse_us.push_back(marks.end_us);
        } else {
            marks.end_us += std::get<Delay>(event).duration_us;
        }
    }
    for (std::size_t b = 1; b < marks.pulse_us.size(); ++b) {
        for (std::size_t a = 0; a < b; ++a) {
            marks.echo_us.push_back(2.0 * marks.pulse_us[b] - marks.pulse_us[a]);
        }
    }
    return marks;
}

}  // namespace

nmrsim::Acquisition random_window(Chance& chance, const nmrsim::Sequence& sequence) {
    using namespace nmrsim;
    Acquisition a;
    const Landmarks marks = landmarks(sequence);
    const auto any_of = [&](const std::vector<double>& list) {
        return list[static_cast<std::size_t>(chance.whole(0, static_cast<int>(list.size()) - 1))];
    };
    a.points = chance.with(0.15) ? 1 : static_cast<int>(chance.scaled(2.0, 200.0));
    const double length = chance.scaled(0.1, 100.0);
    const int where = chance.whole(0, 9);
    if (where <= 2 || (where <= 5 && marks.echo_us.empty())) {
        a.start_us = any_of(marks.pulse_us);  // from a pulse on
        a.stop_us = a.start_us + length;
    } else if (where <= 5) {
        const double echo = any_of(marks.echo_us);
        a.start_us = std::max(0.0, echo - length * chance.uniform(0.0, 1.0));
        a.stop_us = std::max(a.start_us, echo) + length * chance.uniform(0.1, 1.0);
    } else if (where == 6) {
        a.stop_us = marks.end_us;  // ends with the last event
        a.start_us = std::max(0.0, a.stop_us - length);
    } else if (where == 7) {
        a.start_us = 0.0;
        a.stop_us = marks.end_us + length;
    } else {
        a.start_us = chance.uniform(0.0, marks.end_us + 20.0);
        a.stop_us = a.start_us + length;
    }
    if (a.points == 1 || !(a.stop_us > a.start_us)) {
        a.points = 1;
        if (chance.with(0.5)) a.start_us = a.stop_us;
        a.stop_us = a.start_us;
    }
    return a;
}

namespace {

/// Has the window count from something else, its samples where they were.
void count_from_another(Chance& chance, const Sequence& sequence, std::size_t pulses,
                        nmrsim::AcquisitionWindow& window) {
    window.pulses = pulses;
    const bool echo = window.pulses >= 2 && chance.with(0.6);
    window.origin = echo ? nmrsim::TimeOrigin::echo : nmrsim::TimeOrigin::pulse;
    const double origin = echo ? nmrsim::echo_us(sequence, window.pulses)
                               : nmrsim::pulse_end_us(sequence, window.pulses);
    window.start_us -= origin;
    window.stop_us = window.points == 1 ? window.start_us : window.stop_us - origin;
}

}  // namespace

void vary_windows(Chance& chance, const nmrsim::Sequence& sequence,
                  nmrsim::Acquisition& acquisition) {
    using namespace nmrsim;
    AcquisitionWindow whole{acquisition.start_us, acquisition.stop_us, acquisition.points};
    const auto pulses = pulse_count(sequence);
    if (chance.with(0.2)) {
        // Its own keys count from the last pulse of all.
        count_from_another(chance, sequence, pulses, whole);
        acquisition.start_us = whole.start_us;
        acquisition.stop_us = whole.stop_us;
        acquisition.origin = whole.origin;
        return;
    }
    if (acquisition.points < 4 || !chance.with(0.25)) return;
    // The first and the last part of it, with a gap between.
    const double length = whole.stop_us - whole.start_us;
    const double first = chance.uniform(0.05, 0.5), second = chance.uniform(0.55, 0.95);
    AcquisitionWindow early = whole, late = whole;
    early.points = chance.whole(1, acquisition.points - 1);
    late.points = acquisition.points - early.points;
    early.stop_us = early.points == 1 ? early.start_us : whole.start_us + first * length;
    late.start_us = late.points == 1 ? late.stop_us : whole.start_us + second * length;
    for (AcquisitionWindow* window : {&early, &late}) {
        const int one = chance.whole(1, static_cast<int>(pulses));
        if (chance.with(0.5)) {
            count_from_another(chance, sequence, static_cast<std::size_t>(one), *window);
        }
    }
    acquisition.windows = {early, late};
}

}  // namespace differential
