/// A curve in a text file, with how its times were read.
#pragma once

#include <string>

#include "nmrsim/curve_format.h"
#include "nmrsim/signal.h"

namespace nmrsim {

struct TextCurve {
    Signal signal;     ///< mz is 0 where the file has none
    std::string axis;  ///< where the times and their unit are from, in a few words
};

/// Throws: InputError that names the line; std::invalid_argument for an impossible format.
TextCurve read_text_curve(const std::string& path, const CurveFormat& format);

/// Factor to microseconds and where it is from, in words: what `format` asks for, or what the file
/// says (empty: nothing), or us. Throws: InputError where both speak and differ.
struct TimeScale {
    double us;
    std::string words;
};
TimeScale time_scale(const std::string& place, const CurveFormat& format, const std::string& own);

}  // namespace nmrsim
