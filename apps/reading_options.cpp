#include "reading_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <stdexcept>

namespace nmrapps {
namespace {

/// A time with its unit, such as 0.5us, or in `usual`; in the latter.
double time_of(const char* flag, const std::string& text, const std::string& usual) {
    std::size_t used = 0;
    double value = std::nan("");
    try {
        value = std::stod(text, &used);
    } catch (const std::logic_error&) {
    }
    const std::size_t unit = std::min(text.find_first_not_of(' ', used), text.size());
    const std::optional<double> own =
        nmrsim::unit_in_us(unit < text.size() ? text.substr(unit) : "us");
    if (!std::isfinite(value) || !own) {
        throw std::invalid_argument(
            fmt::format("{}: expected a time such as 0.5us, got {}", flag, text));
    }
    if (unit == text.size()) return value;
    return value * *own / nmrsim::unit_in_us(usual.empty() ? "us" : usual).value();
}

}  // namespace

nmrsim::CurveFormat ReadingOptions::format(bool any_start) const {
    nmrsim::CurveFormat format;
    format.time_unit = time_unit;
    if (!columns.empty()) format.columns = nmrsim::parse_columns(columns);
    if (!dwell.empty()) format.dwell = time_of("--dwell", dwell, time_unit);
    if (!start.empty()) format.start = time_of("--start", start, time_unit);
    format.skip = skip;
    format.conjugate = conjugate;
    if (format.start && !format.dwell) {
        throw std::invalid_argument("--start needs --dwell, the spacing of the samples");
    }
    if (format.dwell && !format.start && !any_start) {
        throw std::invalid_argument("--dwell needs --start, the time of the first sample");
    }
    format.validate();
    return format;
}

void add_reading_options(CLI::App& app, ReadingOptions& options) {
    app.add_option("--time-unit", options.time_unit,
                   "Unit of the times in files that do not say it: ns, us (default), ms or s")
        ->check(CLI::IsMember({"ns", "us", "ms", "s"}))
        ->type_name("UNIT");
    app.add_option("--columns", options.columns,
                   "Which columns (numbers from 1, or names) or arrays hold what: "
                   "time=1,re=2,im=3,sigma=4, or time=t,signal=echo")
        ->type_name("ROLE=COLUMN,...");
    app.add_option("--dwell", options.dwell,
                   "Spacing of the samples of files without times, such as 0.5us")
        ->type_name("TIME");
    app.add_option("--start", options.start, "Time of their first sample")->type_name("TIME");
    app.add_option("--skip", options.skip, "Leave out the first N samples of each record")
        ->type_name("N");
    app.add_flag("--conjugate", options.conjugate, "Im has the other sign than the files say");
}

}  // namespace nmrapps
