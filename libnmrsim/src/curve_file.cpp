#include "nmrsim/curve_file.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <optional>

#include "nmrsim/errors.h"
#include "text_numbers.h"

namespace nmrsim {

namespace {

constexpr std::array<const char*, 4> kColumns = {"time_us", "mx", "my", "mz"};
constexpr std::size_t kNeeded = 3;  ///< of these; mz may be absent

/// Which field of a line holds which of kColumns.
struct Layout {
    std::size_t fields = 0;
    std::array<std::optional<std::size_t>, 4> field_of;
};

Layout layout_from_header(const std::vector<std::string_view>& names, const std::string& place) {
    Layout layout{names.size(), {}};
    for (std::size_t column = 0; column < kColumns.size(); ++column) {
        for (std::size_t field = 0; field < names.size(); ++field) {
            if (names[field] != kColumns[column]) continue;
            if (layout.field_of[column]) {
                throw InputError(
                    fmt::format("{}: column {} is named twice", place, kColumns[column]));
            }
            layout.field_of[column] = field;
        }
        if (column < kNeeded && !layout.field_of[column]) {
            throw InputError(fmt::format("{}: expected a header with time_us,mx,my, found no {}",
                                         place, kColumns[column]));
        }
    }
    return layout;
}

Layout layout_by_position(std::size_t fields, const std::string& place) {
    if (fields < kNeeded || fields > kColumns.size()) {
        throw InputError(fmt::format("{}: expected 3 or 4 numbers (time_us,mx,my and mz), found {}",
                                     place, fields));
    }
    Layout layout{fields, {}};
    for (std::size_t i = 0; i < fields; ++i) layout.field_of[i] = i;
    return layout;
}

}  // namespace

std::string curve_to_csv(const Signal& signal) {
    std::string text = "time_us,mx,my,mz\n";
    for (std::size_t i = 0; i < signal.points(); ++i) {
        fmt::format_to(std::back_inserter(text), "{:.9g},{:.9g},{:.9g},{:.9g}\n", signal.time_us[i],
                       signal.mx[i], signal.my[i], signal.mz[i]);
    }
    return text;
}

Signal read_curve(const std::string& path) {
    LineReader reader(path);
    std::optional<Layout> layout;
    Signal signal;
    bool first_line = true;
    while (reader.next()) {
        std::string_view line = reader.line();
        // Spreadsheets put a byte order mark before the first name.
        if (first_line && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
        first_line = false;
        line = trimmed(line);
        if (line.empty() || line.front() == '#') continue;
        const std::vector<std::string_view> fields = split(line, ',');
        if (!layout) {
            if (!is_number(fields.front())) {
                layout = layout_from_header(fields, reader.place());
                continue;
            }
            layout = layout_by_position(fields.size(), reader.place());
        }
        if (fields.size() != layout->fields) {
            throw InputError(fmt::format("{}: expected {} numbers, found {}", reader.place(),
                                         layout->fields, fields.size()));
        }
        std::array<double, 4> values{};
        for (std::size_t column = 0; column < kColumns.size(); ++column) {
            if (!layout->field_of[column]) continue;
            values[column] = read_number(fields[*layout->field_of[column]],
                                         fmt::format("{}: {}", reader.place(), kColumns[column]));
        }
        if (!signal.time_us.empty() && !(values[0] > signal.time_us.back())) {
            throw InputError(fmt::format("{}: time_us must ascend, got {} after {}", reader.place(),
                                         values[0], signal.time_us.back()));
        }
        signal.time_us.push_back(values[0]);
        signal.mx.push_back(values[1]);
        signal.my.push_back(values[2]);
        signal.mz.push_back(values[3]);
    }
    if (signal.points() == 0) {
        throw InputError(
            fmt::format("{}: expected lines of time_us,mx,my and mz, found none", path));
    }
    return signal;
}

}  // namespace nmrsim
