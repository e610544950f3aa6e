#include "nmrsim/curve_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "text/text_numbers.h"
#include "text/time_units.h"

namespace nmrsim {

namespace {

constexpr std::array<std::string_view, 5> kRoles = {"time", "re", "im", "signal", "sigma"};

}  // namespace

std::optional<double> unit_in_us(std::string_view name) {
    const TimeUnit* unit = find_time_unit(name);
    if (!unit) return {};
    return unit->factor / unit->divisor;
}

void CurveFormat::validate() const {
    if (!time_unit.empty() && !unit_in_us(time_unit)) {
        throw std::invalid_argument(
            fmt::format("time_unit must be ns, us, ms or s, got {}", time_unit));
    }
    if (dwell && !(*dwell > 0.0 && std::isfinite(*dwell))) {
        throw std::invalid_argument(fmt::format("dwell must be > 0, got {}", *dwell));
    }
    if (start && !std::isfinite(*start)) {
        throw std::invalid_argument(fmt::format("start must be finite, got {}", *start));
    }
    if (start && !dwell) throw std::invalid_argument("start needs dwell, the spacing of the times");
    if (dwell && column("time")) {
        throw std::invalid_argument("dwell is for a file without times: no column time beside it");
    }
    if (column("signal") && (column("re") || column("im"))) {
        throw std::invalid_argument(
            "columns: signal is Re and Im in one, re or im cannot be beside");
    }
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const ColumnChoice& choice = columns[i];
        if (std::find(kRoles.begin(), kRoles.end(), choice.role) == kRoles.end()) {
            throw std::invalid_argument(fmt::format(
                "columns: expected time, re, im, signal or sigma, got \"{}\"", choice.role));
        }
        if (choice.column.empty()) {
            throw std::invalid_argument(
                fmt::format("columns: {} needs a name or a number", choice.role));
        }
        for (std::size_t j = 0; j < i; ++j) {
            if (columns[j].role == choice.role || columns[j].column == choice.column) {
                throw std::invalid_argument(
                    fmt::format("columns: {}={} and {}={} exclude each other", columns[j].role,
                                columns[j].column, choice.role, choice.column));
            }
        }
    }
}

const std::string* CurveFormat::column(std::string_view role) const {
    for (const ColumnChoice& choice : columns) {
        if (choice.role == role) return &choice.column;
    }
    return nullptr;
}

bool is_column_number(const std::string& column) {
    return column.size() < 6 && column.find_first_not_of("0123456789") == column.npos;
}

std::vector<ColumnChoice> parse_columns(std::string_view text) {
    std::vector<ColumnChoice> columns;
    for (const std::string_view item : split(text, ',')) {
        const std::size_t equals = item.find('=');
        if (equals == item.npos) {
            throw std::invalid_argument(fmt::format(
                "columns: expected ROLE=COLUMN as in time=1,re=2,im=3, got \"{}\"", item));
        }
        columns.push_back({std::string(trimmed(item.substr(0, equals))),
                           std::string(trimmed(item.substr(equals + 1)))});
    }
    CurveFormat{.columns = columns}.validate();
    return columns;
}

}  // namespace nmrsim
