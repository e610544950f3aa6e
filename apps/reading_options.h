/// Flags that say how to read curves of other programs.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "nmrsim/curve_format.h"

namespace nmrapps {

/// --time-unit, --columns, --dwell, --start, --skip and --conjugate.
struct ReadingOptions {
    std::string time_unit;
    std::string columns;
    std::string dwell, start;  ///< empty: not given
    std::size_t skip = 0;
    bool conjugate = false;

    /// Args: any_start: the first time may be left out, it means nothing. Throws:
    /// std::invalid_argument that names the flag.
    nmrsim::CurveFormat format(bool any_start = false) const;
};

/// Args: options: must outlive the parsing.
void add_reading_options(CLI::App& app, ReadingOptions& options);

}  // namespace nmrapps
