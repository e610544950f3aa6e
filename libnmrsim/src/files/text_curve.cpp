#include "files/text_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>

#include "files/memory_allowance.h"
#include "files/text_file.h"
#include "files/text_layout.h"
#include "files/text_table.h"
#include "nmrsim/errors.h"
#include "text/text_numbers.h"

namespace nmrsim {

TimeScale time_scale(const std::string& place, const CurveFormat& format, const std::string& own) {
    if (own.empty()) {
        return format.time_unit.empty() ? TimeScale{1.0, "times taken as us"}
                                        : TimeScale{*unit_in_us(format.time_unit),
                                                    "times in " + format.time_unit + " as asked"};
    }
    const std::optional<double> us = unit_in_us(own);
    if (!us && format.time_unit.empty()) {
        throw InputError(fmt::format("{}: expected times in ns, us, ms or s, found \"{}\"", place,
                                     printable(own)));
    }
    if (us && !format.time_unit.empty() && *us != *unit_in_us(format.time_unit)) {
        throw InputError(fmt::format("{}: expected times in {} as asked, found {}", place,
                                     format.time_unit, own));
    }
    return us ? TimeScale{*us, "times in " + own + " as the file says"}
              : TimeScale{*unit_in_us(format.time_unit),
                          "times in " + format.time_unit + " as asked"};
}

namespace {

/// A time that starts again begins another record, once the first one has this many points.
constexpr std::size_t kLeastRecord = 4;
/// Times are called even where rounding to their last digit may have moved them [last places].
constexpr double kRounding = 0.6;
/// Times without a unit that are closer than this are no microseconds but seconds: 10 ps.
constexpr double kLeastSpacing = 1e-5;
/// A step that differs by more from the mean one is a gap [spacings].
constexpr double kLargestGap = 0.5;
/// What such rounding must be to matter [spacings].
constexpr double kRoundingMatters = 1e-4;

/// A sample that an instrument or a script could not give.
bool is_not_a_number(std::string_view field) {
    return lower(field) == "nan";
}

/// Reads the rows below a header into curves.
class RowReader {
public:
    RowReader(const TextTable& table, TextLayout layout, const CurveFormat& format,
              std::uint64_t bytes)
        : table_(table), layout_(std::move(layout)), format_(format), bytes_(bytes) {
        scale_ = time_scale(layout_.place, format, layout_.unit);
        curves.axis = format.dwell ? "spacing as given" : scale_.words;
        if (!layout_.said.empty()) curves.axis += "; " + layout_.said;
    }

    /// Args: rows: as many as there may be.
    void reserve(std::size_t rows) {
        const std::uint64_t allowed = memory_allowance(bytes_);
        const std::size_t most = (allowed - std::min(bytes_, allowed)) / point_bytes();
        for (auto* column : {&curves.time_us, &curves.mx, &curves.my}) {
            column->reserve(std::min(rows, most));
        }
        if (layout_.field_of[kMz]) curves.mz.reserve(std::min(rows, most));
        if (layout_.field_of[kSigma]) curves.sigma.reserve(std::min(rows, most));
    }

