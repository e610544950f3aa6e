#include "nmrsim/sequence_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#include "model/acquisition.h"
#include "model/sequence_item.h"
#include "model/sequence_names.h"
#include "nmrsim/errors.h"
#include "nmrsim/nearest_name.h"
#include "nmrsim/parameters.h"
#include "nmrsim/prior.h"
#include "text/text_numbers.h"

namespace nmrsim {

namespace {

/// Trains repeat pulses thousandfold at most; more is a typing error that would ask for all memory.
constexpr std::size_t kMostEvents = 100'000;

constexpr std::string_view kSpace = " \t\r";
constexpr std::string_view kMarks = ";\n()";
constexpr std::string_view kSeparators = " \t\r;\n";

/// Events with the windows between them.
struct Block {
    std::vector<Event> events;
    std::vector<AcquisitionWindow> windows;
    std::size_t pulses = 0;  ///< before it and in it

    void push(const Event& event) {
        events.push_back(event);
        if (std::holds_alternative<Pulse>(event)) ++pulses;
    }
};

class Parser {
public:
    /// Args: known: names with values, whose text has been read before and is not checked; null:
    /// the text says all of them.
    Parser(std::string_view text, const std::vector<SequenceName>* known)
        : text_(text), checks_(known == nullptr) {
        if (!known) return;
        for (const SequenceName& name : *known) {
            const int time = name.unit == "us" ? 1 : 0;
            names_.push_back({name.name, {name.value, time, name.unit == "degree", true}});
        }
    }

    ParsedSequence parse() {
        Block whole = items(0, 0);
        if (at_ < text_.size()) throw InputError("sequence: found a ) without its (");
        if (number_ == 0) {
            throw InputError(
                fmt::format("sequence: expected items such as \"pulse 90 x; delay 50us; pulse 180 "
                            "y\", found \"{}\"",
                            trimmed(text_)));
        }
        ParsedSequence parsed;
        // What acquisition's own keys can say is theirs.
        if (whole.windows.size() == 1 && !named_window_ &&
            (whole.windows[0].origin == TimeOrigin::start ||
             whole.windows[0].pulses == whole.pulses)) {
            parsed.window = whole.windows[0];
            parsed.window->pulses = kAllPulses;
            cut_.push_back(acquire_);
        } else {
            parsed.windows = std::move(whole.windows);
        }
        Sequence& sequence = parsed.sequence;
        if (hahn_ && programs_ == 1 && names_.empty()) {
            sequence.program = *hahn_;
        } else {
            sequence.program = std::move(whole.events);
        }
        if (!own_names_.empty()) {
            sequence.names = std::move(own_names_);
            sequence.text = rest_of_text();
        }
        return parsed;
    }

private:
    struct Range {
        std::size_t begin = 0, end = 0;
    };

    char mark() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    /// Whether a ( here belongs to a formula.
    bool follows_operator(std::size_t at) const {
        const auto last = at == 0 ? text_.npos : text_.find_last_not_of(kSpace, at - 1);
        return last != text_.npos &&
               std::string_view("+-*/=(").find(text_[last]) != std::string_view::npos;
    }

    /// The words up to the next mark; a ( behind an operator is part of a formula.
    std::vector<std::string_view> words() {
        std::vector<std::string_view> found;
        while (true) {
            at_ = std::min(text_.find_first_not_of(kSpace, at_), text_.size());
            const bool formula = mark() == '(' && follows_operator(at_);
            if (at_ == text_.size() ||
                (!formula && kMarks.find(mark()) != std::string_view::npos)) {
                return found;
            }
            std::size_t end = at_;
            int open = 0;
            while (end < text_.size() && kSpace.find(text_[end]) == std::string_view::npos) {
                if (text_[end] == '(' && follows_operator(end)) {
                    ++open;
                } else if (text_[end] == ')' && open > 0) {
                    --open;
                } else if (kMarks.find(text_[end]) != std::string_view::npos) {
                    break;
                }
                ++end;
            }
            found.push_back(text_.substr(at_, end - at_));
            at_ = end;
        }
    }

    /// Items up to the end or the ) that closes them, after so many pulses.
    Block items(int depth, std::size_t pulses) {
        Block block;
        block.pulses = pulses;
        bool separated = true;
        while (true) {
            at_ = std::min(text_.find_first_not_of(kSpace, at_), text_.size());
            const std::size_t begin = at_;
            std::vector<std::string_view> found = words();
            if (!found.empty()) {
                Item item(++number_, std::move(found), names_, checks_);
                if (!separated) item.fail("expected ; before it");
                add(block, item, depth, begin);
                separated = false;
                if (block.events.size() > kMostEvents || block.windows.size() > kMostEvents) {
                    item.fail(fmt::format("expected at most {} events in all", kMostEvents));
                }
            } else if (mark() == '(') {
                throw InputError(
                    fmt::format("sequence: found a ( after item {}, expected it after "
                                "repeat COUNT",
                                number_));
            }
            if (mark() == ')' || at_ == text_.size()) return block;
            if (mark() == ';' || mark() == '\n') {
                separated = true;
                ++at_;
            }
        }
    }

