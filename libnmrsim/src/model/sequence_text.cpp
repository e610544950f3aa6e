#include "nmrsim/sequence_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "nmrsim/errors.h"
#include "nmrsim/nearest_name.h"
#include "text/text_numbers.h"
#include "text/time_units.h"

namespace nmrsim {

namespace {

/// Trains repeat pulses thousandfold at most; more is a typing error that would ask for all memory.
constexpr std::size_t kMostEvents = 100'000;

constexpr const char* kPhaseNames[] = {"x", "y", "-x", "-y"};

const std::vector<std::string> kItems = {"pulse", "delay", "repeat",     "acquire",        "fid",
                                         "hahn",  "cpmg",  "solid-echo", "stimulated-echo"};

/// The number at the front of `word`, and what follows it.
struct LeadingNumber {
    std::optional<double> value;
    std::string_view rest;
};

LeadingNumber leading_number(std::string_view word) {
    double value = 0.0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || !std::isfinite(value)) return {{}, word};
    return {value, word.substr(static_cast<std::size_t>(end - word.data()))};
}

/// The words of one item, taken one by one.
class Item {
public:
    Item(int number, std::vector<std::string_view> words)
        : number_(number), words_(std::move(words)) {}

    std::string_view keyword() const { return words_.front(); }
    bool has_more() const { return next_ < words_.size(); }

    [[noreturn]] void fail(const std::string& message) const {
        throw InputError(
            fmt::format("sequence item {} \"{}\": {}", number_, fmt::join(words_, " "), message));
    }

    double angle(const char* name) {
        const std::string expected =
            fmt::format("an angle in degrees as {}, such as 90 or 90deg", name);
        const std::string_view word = take(expected);
        const auto [value, unit] = leading_number(word);
        if (!value || !(unit.empty() || unit == "deg")) refuse(expected, word);
        return *value;
    }

    double ratio(const char* name) {
        const std::string expected = fmt::format("a number as {}", name);
        const std::string_view word = take(expected);
        const auto [value, rest] = leading_number(word);
        if (!value || !rest.empty()) refuse(expected, word);
        return *value;
    }

    double phase_deg(const char* name) {
        const std::string expected = fmt::format("x, y, -x, -y or an angle in degrees as {}", name);
        const std::string_view word = take(expected);
        for (int quarter = 0; quarter < 4; ++quarter) {
            if (word == kPhaseNames[quarter]) return 90.0 * quarter;
        }
        const auto [value, unit] = leading_number(word);
        if (!value || !(unit.empty() || unit == "deg")) refuse(expected, word);
        return *value;
    }

    /// [us]
    double time_us(const char* name) {
        const std::string expected =
            fmt::format("a time >= 0 with its unit (ns, us, ms or s) as {}", name);
        const std::string_view word = take(expected);
        const auto [value, rest] = leading_number(word);
        const TimeUnit* unit = find_time_unit(rest);
        // "100 us" too.
        if (value && rest.empty() && has_more()) {
            unit = find_time_unit(words_[next_]);
            if (unit) ++next_;
        }
        if (value && !unit && rest.empty() && *value == 0.0) return 0.0;
        if (!value || !unit || !(*value >= 0.0)) refuse(expected, word);
        const double time_us = *value * unit->factor / unit->divisor;
        if (!std::isfinite(time_us)) refuse(expected, word);
        return time_us;
    }

    int count(const char* name) {
        const std::string expected = fmt::format("a whole number >= 1 as {}", name);
        const std::string_view word = take(expected);
        int value = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
        if (error != std::errc() || end != word.data() + word.size() || value < 1) {
            refuse(expected, word);
        }
        return value;
    }

    void finish() const {
        if (has_more()) {
            fail(fmt::format("expected ; or the end after {}, found {}", words_[next_ - 1],
                             words_[next_]));
        }
    }

private:
    std::string_view take(const std::string& expected) {
        if (!has_more()) fail(fmt::format("expected {}, found its end", expected));
        return words_[next_++];
    }
    [[noreturn]] void refuse(const std::string& expected, std::string_view found) const {
        fail(fmt::format("expected {}, found {}", expected, found));
    }

    int number_;
    std::vector<std::string_view> words_;
    std::size_t next_ = 1;
};

constexpr std::string_view kSpace = " \t\r";
constexpr std::string_view kMarks = ";\n()";

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {}

