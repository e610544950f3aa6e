#include <cmath>

#include "model/line_shape.h"

namespace nmrsim {
namespace {

constexpr double Line::*kWidths[] = {&Line::half_width_khz};

double density(const Line& line, double offset_hz) {
    const double half_width = line.half_width_khz * kHzPerKhz;
    return half_width / (kPi * (offset_hz * offset_hz + half_width * half_width));
}

double weight_inside(const Line& line) {
    return 2.0 / kPi * std::atan(line.cutoff_khz / line.half_width_khz);
}

double quantile(const Line& line, double u) {
    return line.half_width_khz * kHzPerKhz *
           std::tan(0.5 * kPi * weight_inside(line) * (2.0 * u - 1.0));
}

double coherence(const Line& line, double time_s) {
    return std::exp(-kTwoPi * line.half_width_khz * kHzPerKhz * time_s);
}

}  // namespace

extern const LineShapeRow kLorentzianLine;
constinit const LineShapeRow kLorentzianLine = {.shape = LineShape::lorentzian,
                                                .name = "lorentzian",
                                                .widths = kWidths,
                                                .usual_cut = 10.0,
                                                .felt_more = 1.0,
                                                .density = density,
                                                .weight_inside = weight_inside,
                                                .quantile = quantile,
                                                .coherence = coherence};

}  // namespace nmrsim
