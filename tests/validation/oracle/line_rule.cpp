#include "line_rule.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <map>
#include <mutex>
#include <numbers>

namespace oracle {
namespace {

using nmrsim::Line;
using nmrsim::LineShape;

constexpr double kPi = std::numbers::pi;

/// Nodes of a panel over which the density alone varies.
constexpr int kPanelNodes = 18;
/// Scales from the centre beyond which a Gaussian holds less than rounding.
constexpr double kGaussianEnd = 8.5;

/// w(z) = exp(-z^2) erfc(-iz) above the real axis: J. A. C. Weideman, SIAM J. Numer. Anal. 31, 1497
/// (1994).
std::complex<double> faddeeva(std::complex<double> z) {
    using Complex = std::complex<double>;
    constexpr int kTerms = 64;
    static const double scale = std::sqrt(kTerms / std::numbers::sqrt2);
    static const std::vector<double> coefficient = [] {
        constexpr int kHalf = 4 * kTerms;
        std::vector<double> a(kTerms, 0.0);
        for (int k = -kHalf + 1; k < kHalf; ++k) {
            const double theta = k * kPi / kHalf;
            const double t = scale * std::tan(0.5 * theta);
            const double f = std::exp(-t * t) * (scale * scale + t * t);
            for (int n = 1; n <= kTerms; ++n) {
                a[static_cast<std::size_t>(n - 1)] += f * std::cos(n * theta) / (2 * kHalf);
            }
        }
        return a;
    }();
    const Complex i(0.0, 1.0);
    const Complex below = scale - i * z;
    const Complex ratio = (scale + i * z) / below;
    Complex sum = 0.0;
    for (std::size_t n = coefficient.size(); n-- > 0;) sum = sum * ratio + coefficient[n];
    return 2.0 * sum / (below * below) + std::numbers::inv_sqrtpi / below;
}

double deviation_khz(double half_width_khz) {
    return half_width_khz / std::sqrt(2.0 * std::numbers::ln2);
}

/// Of the whole line, by its scale; a table by its own unit [1/kHz].
double density(const Line& line, double khz) {
    const double width = line.half_width_khz;
    switch (line.shape) {
        case LineShape::lorentzian:
            return width / kPi / (khz * khz + width * width);
        case LineShape::gaussian: {
            const double x = khz / deviation_khz(width);
            return std::exp(-0.5 * x * x) / deviation_khz(width) / std::sqrt(2.0 * kPi);
        }
        case LineShape::voigt: {
            const double sigma = deviation_khz(line.gaussian_half_width_khz);
            const std::complex<double> z(khz, width);
            return faddeeva(z / (sigma * std::numbers::sqrt2)).real() / sigma /
                   std::sqrt(2.0 * kPi);
        }
        case LineShape::table:
            for (std::size_t i = 1; i < line.table.size(); ++i) {
                const auto& [left, low] = line.table[i - 1];
                const auto& [right, high] = line.table[i];
                if (khz >= left && khz <= right) {
                    return low + (high - low) * (khz - left) / (right - left);
                }
            }
            return 0.0;
    }
    return 0.0;
}

/// Ends of the panels, ascending [kHz].
std::vector<double> panel_edges(const Line& line) {
    const double cut = line.cutoff_khz;
    std::vector<double> edges = {-cut, cut};
    const auto add = [&](double edge) {
        if (std::abs(edge) < cut) edges.push_back(edge);
    };
    if (line.shape == LineShape::table) {
        edges = {std::max(-cut, line.table.front().offset_khz),
                 std::min(cut, line.table.back().offset_khz)};
        for (const nmrsim::LinePoint& point : line.table) {
            if (point.offset_khz > edges[0] && point.offset_khz < edges[1]) {
                edges.push_back(point.offset_khz);
            }
        }
    } else if (line.shape == LineShape::gaussian) {
        const double sigma = deviation_khz(line.half_width_khz);
        const double end = std::min(cut, kGaussianEnd * sigma);
        edges = {-end, end};
        for (int k = -4; k <= 4; ++k) {
            if (std::abs(2.0 * k * sigma) < end) edges.push_back(2.0 * k * sigma);
        }
    } else {
        double scale = line.half_width_khz;
        if (line.shape == LineShape::voigt) {
            scale = std::max(scale, deviation_khz(line.gaussian_half_width_khz));
        }
        for (int k = -4; k <= 4; ++k) add(2.0 * k * scale);
        for (double edge = 32.0 * scale; edge < cut; edge *= 4.0) {
            add(edge);
            add(-edge);
        }
    }
    std::sort(edges.begin(), edges.end());
    return edges;
}

int panel_nodes(double width_khz, double longest_us, double refinement) {
    // A wave of half phase k on [-1, 1] has Legendre components up to degree k and a little more; a
    // rule of n nodes sees those below 2 n.
    const double k = kPi * width_khz * 1e-3 * longest_us;
    return static_cast<int>(std::ceil((0.5 * k + 4.0 * std::cbrt(k) + kPanelNodes) * refinement));
}

/// Calls use(khz, mass) for the nodes of [a, b].
template <class Use>
void integrate(const Line& line, double a, double b, int nodes, const Use& use) {
    const GaussRule& rule = gauss_rule(nodes);
    const double half = 0.5 * (b - a);
    for (std::size_t i = 0; i < rule.node.size(); ++i) {
        const double khz = a + half * (1.0 + rule.node[i]);
        use(khz, half * rule.weight[i] * density(line, khz));
    }
}

double mass_between(const Line& line, double a, double b) {
    double mass = 0.0;
    integrate(line, a, b, 2 * kPanelNodes, [&](double, double share) { mass += share; });
    return mass;
}

double whole_mass(const Line& line) {
    if (line.shape != LineShape::table) return 1.0;
    double mass = 0.0;
    for (std::size_t i = 1; i < line.table.size(); ++i) {
        mass += mass_between(line, line.table[i - 1].offset_khz, line.table[i].offset_khz);
    }
    return mass;
}

double mass_inside(const Line& line) {
    const std::vector<double> edges = panel_edges(line);
    double mass = 0.0;
    for (std::size_t p = 0; p + 1 < edges.size(); ++p) {
        mass += mass_between(line, edges[p], edges[p + 1]);
    }
    return mass;
}

}  // namespace

const GaussRule& gauss_rule(int n) {
    // Curves are solved side by side.
    static std::mutex mutex;
    static std::map<int, GaussRule> rules;
    const std::lock_guard<std::mutex> lock(mutex);
    GaussRule& rule = rules[n];
    if (!rule.node.empty()) return rule;
    for (int i = 0; i < n; ++i) {
        double x = -std::cos(kPi * (i + 0.75) / (n + 0.5)), slope = 1.0;
        for (int iteration = 0; iteration < 8; ++iteration) {
            double value = x, before = 1.0;
            for (int k = 2; k <= n; ++k) {
                const double next = ((2 * k - 1) * x * value - (k - 1) * before) / k;
                before = value;
                value = next;
            }
            slope = n * (before - x * value) / (1.0 - x * x);
            x -= value / slope;
            if (std::abs(value / slope) < 1e-16) break;
        }
        rule.node.push_back(x);
        rule.weight.push_back(2.0 / ((1.0 - x * x) * slope * slope));
    }
    return rule;
}

LineRule line_rule(const Line& line, double longest_us, double refinement) {
    LineRule rule;
    const std::vector<double> edges = panel_edges(line);
    const double scale = line_mass(line) / mass_inside(line);
    for (std::size_t p = 0; p + 1 < edges.size(); ++p) {
        integrate(line, edges[p], edges[p + 1],
                  panel_nodes(edges[p + 1] - edges[p], longest_us, refinement),
                  [&](double khz, double mass) {
                      rule.offset_khz.push_back(khz);
                      rule.weight.push_back(scale * mass);
                  });
    }
    return rule;
}

double line_rule_nodes(const Line& line, double longest_us) {
    const std::vector<double> edges = panel_edges(line);
    double nodes = 0.0;
    for (std::size_t p = 0; p + 1 < edges.size(); ++p) {
        nodes += panel_nodes(edges[p + 1] - edges[p], longest_us, 1.0);
    }
    return nodes;
}

double line_mass(const Line& line) {
    return line.renormalize ? 1.0 : mass_inside(line) / whole_mass(line);
}

std::vector<double> line_offsets_khz(const Line& line, std::span<const double> u) {
    const std::vector<double> edges = panel_edges(line);
    std::vector<double> below = {0.0};
    for (std::size_t p = 0; p + 1 < edges.size(); ++p) {
        below.push_back(below.back() + mass_between(line, edges[p], edges[p + 1]));
    }
    std::vector<double> offsets;
    for (const double share : u) {
        const double target = share * below.back();
        const auto after = std::upper_bound(below.begin() + 1, below.end() - 1, target);
        const std::size_t p = static_cast<std::size_t>(after - below.begin()) - 1;
        double low = edges[p], high = edges[p + 1], khz = 0.5 * (low + high);
        // Newton's method, and halves where it leaves the bracket.
        for (int iteration = 0; iteration < 100; ++iteration) {
            const double excess = below[p] + mass_between(line, edges[p], khz) - target;
            (excess > 0.0 ? high : low) = khz;
            const double slope = density(line, khz);
            double next = slope > 0.0 ? khz - excess / slope : low;
            if (!(next > low && next < high)) next = 0.5 * (low + high);
            const bool arrived =
                std::abs(next - khz) <= 4e-16 * (std::abs(khz) + 1e-6 * (high - low));
            khz = next;
            if (arrived) break;
        }
        offsets.push_back(khz);
    }
    return offsets;
}

}  // namespace oracle