    ParsedSequence parse() {
        std::vector<Event> events = items(0);
        if (at_ < text_.size()) throw InputError("sequence: found a ) without its (");
        if (number_ == 0) {
            throw InputError(
                fmt::format("sequence: expected items such as \"pulse 90 x; delay 50us; pulse 180 "
                            "y\", found \"{}\"",
                            trimmed(text_)));
        }
        ParsedSequence parsed;
        parsed.window = window_;
        if (hahn_ && programs_ == 1) {
            parsed.sequence.program = *hahn_;
        } else {
            parsed.sequence.program = std::move(events);
        }
        return parsed;
    }

private:
    char mark() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    /// The words up to the next mark.
    std::vector<std::string_view> words() {
        std::vector<std::string_view> found;
        while (true) {
            at_ = std::min(text_.find_first_not_of(kSpace, at_), text_.size());
            if (at_ == text_.size() || kMarks.find(mark()) != std::string_view::npos) return found;
            std::size_t end = at_;
            while (end < text_.size() && kSpace.find(text_[end]) == std::string_view::npos &&
                   kMarks.find(text_[end]) == std::string_view::npos) {
                ++end;
            }
            found.push_back(text_.substr(at_, end - at_));
            at_ = end;
        }
    }

    /// Items up to the end or the ) that closes them.
    std::vector<Event> items(int depth) {
        std::vector<Event> events;
        bool separated = true;
        while (true) {
            std::vector<std::string_view> found = words();
            if (!found.empty()) {
                Item item(++number_, std::move(found));
                if (!separated) item.fail("expected ; before it");
                add(events, item, depth);
                separated = false;
                if (events.size() > kMostEvents) {
                    item.fail(fmt::format("expected at most {} events in all", kMostEvents));
                }
            } else if (mark() == '(') {
                throw InputError(
                    fmt::format("sequence: found a ( after item {}, expected it after "
                                "repeat COUNT",
                                number_));
            }
            if (mark() == ')' || at_ == text_.size()) return events;
            if (mark() == ';' || mark() == '\n') {
                separated = true;
                ++at_;
            }
        }
    }

    void add(std::vector<Event>& events, Item& item, int depth) {
        const std::string_view keyword = item.keyword();
        if (keyword == "repeat") {
            repeat(events, item, depth);
            return;
        }
        if (keyword == "acquire") {
            acquire(item, depth);
        } else {
            ++programs_;
            if (keyword == "pulse") {
                Pulse pulse;
                pulse.flip_deg = item.angle("FLIP");
                pulse.phase_deg = item.phase_deg("PHASE");
                if (item.has_more()) pulse.duration_us = item.time_us("DURATION");
                events.push_back(pulse);
            } else if (keyword == "delay") {
                events.push_back(Delay{item.time_us("TIME")});
            } else if (keyword == "hahn") {
                hahn(events, item);
            } else {
                named(events, item);
            }
        }
        item.finish();
        if (mark() == '(') item.fail("expected ; or the end after it, found (");
    }

    void repeat(std::vector<Event>& events, Item& item, int depth) {
        // Deeper than anyone means; the parser calls itself once for each.
        constexpr int kDeepest = 32;
        const int count = item.count("COUNT");
        item.finish();
        if (mark() != '(') item.fail("expected ( items ) after COUNT");
        if (depth == kDeepest) item.fail(fmt::format("expected at most {} ( within (", kDeepest));
        ++at_;
        const std::vector<Event> body = items(depth + 1);
        if (mark() != ')') item.fail("expected a ) that closes its (, found the end");
        ++at_;
        if (body.empty()) item.fail("expected a pulse or a delay between ( and )");
        if (events.size() + body.size() * static_cast<std::size_t>(count) > kMostEvents) {
            item.fail(fmt::format("expected at most {} events in all", kMostEvents));
        }
        for (int i = 0; i < count; ++i) events.insert(events.end(), body.begin(), body.end());
        ++programs_;
    }

    void acquire(Item& item, int depth) {
        if (depth > 0) item.fail("expected it outside of repeat: its times count from the start");
        if (window_) item.fail("expected one acquire, found another");
        AcquisitionWindow window;
        window.start_us = item.time_us("START");
        window.stop_us = item.time_us("STOP");
        window.points = item.count("POINTS");
        if (window.points == 1 ? window.stop_us != window.start_us
                               : !(window.stop_us > window.start_us)) {
            item.fail("expected STOP > START, or STOP = START and 1 point");
        }
        window_ = window;
    }

