#include "nmrsim/line.h"

#include <cmath>
#include <complex>

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

TEST_CASE("a Voigt line is the convolution of its two parts", "[line]") {
    Line line;
    line.shape = LineShape::voigt;
    line.half_width_khz = 7.0;
    line.gaussian_half_width_khz = 11.0;
    Line gaussian;
    gaussian.shape = LineShape::gaussian;
    gaussian.half_width_khz = 11.0;
    for (const double offset_hz : {0.0, 3e3, 12e3, -40e3, 200e3}) {
        // The trapezoidal rule is exact to rounding for such a smooth, fast falling integrand.
        double sum = 0.0;
        const double step = 100.0, half_width = 7e3;
        for (double x = -80e3; x <= 80e3; x += step) {
            const double from = offset_hz - x;
            sum += step * line_density(gaussian, x) * half_width /
                   (kPi * (from * from + half_width * half_width));
        }
        CHECK(line_density(line, offset_hz) == Approx(sum).epsilon(1e-10));
    }
}

TEST_CASE("quantiles of a Voigt line and of a table invert the distribution", "[line]") {
    Line line;
    SECTION("Voigt") {
        line.shape = LineShape::voigt;
        line.half_width_khz = 3.0;
        line.gaussian_half_width_khz = 9.0;
    }
    SECTION("table") {
        line.shape = LineShape::table;
        line.table = {{-80.0, 0.0}, {-20.0, 4.0}, {-10.0, 1.0}, {30.0, 2.0}, {400.0, 0.5}};
    }
    line.renormalize = false;
    const std::vector<double> shares{1e-6, 0.1, 0.5, 0.77, 0.999};
    const std::vector<double> offsets = line_quantiles(line, shares);
    const double low = line.shape == LineShape::table ? -80e3 : -250e3;
    for (std::size_t i = 0; i < shares.size(); ++i) {
        CHECK(offsets[i] == line_quantile(line, shares[i]));
        // The midpoint rule on 200,000 pieces: its error is below 1e-8 of a total near 1.
        const int pieces = 200000;
        const double step = (offsets[i] - low) / pieces;
        double sum = 0.0;
        for (int k = 0; k < pieces; ++k) sum += step * line_density(line, low + (k + 0.5) * step);
        CHECK(sum == Approx(shares[i] * line_weight(line)).margin(1e-8));
    }
}

TEST_CASE("the quadrature of a table converges spectrally in spite of its kinks", "[line]") {
    Line line;
    line.shape = LineShape::table;
    line.table = {{-50.0, 0.0}, {-20.0, 4.0}, {-10.0, 1.0}, {30.0, 2.0}, {70.0, 0.0}};
    const double time_s = 60e-6;
    const auto mean = [&](int nodes, double stretch) {
        const LineQuadrature rule = line_quadrature(line, nodes, stretch);
        std::complex<double> sum = 0.0;
        for (std::size_t i = 0; i < rule.weight.size(); ++i) {
            sum += rule.weight[i] *
                   std::exp(std::complex<double>(0.0, -kTwoPi * rule.offset_hz[i] * time_s));
        }
        return sum;
    };
    // Each straight piece has its integral in closed form, by parts.
    std::complex<double> exact = 0.0;
    const std::complex<double> rate(0.0, -kTwoPi * time_s);
    for (std::size_t p = 0; p + 1 < line.table.size(); ++p) {
        const double a = line.table[p].offset_khz * 1e3, b = line.table[p + 1].offset_khz * 1e3;
        // A piece's own ends: a density is continuous there.
        const double fa = line_density(line, a), fb = line_density(line, b);
        const double slope = (fb - fa) / (b - a);
        exact += (fb * std::exp(rate * b) - fa * std::exp(rate * a)) / rate -
                 slope * (std::exp(rate * b) - std::exp(rate * a)) / (rate * rate);
    }
    // Half the phase over the range is 2 pi 60 kHz 60 us = 22.6; twice as many nodes are plenty.
    CHECK(std::abs(mean(48, 0.0) - exact) < 1e-12);
    CHECK(std::abs(mean(48, 0.8) - exact) < 1e-12);
    CHECK(std::abs(mean(24, 0.0) - exact) > 1e-6);
}

TEST_CASE("tables that are no spectrum are refused", "[line]") {
    Line line;
    line.shape = LineShape::table;
    CHECK_THROWS_WITH(line.validate(), "line.table must have at least 2 points, got 0");
    line.table = {{0.0, 1.0}, {0.0, 2.0}};
    CHECK_THROWS_WITH(line.validate(), ContainsSubstring("ascending offsets, got 0 after 0"));
    line.table = {{0.0, 1.0}, {1.0, -2.0}};
    CHECK_THROWS_WITH(line.validate(), ContainsSubstring("line.table[1] must be a finite offset"));
    line.table = {{300.0, 1.0}, {400.0, 2.0}};
    CHECK_THROWS_WITH(line.validate(), ContainsSubstring("weight within +-cutoff_khz = 250"));
}

TEST_CASE("A cut far beyond a Gaussian line does not spread its nodes") {
    // The cut lies at 3,400 half widths, where there is no spin.
    Line line;
    line.shape = LineShape::gaussian;
    line.half_width_khz = 0.0315;
    line.cutoff_khz = 108.0;
    const LineQuadrature rule = line_quadrature(line, 64, 0.0);
    const double sigma_hz = 31.5 / std::sqrt(2.0 * std::log(2.0));
    double mean = 0.0;
    const double time_s = 7.4e-3;
    for (std::size_t i = 0; i < rule.weight.size(); ++i) {
        mean += rule.weight[i] * std::cos(kTwoPi * rule.offset_hz[i] * time_s);
    }
    const double exact = std::exp(-0.5 * std::pow(kTwoPi * sigma_hz * time_s, 2));
    // The rule is exact for waves of a quarter of its nodes; what lies outside is 2e-17.
    CHECK(std::abs(mean - exact) < 1e-14);
    CHECK(std::abs(line_characteristic(line, time_s) - exact) < 1e-14);
}
