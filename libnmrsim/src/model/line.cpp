#include "nmrsim/line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "base/gauss_legendre.h"
#include "model/line_distribution.h"
#include "model/line_shape.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

constexpr int kMostSpins = 100'000'000;

void require_positive(const char* name, double value) {
    if (!(value > 0.0) || !std::isfinite(value)) {
        throw std::invalid_argument(fmt::format("line.{} must be > 0, got {}", name, value));
    }
}

void require_share(double u) {
    if (!(u > 0.0 && u < 1.0)) {
        throw std::invalid_argument(fmt::format("line_quantile: u must be in (0, 1), got {}", u));
    }
}

// Weights of a density with kinks at given nodes on [-1, 1], which the map takes to offsets: the
// density's Legendre moments, then the polynomial through the nodes.
template <class Map>
std::vector<double> kinked_weights(const Line& line, const GaussLegendre& rule,
                                   const Map& inverse) {
    const std::size_t n = rule.node.size();
    std::vector<double> moment(n, 0.0);
    const LineDistribution distribution(line);
    const std::vector<double>& edges = distribution.edges();
    const auto legendre = [n](double x, auto&& use) {
        double value = 1.0, before = 0.0;
        for (std::size_t k = 0; k < n; ++k) {
            use(k, value);
            const double older = before;
            const double degree = static_cast<double>(k);
            before = value;
            value = ((2.0 * degree + 1.0) * x * before - degree * older) / (degree + 1.0);
        }
    };
    for (std::size_t p = 0; p + 1 < edges.size(); ++p) {
        // Enough nodes for the highest polynomial's waves in this panel.
        const double share = 0.5 * (inverse(edges[p + 1]) - inverse(edges[p]));
        const GaussLegendre panel =
            gauss_legendre(12 + static_cast<int>(2.0 * share * static_cast<double>(n)));
        const double half = 0.5 * (edges[p + 1] - edges[p]);
        for (std::size_t q = 0; q < panel.node.size(); ++q) {
            const double offset = edges[p] + half * (1.0 + panel.node[q]);
            const double mass = half * panel.weight[q] * line_density(line, offset);
            legendre(inverse(offset),
                     [&](std::size_t k, double value) { moment[k] += mass * value; });
        }
    }
    std::vector<double> weight(n, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
        legendre(rule.node[i], [&](std::size_t k, double value) {
            weight[i] += (static_cast<double>(k) + 0.5) * moment[k] * value;
        });
        weight[i] *= rule.weight[i];
    }
    return weight;
}

// Weight inside the cut before any renormalisation.
double weight_inside(const Line& line) {
    const LineShapeRow& shape = shape_of(line);
    return shape.weight_inside ? shape.weight_inside(line) : LineDistribution(line).total();
}

}  // namespace

void Line::validate() const {
    require_positive("half_width_khz", half_width_khz);
    require_positive("gaussian_half_width_khz", gaussian_half_width_khz);
    require_positive("cutoff_khz", cutoff_khz);
    require_positive("larmor_mhz", larmor_mhz);
    if (!std::isfinite(centre_khz)) {
        throw std::invalid_argument(
            fmt::format("line.centre_khz must be finite, got {}", centre_khz));
    }
    if (spins < 0 || spins > kMostSpins) {
        throw std::invalid_argument(
            fmt::format("line.spins must be in [0, {}], got {}", kMostSpins, spins));
    }
    if (const auto own = shape_of(*this).validate) own(*this);
}

double line_density(const Line& line, double offset_hz) {
    return shape_of(line).density(line, offset_hz);
}

double line_half_width_khz(const Line& line) {
    const auto own = shape_of(line).half_width_khz;
    return own ? own(line) : line.half_width_khz;
}

double line_weight(const Line& line) {
    return line.renormalize ? 1.0 : weight_inside(line);
}

std::vector<double> line_quantiles(const Line& line, std::span<const double> u) {
    for (const double share : u) require_share(share);
    std::vector<double> offset_hz;
    offset_hz.reserve(u.size());
    if (const auto closed = shape_of(line).quantile) {
        for (const double share : u) offset_hz.push_back(closed(line, share));
    } else {
        const LineDistribution distribution(line);
        for (const double share : u) offset_hz.push_back(distribution.quantile(share));
    }
    return offset_hz;
}

double line_quantile(const Line& line, double u) {
    return line_quantiles(line, std::span(&u, 1)).front();
}

double line_stretch(int nodes, double tolerance) {
    return 1.0 / std::cosh(std::abs(std::log(tolerance)) / nodes);
}

namespace {

/// Panels and phase of a piece [rad] at which kPanelNodes nodes are right to rounding.
constexpr int kExactPanels = 96;
constexpr double kExactPhase = 24.0;
/// Of all panels: with more nodes a curve would take hours.
constexpr double kMostPieces = 1e5;

/// Ends of the panels [Hz], ascending. A table has its own, whatever is asked for.
std::vector<double> panel_edges(const Line& line, int panels) {
    if (shape_of(line).kinks_hz) return LineDistribution(line).edges();
    const OffsetRange range = offset_range(line);
    const double width = least_width_khz(line) * kHzPerKhz;
    const double end = std::asinh(range.high / width);
    std::vector<double> edge{range.low};
    for (int p = 1; p < panels; ++p) {
        edge.push_back(width * std::sinh(end * (2.0 * p / panels - 1.0)));
    }
    edge.push_back(range.high);
    return edge;
}

}  // namespace

