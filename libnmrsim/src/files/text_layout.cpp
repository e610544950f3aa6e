#include "files/text_layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "nmrsim/errors.h"
#include "text/text_numbers.h"

namespace nmrsim {
namespace {

constexpr std::array<std::string_view, kColumns> kChosenRoles = {"time", "re", "im", "", "sigma"};

/// Names that headers give, in lower case, without what stands in brackets.
constexpr std::array<std::array<std::string_view, 7>, kColumns> kNames = {
    {{"time", "t", "times", "", "", "", ""},
     {"mx", "re", "real", "m_re", "signal_re", "real_part", "in-phase"},
     {"my", "im", "imag", "imaginary", "m_im", "signal_im", "quadrature"},
     {"mz", "z", "", "", "", "", ""},
     {"sigma", "sd", "std", "stdev", "noise", "error", "uncertainty"}}};

/// Names that mean Re and Im only where both are there: X alone is the time of many an instrument.
constexpr std::array<std::array<std::string_view, 2>, 2> kPairs = {{{"x", "y"}, {"i", "q"}}};

/// Whether a name without what stands in brackets means that column.
bool is_name_of(std::size_t column, std::string_view base) {
    const auto& known = kNames[column];
    return !base.empty() && std::find(known.begin(), known.end(), base) != known.end();
}

/// A header's name taken apart: "Time (ms)" is time in ms, "Re (V)" is re.
struct Name {
    std::string base, unit;
};

Name taken_apart(std::string_view field) {
    const std::string text = lower(field);
    const std::size_t bracket = text.find_first_of("([/,");
    Name name{std::string(trimmed(std::string_view(text).substr(0, bracket))), ""};
    if (bracket != text.npos) {
        std::string_view unit = std::string_view(text).substr(bracket + 1);
        name.unit = trimmed(unit.substr(0, unit.find_first_of(")]")));
        return name;
    }
    // time_us
    const std::size_t underscore = name.base.rfind('_');
    if (underscore == name.base.npos) return name;
    const std::string stem = name.base.substr(0, underscore);
    if (is_name_of(kTime, stem) && unit_in_us(name.base.substr(underscore + 1))) {
        return {stem, name.base.substr(underscore + 1)};
    }
    return name;
}

/// The column that each name means.
std::vector<std::optional<std::size_t>> meanings(const std::vector<std::string>& names) {
    std::vector<std::optional<std::size_t>> result(names.size());
    const auto place_of = [&](std::string_view base) {
        const auto found = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
            return taken_apart(name).base == base;
        });
        return static_cast<std::size_t>(found - names.begin());
    };
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string base = taken_apart(names[i]).base;
        for (std::size_t column = 0; column < kColumns; ++column) {
            if (is_name_of(column, base)) result[i] = column;
        }
    }
    const auto means = [&](std::size_t column) {
        return std::find(result.begin(), result.end(), std::optional(column)) != result.end();
    };
    for (const auto& pair : kPairs) {
        const std::size_t re = place_of(pair[0]), im = place_of(pair[1]);
        if (re == names.size() || im == names.size() || means(kRe) || means(kIm)) continue;
        result[re] = kRe;
        result[im] = kIm;
    }
    return result;
}

bool names_both_parts(const std::vector<std::string>& names) {
    const auto columns = meanings(names);
    const auto count = [&](std::size_t column) {
        return std::count(columns.begin(), columns.end(), std::optional(column));
    };
    return count(kRe) == 1 && count(kIm) == 1 && count(kTime) <= 1;
}

/// Words of a comment; "(ms)" belongs to the word before it.
std::vector<std::string> words_of(const std::string& comment, char separator) {
    for (const char c : {';', ',', '\t'}) {
        if (separator == ' ' && comment.find(c) != comment.npos) separator = c;
    }
    if (separator != ' ' && comment.find(separator) == comment.npos) separator = ' ';
    std::vector<std::string> words;
    for (const std::string_view field : fields_of(comment, separator)) {
        const bool unit = !field.empty() && (field.front() == '(' || field.front() == '[');
        if (separator == ' ' && unit && !words.empty()) {
            words.back() += field;
        } else {
            words.emplace_back(field);
        }
    }
    return words;
}

