#include "model/sequence_item.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "model/acquisition.h"
#include "nmrsim/errors.h"
#include "nmrsim/parameters.h"
#include "text/time_units.h"

namespace nmrsim {

namespace {

constexpr const char* kTime = "a time >= 0 with its unit (ns, us, ms or s) as {}";
constexpr const char* kWindowTime =
    "a time with its unit (ns, us, ms or s), from pulse+TIME, echo+TIME or the start, as {}";

/// Takes "pulse" or "echo" off the front of a window's time.
TimeOrigin take_origin(std::string_view& word) {
    for (const TimeOrigin origin : {TimeOrigin::pulse, TimeOrigin::echo}) {
        const std::string_view name = time_origin_names()[static_cast<std::size_t>(origin)];
        if (!word.starts_with(name)) continue;
        const std::string_view rest = word.substr(name.size());
        if (!rest.empty() && rest.front() != '+' && rest.front() != '-') continue;
        word = rest;
        return origin;
    }
    return TimeOrigin::start;
}

/// Why a name cannot be given a value; "" where it can.
std::string reason_against(std::string_view name, const std::vector<NamedQuantity>& names) {
    if (!is_name(name)) return "a letter, then letters, digits and _";
    if (std::any_of(names.begin(), names.end(), [&](const auto& one) { return one.name == name; }))
        return "each name once";
    const std::vector<std::string>& items = item_names();
    const bool word = std::find(items.begin(), items.end(), name) != items.end() || name == "x" ||
                      name == "y" || name == "deg" || name == "echo" || name == "events" ||
                      name == "program" || name == "nan" || name == "inf" || find_time_unit(name);
    const auto table = parameter_table();
    const bool row = std::any_of(table.begin(), table.end(),
                                 [&](const Parameter& one) { return name == one.name; });
    return word || row ? "a name that nothing else has" : "";
}

}  // namespace

const std::vector<std::string>& item_names() {
    static const std::vector<std::string> names = {
        "pulse", "delay", "repeat", "acquire",    "fid",
        "hahn",  "cpmg",  "let",    "solid-echo", "stimulated-echo"};
    return names;
}

std::string Item::Expected::text() const {
    return fmt::format(fmt::runtime(format), name);
}

void Item::fail(const std::string& message) const {
    throw InputError(
        fmt::format("sequence item {} \"{}\": {}", number_, fmt::join(words_, " "), message));
}

std::string_view Item::take(const Expected& expected) {
    if (!has_more()) fail(fmt::format("expected {}, found its end", expected.text()));
    return words_[next_++];
}

void Item::refuse(const Expected& expected, std::string_view found) const {
    fail(fmt::format("expected {}, found {}", expected.text(), found));
}

Quantity Item::quantity(const Expected& expected, std::string_view word) {
    const FormulaValue value = formula_value(word, names_);
    // Phases are no names.
    if (!value.quantity && !value.unknown.empty() && value.unknown != "x" && value.unknown != "y") {
        fail(fmt::format("{} has no value from a let before; expected {}, found {}", value.unknown,
                         expected.text(), word));
    }
    if (!value.quantity) refuse(expected, word);
    named_ = named_ || value.quantity->named;
    return *value.quantity;
}

double Item::plain(const Expected& expected) {
    const std::string_view word = take(expected);
    const Quantity q = quantity(expected, word);
    if (q.time != 0) refuse(expected, word);
    return q.value;
}

double Item::angle(const char* name) {
    return plain({"an angle in degrees as {}, such as 90 or 90deg", name});
}

double Item::ratio(const char* name) {
    const Expected expected{"a number as {}", name};
    const std::string_view word = take(expected);
    const Quantity q = quantity(expected, word);
    if (q.time != 0 || q.degrees) refuse(expected, word);
    return q.value;
}

double Item::phase_deg(const char* name) {
    const Expected expected{"x, y, -x, -y or an angle in degrees as {}", name};
    if (has_more()) {
        for (int quarter = 0; quarter < 4; ++quarter) {
            if (words_[next_] != kPhaseNames[quarter]) continue;
            ++next_;
            return 90.0 * quarter;
        }
    }
    return plain(expected);
}

double Item::time_of(const Expected& expected, std::string_view word) {
    if (word.empty()) return 0.0;
    Quantity q = quantity(expected, word);
    // "100 us" too.
    if (q.time == 0 && !q.named && !q.degrees && has_more()) {
        if (const TimeUnit* unit = find_time_unit(words_[next_])) {
            ++next_;
            q.value = q.value * unit->factor / unit->divisor;
            q.time = 1;
            if (!std::isfinite(q.value)) refuse(expected, word);
        }
    }
    const bool zero = q.value == 0.0 && q.time == 0 && !q.named && !q.degrees;
    if (q.time != 1 && !zero) refuse(expected, word);
    return zero ? 0.0 : q.value;
}

double Item::time_us(const char* name) {
    const Expected expected{kTime, name};
    const std::string_view word = take(expected);
    const double time = time_of(expected, word);
    if (checks_ && !(time >= 0.0)) refuse(expected, word);
    return time;
}

int Item::count(const char* name) {
    const Expected expected{"a whole number >= 1 as {}", name};
    const std::string_view word = take(expected);
    int value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || value < 1) {
        refuse(expected, word);
    }
    return value;
}