LineQuadrature line_quadrature(const Line& line, int nodes, double stretch) {
    if (nodes < 1) {
        throw std::invalid_argument(fmt::format("accuracy.nodes must be >= 1, got {}", nodes));
    }
    if (!(stretch >= 0.0 && stretch < 1.0)) {
        throw std::invalid_argument(fmt::format("stretch must be in [0, 1), got {}", stretch));
    }
    line.validate();
    const GaussLegendre rule = gauss_legendre(nodes);
    const OffsetRange range = offset_range(line);
    const double middle = 0.5 * (range.low + range.high);
    const double half = 0.5 * (range.high - range.low);
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
        const double offset = middle + half * position;
        result.offset_hz[i] = offset;
        result.weight[i] = scale * half * slope * rule.weight[i] * line_density(line, offset);
        result.length_hz.push_back(half * slope * rule.weight[i]);
    }
    if (shape_of(line).kinks_hz) {
        result.length_hz.clear();
        result.weight = kinked_weights(line, rule, [&](double offset_hz) {
            const double position = (offset_hz - middle) / half;
            return stretch > 0.0 ? std::sin(std::asin(stretch) * position) / stretch : position;
        });
        for (double& weight : result.weight) weight *= scale;
    }
    return result;
}

std::vector<int> panel_pieces(const Line& line, int panels, double longest_s, double phase) {
    const std::vector<double> edge = panel_edges(line, panels);
    std::vector<int> pieces;
    double total = 0.0;
    for (std::size_t p = 0; p + 1 < edge.size(); ++p) {
        const double count =
            std::max(1.0, std::ceil(kTwoPi * (edge[p + 1] - edge[p]) * longest_s / phase));
        total += count;
        if (!(total <= kMostPieces)) {
            throw std::invalid_argument(fmt::format(
                "the line's edge turns {:.3g} times over the experiment, more than can be "
                "followed: a shorter sequence or a smaller line.cutoff_khz turns less",
                line.cutoff_khz * kHzPerKhz * longest_s));
        }
        pieces.push_back(static_cast<int>(count));
    }
    return pieces;
}

LineQuadrature line_quadrature(const Line& line, std::span<const int> pieces) {
    static const GaussLegendre rule = gauss_legendre(kPanelNodes);
    line.validate();
    const std::vector<double> edge = panel_edges(line, static_cast<int>(pieces.size()));
    if (edge.size() != pieces.size() + 1) {
        throw std::invalid_argument(
            fmt::format("expected {} panels, got {}", edge.size() - 1, pieces.size()));
    }
    const double scale = line.renormalize ? 1.0 / weight_inside(line) : 1.0;
    LineQuadrature result;
    for (std::size_t p = 0; p < pieces.size(); ++p) {
        const double half = 0.5 * (edge[p + 1] - edge[p]) / pieces[p];
        for (int j = 0; j < pieces[p]; ++j) {
            const double middle = edge[p] + (2 * j + 1) * half;
            for (std::size_t i = 0; i < rule.node.size(); ++i) {
                const double offset = middle + half * rule.node[i];
                result.offset_hz.push_back(offset);
                result.weight.push_back(scale * half * rule.weight[i] * line_density(line, offset));
                if (!shape_of(line).kinks_hz) {
                    result.length_hz.push_back(half * rule.weight[i]);
                }
            }
        }
    }
    return result;
}

std::vector<double> line_weights(const Line& line, std::span<const double> offset_hz,
                                 std::span<const double> length_hz) {
    std::vector<double> weight(offset_hz.size());
    double total = 0.0;
    for (std::size_t i = 0; i < weight.size(); ++i) {
        weight[i] = length_hz[i] * line_density(line, offset_hz[i]);
        total += weight[i];
    }
    if (!line.renormalize) return weight;
    // Without a closed form the integral costs more than all of these, and the rule's own is as
    // good.
    const double inside = shape_of(line).weight_inside ? weight_inside(line) : total;
    for (double& one : weight) one /= inside;
    return weight;
}

std::vector<std::complex<double>> line_phasor(const Line& line, std::span<const double> time_s) {
    double longest = 0.0;
    for (double t : time_s) longest = std::max(longest, std::abs(t));
    // Nodes for the phase at the cut, and for the peak where the line is narrow beside the cut.
    const double reach = line_reach_hz(line);
    const double phase = kTwoPi * reach * longest;
    double width = 0.0;
    for (const auto field : shape_of(line).widths) width = std::max(width, line.*field);
    const double peak = width > 0.0 ? reach / (width * kHzPerKhz) : 0.0;
    const double nodes = 64.0 + phase + 40.0 * peak;
    constexpr double kMostGlobal = 16384.0;
    const LineQuadrature rule =
        nodes <= kMostGlobal
            ? line_quadrature(line, static_cast<int>(nodes))
            : line_quadrature(line, panel_pieces(line, kExactPanels, longest, kExactPhase));
    const bool even = shape_of(line).even;
    std::vector<std::complex<double>> mean;
    for (double t : time_s) {
        double sum = 0.0, across = 0.0;
        for (std::size_t i = 0; i < rule.weight.size(); ++i) {
            const double angle = kTwoPi * rule.offset_hz[i] * t;
            sum += rule.weight[i] * std::cos(angle);
            if (!even) across -= rule.weight[i] * std::sin(angle);
        }
        mean.emplace_back(sum, across);
    }
    return mean;
}

std::vector<double> line_characteristic(const Line& line, std::span<const double> time_s) {
    std::vector<double> mean;
    for (const std::complex<double>& value : line_phasor(line, time_s)) {
        mean.push_back(value.real());
    }
    return mean;
}

double line_characteristic(const Line& line, double time_s) {
    return line_characteristic(line, std::span(&time_s, 1)).front();
}

}  // namespace nmrsim
