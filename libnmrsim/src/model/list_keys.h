/// Lists of tables in experiments' TOML: sites, events, windows.
#pragma once

#include <toml++/toml.h>

#include <vector>

#include "nmrsim/experiment.h"

namespace nmrsim {

// Each throws InputError that names the entry, "line.sites[1]: unknown key widht".

/// [{weight = ..., shift_khz = ..., ...}, ...]
std::vector<Site> read_sites(const toml::node& node);

/// [{pulse_deg = ..., phase_deg = ..., duration_us = ...} or {delay_us = ...}, ...]
std::vector<Event> read_events(const toml::node& node);

/// [{start_us = ..., stop_us = ..., points = ..., origin = ...}, ...]
std::vector<AcquisitionWindow> read_windows(const toml::node& node);

}  // namespace nmrsim