    void add(Block& block, Item& item, int depth, std::size_t begin) {
        const std::string_view keyword = item.keyword();
        if (keyword == "repeat") {
            repeat(block, item, depth);
            return;
        }
        if (keyword == "acquire") {
            acquire(block, item, depth);
            acquire_ = {begin, at_};
        } else if (keyword == "let") {
            if (depth > 0) item.fail("expected it outside of repeat");
            if (define(item.definition())) cut_.push_back({begin, at_});
        } else {
            ++programs_;
            if (keyword == "pulse") {
                Pulse pulse;
                pulse.flip_deg = item.angle("FLIP");
                pulse.phase_deg = item.phase_deg("PHASE");
                if (item.has_more()) pulse.duration_us = item.time_us("DURATION");
                block.push(pulse);
            } else if (keyword == "delay") {
                block.push(Delay{item.time_us("TIME")});
            } else if (keyword == "hahn") {
                hahn(block, item);
            } else {
                named(block, item);
            }
        }
        item.finish();
        if (mark() == '(') item.fail("expected ; or the end after it, found (");
    }

    /// Returns: whether the name has a value of its own.
    bool define(NamedQuantity name) {
        Quantity& q = name.quantity;
        const bool own = !q.named;
        if (own) {
            const char* unit = q.time == 1 ? "us" : q.degrees ? "degree" : "";
            own_names_.push_back({name.name, q.value, unit});
        }
        names_.push_back(std::move(name));
        return own;
    }

    void repeat(Block& block, Item& item, int depth) {
        // Deeper than anyone means; the parser calls itself once for each.
        constexpr int kDeepest = 32;
        const int count = item.count("COUNT");
        item.finish();
        if (mark() != '(') item.fail("expected ( items ) after COUNT");
        if (depth == kDeepest) item.fail(fmt::format("expected at most {} ( within (", kDeepest));
        ++at_;
        const std::size_t before = block.pulses;
        const Block body = items(depth + 1, before);
        if (mark() != ')') item.fail("expected a ) that closes its (, found the end");
        ++at_;
        if (body.events.empty()) item.fail("expected a pulse or a delay between ( and )");
        const std::size_t most =
            std::max(body.events.size(), body.windows.size()) * static_cast<std::size_t>(count);
        if (block.events.size() + most > kMostEvents) {
            item.fail(fmt::format("expected at most {} events in all", kMostEvents));
        }
        for (int i = 0; i < count; ++i) {
            const std::size_t later = block.pulses - before;
            block.events.insert(block.events.end(), body.events.begin(), body.events.end());
            for (AcquisitionWindow window : body.windows) {
                window.pulses += later;
                block.windows.push_back(window);
            }
            block.pulses += body.pulses - before;
        }
        ++programs_;
    }

    void acquire(Block& block, Item& item, int depth) {
        const AcquisitionWindow window = item.window(block.pulses);
        if (depth > 0 && window.origin == TimeOrigin::start) {
            item.fail("expected it outside of repeat: its times count from the start");
        }
        named_window_ = named_window_ || item.has_names();
        block.windows.push_back(window);
    }

    /// The text without what its names and plain window say.
    std::string rest_of_text() const {
        std::string rest;
        std::size_t from = 0;
        std::vector<Range> cut = cut_;
        std::sort(cut.begin(), cut.end(),
                  [](const Range& a, const Range& b) { return a.begin < b.begin; });
        cut.push_back({text_.size(), text_.size()});
        for (const Range& range : cut) {
            rest += text_.substr(from, range.begin - from);
            from = std::min(text_.find_first_not_of(kSeparators, range.end), text_.size());
        }
        const auto first = std::min(rest.find_first_not_of(kSeparators), rest.size());
        return rest.substr(first, rest.find_last_not_of(kSeparators) + 1 - first);
    }

    void hahn(Block& block, Item& item) {
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
            if (checks_) Sequence{echo}.validate();
        } catch (const std::invalid_argument& error) {
            item.fail(error.what());
        }
        hahn_ = echo;
        for (const Event& event : sequence_events({echo})) block.push(event);
    }

