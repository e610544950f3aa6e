#include "files/text_table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "nmrsim/curve_format.h"
#include "text/text_numbers.h"

namespace nmrsim {
namespace {

/// Separators that are tried, from the surest to the one that is everywhere.
constexpr std::array<char, 4> kSeparators = {';', ',', '\t', ' '};
/// Rows by which a separator and the columns are judged.
constexpr std::size_t kJudgedRows = 50;
/// Comments before the table that may name its columns.
constexpr std::size_t kComments = 8;

std::string_view unquoted(std::string_view field) {
    if (field.size() >= 2 && field.front() == '"' && field.back() == '"') {
        field = trimmed(field.substr(1, field.size() - 2));
    }
    return field;
}

/// The text as std::from_chars reads it.
std::string plain_number(std::string_view field, char separator) {
    std::string text(field);
    const bool comma = separator != ',' && std::count(text.begin(), text.end(), ',') == 1 &&
                       text.find('.') == text.npos;
    if (comma) text[text.find(',')] = '.';
    for (char& c : text) {
        if (c == 'D' || c == 'd') c = 'e';
    }
    return text;
}

std::optional<double> real_value(std::string_view field, char separator) {
    const std::string text = plain_number(field, separator);
    if (!is_number(text)) return {};
    return number_or_infinite(text);
}

/// Where the imaginary part's sign stands: the last one that is no exponent's.
std::size_t imaginary_sign(std::string_view text) {
    for (std::size_t i = text.size(); i-- > 1;) {
        if ((text[i] == '+' || text[i] == '-') && text[i - 1] != 'e' && text[i - 1] != 'E') {
            return i;
        }
    }
    return text.npos;
}

std::optional<FieldValue> complex_value(std::string_view field, char separator) {
    if (field.size() > 2 && field.front() == '(' && field.back() == ')') {
        field = trimmed(field.substr(1, field.size() - 2));
    }
    if (field.empty() || (field.back() != 'j' && field.back() != 'i')) return {};
    field.remove_suffix(1);
    const std::size_t sign = imaginary_sign(field);
    if (sign == field.npos) return {};
    const auto re = real_value(trimmed(field.substr(0, sign)), separator);
    const auto im = real_value(trimmed(field.substr(sign + 1)), separator);
    if (!re || !im) return {};
    return FieldValue{*re, field[sign] == '-' ? -*im : *im, true};
}

struct Row {
    std::vector<bool> numbers;  ///< of its fields, which are numbers
    std::size_t filled = 0;     ///< fields that are not empty
    bool complex = false;       ///< one of them is a complex number
    std::size_t count() const {
        return static_cast<std::size_t>(std::count(numbers.begin(), numbers.end(), true));
    }
};

Row row_of(std::string_view line, char separator) {
    Row row;
    for (const std::string_view field : fields_of(line, separator)) {
        row.filled += !field.empty();
        const std::optional<FieldValue> value = field_value(field, separator);
        row.numbers.push_back(value.has_value());
        row.complex = row.complex || (value && value->complex);
    }
    return row;
}

bool is_row(const Row& row) {
    return row.count() >= 2 || row.complex;
}

/// Whether the later line goes on with two of the first one's numbers.
bool goes_on(const Row& first, const Row& later) {
    std::size_t common = 0;
    for (std::size_t i = 0; i < std::min(first.numbers.size(), later.numbers.size()); ++i) {
        common += first.numbers[i] && later.numbers[i];
    }
    return common >= std::min<std::size_t>(2, first.count());
}

/// A table as one separator would have it.
struct Candidate {
    char separator = ' ';
    std::size_t first_row = 0;
    std::vector<Row> rows;  ///< the first ones

