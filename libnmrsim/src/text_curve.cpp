#include "text_curve.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "memory_allowance.h"
#include "nmrsim/errors.h"
#include "text_numbers.h"

namespace nmrsim {

namespace {

enum Column : std::size_t { kTime, kRe, kIm, kMz, kColumns };
constexpr std::array<const char*, kColumns> kColumnNames = {"time", "mx", "my", "mz"};
constexpr std::array<std::string_view, kColumns> kRoles = {"time", "re", "im", ""};

/// Names that headers give, in lower case, without what stands in brackets.
constexpr std::array<std::array<std::string_view, 7>, kColumns> kNames = {
    {{"time", "t", "times", "", "", "", ""},
     {"mx", "re", "real", "x", "m_re", "signal_re", "real_part"},
     {"my", "im", "imag", "imaginary", "y", "m_im", "signal_im"},
     {"mz", "z", "", "", "", "", ""}}};

/// More columns than any instrument writes; a list of a line's fields takes more than the line.
constexpr std::size_t kMostColumns = 1000;
/// Of a point in a Signal [bytes].
constexpr std::uint64_t kPointBytes = 4 * sizeof(double);

/// Runs of blanks separate where no other separator is found.
constexpr char kBlanks = ' ';

char separator_of(std::string_view line) {
    for (const char c : {';', ',', '\t'}) {
        if (line.find(c) != line.npos) return c;
    }
    return kBlanks;
}

std::string_view unquoted(std::string_view field) {
    if (field.size() >= 2 && field.front() == '"' && field.back() == '"') {
        field = trimmed(field.substr(1, field.size() - 2));
    }
    return field;
}

/// At most one more than kMostColumns.
std::vector<std::string_view> fields_of(std::string_view line, char separator) {
    std::vector<std::string_view> fields;
    if (separator != kBlanks) {
        std::size_t end = 0;
        for (std::size_t i = 0; i < kMostColumns && end != line.npos; ++i) {
            end = line.find(separator, i == 0 ? 0 : end + 1);
        }
        fields = split(line.substr(0, end), separator);
        if (end != line.npos) fields.emplace_back();
    } else {
        for (std::string_view rest = trimmed(line); !rest.empty() && fields.size() <= kMostColumns;
             rest = trimmed(rest)) {
            const auto end = std::min(rest.find_first_of(" \t"), rest.size());
            fields.push_back(rest.substr(0, end));
            rest.remove_prefix(end);
        }
    }
    // A separator at the end of every line is common; it ends no field of its own.
    for (std::string_view& field : fields) field = unquoted(field);
    return fields;
}

/// With a decimal comma where the comma does not separate.
double number(std::string_view field, char separator, const std::string& place) {
    const bool comma = separator != ',' && std::count(field.begin(), field.end(), ',') == 1 &&
                       field.find('.') == field.npos;
    if (!comma) return read_number(field, place);
    std::string text(field);
    text[text.find(',')] = '.';
    return read_number(text, place);
}

bool is_number(std::string_view field, char separator) {
    std::string text(field);
    if (separator != ',') std::replace(text.begin(), text.end(), ',', '.');
    return nmrsim::is_number(text);
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return result;
}

/// A header's name taken apart: "Time (ms)" is time in ms, "Re (V)" is re.
struct Name {
    std::optional<std::size_t> column;
    std::string unit;
};

Name understood(std::string_view field) {
    const std::string text = lower(field);
    const std::size_t bracket = text.find_first_of("([/");
    const std::string base(trimmed(std::string_view(text).substr(0, bracket)));
    Name name;
    if (bracket != text.npos) {
        std::string_view unit = std::string_view(text).substr(bracket + 1);
        unit = trimmed(unit.substr(0, unit.find_first_of(")]")));
        name.unit = unit;
    }
    for (std::size_t column = 0; column < kColumns; ++column) {
        const auto& names = kNames[column];
        if (!base.empty() && std::find(names.begin(), names.end(), base) != names.end()) {
            name.column = column;
            return name;
        }
    }
    const std::size_t underscore = base.rfind('_');
    if (underscore == base.npos || bracket != text.npos) return name;
    // time_us
    const std::string stem = base.substr(0, underscore);
    const auto& times = kNames[kTime];
    if (std::find(times.begin(), times.end(), stem) != times.end() &&
        unit_in_us(base.substr(underscore + 1))) {
        name.column = kTime;
        name.unit = base.substr(underscore + 1);
    }
    return name;
}

/// Which field of a line holds which column.
struct Layout {
    char separator = kBlanks;
    std::size_t fields = 0;
    std::array<std::optional<std::size_t>, kColumns> field_of;
    std::string unit;  ///< of the time, as the header says
};

/// The field that `choice`, a number or a name, means.
std::size_t chosen_field(const std::string& choice, const std::vector<std::string_view>& header,
                         std::size_t fields, const std::string& place) {
    if (is_column_number(choice)) {
        const std::size_t index = std::stoul(choice);
        if (index == 0 || index > fields) {
            throw InputError(
                fmt::format("{}: expected a column {}, found {}", place, choice, fields));
        }
        return index - 1;
    }
    for (std::size_t i = 0; i < header.size(); ++i) {
        if (header[i] == choice) return i;
    }
    throw InputError(
        header.empty()
            ? fmt::format("{}: expected a header that names {}, found numbers", place, choice)
            : fmt::format("{}: expected a column {}, found {}", place, choice,
                          fmt::join(header, ", ")));
}

/// Args: header: names; empty without. fields: of a line.
Layout layout_of(const std::vector<std::string_view>& header, std::size_t fields, char separator,
                 const CurveFormat& format, const std::string& place) {
    Layout layout;
    layout.separator = separator;
    layout.fields = fields;
    for (std::size_t column = 0; column < kColumns; ++column) {
        if (kRoles[column].empty()) continue;
        if (const std::string* choice = format.column(kRoles[column])) {
            layout.field_of[column] = chosen_field(*choice, header, fields, place);
        }
    }
    if (format.column("signal")) {
        throw InputError(place + ": a text file has columns re and im, not one named signal");
    }
    const auto chosen = layout.field_of;
    const bool some_chosen = std::any_of(chosen.begin(), chosen.end(),
                                         [](const auto& field) { return field.has_value(); });
    if (header.empty() && !some_chosen) {
        const std::size_t first = format.dwell ? 1 : 0;
        if (format.dwell ? fields != 2 : fields != 3 && fields != 4) {
            throw InputError(fmt::format("{}: expected {}, found {}", place,
                                         format.dwell
                                             ? "2 numbers (Re and Im, the spacing is given)"
                                             : "3 or 4 numbers (time, Re, Im and Mz)",
                                         fields));
        }
        for (std::size_t i = 0; i < fields; ++i) layout.field_of[first + i] = i;
        return layout;
    }
    for (std::size_t field = 0; field < header.size(); ++field) {
        const Name name = understood(header[field]);
        if (!name.column) continue;
        const std::size_t column = *name.column;
        if (chosen[column]) {
            if (*chosen[column] == field && column == kTime) layout.unit = name.unit;
            continue;
        }
        if (std::find(chosen.begin(), chosen.end(), std::optional(field)) != chosen.end()) continue;
        if (layout.field_of[column]) {
            throw InputError(
                fmt::format("{}: column {} is named twice", place, printable(header[field])));
        }
        layout.field_of[column] = field;
        if (column == kTime) layout.unit = name.unit;
    }
    const std::string found = header.empty()
                                  ? fmt::format("{} numbers", fields)
                                  : printable(fmt::format("{}", fmt::join(header, ", ")));
    if (format.dwell && layout.field_of[kTime]) {
        throw InputError(
            fmt::format("{}: the spacing is given, but there is a column of times", place));
    }
    for (const std::size_t column : {kTime, kRe, kIm}) {
        if (layout.field_of[column] || (column == kTime && format.dwell)) continue;
        throw InputError(fmt::format(
            "{}: expected a column of {}, found {}", place,
            column == kTime ? "times (time, with its unit as time_us), or a given spacing"
            : column == kRe ? "Re (mx, re, real or x)"
                            : "Im (my, im, imag, imaginary or y): one channel is not enough",
            found));
    }
    return layout;
}

/// A comment that looks like the header of such lines, as numpy.savetxt writes it.
bool names_columns(const std::vector<std::string_view>& names) {
    std::array<int, kColumns> seen{};
    for (const std::string_view field : names) {
        if (const Name name = understood(field); name.column) ++seen[*name.column];
    }
    return seen[kRe] == 1 && seen[kIm] == 1 && seen[kTime] <= 1;
}

}  // namespace

TimeScale time_scale(const std::string& place, const CurveFormat& format, const std::string& own) {
    if (own.empty()) {
        return format.time_unit.empty() ? TimeScale{1.0, "times taken as us"}
                                        : TimeScale{*unit_in_us(format.time_unit),
                                                    "times in " + format.time_unit + " as asked"};
    }
    const std::optional<double> us = unit_in_us(own);
    if (!us && format.time_unit.empty()) {
        throw InputError(fmt::format("{}: expected times in ns, us, ms or s, found \"{}\"", place,
                                     printable(own)));
    }
    if (us && !format.time_unit.empty() && *us != *unit_in_us(format.time_unit)) {
        throw InputError(fmt::format("{}: expected times in {} as asked, found {}", place,
                                     format.time_unit, own));
    }
    return us ? TimeScale{*us, "times in " + own + " as the file says"}
              : TimeScale{*unit_in_us(format.time_unit),
                          "times in " + format.time_unit + " as asked"};
}

namespace {

TextCurve read_lines(const std::string& path, const CurveFormat& format) {
    format.validate();
    LineReader reader(path);
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    // No shorter line holds Re and Im.
    const std::size_t reserved =
        error ? 0
              : std::min<std::uint64_t>(lines_in(path, 3), memory_allowance(size) / kPointBytes);
    std::optional<Layout> layout;
    TextCurve curve;
    Signal& signal = curve.signal;
    std::string comment;  // the last one
    double us = 1.0;
    for (std::vector<double>* column : {&signal.time_us, &signal.mx, &signal.my, &signal.mz}) {
        column->reserve(reserved);
    }
    const auto lay_out = [&](const std::vector<std::string_view>& header, std::size_t fields,
                             char separator) {
        if (fields > kMostColumns) {
            throw InputError(
                fmt::format("{}: expected at most {} columns", reader.place(), kMostColumns));
        }
        layout = layout_of(header, fields, separator, format, reader.place());
        const TimeScale scale = time_scale(reader.place(), format, layout->unit);
        us = scale.us;
        curve.axis = format.dwell ? "spacing as given" : scale.words;
    };
    bool first_line = true;
    while (reader.next()) {
        std::string_view line = reader.line();
        // Spreadsheets put a byte order mark before the first name.
        if (first_line && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
        first_line = false;
        const bool blank = trimmed(line).empty();
        if (blank || trimmed(line).front() == '#' || trimmed(line).front() == '%') {
            if (!blank) comment = trimmed(line).substr(1);
            continue;
        }
        if (!layout) {
            const char separator = separator_of(line);
            const std::vector<std::string_view> fields = fields_of(line, separator);
            if (!is_number(fields.front(), separator)) {
                lay_out(fields, fields.size(), separator);
                continue;
            }
            std::vector<std::string_view> names = fields_of(comment, separator_of(comment));
            if (names.size() != fields.size() || !names_columns(names)) names.clear();
            lay_out(names, fields.size(), separator);
        }
        std::vector<std::string_view> fields = fields_of(line, layout->separator);
        if (fields.size() == layout->fields + 1 && fields.back().empty()) fields.pop_back();
        if (fields.size() != layout->fields) {
            throw InputError(fmt::format("{}: expected {} numbers, found {}", reader.place(),
                                         layout->fields, fields.size()));
        }
        std::array<double, kColumns> values{};
        for (std::size_t column = 0; column < kColumns; ++column) {
            if (!layout->field_of[column]) continue;
            values[column] = number(fields[*layout->field_of[column]], layout->separator,
                                    fmt::format("{}: {}", reader.place(), kColumnNames[column]));
        }
        const double time = format.dwell ? format.start.value_or(0.0) +
                                               *format.dwell * static_cast<double>(signal.points())
                                         : values[kTime];
        if (!signal.time_us.empty() && !(time * us > signal.time_us.back())) {
            throw InputError(fmt::format("{}: time must ascend, got {} after {}", reader.place(),
                                         time, signal.time_us.back() / us));
        }
        if (!std::isfinite(time * us)) {
            throw InputError(
                fmt::format("{}: expected a finite time, got {}", reader.place(), time * us));
        }
        if ((signal.points() + 1) * kPointBytes > memory_allowance(reader.bytes())) {
            throw InputError(
                fmt::format("{}: expected longer lines: {} points are more than a "
                            "file of its size may hold",
                            reader.place(), signal.points() + 1));
        }
        signal.time_us.push_back(time * us);
        signal.mx.push_back(values[kRe]);
        signal.my.push_back(values[kIm]);
        signal.mz.push_back(values[kMz]);
    }
    if (signal.points() == 0) {
        throw InputError(fmt::format("{}: expected lines of time, Re and Im, found none", path));
    }
    return curve;
}

}  // namespace

TextCurve read_text_curve(const std::string& path, const CurveFormat& format) {
    try {
        return read_lines(path, format);
    } catch (const InputError& error) {
        // It may quote the file.
        throw InputError(printable(error.what(), 1000));
    }
}

}  // namespace nmrsim