/// What stands above the table, as far as it says something of the columns.
struct TableHeader {
    std::vector<std::string> names, units;
    std::size_t line = 0;                         ///< 0: a comment, or none
    std::optional<std::size_t> start, increment;  ///< fields of the line below the names
    std::size_t skipped = 0;  ///< lines above the table that say nothing of its columns
};

bool holds_time_unit(const HeaderLine& line) {
    return std::any_of(line.fields.begin(), line.fields.end(),
                       [](const std::string& field) { return unit_in_us(lower(field)); });
}

TableHeader header_of(const TextTable& table) {
    TableHeader header;
    header.skipped = table.skipped;
    // Start and Increment stand in their own columns of the names' line, numbers below them.
    std::optional<std::size_t> start, increment;
    for (std::size_t i = 0; i < table.before.fields.size(); ++i) {
        if (i >= table.above.fields.size() ||
            !field_value(table.above.fields[i], table.separator)) {
            continue;
        }
        if (lower(table.before.fields[i]) == "start") start = i;
        if (lower(table.before.fields[i]) == "increment") increment = i;
    }
    if (start && increment) {
        header.names = table.before.fields;
        header.line = table.before.line;
        header.start = start;
        header.increment = increment;
        return header;
    }
    if (table.before.line != 0 && holds_time_unit(table.above) &&
        table.before.fields.size() >= table.fields && !names_both_parts(table.above.fields)) {
        header.names = table.before.fields;
        header.line = table.before.line;
        header.units = table.above.fields;
        return header;
    }
    header.skipped += table.before.line != 0;
    // Names for other columns than the table has are an error, other words are not.
    if (table.above.fields.size() >= table.fields || names_both_parts(table.above.fields)) {
        header.names = table.above.fields;
        header.line = table.above.line;
    } else {
        header.skipped += table.above.line != 0;
    }
    if (names_both_parts(header.names)) return header;
    for (auto comment = table.comments.rbegin(); comment != table.comments.rend(); ++comment) {
        std::vector<std::string> words = words_of(*comment, table.separator);
        if (words.size() < table.fields) continue;
        if (words.size() > table.fields && table.separator != ' ') continue;
        words.resize(table.fields);
        if (!names_both_parts(words)) continue;
        header.names = std::move(words);
        header.line = 0;
        return header;
    }
    return header;
}

/// The field that `choice`, a number or a name, means.
std::size_t chosen_field(const std::string& choice, const std::vector<std::string>& names,
                         std::size_t fields, const std::string& place) {
    if (is_column_number(choice)) {
        const std::size_t index = std::stoul(choice);
        if (index == 0 || index > fields) {
            throw InputError(
                fmt::format("{}: expected a column {}, found {}", place, choice, fields));
        }
        return index - 1;
    }
    for (std::size_t i = 0; i < std::min(names.size(), fields); ++i) {
        if (names[i] == choice) return i;
    }
    throw InputError(
        names.empty()
            ? fmt::format("{}: expected a header that names {}, found numbers", place, choice)
            : fmt::format("{}: expected a column {}, found {}", place, choice,
                          fmt::join(names, ", ")));
}

/// Decides on one column after the other, from what is surest to what is not.
class LayoutMaker {
public:
    LayoutMaker(const TextTable& table, std::string_view first_row, const std::string& path,
                const CurveFormat& format)
        : table_(table), format_(format), path_(path), header_(header_of(table)) {
        for (const std::string_view field : fields_of(first_row, table.separator)) {
            const std::optional<FieldValue> value = field_value(field, table.separator);
            complex_.push_back(value && value->complex);
        }
        layout_.place =
            fmt::format("{}:{}", path, header_.line == 0 ? table.first_row : header_.line);
        if (table.fields > kMostColumns) {
            fail(fmt::format("expected at most {} columns", kMostColumns));
        }
        if (format.column("signal")) {
            fail("a text file has columns re and im, not one named signal");
        }
    }

