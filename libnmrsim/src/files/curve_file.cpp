#include "nmrsim/curve_file.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "files/text_curve.h"
#include "nmrsim/errors.h"

namespace nmrsim {

std::string curve_to_csv(const Signal& signal) {
    std::string text = "time_us,mx,my,mz\n";
    for (std::size_t i = 0; i < signal.points(); ++i) {
        fmt::format_to(std::back_inserter(text), "{:.9g},{:.9g},{:.9g},{:.9g}\n", signal.time_us[i],
                       signal.mx[i], signal.my[i], signal.mz[i]);
    }
    return text;
}

Signal read_curve(const std::string& path, const CurveFormat& format) {
    TextCurves curves = read_text_curves(path, format);
    if (curves.count() != 1) {
        throw InputError(
            fmt::format("{}: expected one curve, found {} records", path, curves.count()));
    }
    if (curves.mz.empty()) curves.mz.resize(curves.points());
    Signal signal;
    signal.time_us = std::move(curves.time_us);
    signal.mx = std::move(curves.mx);
    signal.my = std::move(curves.my);
    signal.mz = std::move(curves.mz);
    return signal;
}

}  // namespace nmrsim
