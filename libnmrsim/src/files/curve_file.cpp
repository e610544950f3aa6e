#include "nmrsim/curve_file.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "files/text_curve.h"
#include "nmrsim/errors.h"
#include "nmrsim/series.h"

namespace nmrsim {

std::string curve_to_csv(const Signal& signal) {
    std::string text = "time_us,mx,my,mz\n";
    for (std::size_t i = 0; i < signal.points(); ++i) {
        fmt::format_to(std::back_inserter(text), "{:.9g},{:.9g},{:.9g},{:.9g}\n", signal.time_us[i],
                       signal.mx[i], signal.my[i], signal.mz[i]);
    }
    return text;
}

std::string curve_to_csv(const Experiment& experiment, const Signal& signal) {
    if (experiment.series.empty()) return curve_to_csv(signal);
    const std::vector<Experiment> records = series_records(experiment);
    std::string text = "record,time_us,mx,my,mz\n";
    for (std::size_t r = 0; r < records.size(); ++r) {
        const Signal record = record_of(signal, records, r);
        for (std::size_t i = 0; i < record.points(); ++i) {
            fmt::format_to(std::back_inserter(text), "{},{:.9g},{:.9g},{:.9g},{:.9g}\n", r + 1,
                           record.time_us[i], record.mx[i], record.my[i], record.mz[i]);
        }
    }
    return text;
}

Signal read_curve(const std::string& path, const CurveFormat& format) {
    TextCurves curves = read_text_curves(path, format);
    if (curves.count() != 1) {
        throw InputError(
            fmt::format("{}: expected one curve, found {} records", path, curves.count()));
    }
    if (!curves.dead.empty()) {
        throw InputError(fmt::format("{}: expected finite numbers, sample {} is none", path,
                                     curves.dead.front() + 1));
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