    TextLayout make() {
        take_chosen();
        take_named();
        if (!some_chosen_) take_complex();
        if (header_.line == 0) take_unit_alone();
        if (format_.dwell && has(kTime) && !header_.start) {
            fail("the spacing is given, but there is a column of times");
        }
        if (!some_chosen_) take_by_order();
        require_all();
        if (has(kTime) && layout_.unit.empty()) layout_.unit = unit_of_time();
        layout_.counts_points = layout_.by_order && layout_.unit.empty() && !names().empty();
        if (header_.start) take_start_and_increment();
        if (header_.skipped > 0) {
            layout_.said += fmt::format("{}{} lines before the table left out",
                                        layout_.said.empty() ? "" : "; ", header_.skipped);
        }
        return layout_;
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        throw InputError(layout_.place + ": " + what);
    }
    const std::vector<std::string>& names() const { return header_.names; }
    bool has(std::size_t column) const { return layout_.field_of[column].has_value(); }
    bool is_taken(std::size_t field) const {
        const auto& taken = layout_.field_of;
        return std::find(taken.begin(), taken.end(), std::optional(field)) != taken.end();
    }

    void take_chosen() {
        for (std::size_t column = 0; column < kColumns; ++column) {
            if (kChosenRoles[column].empty()) continue;
            const std::string* choice = format_.column(kChosenRoles[column]);
            if (!choice) continue;
            layout_.field_of[column] = chosen_field(*choice, names(), table_.fields, layout_.place);
            some_chosen_ = true;
        }
    }

    void take_named() {
        const auto chosen = layout_.field_of;
        const auto columns = meanings(names());
        for (std::size_t field = 0; field < columns.size(); ++field) {
            if (!columns[field] || chosen[*columns[field]]) continue;
            if (std::find(chosen.begin(), chosen.end(), std::optional(field)) != chosen.end()) {
                continue;
            }
            if (has(*columns[field])) {
                fail(fmt::format("column {} is named twice", printable(names()[field])));
            }
            if (field >= table_.fields) {
                throw InputError(fmt::format("{}:{}: expected {} numbers, found {}", path_,
                                             table_.first_row, names().size(), table_.fields));
            }
            layout_.field_of[*columns[field]] = field;
        }
    }

    void take_complex() {
        for (const std::size_t field : table_.numeric) {
            if (has(kRe) || has(kIm) || !complex_[field]) continue;
            layout_.field_of[kRe] = layout_.field_of[kIm] = field;
        }
    }

    /// A word for a unit alone names the times in a comment: "Real Imag usec".
    void take_unit_alone() {
        for (std::size_t i = 0; i < names().size() && i < table_.fields; ++i) {
            if (has(kTime) || !unit_in_us(lower(names()[i]))) continue;
            layout_.field_of[kTime] = i;
            layout_.unit = lower(names()[i]);
        }
    }

    /// Whether the one column that is left beside Re and Im is the time: "Zeit [us]; Re; Im".
    bool is_time(std::size_t field) const {
        if (names().empty()) return layout_.field_of[kRe] == layout_.field_of[kIm];  // complex
        if (field >= names().size()) return false;
        return unit_in_us(taken_apart(names()[field]).unit) || (header_.line != 0 && field == 0);
    }

