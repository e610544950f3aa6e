#include "nmrsim/signal.h"

#include <cmath>
#include <limits>

#include "catch_compat.h"
#include "nmrsim/dataset.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/prior.h"
#include "nmrsim/simulate.h"

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

TEST_CASE("noise has the standard deviation asked for and is that of a data set", "[signal]") {
    const std::size_t n = 20000;
    const std::vector<double> zeros(n, 0.0);
    Signal signal{zeros, zeros, zeros, zeros};
    add_noise(signal, 0.3, 5);
    double square = 0.0, product = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
        square += signal.mx[i] * signal.mx[i] + signal.my[i] * signal.my[i];
        product += signal.mx[i] * signal.my[i];
        CHECK(signal.mz[i] == 0.0);
    }
    // Five sigma: the mean square of 2 n normal numbers scatters by sqrt(2 / 2 n), the mean product
    // by sqrt(1 / n).
    CHECK(square / (2.0 * n) == Approx(0.09).epsilon(5.0 / std::sqrt(1.0 * n)));
    CHECK(std::abs(product / n) < 5.0 * 0.09 / std::sqrt(1.0 * n));
    CHECK_THROWS_AS(add_noise(signal, -1.0, 5), std::invalid_argument);

    Experiment e = load_experiment("challenge-2021");
    e.acquisition.noise = 0.02;
    const Dataset dataset = generate_dataset(e, 3, 11);
    Signal third = simulate(with_parameters(e, std::span(dataset.parameters).subspan(6, 3)));
    add_noise(third, 0.02, 11, 2);
    const std::size_t points = third.points();
    // Both are right to 1e-4 of |M|, in float.
    for (std::size_t k = 0; k < points; ++k) {
        REQUIRE(std::abs(static_cast<double>(dataset.signal[4 * points + k]) - third.mx[k]) < 1e-4);
    }
}
