#include "reading_options.h"

#include <stdexcept>

#include "command_line.h"

namespace nmrapps {

nmrsim::CurveFormat ReadingOptions::format(bool any_start) const {
    nmrsim::CurveFormat format;
    format.time_unit = time_unit;
    if (!columns.empty()) format.columns = nmrsim::parse_columns(columns);
    if (dwell > 0.0) format.dwell = dwell;
    if (start_given && !start_given->empty()) format.start = start;
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
                   "Spacing of the samples of files without times, in --time-unit")
        ->check(positive_number())
        ->type_name("TIME");
    options.start_given =
        app.add_option("--start", options.start, "Time of their first sample")->type_name("TIME");
    app.add_option("--skip", options.skip, "Leave out the first N samples of each record")
        ->type_name("N");
    app.add_flag("--conjugate", options.conjugate, "Im has the other sign than the files say");
}

}  // namespace nmrapps
