/// Units of time, by the names that people and instruments give them.
#pragma once

#include <string_view>

namespace nmrsim {

/// time_us = number * factor / divisor, which is exact where it can be.
struct TimeUnit {
    std::string_view name;  ///< "us", "usec", "microseconds", either of the letters for micro
    double factor;
    double divisor;
};

/// nullptr where there is none of that name.
const TimeUnit* find_time_unit(std::string_view name);

}  // namespace nmrsim
