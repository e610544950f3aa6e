#include "nmrsim/measured_curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

#include "files/axis_words.h"
#include "files/text_curve.h"
#include "files/text_layout.h"
#include "nmrsim/errors.h"

namespace nmrsim {

namespace {

/// Spacings are called equal within this share of their mean.
constexpr double kEven = 1e-3;
using ReadArray = std::function<NumericArray(const std::string&)>;

[[noreturn]] void fail(const std::string& place, const std::string& what) {
    throw InputError(fmt::format("{}: {}", place, what));
}

float single(const NumericArray& array, double value) {
    const float rounded = static_cast<float>(value);
    if (std::isinf(rounded)) {
        fail(array.place, fmt::format("expected finite numbers, found {}", value));
    }
    return rounded;
}

/// How an array's numbers lie: that of curve c, part p and point i is at
/// first + c * curve + p * part + i * point.
struct Lie {
    std::size_t count = 1, points = 0;
    std::size_t first = 0, curve = 0, part = 0, point = 0;
};

std::size_t column_of(const CurveFormat& format, const char* role, std::size_t otherwise,
                      std::size_t columns, const std::string& place) {
    const std::string* choice = format.column(role);
    if (!choice) return otherwise;
    const std::size_t column = is_column_number(*choice) ? std::stoul(*choice) : 0;
    if (column == 0 || column > columns) {
        fail(place, fmt::format("expected a column from 1 to {} for {}, found {}", columns, role,
                                *choice));
    }
    return column - 1;
}

/// Args: time: the column of times, where there is one.
Lie lie_of(const NumericArray& array, const CurveFormat& format, std::optional<std::size_t>& time) {
    const auto& shape = array.shape;
    const std::size_t n = shape.size();
    Lie lie;
    if (!format.columns.empty() && (array.complex || n != 2)) {
        fail(array.place, fmt::format("columns are chosen, but {} {} has none",
                                      array.complex ? "complex" : "real", array.shape_text()));
    }
    if (array.complex && (n == 1 || n == 2)) {
        lie.points = shape.back();
        lie.count = n == 2 ? shape[0] : 1;
        lie.curve = 2 * lie.points;
        lie.part = 1;
        lie.point = 2;
    } else if (!array.complex && n == 2 && (shape[1] == 2 || shape[1] == 3)) {
        const std::size_t columns = shape[1];
        lie.points = shape[0];
        lie.point = columns;
        if (columns == 3) time = column_of(format, "time", 0, columns, array.place);
        const std::size_t re = column_of(format, "re", columns - 2, columns, array.place);
        const std::size_t im = column_of(format, "im", columns - 1, columns, array.place);
        if (re == im || time == re || time == im) {
            fail(array.place, "expected a column of its own for each of time, re and im");
        }
        lie.first = re;
        lie.part = im - re;  // modulo the size of std::size_t
    } else if (!array.complex && n == 2 && shape[0] == 2 && format.columns.empty()) {
        // Re in a row, Im in the next.
        lie.points = shape[1];
        lie.part = lie.points;
        lie.point = 1;
    } else if (!array.complex && n == 3 && shape[1] == 2) {
        lie.count = shape[0];
        lie.points = shape[2];
        lie.curve = 2 * lie.points;
        lie.part = lie.points;
        lie.point = 1;
    } else {
        fail(array.place,
             fmt::format("expected complex (points) or (count, points), or real "
                         "(points, 2), (points, 3), (2, points) or (count, 2, points), found {} {}",
                         array.complex ? "complex" : "real", array.shape_text()));
    }
    if (lie.points == 0 || lie.count == 0) {
        fail(array.place, fmt::format("expected curves, found none in {}", array.shape_text()));
    }
    return lie;
}

/// Args: time_of: the time at each of the points, in its own unit.
template <typename TimeOf>
void take_times(std::size_t points, const TimeOf& time_of, const std::string& place,
                const std::string& unit, const CurveFormat& format, MeasuredCurves& curves) {
    const TimeScale scale = time_scale(place, format, unit);
    curves.time_us.reserve(points);
    for (std::size_t i = 0; i < points; ++i) {
        const double time = time_of(i);
        const double us = time * scale.us;
        if (!std::isfinite(us)) fail(place, fmt::format("expected finite times, found {}", time));
        if (!curves.time_us.empty() && !(us > curves.time_us.back())) {
            fail(place, fmt::format("expected times that ascend, found {} after {}", time,
                                    curves.time_us.back() / scale.us));
        }
        curves.time_us.push_back(us);
    }
    curves.axis = scale.words;
}

void take_spacing(const std::string& place, std::size_t points, const CurveFormat& format,
                  MeasuredCurves& curves) {
    if (!format.dwell) {
        fail(place, "expected times beside the signal, or a given spacing (dwell) and start");
    }
    const auto time_of = [&](std::size_t i) {
        return format.start.value_or(0.0) + *format.dwell * static_cast<double>(i);
    };
    take_times(points, time_of, place, "", format, curves);
    curves.axis = "spacing as given";
}

/// Args: times: the array of times, where there is one beside the signal.
void take_axis(const std::string& place, std::size_t points,
               const std::optional<NumericArray>& times, const CurveFormat& format,
               MeasuredCurves& curves) {
    if (!times) return take_spacing(place, points, format, curves);
    // MATLAB's vectors are matrices of one row or column.
    const auto long_sides = std::count_if(times->shape.begin(), times->shape.end(),
                                          [](std::size_t length) { return length != 1; });
    if (times->complex || long_sides > 1 || times->values.size() != points) {
        fail(times->place, fmt::format("expected {} real times, found {} {}", points,
                                       times->complex ? "complex" : "real", times->shape_text()));
    }
    const auto time_of = [&](std::size_t i) { return times->values[i]; };
    take_times(points, time_of, times->place, times->unit, format, curves);
}

MeasuredCurves from_signal(const NumericArray& array, const std::optional<NumericArray>& times,
                           const CurveFormat& format) {
    MeasuredCurves curves;
    std::optional<std::size_t> time;
    const Lie lie = lie_of(array, format, time);
    if (time && (times || format.dwell)) {
        fail(array.place, "the first of three columns is the time: found other times beside it");
    }
    if (time) {
        const auto time_of = [&](std::size_t i) { return array.values[i * lie.point + *time]; };
        take_times(lie.points, time_of, array.place, array.unit, format, curves);
    } else {
        take_axis(array.place, lie.points, times, format, curves);
    }
    curves.signal.reserve(2 * lie.count * lie.points);
    for (std::size_t c = 0; c < lie.count; ++c) {
        for (std::size_t part = 0; part < 2; ++part) {
            const std::size_t base = lie.first + c * lie.curve + part * lie.part;
            for (std::size_t i = 0; i < lie.points; ++i) {
                curves.signal.push_back(single(array, array.values[base + i * lie.point]));
            }
        }
    }
    return curves;
}

/// Of Re and Im in arrays of their own, of which only one is in memory at a time.
MeasuredCurves from_parts(const std::string& re, const std::string& im,
                          const std::optional<NumericArray>& times, const CurveFormat& format,
                          const ReadArray& read) {
    MeasuredCurves curves;
    std::vector<std::size_t> shape;
    for (std::size_t part = 0; part < 2; ++part) {
        const NumericArray array = read(part == 0 ? re : im);
        if (part == 0) shape = array.shape;
        if (array.complex || array.shape != shape || shape.empty() || shape.size() > 2) {
            fail(array.place,
                 fmt::format("expected Re and Im as real arrays of one shape, (points) or (count, "
                             "points), found {} {}{}",
                             array.complex ? "complex" : "real", array.shape_text(),
                             part == 0 ? "" : " for Im"));
        }
        const std::size_t points = shape.back();
        if (array.values.empty()) {
            fail(array.place, fmt::format("expected curves, found none in {}", array.shape_text()));
        }
        if (part == 0) {
            take_axis(array.place, points, times, format, curves);
            curves.signal.resize(2 * array.values.size());
        }
        for (std::size_t i = 0; i < array.values.size(); ++i) {
            curves.signal[(2 * (i / points) + part) * points + i % points] =
                single(array, array.values[i]);
        }
    }
    return curves;
}

/// Each sample's standard deviation: of all curves alike, or of each.
void take_deviations(const NumericArray& array, MeasuredCurves& curves) {
    const std::size_t all = curves.count() * curves.points(), given = array.values.size();
    if (array.complex || (given != all && given != curves.points())) {
        fail(array.place,
             fmt::format("expected {} real standard deviations, found {} {}", curves.points(),
                         array.complex ? "complex" : "real", array.shape_text()));
    }
    for (std::size_t i = 0; i < all; ++i) {
        const float sigma = static_cast<float>(array.values[i % given]);
        if (!(sigma > 0.0f) || std::isinf(sigma)) {
            fail(array.place, fmt::format("expected standard deviations > 0, found {}", sigma));
        }
        curves.sigma.push_back(sigma);
    }
}

/// Args: signal, time, sigma: names where the format gives none; an empty one: there is none.
MeasuredCurves from_named(const CurveFormat& format, const std::string& place,
                          const std::string& signal, const std::string& time,
                          const std::string& sigma, const ReadArray& read) {
    // Numbers choose columns of the one array, names choose arrays.
    const bool numbers =
        std::all_of(format.columns.begin(), format.columns.end(),
                    [](const ColumnChoice& choice) { return is_column_number(choice.column); });
    const std::string* re = numbers ? nullptr : format.column("re");
    const std::string* im = numbers ? nullptr : format.column("im");
    if ((re == nullptr) != (im == nullptr)) {
        fail(place, "expected Re and Im: one channel is not enough");
    }
    std::optional<NumericArray> times;
    const std::string* chosen = numbers ? nullptr : format.column("time");
    if (chosen || (!time.empty() && !format.dwell)) {
        const std::string& name_of_times = chosen ? *chosen : time;
        times = read(name_of_times);
        if (times->unit.empty()) {
            times->unit =
                unit_of_time_name(name_of_times.substr(name_of_times.rfind('/') + 1)).value_or("");
        }
    }
    CurveFormat rest = format;
    if (!numbers) rest.columns.clear();
    const std::string* name = numbers ? nullptr : format.column("signal");
    MeasuredCurves curves = re ? from_parts(*re, *im, times, rest, read)
                               : from_signal(read(name ? *name : signal), times, rest);
    const std::string* of_sigma = numbers ? nullptr : format.column("sigma");
    if (of_sigma) {
        take_deviations(read(*of_sigma), curves);
    } else if (!sigma.empty()) {
        take_deviations(read(sigma), curves);
    }
    return curves;
}

MeasuredCurves from_npz(const std::string& path, const CurveFormat& format) {
    const std::vector<std::string> names = npz_names(path);
    // One array alone needs no name.
    const std::string signal = names.size() == 1 ? names.front() : "signal";
    std::string time;
    for (const std::string& name : names) {
        if (name == signal || !unit_of_time_name(name)) continue;
        if (time.empty() || name == "time") time = name;
    }
    const bool deviates = std::find(names.begin(), names.end(), "sigma") != names.end();
    return from_named(format, path, signal, time, deviates && signal != "sigma" ? "sigma" : "",
                      [&](const std::string& name) { return read_npz(path, name); });
}

MeasuredCurves from_hdf5(const Hdf5Place& place, const CurveFormat& format) {
    return from_named(format, place.file + ":" + place.name, place.name,
                      format.dwell ? "" : hdf5_times_of(place.file, place.name), "",
                      [&](const std::string& name) { return read_hdf5_array(place.file, name); });
}

}  // namespace

Hdf5Place hdf5_place(const std::string& input) {
    const std::size_t colon = input.rfind(":/");
    std::error_code error;
    if (colon == input.npos || colon == 0 || std::filesystem::exists(input, error)) return {};
    return {input.substr(0, colon), input.substr(colon + 1)};
}

namespace {

MeasuredCurves read_as_it_is(const std::string& input, const CurveFormat& format) {
    if (const Hdf5Place place = hdf5_place(input); !place.name.empty()) {
        return from_hdf5(place, format);
    }
    const std::string extension = std::filesystem::path(input).extension().string();
    if (extension == ".npz") return from_npz(input, format);
    if (extension == ".npy") return from_signal(read_npy(input), {}, format);
    TextCurves text = read_text_curves(input, format);
    MeasuredCurves curves;
    const std::size_t count = text.count(), points = text.points();
    curves.time_us = std::move(text.time_us);
    curves.axis = text.axis;
    text.mz = {};
    curves.signal.resize(2 * count * points);
    for (std::size_t part = 0; part < 2; ++part) {
        std::vector<double>& values = part == 0 ? text.mx : text.my;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const float rounded = static_cast<float>(values[i]);
            if (!std::isfinite(rounded)) {
                fail(input, fmt::format("expected numbers below 3e38, found {}", values[i]));
            }
            curves.signal[(2 * (i / points) + part) * points + i % points] = rounded;
        }
        values = {};
    }
    curves.sigma.assign(text.sigma.begin(), text.sigma.end());
    if (!text.dead.empty()) curves.dead.assign(count * points, false);
    for (const std::size_t i : text.dead) curves.dead[i] = true;
    return curves;
}

/// Samples that are not a number are dead.
void bury(const std::string& input, MeasuredCurves& curves) {
    const std::size_t points = curves.points();
    for (std::size_t i = 0; i < curves.count() * points; ++i) {
        float& re = curves.signal[2 * (i / points) * points + i % points];
        float& im = curves.signal[(2 * (i / points) + 1) * points + i % points];
        if (!std::isnan(re) && !std::isnan(im)) continue;
        re = im = 0.0f;
        if (curves.dead.empty()) curves.dead.assign(curves.count() * points, false);
        curves.dead[i] = true;
    }
    const auto dead = std::count(curves.dead.begin(), curves.dead.end(), true);
    if (dead == 0) return;
    if (dead == std::ssize(curves.dead)) fail(input, "expected numbers, found none");
    add_words(dead == 1 ? "1 sample that is not a number does not count"
                        : fmt::format("{} samples that are not numbers do not count", dead),
              curves.axis);
}

/// Every `points`th group's first `skip` values taken out.
template <typename Values>
void skip_first(std::size_t points, std::size_t skip, Values& values) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (i % points >= skip) values[kept++] = values[i];
    }
    values.resize(kept);
}

}  // namespace

