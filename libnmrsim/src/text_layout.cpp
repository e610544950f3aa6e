#include "text_layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "nmrsim/errors.h"
#include "text_numbers.h"

namespace nmrsim {
namespace {

constexpr std::array<std::string_view, kColumns> kRoles = {"time", "re", "im", ""};

/// Names that headers give, in lower case, without what stands in brackets.
constexpr std::array<std::array<std::string_view, 7>, kColumns> kNames = {
    {{"time", "t", "times", "", "", "", ""},
     {"mx", "re", "real", "m_re", "signal_re", "real_part", "in-phase"},
     {"my", "im", "imag", "imaginary", "m_im", "signal_im", "quadrature"},
     {"mz", "z", "", "", "", "", ""}}};

/// Names that mean Re and Im only where both are there: X alone is the time of many an instrument.
constexpr std::array<std::array<std::string_view, 2>, 2> kPairs = {{{"x", "y"}, {"i", "q"}}};

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
    const auto& times = kNames[kTime];
    if (std::find(times.begin(), times.end(), stem) != times.end() &&
        unit_in_us(name.base.substr(underscore + 1))) {
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
        if (base.empty()) continue;
        for (std::size_t column = 0; column < kColumns; ++column) {
            const auto& known = kNames[column];
            if (std::find(known.begin(), known.end(), base) != known.end()) result[i] = column;
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
struct Header {
    std::vector<std::string> names, units;
    std::size_t line = 0;                         ///< 0: a comment, or none
    std::optional<std::size_t> start, increment;  ///< fields of the line below the names
    std::size_t skipped = 0;  ///< lines above the table that say nothing of its columns
};

bool holds_time_unit(const HeaderLine& line) {
    return std::any_of(line.fields.begin(), line.fields.end(),
                       [](const std::string& field) { return unit_in_us(lower(field)); });
}

Header header_of(const TextTable& table) {
    Header header;
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

}  // namespace

TextLayout layout_of(const TextTable& table, std::string_view first_row, const std::string& path,
                     const CurveFormat& format) {
    const Header header = header_of(table);
    TextLayout layout;
    layout.place = fmt::format("{}:{}", path, header.line == 0 ? table.first_row : header.line);
    const std::string& place = layout.place;
    if (table.fields > kMostColumns) {
        throw InputError(fmt::format("{}: expected at most {} columns", place, kMostColumns));
    }
    if (format.column("signal")) {
        throw InputError(place + ": a text file has columns re and im, not one named signal");
    }
    const auto is_complex = [&](std::size_t field) {
        const auto value =
            field_value(fields_of(first_row, table.separator)[field], table.separator);
        return value && value->complex;
    };
    bool some_chosen = false;
    for (std::size_t column = 0; column < kColumns; ++column) {
        if (kRoles[column].empty()) continue;
        if (const std::string* choice = format.column(kRoles[column])) {
            layout.field_of[column] = chosen_field(*choice, header.names, table.fields, place);
            some_chosen = true;
        }
    }
    const auto chosen = layout.field_of;
    const auto is_chosen = [&](std::size_t field) {
        return std::find(chosen.begin(), chosen.end(), std::optional(field)) != chosen.end();
    };
    const auto columns = meanings(header.names);
    for (std::size_t field = 0; field < columns.size(); ++field) {
        if (!columns[field]) continue;
        const std::size_t column = *columns[field];
        if (chosen[column] || is_chosen(field)) continue;
        if (layout.field_of[column]) {
            throw InputError(
                fmt::format("{}: column {} is named twice", place, printable(header.names[field])));
        }
        if (field >= table.fields) {
            throw InputError(fmt::format("{}:{}: expected {} numbers, found {}", path,
                                         table.first_row, header.names.size(), table.fields));
        }
        layout.field_of[column] = field;
    }
    for (const std::size_t field : table.numeric) {
        if (some_chosen || layout.field_of[kRe] || layout.field_of[kIm] || !is_complex(field)) {
            continue;
        }
        layout.field_of[kRe] = layout.field_of[kIm] = field;
    }
    // A word for a unit alone names the times in a comment: "Real Imag usec".
    for (std::size_t i = 0; i < header.names.size() && i < table.fields; ++i) {
        if (header.line == 0 && !layout.field_of[kTime] && unit_in_us(lower(header.names[i]))) {
            layout.field_of[kTime] = i;
            layout.unit = lower(header.names[i]);
        }
    }
    if (format.dwell && layout.field_of[kTime] && !header.start) {
        throw InputError(
            fmt::format("{}: the spacing is given, but there is a column of times", place));
    }
    // Where names say nothing the columns go by their order.
    std::vector<std::size_t> rest;
    for (const std::size_t field : table.numeric) {
        if (std::find(layout.field_of.begin(), layout.field_of.end(), std::optional(field)) ==
            layout.field_of.end()) {
            rest.push_back(field);
        }
    }
    const bool parts = layout.field_of[kRe] && layout.field_of[kIm];
    const bool timed = layout.field_of[kTime] || format.dwell;
    const std::size_t missing = (timed ? 0 : 1) + (parts ? 0 : 2);
    const bool complex_signal = parts && layout.field_of[kRe] == layout.field_of[kIm];
    const bool with_mz = header.names.empty() && rest.size() == missing + 1 && !format.dwell;
    const bool nothing_said = !layout.field_of[kRe] && !layout.field_of[kIm];
    // "Zeit [us]; Re; Im": a unit of time, or the first column of a line of names.
    const auto names_time = [&](std::size_t field) {
        return field < header.names.size() && (unit_in_us(taken_apart(header.names[field]).unit) ||
                                               (header.line != 0 && field == 0));
    };
    const bool time_alone = parts && !timed && rest.size() == 1 &&
                            (names_time(rest[0]) || (complex_signal && header.names.empty()));
    if (!some_chosen && missing > 0 && (rest.size() == missing || with_mz) &&
        (nothing_said || time_alone)) {
        std::size_t next = 0;
        if (!timed) layout.field_of[kTime] = rest[next++];
        if (!parts) {
            layout.field_of[kRe] = rest[next++];
            layout.field_of[kIm] = rest[next++];
        }
        if (next < rest.size()) layout.field_of[kMz] = rest[next];
        layout.by_order = true;
        if (!header.names.empty()) {
            layout.said = parts ? "the first column taken as the time"
                                : fmt::format("columns taken as {}Re, Im by their order",
                                              timed ? "" : "time, ");
        }
    } else if (header.names.empty() && nothing_said && !some_chosen) {
        throw InputError(fmt::format("{}: expected {}, found {}", place,
                                     format.dwell ? "2 numbers (Re and Im, the spacing is given)"
                                                  : "3 or 4 numbers (time, Re, Im and Mz)",
                                     table.fields));
    }
    const std::string found = header.names.empty()
                                  ? fmt::format("{} numbers", table.fields)
                                  : printable(fmt::format("{}", fmt::join(header.names, ", ")));
    for (const std::size_t column : {kTime, kRe, kIm}) {
        if (layout.field_of[column] || (column == kTime && format.dwell)) continue;
        throw InputError(fmt::format(
            "{}: expected a column of {}, found {}", place,
            column == kTime ? "times (time, with its unit as time_us), or a given spacing (--dwell)"
            : column == kRe ? "Re (mx, re, real or x)"
                            : "Im (my, im, imag, imaginary or y): one channel is not enough",
            found));
    }
    if (layout.field_of[kTime] && layout.unit.empty()) {
        const std::size_t field = *layout.field_of[kTime];
        if (field < header.names.size()) {
            const Name name = taken_apart(header.names[field]);
            // A name that says nothing may have brackets that are no unit of time.
            if (!layout.by_order || unit_in_us(name.unit) || columns[field] == kTime) {
                layout.unit = name.unit;
            }
        }
        if (layout.unit.empty() && field < header.units.size() &&
            unit_in_us(lower(header.units[field]))) {
            layout.unit = lower(header.units[field]);
        }
    }
    if (layout.field_of[kTime] && layout.unit.empty()) layout.unit = table.horizontal_unit;
    layout.counts_points = layout.by_order && layout.unit.empty() && !header.names.empty();
    if (header.start) {
        layout.start = field_value(table.above.fields[*header.start], table.separator)->re;
        layout.step = field_value(table.above.fields[*header.increment], table.separator)->re;
        layout.unit = "s";
        layout.said = "times from Start and Increment, columns by their order";
    }
    if (header.skipped > 0) {
        layout.said += fmt::format("{}{} lines before the table left out",
                                   layout.said.empty() ? "" : "; ", header.skipped);
    }
    return layout;
}

}  // namespace nmrsim
