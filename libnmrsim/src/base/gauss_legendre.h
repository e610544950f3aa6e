/// Gauss-Legendre quadrature on [-1, 1].
#pragma once

#include <cmath>
#include <vector>

#include "nmrsim/units.h"

namespace nmrsim {

struct GaussLegendre {
    std::vector<double> node;    ///< (n), ascending
    std::vector<double> weight;  ///< (n), sums to 2
};

/// n nodes and weights by Newton's iteration on the Legendre polynomial, to rounding.
inline GaussLegendre gauss_legendre(int n) {
    GaussLegendre rule;
    rule.node.resize(static_cast<std::size_t>(n));
    rule.weight.resize(static_cast<std::size_t>(n));
    for (int i = 0; i < (n + 1) / 2; ++i) {  // the other half is its mirror image
        double x = -std::cos(kPi * (i + 0.75) / (n + 0.5));
        double slope = 1.0;
        for (int iteration = 0; iteration < 100; ++iteration) {
            double value = 1.0, before = 0.0;
            for (int j = 0; j < n; ++j) {
                const double older = before;
                before = value;
                value = ((2 * j + 1) * x * before - j * older) / (j + 1);
            }
            slope = n * (x * value - before) / (x * x - 1.0);
            const double step = value / slope;
            x -= step;
            if (std::abs(step) < 1e-15) break;
        }
        if (2 * i + 1 == n) x = 0.0;
        const std::size_t here = static_cast<std::size_t>(i);
        const std::size_t mirror = static_cast<std::size_t>(n - 1 - i);
        rule.node[mirror] = -x;
        rule.node[here] = x;
        rule.weight[here] = rule.weight[mirror] = 2.0 / ((1.0 - x * x) * slope * slope);
    }
    return rule;
}

}  // namespace nmrsim
