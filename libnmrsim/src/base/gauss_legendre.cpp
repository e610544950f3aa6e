#include "base/gauss_legendre.h"

#include <cmath>

#include "nmrsim/units.h"

namespace nmrsim {
namespace {

/// P_n near a point where it and its slope are known, by the Taylor series that Legendre's equation
/// gives.
class LegendreSeries {
public:
    /// Args: spacing: of the points that are asked for.
    LegendreSeries(int n, double x, double value, double slope, double spacing) {
        const double inside = 1.0 - x * x, order = n * (n + 1.0);
        term_[0] = value;
        term_[1] = slope * spacing;
        for (int k = 0; k + 2 < kTerms; ++k) {
            term_[k + 2] = (2.0 * x * (k + 1.0) * (k + 1.0) * term_[k + 1] * spacing -
                            (order - k * (k + 1.0)) * term_[k] * spacing * spacing) /
                           (inside * (k + 1.0) * (k + 2.0));
        }
    }
    /// At x + share * spacing. slope: receives that by the share.
    double at(double share, double& slope) const {
        double value = 0.0;
        slope = 0.0;
        for (int k = kTerms; k-- > 0;) {
            slope = slope * share + value;
            value = value * share + term_[k];
        }
        return value;
    }

private:
    static constexpr int kTerms = 30;
    double term_[kTerms];  // of share^k
};

}  // namespace

GaussLegendre gauss_legendre(int n) {
    GaussLegendre rule;
    rule.node.resize(static_cast<std::size_t>(n));
    rule.weight.resize(static_cast<std::size_t>(n));
    // P_n(0), or n P_(n - 1)(0) for its slope.
    const bool odd = n % 2 == 1;
    double middle = 1.0;
    for (int k = 1; k < n; k += 2) middle *= -k / (k + 1.0);
    double x = 0.0, value = odd ? 0.0 : middle, slope = odd ? n * middle : 0.0;
    const auto put = [&](int k) {  // the k-th of the nodes >= 0, and its mirror image
        const auto above = static_cast<std::size_t>(n / 2 + k);
        const std::size_t below = static_cast<std::size_t>(n - 1) - above;
        rule.node[above] = x;
        rule.node[below] = -x;
        rule.weight[above] = rule.weight[below] = 2.0 / ((1.0 - x * x) * slope * slope);
    };
    if (odd) put(0);
    const int half = (n + 1) / 2;
    for (int k = odd ? 1 : 0; k < half; ++k) {
        const double spacing = std::cos(kPi * (half - k - 0.25) / (n + 0.5)) - x;
        const LegendreSeries series(n, x, value, slope, spacing);
        double share = 1.0;
        constexpr int kIterations = 20;
        for (int iteration = 0; iteration < kIterations; ++iteration) {
            const double step = series.at(share, slope) / slope;
            share -= step;
            if (std::abs(step) < 1e-15) break;
        }
        series.at(share, slope);
        x += share * spacing;
        slope /= spacing;
        value = 0.0;
        put(k);
    }
    return rule;
}

}  // namespace nmrsim
