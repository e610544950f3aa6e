#include "model/list_keys.h"

#include <fmt/format.h>

#include <string>

#include "model/acquisition.h"
#include "model/site_keys.h"
#include "model/toml_values.h"
#include "nmrsim/errors.h"

namespace nmrsim {

std::vector<Site> read_sites(const toml::node& node) {
    std::vector<Site> sites;
    for (const auto& [where, table] :
         read_tables("line.sites", "an array of tables",
                     "a table {weight = ..., shift_khz = ..., ...}", node)) {
        std::vector<std::string> known = {"t1_us", "t2_us"};
        Site site;
        for (const SiteKey& key : site_keys()) {
            known.emplace_back(key.name);
            if (const auto* value = table->get(key.name)) {
                key.set(site, read_real(fmt::format("{}.{}", where, key.name), *value));
            }
        }
        check_keys(where, *table, known);
        const auto *t1 = table->get("t1_us"), *t2 = table->get("t2_us");
        if (!t1 != !t2) throw InputError(where + ": t1_us and t2_us must be given together");
        if (t1 && (site.gamma1_per_s || site.gamma2_per_s || site.gamma3_per_s)) {
            throw InputError(where + ": t1_us and t2_us say the same as the rates: keep one");
        }
        if (t1) {
            const Relaxation own = relaxation_from_times(read_real(where + ".t1_us", *t1),
                                                         read_real(where + ".t2_us", *t2));
            site.gamma1_per_s = own.gamma1_per_s;
            site.gamma2_per_s = own.gamma2_per_s;
            site.gamma3_per_s = own.gamma3_per_s;
        }
        sites.push_back(site);
    }
    return sites;
}

std::vector<Event> read_events(const toml::node& node) {
    const char* expected =
        "{pulse_deg = ..., phase_deg = ..., duration_us = ...} or {delay_us = ...}";
    std::vector<Event> events;
    for (const auto& [where, table] : read_tables("sequence.events", "an array", expected, node)) {
        if (const auto* delay = table->get("delay_us")) {
            check_keys(where, *table, {"delay_us"});
            events.push_back(Delay{read_real(where + ".delay_us", *delay)});
        } else {
            check_keys(where, *table, {"pulse_deg", "phase_deg", "duration_us"});
            const auto* flip = table->get("pulse_deg");
            if (!flip) wrong_type(where, expected, *table);
            Pulse pulse;
            pulse.flip_deg = read_real(where + ".pulse_deg", *flip);
            if (const auto* phase = table->get("phase_deg")) {
                pulse.phase_deg = read_real(where + ".phase_deg", *phase);
            }
            if (const auto* duration = table->get("duration_us")) {
                pulse.duration_us = read_real(where + ".duration_us", *duration);
            }
            events.push_back(pulse);
        }
    }
    return events;
}

std::vector<AcquisitionWindow> read_windows(const toml::node& node) {
    const char* expected = "{start_us = ..., stop_us = ..., points = ...}";
    std::vector<AcquisitionWindow> windows;
    for (const auto& [where, table] :
         read_tables("acquisition.windows",
                     "[{start_us = ..., stop_us = ..., points = ..., origin = ...}, ...]", expected,
                     node)) {
        if (!table->get("start_us") || !table->get("stop_us") || !table->get("points")) {
            wrong_type(where, expected, *table);
        }
        check_keys(where, *table, {"start_us", "stop_us", "points", "origin", "pulses"});
        AcquisitionWindow& window = windows.emplace_back();
        window.start_us = read_real(where + ".start_us", *table->get("start_us"));
        window.stop_us = read_real(where + ".stop_us", *table->get("stop_us"));
        window.points = read_int(where + ".points", *table->get("points"));
        if (const auto* origin = table->get("origin")) {
            window.origin =
                TimeOrigin(read_choice(where + ".origin", *origin, time_origin_names()));
        }
        const auto* pulses = table->get("pulses");
        const int count = pulses ? read_int(where + ".pulses", *pulses) : -1;
        window.pulses = count < 0 ? kAllPulses : static_cast<std::size_t>(count);
    }
    return windows;
}

}  // namespace nmrsim
