// Pictures hold what they were given.
#include "nmrinverse/diagnostic_figures.h"

#include <numeric>
#include <stdexcept>

#include "catch_compat.h"
#include "nmrsim/random.h"

using namespace nmrinverse;
using nmrinverse::Series;

namespace {

const nmrsim::Prior kPrior = {{"alpha_x_khz", 0.0, 150.0}, {"flip_deg", 10.0, 90.0}};

nmrinverse::Diagnostics two_unknowns() {
    std::vector<double> values;
    for (int i = 0; i < 400; ++i) values.push_back((i + 0.5) / 400.0);
    nmrinverse::Diagnostics diagnostics;
    for (const nmrsim::PriorRange& range : kPrior) {
        diagnostics.unknowns.push_back(
            {range.name, nmrinverse::uniformity_of(values), nmrinverse::coverage_curve(values)});
    }
    return diagnostics;
}

}  // namespace

TEST_CASE("diagnostic figures: ranks with their band, coverage, TARP") {
    nmrinverse::Diagnostics diagnostics = two_unknowns();
    const auto ranks = rank_figures(diagnostics);
    REQUIRE(ranks.size() == 2);
    REQUIRE(ranks[1].series.size() == 2);
    CHECK_THAT(ranks[1].title, ContainsSubstring("theta"));
    CHECK(ranks[0].series[0].y == std::vector<double>(20, 20.0));
    const nmrinverse::CountBand band = nmrinverse::histogram_band(400, 20);
    CHECK(ranks[0].series[1].y[0] == static_cast<double>(band.low));
    CHECK(ranks[0].series[1].upper[1] == static_cast<double>(band.high));
    CHECK(coverage_figures(diagnostics).size() == 1);
    CHECK(coverage_figures(diagnostics)[0].series.size() == 3);  // the band and two lines
    diagnostics.tarp_box.emplace();
    diagnostics.tarp_box->level = diagnostics.tarp_box->coverage = {0.0, 0.5, 1.0};
    CHECK(coverage_figures(diagnostics).size() == 2);
    CHECK(coverage_figures({}).empty());
    CHECK(calibration_table(diagnostics).rows.size() == 5);
}

TEST_CASE("diagnostic figures: a corner plot has a panel for each unknown and pair") {
    nmrsim::CounterRandom random(1, 0, nmrsim::RandomStream::noise);
    std::vector<double> samples;
    for (int i = 0; i < 500; ++i) {
        samples.push_back(40.0 + random.normal());
        samples.push_back(60.0 + 0.1 * random.normal());
    }
    const std::vector<double> truth = {47.0, 60.0};  // outside the draws, and still in the picture
    const auto grid = corner_figure("posterior", kPrior, samples, truth);
    REQUIRE(grid.panels.size() == 4);
    CHECK(grid.columns == 2);
    CHECK_FALSE(grid.panels[1]);
    const std::vector<double>& bars = grid.panels[0]->series[0].y;
    CHECK(std::accumulate(bars.begin(), bars.end(), 0.0) == 500.0);
    CHECK(grid.panels[0]->x_range->second > 47.0);
    const auto& pair = *grid.panels[2];
    CHECK(pair.series[0].x.size() == 500);
    CHECK(pair.series[0].y[0] == samples[1]);
    CHECK(pair.series[1].x == std::vector<double>{47.0});
    CHECK_NOTHROW(figure_svg(grid));
    CHECK(corner_figure("no truth", kPrior, samples).panels[2]->series.size() == 1);
    samples.pop_back();
    CHECK_THROWS_AS(corner_figure("odd", kPrior, samples), std::invalid_argument);
}

TEST_CASE("diagnostic figures: a gradient map shows where the gradient is") {
    constexpr std::size_t kPoints = 300;
    std::vector<double> time_us(kPoints);
    std::iota(time_us.begin(), time_us.end(), 0.0);
    const std::vector<float> signal(2 * kPoints, 0.1f);
    std::vector<double> gradient(4 * kPoints, 0.0);
    // The second unknown is read from My at samples 150 to 152, one bin of three.
    for (std::size_t i = 150; i < 153; ++i) gradient[3 * kPoints + i] = 2.0;
    const auto grid = gradient_figure("times", kPrior, time_us, signal, gradient);
    REQUIRE(grid.panels.size() == 3);
    const Series& area = grid.panels[2]->series[0];
    REQUIRE(area.upper.size() == 100);
    for (std::size_t i = 0; i < 100; ++i) CHECK(area.upper[i] == (i == 50 ? 2.0 : 0.0));
    CHECK(area.x[50] == 151.0);
    CHECK_NOTHROW(figure_svg(grid));
    gradient.pop_back();
    CHECK_THROWS_AS(gradient_figure("odd", kPrior, time_us, signal, gradient),
                    std::invalid_argument);
}
