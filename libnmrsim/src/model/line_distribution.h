/// The cumulative distribution of lines that have no closed form for it.
#pragma once

#include <vector>

#include "nmrsim/line.h"

namespace nmrsim {

/// Integral of a line's density from the lower cut, panel by panel.
class LineDistribution {
public:
    explicit LineDistribution(const Line& line);

    /// Integral over the whole cut.
    double total() const { return cumulative_.back(); }
    /// Where the integral equals `u` times the total [Hz], u in (0, 1).
    double quantile(double u) const;
    /// Ends of the panels [Hz], ascending; the density is smooth between them.
    const std::vector<double>& edges() const { return edge_; }

private:
    Line line_;
    std::vector<double> edge_;        ///< (panels + 1) [Hz]
    std::vector<double> cumulative_;  ///< (panels + 1)
};

/// The narrowest of the widths of a line that has some [kHz].
double least_width_khz(const Line& line);

/// Integral of the line's density over [low, high] [Hz] by 16 Gauss-Legendre nodes.
double density_integral(const Line& line, double low, double high);

/// Largest and smallest offset at which there can be spins [Hz]: the cut, a table's ends, and where
/// a Gaussian is less than rounding.
struct OffsetRange {
    double low;
    double high;
};
OffsetRange offset_range(const Line& line);
/// The larger of the two's absolute values.
double line_reach_hz(const Line& line);

}  // namespace nmrsim