    void read(const TextLines& lines) {
        if (!unfinished_.empty()) throw InputError(unfinished_);
        const std::string place = lines.place();
        std::vector<std::string_view> fields = fields_of(lines.line(), table_.separator);
        while (fields.size() > table_.fields && fields.back().empty()) fields.pop_back();
        if (fields.size() != table_.fields) {
            throw InputError(fmt::format("{}: expected {} numbers, found {}", place, table_.fields,
                                         fields.size()));
        }
        const std::string_view re = fields[*layout_.field_of[kRe]];
        const std::string_view im = fields[*layout_.field_of[kIm]];
        if (re.empty() && im.empty()) {
            // The last line of what a program was still writing.
            unfinished_ = fmt::format("{}: mx: expected a number, found \"\"", place);
            return;
        }
        if (point_bytes() * (curves.mx.size() + 1) + bytes_ > memory_allowance(bytes_)) {
            throw InputError(fmt::format(
                "{}: expected longer lines: {} points are more than a file of its size may hold",
                place, curves.mx.size() + 1));
        }
        take_time(fields, place);
        const bool complex = layout_.field_of[kRe] == layout_.field_of[kIm];
        if (is_not_a_number(re) || is_not_a_number(im)) {
            curves.dead.push_back(curves.mx.size());
            curves.mx.push_back(0.0);
            curves.my.push_back(0.0);
            if (layout_.field_of[kMz]) curves.mz.push_back(0.0);
            if (layout_.field_of[kSigma]) curves.sigma.push_back(1.0);
            return;
        }
        curves.mx.push_back(value(fields, kRe, place).re);
        const FieldValue imaginary = value(fields, kIm, place);
        if (imaginary.complex != complex) {
            throw InputError(fmt::format("{}: expected {} numbers as in the first row", place,
                                         complex ? "complex" : "real"));
        }
        curves.my.push_back(complex ? imaginary.im : imaginary.re);
        if (layout_.field_of[kMz]) curves.mz.push_back(value(fields, kMz, place).re);
        if (!layout_.field_of[kSigma]) return;
        curves.sigma.push_back(value(fields, kSigma, place).re);
        if (!(curves.sigma.back() > 0.0)) {
            throw InputError(fmt::format("{}: sigma: expected a standard deviation > 0, found {}",
                                         place, curves.sigma.back()));
        }
    }

    TextCurves finish(const std::string& path) {
        const std::size_t points = curves.points();
        if (points == 0) {
            throw InputError(
                fmt::format("{}: expected lines of time, Re and Im, found none", path));
        }
        if (curves.mx.size() % points != 0) {
            throw InputError(fmt::format("{}: record {} has {} points, the first has {}", path,
                                         curves.mx.size() / points + 1, curves.mx.size() % points,
                                         points));
        }
        if (curves.count() > 1) curves.axis += fmt::format("; {} records", curves.count());
        if (!unfinished_.empty()) curves.axis += "; the last line has no numbers and is left out";
        if (curves.dead.size() == curves.mx.size()) {
            throw InputError(fmt::format("{}: expected numbers, found none", path));
        }
        if (!format_.dwell) {
            if (layout_.counts_points) refuse_numbers_of_points();
            if (layout_.unit.empty() && format_.time_unit.empty()) take_as_seconds();
            make_even();
        }
        return std::move(curves);
    }

    TextCurves curves;

private:
    std::uint64_t point_bytes() const {
        const int columns =
            3 + layout_.field_of[kMz].has_value() + layout_.field_of[kSigma].has_value();
        return static_cast<std::uint64_t>(columns) * sizeof(double);
    }

    FieldValue value(const std::vector<std::string_view>& fields, Column column,
                     const std::string& place) const {
        const std::string_view field = fields[*layout_.field_of[column]];
        const auto found = field_value(field, table_.separator);
        if (!found || !std::isfinite(found->re) || !std::isfinite(found->im)) {
            read_number(field, fmt::format("{}: {}", place, kColumnNames[column]));  // throws
            throw InputError(
                fmt::format("{}: {}: expected a finite number", place, kColumnNames[column]));
        }
        return *found;
    }

    void take_time(const std::vector<std::string_view>& fields, const std::string& place) {
        const std::size_t row = curves.mx.size();
        double time =
            format_.start.value_or(0.0) + format_.dwell.value_or(0.0) * static_cast<double>(row);
        if (!format_.dwell) {
            time = layout_.start + layout_.step * value(fields, kTime, place).re;
            last_place_ =
                std::max(last_place_, layout_.step * last_place(fields[*layout_.field_of[kTime]]));
        }
        const double us = time * scale_.us;
        if (!std::isfinite(us)) {
            throw InputError(fmt::format("{}: expected a finite time, got {}", place, us));
        }
        std::vector<double>& times = curves.time_us;
        const double slack = 0.5 * last_place_ * scale_.us;
        const bool again = times.size() >= kLeastRecord && std::abs(us - times.front()) <= slack;
        if (row == times.size() && (times.empty() || us > times.back())) {
            times.push_back(us);
        } else if (row % std::max<std::size_t>(times.size(), 1) == 0 && again) {
            return;  // another record begins
        } else if (row == times.size()) {
            throw InputError(fmt::format(
                "{}: time must ascend, got {} after {}{}", place, time, times.back() / scale_.us,
                layout_.by_order ? " (the first column is taken for the time: --columns says else)"
                                 : ""));
        } else if (std::abs(us - times[row % times.size()]) > slack) {
            throw InputError(fmt::format("{}: expected the times of the first record, {}, got {}",
                                         place, times[row % times.size()] / scale_.us, time));
        }
    }

