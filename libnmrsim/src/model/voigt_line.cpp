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

double coherence(const Line& line, double time_s) {
    const double phase = kTwoPi * gaussian_sigma_hz(line.gaussian_half_width_khz) * time_s;
    return std::exp(-0.5 * phase * phase - kTwoPi * line.half_width_khz * kHzPerKhz * time_s);
}

}  // namespace

extern const LineShapeRow kVoigtLine;
constinit const LineShapeRow kVoigtLine = {.shape = LineShape::voigt,
                                           .name = "voigt",
                                           .widths = kWidths,
                                           .felt_more = 2.0,
                                           .density = density,
                                           .half_width_khz = half_width_khz,
                                           .coherence = coherence};

}  // namespace nmrsim
