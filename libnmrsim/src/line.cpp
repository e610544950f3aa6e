#include "nmrsim/line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "gauss_legendre.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

void require_positive(const char* name, double value) {
    if (!(value > 0.0) || !std::isfinite(value)) {
        throw std::invalid_argument(fmt::format("line.{} must be > 0, got {}", name, value));
    }
}

// Standard deviation of a Gaussian with this half width at half height.
double gaussian_sigma_hz(const Line& line) {
    return line.half_width_khz * kHzPerKhz / std::sqrt(2.0 * std::log(2.0));
}

// Weight inside the cut before any renormalisation.
double weight_inside(const Line& line) {
    const double cutoff = line.cutoff_khz * kHzPerKhz;
    switch (line.shape) {
        case LineShape::lorentzian:
            return 2.0 / kPi * std::atan(line.cutoff_khz / line.half_width_khz);
        case LineShape::gaussian:
            return std::erf(cutoff / (std::sqrt(2.0) * gaussian_sigma_hz(line)));
    }
    return 0.0;
}

}  // namespace

void Line::validate() const {
    require_positive("half_width_khz", half_width_khz);
    require_positive("cutoff_khz", cutoff_khz);
    require_positive("larmor_mhz", larmor_mhz);
}

double line_density(const Line& line, double offset_hz) {
    const double half_width = line.half_width_khz * kHzPerKhz;
    switch (line.shape) {
        case LineShape::lorentzian:
            return half_width / (kPi * (offset_hz * offset_hz + half_width * half_width));
        case LineShape::gaussian: {
            const double sigma = gaussian_sigma_hz(line);
            const double x = offset_hz / sigma;
            return std::exp(-0.5 * x * x) / (sigma * std::sqrt(kTwoPi));
        }
    }
    return 0.0;
}

double line_weight(const Line& line) {
    return line.renormalize ? 1.0 : weight_inside(line);
}

double line_quantile(const Line& line, double u) {
    if (!(u > 0.0 && u < 1.0)) {
        throw std::invalid_argument(fmt::format("line_quantile: u must be in (0, 1), got {}", u));
    }
    const double inside = weight_inside(line);
    switch (line.shape) {
        case LineShape::lorentzian:
            return line.half_width_khz * kHzPerKhz * std::tan(0.5 * kPi * inside * (2.0 * u - 1.0));
        case LineShape::gaussian: {
            // Newton on erf(z) = (2u - 1) * inside, from a start that is exact in the middle.
            const double target = (2.0 * u - 1.0) * inside;
            double low = -6.0, high = 6.0, z = 0.0;
            for (int i = 0; i < 200; ++i) {
                const double error = std::erf(z) - target;
                (error > 0.0 ? high : low) = z;
                double next = z - error * 0.5 * std::sqrt(kPi) * std::exp(z * z);
                if (!(next > low && next < high)) next = 0.5 * (low + high);
                if (std::abs(next - z) < 1e-15 * (1.0 + std::abs(z))) break;
                z = next;
            }
            return z * std::sqrt(2.0) * gaussian_sigma_hz(line);
        }
    }
    return 0.0;
}

LineQuadrature line_quadrature(const Line& line, int nodes, double stretch) {
    if (nodes < 1) {
        throw std::invalid_argument(fmt::format("accuracy.nodes must be >= 1, got {}", nodes));
    }
    if (!(stretch >= 0.0 && stretch < 1.0)) {
        throw std::invalid_argument(fmt::format("stretch must be in [0, 1), got {}", stretch));
    }
    line.validate();
    const GaussLegendre rule = gauss_legendre(nodes);
    const double cutoff = line.cutoff_khz * kHzPerKhz;
    const double scale = line.renormalize ? 1.0 / weight_inside(line) : 1.0;
    LineQuadrature result;
    result.offset_hz.resize(rule.node.size());
    result.weight.resize(rule.node.size());
    for (std::size_t i = 0; i < rule.node.size(); ++i) {
        double position = rule.node[i];
        double slope = 1.0;
        if (stretch > 0.0) {
            const double x = stretch * rule.node[i];
            position = std::asin(x) / std::asin(stretch);
            slope = stretch / (std::asin(stretch) * std::sqrt(1.0 - x * x));
        }
        const double offset = cutoff * position;
        result.offset_hz[i] = offset;
        result.weight[i] = scale * cutoff * slope * rule.weight[i] * line_density(line, offset);
    }
    return result;
}

std::vector<double> line_characteristic(const Line& line, std::span<const double> time_s) {
    double longest = 0.0;
    for (double t : time_s) longest = std::max(longest, std::abs(t));
    // Nodes for the phase at the cut, and for the peak where the line is narrow beside the cut.
    const double phase = kTwoPi * line.cutoff_khz * kHzPerKhz * longest;
    const double peak = line.cutoff_khz / line.half_width_khz;
    const LineQuadrature rule = line_quadrature(line, static_cast<int>(64.0 + phase + 40.0 * peak));
    std::vector<double> mean;
    for (double t : time_s) {
        double sum = 0.0;
        for (std::size_t i = 0; i < rule.weight.size(); ++i) {
            sum += rule.weight[i] * std::cos(kTwoPi * rule.offset_hz[i] * t);
        }
        mean.push_back(sum);
    }
    return mean;
}

double line_characteristic(const Line& line, double time_s) {
    return line_characteristic(line, std::span(&time_s, 1)).front();
}

}  // namespace nmrsim