    /// The other sequences with a name; FLIP comes last.
    void named(Block& block, Item& item) {
        const std::string_view name = item.keyword();
        const auto flip_deg = [&] { return item.has_more() ? item.angle("FLIP") : 90.0; };
        if (name == "fid") {
            block.push(Pulse{flip_deg(), 0.0});
        } else if (name == "solid-echo") {
            const Delay tau{item.time_us("TAU")};
            const double flip = flip_deg();
            for (const Event& event :
                 {Event(Pulse{flip, 0.0}), Event(tau), Event(Pulse{flip, 90.0})})
                block.push(event);
        } else if (name == "stimulated-echo") {
            const Delay tau{item.time_us("TAU")};
            const Delay storage{item.time_us("T")};
            const Pulse pulse{flip_deg(), 0.0};
            for (const Event& event :
                 {Event(pulse), Event(tau), Event(pulse), Event(storage), Event(pulse)})
                block.push(event);
        } else if (name == "cpmg") {
            const double tau_us = item.time_us("TAU");
            const int count = item.count("COUNT");
            if (static_cast<std::size_t>(count) > kMostEvents / 2) {
                item.fail(fmt::format("expected at most {} events in all", kMostEvents));
            }
            const double flip = flip_deg();
            block.push(Pulse{flip, 0.0});
            for (int i = 0; i < count; ++i) {
                block.push(Delay{i == 0 ? tau_us : 2.0 * tau_us});
                block.push(Pulse{2.0 * flip, 90.0});
            }
        } else {
            item.fail(fmt::format("expected one of {}, found {}{}", fmt::join(item_names(), ", "),
                                  name, did_you_mean(name, item_names())));
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
    int number_ = 0;    ///< items so far
    int programs_ = 0;  ///< of these, not acquire
    std::optional<HahnEcho> hahn_;
    bool checks_;
    std::vector<NamedQuantity> names_;
    std::vector<SequenceName> own_names_;  ///< of these, not formulas of others
    bool named_window_ = false;
    Range acquire_;           ///< of the last acquire
    std::vector<Range> cut_;  ///< what rest_of_text() leaves out
};

}  // namespace

ParsedSequence parse_sequence(std::string_view text) {
    try {
        ParsedSequence parsed = Parser(text, nullptr).parse();
        for (const SequenceName& name : parsed.sequence.names) add_row(name);
        return parsed;
    } catch (const InputError& error) {
        throw InputError(printable(error.what(), 1000));
    }
}

void set_sequence(Experiment& experiment, std::string_view text) {
    ParsedSequence parsed = parse_sequence(text);
    // A text has no strengths of single spins.
    parsed.sequence.pulse_spread = experiment.sequence.pulse_spread;
    parsed.sequence.strengths = std::move(experiment.sequence.strengths);
    experiment.sequence = std::move(parsed.sequence);
    Acquisition& acquisition = experiment.acquisition;
    if (parsed.window) {
        acquisition.start_us = parsed.window->start_us;
        acquisition.stop_us = parsed.window->stop_us;
        acquisition.points = parsed.window->points;
        acquisition.origin = parsed.window->origin;
    }
    if (parsed.window || !parsed.windows.empty()) set_windows(acquisition, parsed.windows);
}

void replace_sequence(Experiment& experiment, std::string_view text) {
    set_sequence(experiment, text);
    const Experiment whole = experiment;
    std::erase_if(experiment.prior,
                  [&](const PriorRange& range) { return !applies_to_draws(whole, range.name); });
    std::erase_if(experiment.challenge, [&](const ChallengeColumn& column) {
        return !parameter(column.parameter).applies(experiment);
    });
}

double name_value(const Sequence& sequence, std::string_view name) {
    for (const SequenceName& one : sequence.names) {
        if (one.name == name) return one.value;
    }
    return 0.0;
}

void set_name(Sequence& sequence, std::string_view name, double value) {
    for (SequenceName& one : sequence.names) {
        if (one.name != name) continue;
        one.value = value;
        return;
    }
    throw std::invalid_argument(fmt::format("sequence.{} is no name of the sequence", name));
}

void follow_names(Experiment& experiment) {
    Sequence& sequence = experiment.sequence;
    // Its text has passed: what other values make of it is for validate() to judge.
    ParsedSequence parsed = Parser(sequence.text, &sequence.names).parse();
    std::vector<Event> events = std::get<std::vector<Event>>(std::move(parsed.sequence.program));
    std::size_t pulse = 0;
    for (Event& event : events) {
        auto* turned = std::get_if<Pulse>(&event);
        if (turned && pulse < sequence.cycle_phase_deg.size()) {
            turned->phase_deg = added_phase(turned->phase_deg, sequence.cycle_phase_deg[pulse++]);
        }
    }
    sequence.program = std::move(events);
    if (!parsed.windows.empty()) set_windows(experiment.acquisition, std::move(parsed.windows));
}

}  // namespace nmrsim
