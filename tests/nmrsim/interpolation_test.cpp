#include "nmrsim/interpolation.h"

#include <cmath>
#include <vector>

#include "catch_compat.h"

namespace nmrsim {
namespace {

/// Step ends after a pulse: 1/256, 1/256, 1/128, ... 1/2 of a step, then whole ones.
std::vector<double> step_ends(int steps) {
    std::vector<double> times = {0.0};
    for (int level = 8; level >= 0; --level) times.push_back(std::ldexp(1.0, -level));
    for (int k = 1; k < steps; ++k) times.push_back(k + 1.0);
    return times;
}

TEST_CASE("a stencil through a pulse's step ends amplifies little") {
    for (int steps = 1; steps <= 40; ++steps) {
        const std::vector<double> times = step_ends(steps);
        double largest = 0.0;
        for (std::size_t k = 0; k + 1 < times.size(); ++k) {
            for (int i = 0; i <= 8; ++i) {
                const double at = times[k] + (times[k + 1] - times[k]) * i / 8.0;
                const auto stencil = bounded_stencil<12>(times, at);
                double sum = 0.0, one = 0.0;
                for (std::size_t p = 0; p < stencil.count; ++p) {
                    sum += std::abs(stencil.weight[p]);
                    one += stencil.weight[p];
                }
                CHECK(std::abs(one - 1.0) < 1e-12);
                largest = std::max(largest, sum);
            }
        }
        CAPTURE(steps);
        CHECK(largest < 40.0);  // 33 at most; through the nearest twelve 3e3 to 8e13
    }
}

TEST_CASE("among evenly spaced nodes a stencil takes the nearest") {
    std::vector<double> times;
    for (int k = 0; k < 40; ++k) times.push_back(0.3 * k);
    const auto stencil = bounded_stencil<12>(times, 0.3 * 20.4);
    REQUIRE(stencil.count == 12);
    for (std::size_t p = 0; p < 12; ++p) CHECK(stencil.index[p] == 15 + p);
    double value = 0.0;  // a polynomial of the eleventh degree, to rounding
    for (std::size_t p = 0; p < 12; ++p) {
        value += stencil.weight[p] * std::pow(times[stencil.index[p]] / 6.0, 11.0);
    }
    CHECK(value == Approx(std::pow(0.3 * 20.4 / 6.0, 11.0)).epsilon(1e-10));
}

TEST_CASE("at a node a stencil reads it, and one node is enough") {
    const std::vector<double> times = step_ends(3);
    for (std::size_t k = 0; k < times.size(); ++k) {
        const auto stencil = bounded_stencil<12>(times, times[k]);
        for (std::size_t p = 0; p < stencil.count; ++p) {
            CHECK(stencil.weight[p] == (stencil.index[p] == k ? 1.0 : 0.0));
        }
    }
    const auto single = bounded_stencil<12>(std::vector<double>{2.0}, 2.5);
    CHECK(single.count == 1);
    CHECK(single.weight[0] == 1.0);
}

}  // namespace
}  // namespace nmrsim
