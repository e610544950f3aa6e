/// The table of line shapes: what settings, unknowns, warnings and quadratures know of each.
#pragma once

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "nmrsim/line.h"
#include "nmrsim/units.h"

namespace nmrsim {

/// A shape; each stands in a file of its own.
struct LineShapeRow {
    LineShape shape;
    const char* name;  ///< in files of settings
    /// The half widths that it has [kHz]: unknowns, and the scale of its panels. Empty for one that
    /// is measured.
    std::span<double Line::*const> widths;
    /// Half widths at which it is cut where a user says no more than one half width; 0: it has not
    /// one alone.
    double usual_cut = 0.0;
    bool even = true;  ///< as dense at -offset as at +offset
    /// Rounding of coupled spins with this line is that of a Lorentzian with so many times the
    /// coupling, for it lets go of their field more slowly; 0: by how much of it lies far out.
    double felt_more = 0.0;
    /// Density at an offset [Hz], normalised over the whole axis [1/Hz].
    double (*density)(const Line&, double offset_hz);
    /// Half width at half height of the uncut line [kHz]; nullptr: the field of that name.
    double (*half_width_khz)(const Line&) = nullptr;
    /// Integral of the density over the cut, and its inverse in the cut line [Hz] at u in (0, 1);
    /// nullptr: by LineDistribution.
    double (*weight_inside)(const Line&) = nullptr;
    double (*quantile)(const Line&, double u) = nullptr;
    /// Offsets at which the density has kinks [Hz], ascending; it is 0 before the first and after
    /// the last. nullptr: it is smooth, and everywhere.
    std::vector<double> (*kinks_hz)(const Line&) = nullptr;
    /// |Mean of exp(2 pi i offset t)| over the uncut line, falling with time; nullptr: not known.
    double (*coherence)(const Line&, double time_s) = nullptr;
    /// Offset beyond which there is less than rounding [Hz]; nullptr: there always is more.
    double (*reach_hz)(const Line&) = nullptr;
    /// Throws std::invalid_argument where fields of its own are wrong; nullptr: has none.
    void (*validate)(const Line&) = nullptr;
};

/// The row of the line's shape.
const LineShapeRow& shape_of(const Line& line);

/// The rows of all shapes, in the order of LineShape.
std::span<const LineShapeRow* const> line_shape_rows();

/// Names of all shapes, in the order of LineShape.
const std::vector<std::string>& line_shape_names();

/// Whether the line's shape has this half width.
bool has_width(const Line& line, double Line::*width);

/// Standard deviation [Hz] of a Gaussian with this half width at half height [kHz].
inline double gaussian_sigma_hz(double half_width_khz) {
    return half_width_khz * kHzPerKhz / std::sqrt(2.0 * std::log(2.0));
}

}  // namespace nmrsim