MeasuredCurves read_measured_curves(const std::string& input, const CurveFormat& format) {
    format.validate();
    return as_told(read_as_it_is(input, format), format, input);
}

MeasuredCurves as_told(MeasuredCurves curves, const CurveFormat& format, const std::string& name) {
    const std::size_t points = curves.points();
    if (format.skip > 0) {
        if (format.skip + 1 >= points) {
            fail(name, fmt::format("expected more than {} samples to leave out so many, found {}",
                                   format.skip + 1, points));
        }
        skip_first(points, format.skip, curves.signal);
        skip_first(points, format.skip, curves.sigma);
        skip_first(points, format.skip, curves.dead);
        skip_first(points, format.skip, curves.time_us);
        add_words(fmt::format("the first {} left out", format.skip), curves.axis);
    }
    bury(name, curves);
    if (!format.conjugate) return curves;
    const std::size_t left = curves.points();
    for (std::size_t i = 0; i < curves.signal.size(); ++i) {
        if (i / left % 2 == 1) curves.signal[i] = -curves.signal[i];
    }
    add_words("conjugated", curves.axis);
    return curves;
}

std::string axis_in_words(const MeasuredCurves& curves) {
    const std::vector<double>& t = curves.time_us;
    const std::string words = fmt::format("{} points", t.size());
    if (t.size() < 2) return words + "; " + curves.axis;
    const double spacing = (t.back() - t.front()) / static_cast<double>(t.size() - 1);
    double least = spacing, most = spacing;
    for (std::size_t i = 1; i < t.size(); ++i) {
        least = std::min(least, t[i] - t[i - 1]);
        most = std::max(most, t[i] - t[i - 1]);
    }
    const bool even = most - least <= kEven * spacing;
    return fmt::format(
        "{}, spacing {}, from {:.6g} to {:.6g} us; {}", words,
        even ? fmt::format("{:.5g} us", spacing) : fmt::format("{:.5g} to {:.5g} us", least, most),
        t.front(), t.back(), curves.axis);
}

}  // namespace nmrsim