AcquisitionWindow Item::window(std::size_t pulses) {
    AcquisitionWindow window;
    window.pulses = pulses;
    const auto time = [&](const char* name, TimeOrigin& origin) {
        const Expected expected{has_more() && words_[next_].starts_with('-') ? kTime : kWindowTime,
                                name};
        const std::string_view word = take(expected);
        std::string_view rest = word;
        origin = take_origin(rest);
        const double value = time_of(expected, rest);
        if (checks_ && origin == TimeOrigin::start && !(value >= 0.0)) refuse(expected, word);
        return value;
    };
    TimeOrigin of_stop = TimeOrigin::start;
    window.start_us = time("START", window.origin);
    window.stop_us = time("STOP", of_stop);
    window.points = count("POINTS");
    if (of_stop != window.origin) fail("expected START and STOP to count from the same");
    const std::size_t needed = window.origin == TimeOrigin::start   ? 0
                               : window.origin == TimeOrigin::pulse ? 1
                                                                    : 2;
    if (pulses < needed) {
        fail(fmt::format("expected {} before it, found {}",
                         needed == 1 ? "a pulse" : "two pulses, which an echo takes,", pulses));
    }
    if (checks_ && (window.points == 1 ? window.stop_us != window.start_us
                                       : !(window.stop_us > window.start_us))) {
        fail("expected STOP > START, or STOP = START and 1 point");
    }
    return window;
}

NamedQuantity Item::definition() {
    std::string words;
    for (std::size_t i = 1; i < words_.size(); ++i) words += words_[i];
    next_ = words_.size();
    const auto equals = words.find('=');
    if (equals == std::string::npos) fail("expected NAME = VALUE");
    const std::string name = words.substr(0, equals);
    const std::string reason = checks_ ? reason_against(name, names_) : "";
    if (!reason.empty()) fail(fmt::format("expected {} as NAME, found {}", reason, name));
    const std::string value = words.substr(equals + 1);
    const Quantity q = quantity(
        {"a time, an angle, a number or a formula of names before it as {}", "VALUE"}, value);
    if (!q.named && q.time != 0 && q.time != 1) {
        fail(fmt::format("expected a time, an angle or a number as VALUE, found {}", value));
    }
    return {name, q};
}

void Item::finish() const {
    if (has_more()) {
        fail(fmt::format("expected ; or the end after {}, found {}", words_[next_ - 1],
                         words_[next_]));
    }
}

}  // namespace nmrsim
