#include "text/time_units.h"

namespace nmrsim {
namespace {

// clang-format off
constexpr TimeUnit kUnits[] = {
    {"ns", 1.0, 1e3}, {"nsec", 1.0, 1e3}, {"nanosecond", 1.0, 1e3}, {"nanoseconds", 1.0, 1e3},
    {"us", 1.0, 1.0}, {"usec", 1.0, 1.0}, {"microsecond", 1.0, 1.0}, {"microseconds", 1.0, 1.0},
    {"\u00B5s", 1.0, 1.0}, {"\u00B5sec", 1.0, 1.0},  // micro sign
    {"\u03BCs", 1.0, 1.0}, {"\u03BCsec", 1.0, 1.0},  // Greek mu
    {"ms", 1e3, 1.0}, {"msec", 1e3, 1.0}, {"millisecond", 1e3, 1.0}, {"milliseconds", 1e3, 1.0},
    {"s", 1e6, 1.0}, {"sec", 1e6, 1.0}, {"second", 1e6, 1.0}, {"seconds", 1e6, 1.0},
};
// clang-format on

}  // namespace

const TimeUnit* find_time_unit(std::string_view name) {
    for (const TimeUnit& unit : kUnits) {
        if (name == unit.name) return &unit;
    }
    return nullptr;
}

}  // namespace nmrsim
