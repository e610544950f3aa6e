// Gauss-Legendre rules against what they are exact for.

#include "base/gauss_legendre.h"

#include <cmath>
#include <numeric>

#include "catch_compat.h"

using namespace nmrsim;

TEST_CASE("few nodes are the known ones") {
    const GaussLegendre three = gauss_legendre(3);
    CHECK(three.node[2] == Approx(std::sqrt(0.6)).epsilon(1e-15));
    CHECK(three.node[1] == 0.0);
    CHECK(three.weight[0] == Approx(5.0 / 9.0).epsilon(1e-14));
    CHECK(three.weight[1] == Approx(8.0 / 9.0).epsilon(1e-14));
    CHECK(gauss_legendre(1).weight[0] == Approx(2.0));
    CHECK(gauss_legendre(2).node[1] == Approx(std::sqrt(1.0 / 3.0)).epsilon(1e-15));
}

TEST_CASE("rules of any size are exact to rounding") {
    for (const int n : {5, 16, 63, 200, 1001, 4096, 20000}) {
        INFO(n);
        const GaussLegendre rule = gauss_legendre(n);
        CHECK(std::accumulate(rule.weight.begin(), rule.weight.end(), 0.0) ==
              Approx(2.0).epsilon(1e-12));
        CHECK(std::is_sorted(rule.node.begin(), rule.node.end()));
        // x^(2 n - 2) is the last even power that they are exact for; waves of three radian a node.
        const double waves = n > 10 ? 0.9 * n - 8.0 : 1.0;
        double power = 0.0, wave = 0.0;
        for (std::size_t i = 0; i < rule.node.size(); ++i) {
            power += rule.weight[i] * std::pow(rule.node[i], 2.0 * n - 2.0);
            wave += rule.weight[i] * std::cos(waves * rule.node[i]);
        }
        CHECK(power == Approx(2.0 / (2.0 * n - 1.0)).epsilon(1e-11));
        CHECK(std::abs(wave - 2.0 * std::sin(waves) / waves) < 1e-8 * (n > 10 ? 1.0 : 100.0));
    }
}