    /// Rows of which every field that is not empty is a number.
    std::size_t whole_rows() const {
        return static_cast<std::size_t>(std::count_if(
            rows.begin(), rows.end(), [](const Row& row) { return row.count() == row.filled; }));
    }
};

bool is_content(std::string_view line) {
    return !trimmed(line).empty() && !is_comment(line);
}

Candidate candidate_of(std::string_view text, const std::string& path, char separator) {
    Candidate candidate;
    candidate.separator = separator;
    TextLines lines(text, path);
    while (lines.next() && candidate.rows.size() < kJudgedRows) {
        if (!is_content(lines.line())) continue;
        Row row = row_of(lines.line(), separator);
        if (row.numbers.size() > kMostColumns) row = {};
        const bool goes = !candidate.rows.empty() && goes_on(candidate.rows.front(), row);
        // What one line alone begins is no table, unless it is the last one.
        if (!candidate.rows.empty() && !goes && candidate.rows.size() == 1) candidate.rows.clear();
        if (candidate.rows.empty()) {
            if (!is_row(row)) continue;
            candidate.first_row = lines.number();
        }
        candidate.rows.push_back(std::move(row));
    }
    return candidate;
}

HeaderLine header_line(std::string_view line, std::size_t number, char separator) {
    HeaderLine header;
    header.line = number;
    for (const std::string_view field : fields_of(line, separator))
        header.fields.emplace_back(field);
    while (!header.fields.empty() && header.fields.back().empty()) header.fields.pop_back();
    return header;
}

/// The unit that stands beside "Horizontal Units" in the settings above or beside a table.
std::string horizontal_unit(std::string_view text, const std::string& path, char separator) {
    constexpr std::size_t kLines = 60;
    TextLines lines(text, path);
    while (lines.next() && lines.number() <= kLines) {
        const std::vector<std::string_view> fields = fields_of(lines.line(), separator);
        for (std::size_t i = 0; i + 1 < fields.size() && i < kMostColumns; ++i) {
            const std::string label = lower(fields[i]), unit = lower(fields[i + 1]);
            if (label.starts_with("horizontal unit") && unit_in_us(unit)) return unit;
        }
    }
    return "";
}

}  // namespace

bool is_comment(std::string_view line) {
    const std::string_view text = trimmed(line);
    return !text.empty() && (text.front() == '#' || text.front() == '%');
}

std::vector<std::string_view> fields_of(std::string_view line, char separator) {
    std::vector<std::string_view> fields;
    if (separator == ' ') {
        for (std::string_view rest = trimmed(line); !rest.empty() && fields.size() <= kMostColumns;
             rest = trimmed(rest)) {
            const auto end = std::min(rest.find_first_of(" \t"), rest.size());
            fields.push_back(unquoted(rest.substr(0, end)));
            rest.remove_prefix(end);
        }
        return fields;
    }
    std::size_t begin = 0;
    bool quoted = false;
    for (std::size_t i = 0; i <= line.size(); ++i) {
        if (i < line.size() && line[i] == '"') quoted = !quoted;
        if (i < line.size() && (line[i] != separator || quoted)) continue;
        fields.push_back(unquoted(trimmed(line.substr(begin, i - begin))));
        begin = i + 1;
        if (fields.size() > kMostColumns) break;
    }
    return fields;
}

std::optional<FieldValue> field_value(std::string_view field, char separator) {
    if (const auto re = real_value(field, separator)) return FieldValue{*re, 0.0, false};
    return complex_value(field, separator);
}

double last_place(std::string_view field) {
    const std::size_t exponent_at = std::min(field.find_first_of("eEdD"), field.size());
    const std::string_view mantissa = field.substr(0, exponent_at);
    const std::size_t point = mantissa.find_first_of(".,");
    int power = point == mantissa.npos ? 0 : -static_cast<int>(mantissa.size() - point - 1);
    if (exponent_at < field.size()) {
        std::string_view text = field.substr(exponent_at + 1);
        if (text.starts_with('+')) text.remove_prefix(1);
        int exponent = 0;
        std::from_chars(text.data(), text.data() + text.size(), exponent);
        power += std::clamp(exponent, -400, 400);
    }
    return std::pow(10.0, power);
}

std::optional<TextTable> find_table(std::string_view text, const std::string& path) {
    Candidate best;
    for (const char separator : kSeparators) {
        if (best.whole_rows() == kJudgedRows) break;  // no other can have more
        Candidate candidate = candidate_of(text, path, separator);
        if (candidate.rows.empty()) continue;
        if (best.rows.empty() || candidate.whole_rows() > best.whole_rows()) {
            best = std::move(candidate);
        }
    }
    if (best.rows.empty()) return {};
    TextTable table;
    table.separator = best.separator;
    table.first_row = best.first_row;
    TextLines lines(text, path);
    while (lines.next() && lines.number() < table.first_row) {
        const std::string_view line = lines.line();
        if (is_comment(line)) {
            if (table.comments.size() == kComments) table.comments.erase(table.comments.begin());
            table.comments.emplace_back(trimmed(trimmed(line).substr(1)));
        } else if (is_content(line)) {
            table.skipped += table.before.line != 0;
            table.before = std::move(table.above);
            table.above = header_line(line, lines.number(), table.separator);
        }
    }
    table.horizontal_unit = horizontal_unit(text, path, table.separator);
    const std::vector<std::string_view> first = fields_of(lines.line(), table.separator);
    table.fields = first.size();
    while (table.fields > 1 && first[table.fields - 1].empty()) --table.fields;
    for (std::size_t i = 0; i < table.fields; ++i) {
        const auto numbers = std::count_if(best.rows.begin(), best.rows.end(), [&](const Row& row) {
            return i < row.numbers.size() && row.numbers[i];
        });
        if (best.rows.front().numbers[i] &&
            2 * static_cast<std::size_t>(numbers) >= best.rows.size()) {
            table.numeric.push_back(i);
        }
    }
    return table;
}

}  // namespace nmrsim