    /// Where names say nothing the columns go by their order: time, Re, Im and, without names, Mz.
    void take_by_order() {
        std::vector<std::size_t> rest;
        for (const std::size_t field : table_.numeric) {
            if (!is_taken(field)) rest.push_back(field);
        }
        const bool parts = has(kRe) && has(kIm);
        const bool timed = has(kTime) || format_.dwell;
        if (has(kRe) != has(kIm) || (parts && timed)) return;
        const std::size_t missing = (timed ? 0 : 1) + (parts ? 0 : 2);
        const bool with_mz = names().empty() && !format_.dwell && rest.size() == missing + 1;
        if (rest.size() == missing || with_mz) {
            if (parts && !is_time(rest[0])) return;
            for (std::size_t i = 0; i < missing; ++i) refuse_angle(rest[i]);
            std::size_t next = 0;
            if (!timed) layout_.field_of[kTime] = rest[next++];
            if (!parts) {
                layout_.field_of[kRe] = rest[next++];
                layout_.field_of[kIm] = rest[next++];
            }
            if (next < rest.size()) layout_.field_of[kMz] = rest[next];
            layout_.by_order = true;
            if (names().empty()) return;
            layout_.said = parts ? "the first column taken as the time"
                                 : fmt::format("columns taken as {}Re, Im by their order",
                                               timed ? "" : "time, ");
        } else if (names().empty() && !parts) {
            fail(fmt::format("expected {}, found {}",
                             format_.dwell ? "2 numbers (Re and Im, the spacing is given)"
                                           : "3 or 4 numbers (time, Re, Im and Mz)",
                             table_.fields));
        }
    }

    /// Magnitude and phase are never taken for Re and Im.
    void refuse_angle(std::size_t field) const {
        if (field >= names().size()) return;
        const std::string base = taken_apart(names()[field]).base;
        if (!base.starts_with("phase") && base != "angle" && base != "arg") return;
        fail(
            fmt::format("expected Re and Im, found {}: a magnitude and a phase must be turned into "
                        "them first",
                        printable(names()[field])));
    }

    void require_all() const {
        const std::string found = names().empty()
                                      ? fmt::format("{} numbers", table_.fields)
                                      : printable(fmt::format("{}", fmt::join(names(), ", ")));
        for (const std::size_t column : {kTime, kRe, kIm}) {
            if (has(column) || (column == kTime && format_.dwell)) continue;
            fail(fmt::format(
                "expected a column of {}, found {}",
                column == kTime
                    ? "times (time, with its unit as time_us), or a given spacing (--dwell)"
                : column == kRe ? "Re (mx, re, real or x)"
                                : "Im (my, im, imag, imaginary or y): one channel is not enough",
                found));
        }
    }

    std::string unit_of_time() const {
        const std::size_t field = *layout_.field_of[kTime];
        if (field < names().size()) {
            // A name that says nothing may have brackets that are no unit of time.
            const std::string unit = taken_apart(names()[field]).unit;
            const bool named = meanings(names())[field] == kTime;
            if (!unit.empty() && (named || !layout_.by_order || unit_in_us(unit))) return unit;
        }
        if (field < header_.units.size() && unit_in_us(lower(header_.units[field]))) {
            return lower(header_.units[field]);
        }
        return table_.horizontal_unit;
    }

    void take_start_and_increment() {
        const auto below = [&](std::size_t field) {
            return field_value(table_.above.fields[field], table_.separator)->re;
        };
        layout_.start = below(*header_.start);
        layout_.step = below(*header_.increment);
        layout_.unit = std::string("s");  // assigning a literal trips a false alarm of GCC 12
        layout_.said = "times from Start and Increment, columns by their order";
    }

    const TextTable& table_;
    const CurveFormat& format_;
    const std::string& path_;
    const TableHeader header_;
    std::vector<bool> complex_;  ///< of the first row's fields
    bool some_chosen_ = false;
    TextLayout layout_;
};

}  // namespace

TextLayout layout_of(const TextTable& table, std::string_view first_row, const std::string& path,
                     const CurveFormat& format) {
    return LayoutMaker(table, first_row, path, format).make();
}

std::optional<std::string> unit_of_time_name(std::string_view name) {
    const Name taken = taken_apart(name);
    if (!is_name_of(kTime, taken.base)) return std::nullopt;
    return taken.unit;
}

}  // namespace nmrsim
