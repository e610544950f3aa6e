/// Where the table of numbers stands in a text: its separator, its first row, the names above it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "files/text_file.h"

namespace nmrsim {

/// More columns than any instrument writes; a list of a line's fields takes more than the line.
inline constexpr std::size_t kMostColumns = 1000;

/// Fields of a line, trimmed and without quotes; at most one more than kMostColumns.
///
/// Args: separator: between fields; ' ' for runs of blanks.
std::vector<std::string_view> fields_of(std::string_view line, char separator);

/// A number or a complex number of a text: Re and Im, Im being 0 for a number alone.
///
/// Decimal commas where commas do not separate; Fortran's D for e; (1-2j), 1-2i.
struct FieldValue {
    double re = 0.0, im = 0.0;
    bool complex = false;
};

/// Nothing where the field is none. Infinities and NaN are numbers here.
std::optional<FieldValue> field_value(std::string_view field, char separator);

/// What one unit in the last place of the number is, 0 where it is none: 0.001 for "131.780".
double last_place(std::string_view field);

/// A line of names above a table, or of units.
struct HeaderLine {
    std::vector<std::string> fields;
    std::size_t line = 0;  ///< its number, 0: there is none
};

struct TextTable {
    char separator = ' ';
    std::size_t first_row = 0;          ///< number of its line
    std::size_t fields = 0;             ///< of a row, empty ones at its end left out
    std::vector<std::size_t> numeric;   ///< fields that hold numbers
    HeaderLine above;                   ///< the last line before the first row, comments left out
    HeaderLine before;                  ///< the one before that
    std::vector<std::string> comments;  ///< the last ones before the first row, as they stand
    std::string horizontal_unit;  ///< of the time, as an oscilloscope's settings say; may be empty
    std::size_t skipped = 0;      ///< lines before the first row that are neither of the two
};

/// Nothing where no line holds two numbers.
std::optional<TextTable> find_table(std::string_view text, const std::string& path);

/// A comment begins with # or %.
bool is_comment(std::string_view line);

}  // namespace nmrsim
