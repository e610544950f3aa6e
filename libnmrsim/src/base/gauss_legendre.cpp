#include "base/gauss_legendre.h"

#include <algorithm>
#include <cmath>

#include "nmrsim/units.h"

namespace nmrsim {

GaussLegendre gauss_legendre(int n) {
    constexpr int kLanes = 8;  // nodes at once: each one's recurrence waits for its last term
    constexpr int kIterations = 100;
    GaussLegendre rule;
    rule.node.resize(static_cast<std::size_t>(n));
    rule.weight.resize(static_cast<std::size_t>(n));
    std::vector<double> share;  // j / (j + 1)
    for (int j = 0; j < n; ++j) share.push_back(j / (j + 1.0));
    const int half = (n + 1) / 2;  // the other half is its mirror image
    for (int begin = 0; begin < half; begin += kLanes) {
        double x[kLanes], slope[kLanes], largest = 1.0;
        for (int i = 0; i < kLanes; ++i) {
            x[i] = -std::cos(kPi * (std::min(begin + i, half - 1) + 0.75) / (n + 0.5));
        }
        for (int iteration = 0; iteration < kIterations && largest >= 1e-15; ++iteration) {
            double value[kLanes], before[kLanes];
            std::fill_n(value, kLanes, 1.0);
            std::fill_n(before, kLanes, 0.0);
            for (const double a : share) {
                for (int i = 0; i < kLanes; ++i) {
                    const double product = x[i] * value[i];
                    const double next = product + a * (product - before[i]);
                    before[i] = value[i];
                    value[i] = next;
                }
            }
            largest = 0.0;
            for (int i = 0; i < kLanes; ++i) {
                slope[i] = n * (x[i] * value[i] - before[i]) / (x[i] * x[i] - 1.0);
                const double step = value[i] / slope[i];
                x[i] -= step;
                largest = std::max(largest, std::abs(step));
            }
        }
        for (int i = 0; i < std::min(kLanes, half - begin); ++i) {
            if (2 * (begin + i) + 1 == n) x[i] = 0.0;
            const std::size_t here = static_cast<std::size_t>(begin + i);
            const std::size_t mirror = static_cast<std::size_t>(n - 1) - here;
            rule.node[mirror] = -x[i];
            rule.node[here] = x[i];
            rule.weight[here] = rule.weight[mirror] =
                2.0 / ((1.0 - x[i] * x[i]) * slope[i] * slope[i]);
        }
    }
    return rule;
}

}  // namespace nmrsim
