/// One curve as CSV.
#pragma once

#include <string>

#include "nmrsim/signal.h"

namespace nmrsim {

/// "time_us,mx,my,mz", one line a sample, 9 significant digits.
std::string curve_to_csv(const Signal& signal);

/// Reads time_us, mx, my and, if there, mz (0 where not), by the header's names; without a header
/// by position. Comments start with '#'.
///
/// Throws: InputError, "echo.csv:17: expected 3 numbers, found 2"; also for NaN and for times that
/// do not ascend.
Signal read_curve(const std::string& path);

}  // namespace nmrsim
