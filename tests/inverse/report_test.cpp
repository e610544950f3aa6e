#include "nmrinverse/report.h"

#include <cmath>

#include "catch_compat.h"

using namespace nmrinverse;

namespace {

std::size_t occurrences(const std::string& text, const std::string& word) {
    std::size_t count = 0;
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        ++count;
    }
    return count;
}

Figure parabola() {
    Figure figure;
    figure.title = "it's a parabola; 'quoted' & <marked>";
    figure.x_label = "time [us]";
    Series series;
    series.label = "y";
    for (int i = 0; i <= 20; ++i) {
        series.x.push_back(i);
        series.y.push_back(i * i);
    }
    figure.series.push_back(series);
    return figure;
}

}  // namespace

TEST_CASE("report: a figure becomes one SVG with its labels") {
    const std::string svg = figure_svg(parabola());
    CHECK(occurrences(svg, "<svg") == 1);
    CHECK(occurrences(svg, "</svg>") == 1);
    CHECK_THAT(svg, ContainsSubstring("time [us]"));
    // Quotes end no string of the script; marks are escaped in the SVG.
    CHECK_THAT(svg, ContainsSubstring("it's a parabola; 'quoted' &amp; &lt;marked"));
    CHECK_THAT(svg, ContainsSubstring("width=\"560\" height=\"360\""));
}

TEST_CASE("report: points are drawn one by one, and those that are not finite left out") {
    Figure figure = parabola();
    figure.series[0].style = Series::Style::points;
    const std::size_t all = occurrences(figure_svg(figure), "<use ");
    CHECK(all >= 21);  // gnuplot adds some of its own
    figure.series[0].y[3] = std::nan("");
    CHECK(occurrences(figure_svg(figure), "<use ") == all - 1);
    // Error bars, equal axes and a series without points are drawn too.
    figure.series[0].error.assign(21, 2.0);
    figure.equal_axes = true;
    figure.series.push_back({"empty", {}, {}, {}});
    CHECK_NOTHROW(figure_svg(figure));
}

TEST_CASE("report: a figure that cannot be drawn is refused") {
    CHECK_THROWS_AS(figure_svg(Figure{}), std::invalid_argument);
    Figure figure = parabola();
    figure.series[0].x.pop_back();
    CHECK_THROWS_AS(figure_svg(figure), std::invalid_argument);
}

TEST_CASE("report: bars, bands, clouds and crosses are drawn") {
    Figure figure = parabola();
    const auto drawn = [&](Series::Style style) {
        figure.series[0].style = style;
        return figure_svg(figure);
    };
    CHECK(occurrences(drawn(Series::Style::cloud), "<use ") >= 21);
    CHECK(occurrences(drawn(Series::Style::cross), "<use ") >= 21);
    const std::string bars = drawn(Series::Style::bars);
    CHECK(occurrences(bars, "<polygon") >= 21);
    // A band needs its upper edge.
    CHECK_THROWS_AS(drawn(Series::Style::band), std::invalid_argument);
    figure.series[0].upper.assign(21, 500.0);
    CHECK(drawn(Series::Style::band) != bars);
    // A fixed range: 400 is the top number, not 500.
    figure.series[0].style = Series::Style::line;
    figure.y_range = {{0.0, 400.0}};
    CHECK_THAT(figure_svg(figure), !ContainsSubstring(">500<"));
}

TEST_CASE("report: a grid lines its panels up in one picture") {
    FigureGrid grid;
    grid.columns = 2;
    grid.panels = {parabola(), std::nullopt, parabola(), parabola()};
    grid.title = "three of four";
    const std::string svg = figure_svg(grid);
    CHECK(occurrences(svg, "<svg") == 1);
    CHECK(occurrences(svg, "time [us]") == 3);
    CHECK_THAT(svg, ContainsSubstring("three of four"));
    grid.row_shares = {1.0};
    CHECK_THROWS_AS(figure_svg(grid), std::invalid_argument);
    grid.row_shares = {};
    grid.panels.pop_back();
    CHECK_THROWS_AS(figure_svg(grid), std::invalid_argument);
    CHECK_THROWS_AS(figure_svg(FigureGrid{}), std::invalid_argument);
    Page page("grids");
    grid.panels.emplace_back(parabola());
    page.figures(std::vector<FigureGrid>{grid, grid});
    CHECK(occurrences(page.html(), "<svg") == 2);
}

TEST_CASE("report: a page is self-contained and escapes what it is told") {
    Page page("A & B");
    page.heading("Head <1>");
    page.paragraph("x < y");
    page.table({{"name", "value"}, {{"a", "1.5"}, {"b<c", "-2e-3"}}, "caption"});
    page.figures({parabola(), parabola()});
    const std::string html = page.html();
    CHECK(html.starts_with("<!DOCTYPE html>"));
    CHECK_THAT(html, ContainsSubstring("<title>A &amp; B</title>"));
    CHECK_THAT(html, ContainsSubstring("Head &lt;1&gt;"));
    CHECK_THAT(html, ContainsSubstring("x &lt; y"));
    CHECK_THAT(html, ContainsSubstring("<td>b&lt;c</td><td class=\"n\">-2e-3</td>"));
    CHECK(occurrences(html, "<svg") == 2);
    CHECK(occurrences(html, "<?xml") == 0);
    // Nothing is fetched from elsewhere.
    CHECK(occurrences(html, "src=") == 0);
    CHECK(occurrences(html, "<link") == 0);
}
