#include "nmrsim/signal.h"

#include <cmath>
#include <limits>

#include "catch_compat.h"

using namespace nmrsim;

TEST_CASE("differences of signals", "[signal]") {
    const Signal a{{0, 1}, {0.0, 0.3}, {0.0, 0.4}, {0, 0}};
    const Signal b{{0, 1}, {0.0, 0.0}, {0.0, 0.0}, {0, 0}};
    CHECK(largest_difference(a, b) == Approx(0.5));
    CHECK(rms_difference(a, b) == Approx(0.5 / std::sqrt(2.0)));
    Signal broken = b;
    broken.mx[0] = std::numeric_limits<double>::quiet_NaN();
    CHECK(std::isnan(largest_difference(a, broken)));
    CHECK_THROWS_AS(largest_difference(a, Signal{}), std::invalid_argument);
}
