#include "model/line_gauss.h"

#include <cmath>
#include <complex>
#include <numeric>
#include <vector>

#include "catch_compat.h"
#include "nmrsim/units.h"

using namespace nmrsim;

namespace {

std::vector<Line> lines() {
    Line narrow, box, voigt, table;
    narrow.half_width_khz = 0.3;
    box.shape = LineShape::gaussian;
    box.half_width_khz = 400.0;
    box.renormalize = false;
    voigt.shape = LineShape::voigt;
    voigt.half_width_khz = 10.0;
    voigt.gaussian_half_width_khz = 20.0;
    table.shape = LineShape::table;
    table.table = {{-90.0, 0.0}, {-20.0, 3.0}, {-10.0, 0.5},
                   {35.0, 2.0},  {60.0, 2.0},  {200.0, 0.0}};
    return {Line{}, narrow, box, voigt, table};
}

}  // namespace

TEST_CASE("Gauss's rule for a line follows its free decay with little more than a node a wave",
          "[line_gauss]") {
    constexpr double kLongest = 150e-6;
    for (const Line& line : lines()) {
        const LineGauss gauss(line, 100, line_stretch(90, 1e-6));
        const LineQuadrature rule = gauss.rule(90);  // 75 waves at a reach of 250 kHz
        std::vector<double> time_s;
        for (int k = 0; k <= 60; ++k) time_s.push_back(kLongest * k / 60.0);
        const std::vector<std::complex<double>> exact = line_phasor(line, time_s);
        double error = 0.0;
        for (std::size_t k = 0; k < time_s.size(); ++k) {
            std::complex<double> sum = 0.0;
            for (std::size_t i = 0; i < rule.weight.size(); ++i) {
                sum += std::polar(rule.weight[i], -kTwoPi * rule.offset_hz[i] * time_s[k]);
            }
            error = std::max(error, std::abs(sum - exact[k]));
        }
        INFO("shape " << static_cast<int>(line.shape) << ", " << line.half_width_khz << " kHz");
        CHECK(error < 3e-6);
        CHECK(std::accumulate(rule.weight.begin(), rule.weight.end(), 0.0) ==
              Approx(line_weight(line)).epsilon(1e-10));
        for (std::size_t i = 0; i < rule.weight.size(); ++i) {
            CHECK(rule.weight[i] >= 0.0);
            if (i > 0) CHECK(rule.offset_hz[i] > rule.offset_hz[i - 1]);
        }
    }
}

TEST_CASE("Gauss's rule of few nodes is exact for the line's first moments", "[line_gauss]") {
    // Hardly stretched, a polynomial of degree 2 n - 1 of the offset: n = 3 has the fourth moment.
    Line line;
    line.shape = LineShape::table;
    line.cutoff_khz = 100.0;
    line.table = {{-1.0, 1.0}, {1.0, 1.0}};  // a box: <delta^4> = 1/5 kHz^4
    const LineQuadrature rule = LineGauss(line, 4, 1e-4).rule(3);
    double fourth = 0.0, third = 0.0;
    for (std::size_t i = 0; i < 3; ++i) {
        fourth += rule.weight[i] * std::pow(rule.offset_hz[i] / kHzPerKhz, 4);
        third += rule.weight[i] * std::pow(rule.offset_hz[i] / kHzPerKhz, 3);
    }
    CHECK(fourth == Approx(0.2).epsilon(1e-6));
    CHECK(std::abs(third) < 1e-8);
}
