/// Curves in a text file, with how their times were read.
#pragma once

#include <string>
#include <vector>

#include "nmrsim/curve_format.h"

namespace nmrsim {

struct TextCurves {
    std::vector<double> time_us;  ///< (points)
    std::vector<double> mx, my;   ///< (count, points), Re and Im
    std::vector<double> mz;       ///< the same, empty where the file has none
    std::vector<double> sigma;    ///< the same: each sample's standard deviation, on each part
    /// (count x points) places of samples that are not numbers, ascending; they are 0.
    std::vector<std::size_t> dead;
    std::string axis;  ///< where times and columns are from, and what was left out, in words

    std::size_t points() const { return time_us.size(); }
    std::size_t count() const { return points() == 0 ? 0 : mx.size() / points(); }
};

/// One curve, or several of the same times one after the other.
///
/// Lines before the table, a line of units, another order of the columns, other encodings: see
/// docs/formats.md. Throws: InputError that names the line; std::invalid_argument for an impossible
/// format.
TextCurves read_text_curves(const std::string& path, const CurveFormat& format);

/// Factor to microseconds and where it is from, in words: what `format` asks for, or what the file
/// says (empty: nothing), or us. Throws: InputError where both speak and differ.
struct TimeScale {
    double us;
    std::string words;
};
TimeScale time_scale(const std::string& place, const CurveFormat& format, const std::string& own);

}  // namespace nmrsim
