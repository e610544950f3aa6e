#include <cmath>

#include "model/line_shape.h"

namespace nmrsim {
namespace {

constexpr double Line::*kWidths[] = {&Line::half_width_khz};

double density(const Line& line, double offset_hz) {
    const double sigma = gaussian_sigma_hz(line.half_width_khz);
    const double x = offset_hz / sigma;
    return std::exp(-0.5 * x * x) / (sigma * std::sqrt(kTwoPi));
}

double weight_inside(const Line& line) {
    return std::erf(line.cutoff_khz * kHzPerKhz /
                    (std::sqrt(2.0) * gaussian_sigma_hz(line.half_width_khz)));
}

double quantile(const Line& line, double u) {
    // Newton on erf(z) = (2u - 1) * inside, from a start that is exact in the middle.
    const double target = (2.0 * u - 1.0) * weight_inside(line);
    double low = -6.0, high = 6.0, z = 0.0;
    for (int i = 0; i < 200; ++i) {
        const double error = std::erf(z) - target;
        (error > 0.0 ? high : low) = z;
        double next = z - error * 0.5 * std::sqrt(kPi) * std::exp(z * z);
        if (!(next > low && next < high)) next = 0.5 * (low + high);
        if (std::abs(next - z) < 1e-15 * (1.0 + std::abs(z))) break;
        z = next;
    }
    return z * std::sqrt(2.0) * gaussian_sigma_hz(line.half_width_khz);
}

double reach_hz(const Line& line) {
    constexpr double kDeviations = 8.5;  // 2e-17 of the weight lies beyond
    return kDeviations * gaussian_sigma_hz(line.half_width_khz);
}

double coherence(const Line& line, double time_s) {
    const double phase = kTwoPi * gaussian_sigma_hz(line.half_width_khz) * time_s;
    return std::exp(-0.5 * phase * phase);
}

}  // namespace

extern const LineShapeRow kGaussianLine;
constinit const LineShapeRow kGaussianLine = {.shape = LineShape::gaussian,
                                              .name = "gaussian",
                                              .widths = kWidths,
                                              .usual_cut = 4.0,
                                              .felt_more = 4.0,
                                              .density = density,
                                              .weight_inside = weight_inside,
                                              .quantile = quantile,
                                              .coherence = coherence,
                                              .reach_hz = reach_hz};

}  // namespace nmrsim
