#include "model/line_distribution.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/gauss_legendre.h"
#include "model/line_shape.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

/// Panels of a smooth line, even in asinh(offset / width): each then spans a fraction of the peak.
/// With 16 nodes a panel the total is right to 1e-14 for cuts up to 1e4 widths (tested).
constexpr int kSmoothPanels = 96;

}  // namespace

double least_width_khz(const Line& line) {
    double least = std::numeric_limits<double>::infinity();
    for (const auto field : shape_of(line).widths) least = std::min(least, line.*field);
    return least;
}

double density_integral(const Line& line, double low, double high) {
    static const GaussLegendre rule = gauss_legendre(16);
    double sum = 0.0;
    for (std::size_t i = 0; i < rule.node.size(); ++i) {
        const double x = 0.5 * (low + high) + 0.5 * (high - low) * rule.node[i];
        sum += rule.weight[i] * line_density(line, x);
    }
    return 0.5 * (high - low) * sum;
}

OffsetRange offset_range(const Line& line) {
    const LineShapeRow& shape = shape_of(line);
    double cutoff = line.cutoff_khz * kHzPerKhz;
    if (shape.reach_hz) cutoff = std::min(cutoff, shape.reach_hz(line));
    if (!shape.kinks_hz) return {-cutoff, cutoff};
    const std::vector<double> kinks = shape.kinks_hz(line);
    return {std::max(-cutoff, kinks.front()), std::min(cutoff, kinks.back())};
}

double line_reach_hz(const Line& line) {
    const OffsetRange range = offset_range(line);
    return std::max(-range.low, range.high);
}

LineDistribution::LineDistribution(const Line& line) : line_(line) {
    const OffsetRange range = offset_range(line);
    edge_.push_back(range.low);
    if (const auto kinks_hz = shape_of(line).kinks_hz) {
        for (const double offset : kinks_hz(line)) {
            if (offset > range.low && offset < range.high) edge_.push_back(offset);
        }
    } else {
        const double width = least_width_khz(line) * kHzPerKhz;
        const double end = std::asinh(range.high / width);
        for (int p = 1; p < kSmoothPanels; ++p) {
            edge_.push_back(width * std::sinh(end * (2.0 * p / kSmoothPanels - 1.0)));
        }
    }
    edge_.push_back(range.high);
    cumulative_.push_back(0.0);
    for (std::size_t p = 0; p + 1 < edge_.size(); ++p) {
        cumulative_.push_back(cumulative_.back() + density_integral(line_, edge_[p], edge_[p + 1]));
    }
}

double LineDistribution::quantile(double u) const {
    const double target = u * total();
    const std::size_t panel =
        std::min(static_cast<std::size_t>(
                     std::upper_bound(cumulative_.begin(), cumulative_.end(), target) -
                     cumulative_.begin()),
                 edge_.size() - 1) -
        1;
    const double start = edge_[panel];
    double low = start, high = edge_[panel + 1];
    double x = 0.5 * (low + high);
    // Newton, kept inside the panel by bisection.
    for (int i = 0; i < 100; ++i) {
        const double error = cumulative_[panel] + density_integral(line_, start, x) - target;
        (error > 0.0 ? high : low) = x;
        const double density = line_density(line_, x);
        double next = density > 0.0 ? x - error / density : low;
        if (!(next > low && next < high)) next = 0.5 * (low + high);
        if (std::abs(next - x) <= 1e-14 * (std::abs(x) + (edge_[panel + 1] - start))) return next;
        x = next;
    }
    return x;
}

}  // namespace nmrsim
