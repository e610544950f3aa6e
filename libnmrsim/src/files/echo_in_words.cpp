#include "nmrsim/echo_in_words.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <vector>

#include "model/line_shape.h"
#include "nmrsim/curve_format.h"
#include "nmrsim/errors.h"
#include "nmrsim/sequence.h"
#include "text/text_numbers.h"

namespace nmrsim {
namespace {

std::optional<double> unit_in_khz(std::string_view unit) {
    if (unit == "hz") return 1e-3;
    if (unit == "khz") return 1.0;
    if (unit == "mhz") return 1e3;
    return {};
}

/// A number > 0 with a unit behind it, or none.
template <class Unit>
double quantity(std::string_view text, const char* name, const char* such, Unit in_unit) {
    const std::string_view whole = trimmed(text);
    double value = 0.0;
    const auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), value);
    const auto used = static_cast<std::size_t>(end - whole.data());
    const std::string_view unit = trimmed(whole.substr(used));
    const std::optional<double> factor = unit.empty() ? 1.0 : in_unit(unit);
    if (error != std::errc() || !factor || !(value > 0.0) || !std::isfinite(value)) {
        throw InputError(fmt::format("{}: expected {}, found \"{}\"", name, such, printable(text)));
    }
    return value * *factor;
}

/// The shape of this name that one half width describes; nullptr: there is none.
const LineShapeRow* row_named(std::string_view name) {
    for (const LineShapeRow* row : line_shape_rows()) {
        if (row->usual_cut > 0.0 && name == row->name) return row;
    }
    return nullptr;
}

/// "lorentzian:60kHz or gaussian:60kHz"
std::string such_lines() {
    std::string text;
    for (const LineShapeRow* row : line_shape_rows()) {
        if (row->usual_cut > 0.0)
            text += fmt::format("{}{}:60kHz", text.empty() ? "" : " or ", row->name);
    }
    return text;
}

}  // namespace

Experiment echo_from_words(const EchoInWords& words) {
    const double tau_us = quantity(words.tau, "tau", "a time such as 80us", unit_in_us);
    const std::vector<std::string_view> parts = split(words.line, ':');
    const LineShapeRow* shape = parts.size() == 2 ? row_named(lower(parts.front())) : nullptr;
    if (!shape) {
        throw InputError(
            fmt::format("line: expected {}, found \"{}\"", such_lines(), printable(words.line)));
    }
    const double width_khz =
        quantity(parts[1], "line", "a half width such as 60kHz",
                 [](std::string_view unit) { return unit_in_khz(lower(unit)); });
    std::vector<double> angles;
    for (const std::string_view angle : split(words.pulses, ',')) {
        angles.push_back(quantity(angle, "pulses", "angles such as 45,90",
                                  [](std::string_view) { return std::optional<double>(); }));
    }
    if (angles.size() > 2) {
        throw InputError(
            fmt::format("pulses: expected one or two angles, found {}", angles.size()));
    }
    Experiment echo;
    echo.name = "own-echo";
    echo.interaction.alpha_x_khz = echo.interaction.alpha_z_khz = width_khz;
    echo.line.shape = shape->shape;
    echo.line.half_width_khz = width_khz;
    echo.line.cutoff_khz = shape->usual_cut * width_khz;
    HahnEcho hahn;
    hahn.flip_deg = angles.front();
    hahn.refocus_ratio = angles.size() == 2 ? angles.back() / angles.front() : 2.0;
    hahn.flip_phase_deg = 0.0;
    hahn.refocus_phase_deg = 90.0;
    hahn.tau_us = tau_us;
    echo.sequence.program = hahn;
    // The window in units of tau, from after the second pulse to beyond the echo.
    constexpr double kOpens = 1.05;
    constexpr double kCloses = 4.0;
    constexpr int kPoints = 400;
    echo.acquisition.start_us = kOpens * tau_us;
    echo.acquisition.stop_us = kCloses * tau_us;
    echo.acquisition.points = kPoints;
    // Angles are known to this share; couplings are looked for up to so many half widths.
    constexpr double kAngleShare = 0.2;
    constexpr double kMostAlphaX = 5.0;
    constexpr double kMostAlphaZ = 10.0;
    echo.prior = {
        {"alpha_x_khz", 0.0, kMostAlphaX * width_khz},
        {"alpha_z_khz", 0.0, kMostAlphaZ * width_khz},
        {"flip_deg", (1.0 - kAngleShare) * angles.front(), (1.0 + kAngleShare) * angles.front()}};
    echo.validate();
    return echo;
}

}  // namespace nmrsim
