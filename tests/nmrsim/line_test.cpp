#include "nmrsim/line.h"

#include <cmath>

#include "catch_compat.h"
#include "nmrsim/units.h"

using namespace nmrsim;

TEST_CASE("the weights of the 2021 line sum to 0.9366", "[line]") {
    Line line;
    line.renormalize = false;
    CHECK(line_weight(line) == Approx(2.0 / kPi * std::atan(10.0)).epsilon(1e-14));
    line.renormalize = true;
    CHECK(line_weight(line) == 1.0);
}

TEST_CASE("quadratures converge spectrally, stretched ones sooner", "[line]") {
    Line line;
    line.shape = GENERATE(LineShape::lorentzian, LineShape::gaussian);
    line.renormalize = GENERATE(true, false);
    // The longest phase of the 2021 task: 2 pi 250 kHz 268 us = 421.
    const double time_s = 268e-6;
    const auto error = [&](int nodes, double stretch) {
        const LineQuadrature rule = line_quadrature(line, nodes, stretch);
        double sum = 0.0;
        for (std::size_t i = 0; i < rule.weight.size(); ++i) {
            sum += rule.weight[i] * std::cos(kTwoPi * rule.offset_hz[i] * time_s);
        }
        return std::abs(sum - line_characteristic(line, time_s));
    };
    CHECK(error(256, 0.0) < 1e-3);
    CHECK(error(384, 0.0) < 1e-13);
    CHECK(error(208, 0.98) < 1e-7);
    CHECK(error(240, 0.98) < 1e-10);
    if (line.shape == LineShape::lorentzian) CHECK(error(208, 0.0) > 1e-4);
}

TEST_CASE("the characteristic function of a wide cut is the textbook's", "[line]") {
    Line line;
    line.half_width_khz = 5.0;
    line.cutoff_khz = 60.0;
    line.shape = LineShape::gaussian;  // 14 standard deviations: the cut is nowhere
    const double sigma_hz = 5e3 / std::sqrt(2.0 * std::log(2.0));
    for (double t : {0.0, 10e-6, 60e-6}) {
        const double x = kTwoPi * sigma_hz * t;
        CHECK(line_characteristic(line, t) == Approx(std::exp(-0.5 * x * x)).margin(1e-13));
    }
}

TEST_CASE("the quantile inverts the distribution", "[line]") {
    Line line;
    line.shape = GENERATE(LineShape::lorentzian, LineShape::gaussian);
    CHECK(line_quantile(line, 0.5) == Approx(0.0).margin(1e-9));
    for (double u : {1e-6, 0.01, 0.3, 0.9, 1.0 - 1e-6}) {
        // Integrate the density up to the quantile with the quadrature of a narrower line.
        const double offset = line_quantile(line, u);
        CHECK(std::abs(offset) <= line.cutoff_khz * kHzPerKhz);
        Line inner = line;
        inner.renormalize = false;
        inner.cutoff_khz = std::max(std::abs(offset) / kHzPerKhz, 1e-9);
        Line whole = line;
        whole.renormalize = false;
        const double inside = line_weight(inner) / line_weight(whole);
        const double expected = offset >= 0.0 ? 0.5 + 0.5 * inside : 0.5 - 0.5 * inside;
        CHECK(expected == Approx(u).epsilon(1e-9));
    }
}

TEST_CASE("a line out of range is refused by name and value", "[line]") {
    Line line;
    line.half_width_khz = -3.0;
    CHECK_THROWS_WITH(line.validate(), "line.half_width_khz must be > 0, got -3");
    line.half_width_khz = 25.0;
    CHECK_THROWS_AS(line_quadrature(line, 0), std::invalid_argument);
    CHECK_THROWS_AS(line_quantile(line, 1.0), std::invalid_argument);
}
