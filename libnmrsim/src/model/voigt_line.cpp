#include <cerf.h>

#include <cmath>

#include "model/line_shape.h"

namespace nmrsim {
namespace {

constexpr double Line::*kWidths[] = {&Line::half_width_khz, &Line::gaussian_half_width_khz};

double density(const Line& line, double offset_hz) {
    return voigt(offset_hz, gaussian_sigma_hz(line.gaussian_half_width_khz),
                 line.half_width_khz * kHzPerKhz);
}

double half_width_khz(const Line& line) {
    return 0.5346 * line.half_width_khz +
           std::sqrt(0.2166 * line.half_width_khz * line.half_width_khz +
                     line.gaussian_half_width_khz * line.gaussian_half_width_khz);
}

}  // namespace

extern const LineShapeRow kVoigtLine;
constinit const LineShapeRow kVoigtLine = {.shape = LineShape::voigt,
                                           .name = "voigt",
                                           .widths = kWidths,
                                           .density = density,
                                           .half_width_khz = half_width_khz};

}  // namespace nmrsim
