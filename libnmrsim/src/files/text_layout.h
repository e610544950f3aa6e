/// Which column of a text's table holds what, by its names or by their order.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "files/text_table.h"
#include "nmrsim/curve_format.h"

namespace nmrsim {

enum Column : std::size_t { kTime, kRe, kIm, kMz, kSigma, kColumns };
inline constexpr std::array<const char*, kColumns> kColumnNames = {"time", "mx", "my", "mz",
                                                                   "sigma"};

struct TextLayout {
    /// The field of each column; Re and Im are the same one where it holds complex numbers.
    std::array<std::optional<std::size_t>, kColumns> field_of;
    std::string unit;            ///< of the time, as the file says
    std::string place;           ///< of what was decided by: the header's line, or the first row's
    std::string said;            ///< what was decided without a name, in words; empty: nothing
    bool by_order = false;       ///< columns were told by their order alone
    bool counts_points = false;  ///< the time may be the points' number: names say nothing of it
    double start = 0.0, step = 1.0;  ///< time = start + step * what stands in its column
};

/// Args: first_row: the table's first line. Throws: InputError.
TextLayout layout_of(const TextTable& table, std::string_view first_row, const std::string& path,
                     const CurveFormat& format);

/// The unit that a name of times says, "us" of "time_us" and "Time (us)", empty where it says none;
/// nothing for a name that means something else.
std::optional<std::string> unit_of_time_name(std::string_view name);

}  // namespace nmrsim
