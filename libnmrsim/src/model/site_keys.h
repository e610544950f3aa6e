/// What a site has of its own, by name.
#pragma once

#include <optional>
#include <span>

#include "nmrsim/site.h"

namespace nmrsim {

struct SiteKey {
    const char* name;
    const char* bound;  ///< of a finite value, for messages: "finite and > 0"
    bool (*within)(double);
    void (*set)(Site&, double);
    std::optional<double> (*get)(const Site&);
};

std::span<const SiteKey> site_keys();

}  // namespace nmrsim
