#include "nmrsim/curve_file.h"

#include <fmt/format.h>

#include <iterator>

#include "text_curve.h"

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
    return read_text_curve(path, format).signal;
}

}  // namespace nmrsim
