/// One curve as CSV.
#pragma once

#include <string>

#include "nmrsim/curve_format.h"
#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"

namespace nmrsim {

/// "time_us,mx,my,mz", one line a sample, 9 significant digits.
std::string curve_to_csv(const Signal& signal);

/// The same of the experiment's curve; of a series, "record,time_us,mx,my,mz", records from 1.
std::string curve_to_csv(const Experiment& experiment, const Signal& signal);

/// Reads time, Re, Im and, if there, Mz (0 where not) from a text file.
///
/// Columns are apart by commas, semicolons, tabs or blanks (with a decimal comma where the comma
/// does not separate) and go by the header's names in any order and case: time, t (with a unit, as
/// in time_us or "Time (ms)"); mx, re, real, x; my, im, imag, imaginary, y; mz, z. The header may
/// stand in the last comment. Without one the order is time, Re, Im, Mz. Comments start with # or
/// %. Times without a unit are microseconds. `format` overrides any of it.
///
/// Throws: InputError, "echo.csv:17: expected 3 numbers, found 2"; also for NaN and for times that
/// do not ascend. std::invalid_argument for an impossible format.
Signal read_curve(const std::string& path, const CurveFormat& format = {});

}  // namespace nmrsim