    void hahn(std::vector<Event>& events, Item& item) {
        HahnEcho echo;
        echo.refocus_phase_deg = 90.0;
        echo.tau_us = item.time_us("TAU");
        if (item.has_more()) echo.flip_deg = item.angle("FLIP");
        if (item.has_more()) echo.refocus_ratio = item.ratio("RATIO");
        if (item.has_more()) {
            echo.flip_phase_deg = item.phase_deg("the first PHASE");
            echo.refocus_phase_deg = item.phase_deg("the second PHASE");
        }
        if (item.has_more()) {
            echo.flip_duration_us = item.time_us("the first DURATION");
            echo.refocus_duration_us = item.time_us("the second DURATION");
        }
        try {
            Sequence{echo}.validate();
        } catch (const std::invalid_argument& error) {
            item.fail(error.what());
        }
        hahn_ = echo;
        const std::vector<Event> expanded = sequence_events({echo});
        events.insert(events.end(), expanded.begin(), expanded.end());
    }

    /// The other sequences with a name; FLIP comes last.
    void named(std::vector<Event>& events, Item& item) {
        const std::string_view name = item.keyword();
        const auto flip_deg = [&] { return item.has_more() ? item.angle("FLIP") : 90.0; };
        if (name == "fid") {
            events.push_back(Pulse{flip_deg(), 0.0});
        } else if (name == "solid-echo") {
            const Delay tau{item.time_us("TAU")};
            const double flip = flip_deg();
            events.insert(events.end(), {Pulse{flip, 0.0}, tau, Pulse{flip, 90.0}});
        } else if (name == "stimulated-echo") {
            const Delay tau{item.time_us("TAU")};
            const Delay storage{item.time_us("T")};
            const Pulse pulse{flip_deg(), 0.0};
            events.insert(events.end(), {pulse, tau, pulse, storage, pulse});
        } else if (name == "cpmg") {
            const double tau_us = item.time_us("TAU");
            const int count = item.count("COUNT");
            if (static_cast<std::size_t>(count) > kMostEvents / 2) {
                item.fail(fmt::format("expected at most {} events in all", kMostEvents));
            }
            const double flip = flip_deg();
            events.push_back(Pulse{flip, 0.0});
            for (int i = 0; i < count; ++i) {
                events.push_back(Delay{i == 0 ? tau_us : 2.0 * tau_us});
                events.push_back(Pulse{2.0 * flip, 90.0});
            }
        } else {
            item.fail(fmt::format("expected one of {}, found {}{}", fmt::join(kItems, ", "), name,
                                  did_you_mean(name, kItems)));
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
    int number_ = 0;    ///< items so far
    int programs_ = 0;  ///< of these, not acquire
    std::optional<HahnEcho> hahn_;
    std::optional<AcquisitionWindow> window_;
};

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

ParsedSequence parse_sequence(std::string_view text) {
    try {
        return Parser(text).parse();
    } catch (const InputError& error) {
        throw InputError(printable(error.what(), 1000));
    }
}

void set_sequence(Experiment& experiment, std::string_view text) {
    ParsedSequence parsed = parse_sequence(text);
    experiment.sequence = std::move(parsed.sequence);
    if (!parsed.window) return;
    experiment.acquisition.start_us = parsed.window->start_us;
    experiment.acquisition.stop_us = parsed.window->stop_us;
    experiment.acquisition.points = parsed.window->points;
}

std::string sequence_to_text(const Sequence& sequence) {
    if (const auto* echo = std::get_if<HahnEcho>(&sequence.program)) {
        HahnEcho scaled = *echo;
        scaled.flip_deg *= sequence.pulse_scale;
        return hahn_text(scaled);
    }
    std::vector<std::string> items;
    for (const Event& event : sequence_events(sequence)) {
        if (const auto* pulse = std::get_if<Pulse>(&event)) {
            items.push_back(
                fmt::format("pulse {} {}", pulse->flip_deg, phase_text(pulse->phase_deg)));
            if (pulse->duration_us != 0.0) {
                items.back() += fmt::format(" {}us", pulse->duration_us);
            }
        } else {
            items.push_back(fmt::format("delay {}us", std::get<Delay>(event).duration_us));
        }
    }
    return fmt::format("{}", fmt::join(items, "; "));
}

std::string sequence_to_text(const Sequence& sequence, const Acquisition& acquisition) {
    const std::string items = sequence_to_text(sequence);
    return fmt::format("{}{}acquire {}us {}us {}", items, items.empty() ? "" : "; ",
                       acquisition.start_us, acquisition.stop_us, acquisition.points);
}

}  // namespace nmrsim
