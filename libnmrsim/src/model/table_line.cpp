#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "model/line_distribution.h"
#include "model/line_shape.h"

namespace nmrsim {
namespace {

/// Area under the straight lines [kHz times their unit].
double area(const Line& line) {
    double sum = 0.0;
    for (std::size_t i = 1; i < line.table.size(); ++i) {
        const LinePoint& a = line.table[i - 1];
        const LinePoint& b = line.table[i];
        sum += 0.5 * (a.weight + b.weight) * (b.offset_khz - a.offset_khz);
    }
    return sum;
}

double density(const Line& line, double offset_hz) {
    const double khz = offset_hz / kHzPerKhz;
    const auto after = std::upper_bound(
        line.table.begin(), line.table.end(), khz,
        [](double value, const LinePoint& point) { return value < point.offset_khz; });
    if (after == line.table.begin()) return 0.0;
    const LinePoint& a = *(after - 1);
    if (after == line.table.end()) {
        return khz == a.offset_khz ? a.weight / area(line) / kHzPerKhz : 0.0;
    }
    const double share = (khz - a.offset_khz) / (after->offset_khz - a.offset_khz);
    return ((1.0 - share) * a.weight + share * after->weight) / area(line) / kHzPerKhz;
}

std::vector<double> kinks_hz(const Line& line) {
    std::vector<double> offset_hz;
    for (const LinePoint& point : line.table) offset_hz.push_back(point.offset_khz * kHzPerKhz);
    return offset_hz;
}

void validate(const Line& line) {
    if (line.table.size() < 2) {
        throw std::invalid_argument(
            fmt::format("line.table must have at least 2 points, got {}", line.table.size()));
    }
    for (std::size_t i = 0; i < line.table.size(); ++i) {
        const LinePoint& point = line.table[i];
        if (!std::isfinite(point.offset_khz) || !(point.weight >= 0.0) ||
            !std::isfinite(point.weight)) {
            throw std::invalid_argument(
                fmt::format("line.table[{}] must be a finite offset and a weight >= 0, got {}, {}",
                            i, point.offset_khz, point.weight));
        }
        if (i > 0 && !(point.offset_khz > line.table[i - 1].offset_khz)) {
            throw std::invalid_argument(
                fmt::format("line.table must have ascending offsets, got {} after {}",
                            point.offset_khz, line.table[i - 1].offset_khz));
        }
    }
    const OffsetRange range = offset_range(line);
    if (!(range.low < range.high) || !(LineDistribution(line).total() > 0.0)) {
        throw std::invalid_argument(
            fmt::format("line.table must have weight within +-cutoff_khz = {}", line.cutoff_khz));
    }
}

double half_width_khz(const Line& line) {
    validate(line);
    const LineDistribution distribution(line);
    return 0.5 * (distribution.quantile(0.75) - distribution.quantile(0.25)) / kHzPerKhz;
}

}  // namespace

extern const LineShapeRow kTableLine;
constinit const LineShapeRow kTableLine = {.shape = LineShape::table,
                                           .name = "table",
                                           .widths = {},
                                           .even = false,
                                           .density = density,
                                           .half_width_khz = half_width_khz,
                                           .kinks_hz = kinks_hz,
                                           .validate = validate};

}  // namespace nmrsim