    void refuse_numbers_of_points() const {
        const std::vector<double>& t = curves.time_us;
        for (std::size_t i = 0; i < t.size(); ++i) {
            if (t[i] != t[0] + static_cast<double>(i) || (t[0] != 0.0 && t[0] != 1.0)) return;
        }
        throw InputError(fmt::format(
            "{}: expected times, but the first column counts the points: give their spacing "
            "(--dwell) and say where Re and Im are (--columns)",
            layout_.place));
    }

    void take_as_seconds() {
        std::vector<double>& t = curves.time_us;
        const double spacing = (t.back() - t.front()) / static_cast<double>(t.size() - 1);
        if (t.size() < 2 || spacing >= kLeastSpacing) return;
        scale_.us = *unit_in_us("s");
        for (double& time : t) time *= scale_.us;
        curves.axis += fmt::format("; without a unit, {:.3g} apart: taken as s", spacing);
        const std::string us = "times taken as us; ";
        if (curves.axis.starts_with(us)) curves.axis.erase(0, us.size());
    }

    /// Takes back the rounding of times that were even before they were written.
    void make_even() {
        std::vector<double>& t = curves.time_us;
        const std::size_t n = t.size();
        if (n < 3) return;
        const double middle = 0.5 * static_cast<double>(n - 1);
        double mean = 0.0, slope = 0.0, square = 0.0;
        for (std::size_t i = 0; i < n; ++i) {
            const double x = static_cast<double>(i) - middle;
            mean += t[i] / static_cast<double>(n);
            slope += x * t[i];
            square += x * x;
        }
        const double spacing = slope / square;
        double worst = 0.0;
        for (std::size_t i = 0; i < n; ++i) {
            // Rounding makes no gaps.
            if (i > 0 && std::abs(t[i] - t[i - 1] - spacing) > kLargestGap * spacing) return;
            const double even = mean + spacing * (static_cast<double>(i) - middle);
            worst = std::max(worst, std::abs(t[i] - even));
        }
        if (worst > kRounding * last_place_ * scale_.us || worst < kRoundingMatters * spacing) {
            return;
        }
        for (std::size_t i = 0; i < n; ++i) {
            t[i] = mean + spacing * (static_cast<double>(i) - middle);
        }
        curves.axis += "; evenly spaced within the times' last digit, taken as even";
    }

    const TextTable& table_;
    TextLayout layout_;
    const CurveFormat& format_;
    std::uint64_t bytes_;
    TimeScale scale_;
    double last_place_ = 0.0;  ///< the largest unit in the last place of a time [its unit]
    std::string unfinished_;   ///< what is wrong with a line without values, the last one so far
};

TextCurves read_curves(const std::string& path, const CurveFormat& format) {
    format.validate();
    const std::string text = read_text_file(path);
    const std::optional<TextTable> table = find_table(text, path);
    if (!table) {
        throw InputError(fmt::format("{}: expected lines of time, Re and Im, found none", path));
    }
    TextLines lines(text, path);
    while (lines.next() && lines.number() < table->first_row) {
    }
    RowReader reader(*table, layout_of(*table, lines.line(), path, format), format, text.size());
    reader.reserve(static_cast<std::size_t>(std::count_if(
                       text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; })) +
                   1);
    do {
        if (!trimmed(lines.line()).empty() && !is_comment(lines.line())) reader.read(lines);
    } while (lines.next());
    return reader.finish(path);
}

}  // namespace

TextCurves read_text_curves(const std::string& path, const CurveFormat& format) {
    try {
        return read_curves(path, format);
    } catch (const InputError& error) {
        // It may quote the file.
        throw InputError(printable(error.what(), 1000));
    }
}

}  // namespace nmrsim
