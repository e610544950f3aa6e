/// What a file of curves does not say itself: the unit of its times, its columns, its spacing.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nmrsim {

/// Which column, array or data set of a file holds what.
struct ColumnChoice {
    std::string role;    ///< time, re, im, signal (Re and Im in one array) or sigma
    std::string column;  ///< its name, or its number, counted from 1
};

/// How to read a file of curves; all empty: by what the file says.
struct CurveFormat {
    std::string time_unit = {};              ///< ns, us, ms or s; empty: the file's own, or us
    std::vector<ColumnChoice> columns = {};  ///< at most one for each role
    std::optional<double> dwell = {};  ///< spacing of the times of a file without [time_unit], > 0
    std::optional<double> start = {};  ///< its first time [time_unit]; needs dwell
    std::size_t skip = 0;              ///< first samples of each record that are left out
    bool conjugate = false;            ///< Im has the other sign than the file says

    /// Throws: std::invalid_argument.
    void validate() const;

    /// The column chosen for a role; nullptr: none.
    const std::string* column(std::string_view role) const;
};

/// Whether a choice is a number, not a name.
bool is_column_number(const std::string& column);

/// "time=1,re=2,im=3" or "time=t,signal=echo". Throws: std::invalid_argument.
std::vector<ColumnChoice> parse_columns(std::string_view text);

/// Microseconds in a ns, us (also with either letter mu), ms or s; nothing for any other text.
std::optional<double> unit_in_us(std::string_view unit);

}  // namespace nmrsim
