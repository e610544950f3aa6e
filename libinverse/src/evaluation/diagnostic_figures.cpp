#include "nmrinverse/diagnostic_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "evaluation/table_column.h"
#include "nmrinverse/fit_report.h"
#include "nmrsim/parameters.h"

namespace nmrinverse {
namespace {

/// Bars of a marginal, and draws shown of a pair.
constexpr std::size_t kBars = 30;
constexpr std::size_t kMostDots = 1500;

/// Panels of a corner plot and of a gradient map [px].
constexpr int kCornerPanel = 190;
constexpr int kStripHeight = 120;

/// Bins of a gradient map.
constexpr std::size_t kGradientBins = 100;

std::pair<double, double> range_of(const std::vector<double>& values, double also) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    double from = *low, to = *high;
    if (std::isfinite(also)) {
        from = std::min(from, also);
        to = std::max(to, also);
    }
    const double margin = to > from ? 0.03 * (to - from) : 1.0;
    return {from - margin, to + margin};
}

Series vertical_line(double x, double height, int color) {
    Series line;
    line.x = {x, x};
    line.y = {0.0, height};
    line.color = color;
    return line;
}

/// Histogram of values as bars.
Series bars_of(const std::vector<double>& values, std::pair<double, double> range) {
    Series bars;
    bars.style = Series::Style::bars;
    const double width = (range.second - range.first) / kBars;
    bars.y.assign(kBars, 0.0);
    for (const double value : values) {
        const auto bin = static_cast<std::size_t>(std::max(0.0, (value - range.first) / width));
        bars.y[std::min(bin, kBars - 1)] += 1.0;
    }
    for (std::size_t i = 0; i < kBars; ++i) {
        bars.x.push_back(range.first + (static_cast<double>(i) + 0.5) * width);
    }
    return bars;
}

std::string percent(const Coverage& coverage) {
    return fmt::format("{:.1f} ± {:.1f}%", 100.0 * coverage.observed, 100.0 * coverage.error);
}

/// The band of two standard errors about nominal coverage.
Series error_band(const std::vector<Coverage>& curve) {
    Series band;
    band.label = "two standard errors";
    band.style = Series::Style::band;
    band.color = 5;
    band.x = band.y = band.upper = {0.0};
    for (const Coverage& coverage : curve) {
        band.x.push_back(coverage.nominal);
        band.y.push_back(std::max(0.0, coverage.nominal - 2.0 * coverage.error));
        band.upper.push_back(std::min(1.0, coverage.nominal + 2.0 * coverage.error));
    }
    band.x.push_back(1.0);
    band.y.push_back(1.0);
    band.upper.push_back(1.0);
    return band;
}

Figure coverage_axes(const std::string& title, const std::string& x, const std::string& y) {
    Figure figure;
    figure.title = title;
    figure.x_label = x;
    figure.y_label = y;
    figure.equal_axes = true;
    figure.x_range = {{0.0, 1.0}};
    figure.width = figure.height = 480;
    return figure;
}

}  // namespace

std::vector<Figure> rank_figures(const Diagnostics& diagnostics) {
    std::vector<Figure> figures;
    for (const UnknownDiagnostics& unknown : diagnostics.unknowns) {
        const std::vector<std::size_t>& histogram = unknown.ranks.histogram;
        std::size_t count = 0;
        for (const std::size_t number : histogram) count += number;
        const CountBand limits = histogram_band(count, histogram.size());
        Figure figure;
        figure.title =
            fmt::format("{}, p = {:.2g}", label_of(unknown.name), unknown.ranks.chi_square_p);
        figure.x_label = "rank of the true value among the draws";
        figure.y_label = "curves";
        figure.width = 480;
        figure.height = 320;
        figure.x_range = {{0.0, 1.0}};
        const auto bins = static_cast<double>(histogram.size());
        Series bars, band;
        bars.style = Series::Style::bars;
        double most = static_cast<double>(limits.high);
        for (std::size_t i = 0; i < histogram.size(); ++i) {
            bars.x.push_back((static_cast<double>(i) + 0.5) / bins);
            bars.y.push_back(static_cast<double>(histogram[i]));
            most = std::max(most, bars.y.back());
        }
        band.label = "99% of true posteriors";
        band.style = Series::Style::band;
        band.color = 4;
        band.x = {0.0, 1.0};
        band.y.assign(2, static_cast<double>(limits.low));
        band.upper.assign(2, static_cast<double>(limits.high));
        figure.y_range = {{0.0, 1.1 * most}};
        figure.series = {std::move(bars), std::move(band)};
        figures.push_back(std::move(figure));
    }
    return figures;
}

std::vector<Figure> coverage_figures(const Diagnostics& diagnostics) {
    std::vector<Figure> figures;
    if (diagnostics.unknowns.empty()) return figures;
    Figure figure = coverage_axes("Central intervals", "probability of the interval",
                                  "share of true values inside");
    figure.series.push_back(error_band(diagnostics.unknowns.front().coverage));
    for (std::size_t k = 0; k < diagnostics.unknowns.size(); ++k) {
        Series line;
        line.label = nmrsim::parameter(diagnostics.unknowns[k].name).symbol;
        line.color = static_cast<int>(k % 5);
        line.x = line.y = {0.0};
        for (const Coverage& coverage : diagnostics.unknowns[k].coverage) {
            line.x.push_back(coverage.nominal);
            line.y.push_back(coverage.observed);
        }
        line.x.push_back(1.0);
        line.y.push_back(1.0);
        figure.series.push_back(std::move(line));
    }
    figures.push_back(std::move(figure));

    const auto line_of = [](const std::string& label, const Tarp& tarp, int color) {
        Series line;
        line.label = fmt::format("{}, p = {:.2g}", label, tarp.p_value);
        line.x = tarp.level;
        line.y = tarp.coverage;
        line.color = color;
        return line;
    };
    Figure joint = coverage_axes("TARP, all unknowns together", "credibility", "expected coverage");
    if (diagnostics.tarp_box) joint.series.push_back(line_of("box", *diagnostics.tarp_box, 0));
    if (diagnostics.tarp_local) {
        joint.series.push_back(line_of("local", *diagnostics.tarp_local, 1));
    }
    if (!joint.series.empty()) figures.push_back(std::move(joint));
    return figures;
}

FigureGrid corner_figure(const std::string& title, const nmrsim::Prior& prior,
                         std::span<const double> samples, std::span<const double> truth) {
    const std::size_t k = prior.size();
    if (k == 0 || samples.empty() || samples.size() % k != 0 ||
        (!truth.empty() && truth.size() != k)) {
        throw std::invalid_argument(
            fmt::format("{} samples and {} true values do not fit {} unknowns", samples.size(),
                        truth.size(), k));
    }
    std::vector<std::vector<double>> values;
    std::vector<std::pair<double, double>> ranges;
    for (std::size_t i = 0; i < k; ++i) {
        values.push_back(column(samples, k, i));
        ranges.push_back(range_of(values[i], truth.empty() ? std::nan("") : truth[i]));
    }
    FigureGrid grid;
    grid.title = title;
    grid.columns = k;
    grid.panels.resize(k * k);
    grid.width = grid.height = kCornerPanel * static_cast<int>(k) + 120;
    const std::size_t stride = std::max<std::size_t>(1, values[0].size() / kMostDots);
    for (std::size_t row = 0; row < k; ++row) {
        for (std::size_t col = 0; col <= row; ++col) {
            Figure panel;
            panel.x_range = ranges[col];
            panel.x_numbers = row == k - 1;
            panel.x_label = panel.x_numbers ? label_of(prior[col].name) : "";
            // The heights of the marginals are no numbers to read.
            panel.y_numbers = col == 0 && row != 0;
            panel.y_label = panel.y_numbers ? label_of(prior[row].name) : "";
            if (row == col) {
                panel.series.push_back(bars_of(values[col], ranges[col]));
                const std::vector<double>& bars = panel.series[0].y;
                const double height = 1.08 * *std::max_element(bars.begin(), bars.end());
                panel.y_range = {{0.0, height}};
                if (!truth.empty()) panel.series.push_back(vertical_line(truth[col], height, 1));
            } else {
                Series dots;
                dots.style = Series::Style::cloud;
                for (std::size_t i = 0; i < values[0].size(); i += stride) {
                    dots.x.push_back(values[col][i]);
                    dots.y.push_back(values[row][i]);
                }
                panel.y_range = ranges[row];
                panel.series.push_back(std::move(dots));
                if (!truth.empty()) {
                    Series mark;
                    mark.style = Series::Style::cross;
                    mark.x = {truth[col]};
                    mark.y = {truth[row]};
                    mark.color = 1;
                    panel.series.push_back(std::move(mark));
                }
            }
            grid.panels[row * k + col] = std::move(panel);
        }
    }
    return grid;
}

FigureGrid gradient_figure(const std::string& title, const nmrsim::Prior& prior,
                           std::span<const double> time_us, std::span<const float> signal,
                           std::span<const double> gradient) {
    const std::size_t points = time_us.size(), k = prior.size();
    if (points == 0 || signal.size() != 2 * points || gradient.size() != 2 * points * k) {
        throw std::invalid_argument(
            fmt::format("a curve of {} numbers and a gradient of {} do not fit {} points and {} "
                        "unknowns",
                        signal.size(), gradient.size(), points, k));
    }
    FigureGrid grid;
    grid.title = title;
    grid.height = kStripHeight * static_cast<int>(k + 1) + 100;
    Figure curve;
    curve.y_label = "|M|";
    curve.x_numbers = false;
    Series size;
    for (std::size_t i = 0; i < points; ++i) {
        size.x.push_back(time_us[i]);
        size.y.push_back(std::hypot(signal[i], signal[points + i]));
    }
    curve.x_range = {{time_us.front(), time_us.back()}};
    curve.series.push_back(std::move(size));
    grid.panels.emplace_back(std::move(curve));
    const std::size_t bin = std::max<std::size_t>(1, points / kGradientBins);
    for (std::size_t unknown = 0; unknown < k; ++unknown) {
        const auto own = gradient.subspan(2 * points * unknown, 2 * points);
        Figure strip;
        strip.y_label = label_of(prior[unknown].name);
        strip.x_range = {{time_us.front(), time_us.back()}};
        strip.x_numbers = unknown + 1 == k;
        if (strip.x_numbers) strip.x_label = "time [us]";
        Series area;
        area.style = Series::Style::band;
        area.color = static_cast<int>(unknown % 5);
        for (std::size_t begin = 0; begin < points; begin += bin) {
            const std::size_t end = std::min(points, begin + bin);
            double square = 0.0;
            for (std::size_t i = begin; i < end; ++i) {
                square += own[i] * own[i] + own[points + i] * own[points + i];
            }
            area.x.push_back(0.5 * (time_us[begin] + time_us[end - 1]));
            area.y.push_back(0.0);
            area.upper.push_back(std::sqrt(square / static_cast<double>(end - begin)));
        }
        Series line;
        line.x = area.x;
        line.y = area.upper;
        line.color = area.color;
        const double most = *std::max_element(line.y.begin(), line.y.end());
        if (most > 0.0 && std::isfinite(most)) strip.y_range = {{0.0, 1.1 * most}};
        strip.series = {std::move(area), std::move(line)};
        grid.panels.emplace_back(std::move(strip));
    }
    return grid;
}

Table thirds_table(const Diagnostics& diagnostics) {
    Table table;
    table.header = {"90% interval of", "in thirds of", "lowest", "middle", "highest"};
    for (const CoverageInThirds& thirds : diagnostics.thirds) {
        table.rows.push_back({nmrsim::parameter(thirds.name).symbol,
                              fmt::format("{} {}", thirds.of_estimates ? "estimated" : "true",
                                          nmrsim::parameter(thirds.by).symbol),
                              percent(thirds.coverage90[0]), percent(thirds.coverage90[1]),
                              percent(thirds.coverage90[2])});
    }
    table.caption =
        "Share of true values inside their 90% intervals, by thirds of the curves. In thirds of an "
        "estimate 90% is to be expected; in thirds of a true value only where the curves tell it "
        "well.";
    return table;
}

Table calibration_table(const Diagnostics& diagnostics) {
    Table table;
    table.header = {"check", "result", "p-value"};
    for (const UnknownDiagnostics& unknown : diagnostics.unknowns) {
        const std::string symbol = nmrsim::parameter(unknown.name).symbol;
        table.rows.push_back({"ranks of " + symbol + ", chi-square of " +
                                  fmt::format("{} bins", unknown.ranks.histogram.size()),
                              fmt::format("{:.1f}", unknown.ranks.chi_square),
                              fmt::format("{:.2g}", unknown.ranks.chi_square_p)});
        table.rows.push_back({"ranks of " + symbol + ", largest deviation",
                              fmt::format("{:.4f}", unknown.ranks.largest_deviation),
                              fmt::format("{:.2g}", unknown.ranks.deviation_p)});
    }
    const auto add = [&](const char* name, const std::optional<Tarp>& tarp) {
        if (!tarp) return;
        table.rows.push_back(
            {name, fmt::format("{:+.4f}", tarp->atc), fmt::format("{:.2g}", tarp->p_value)});
    };
    add("TARP, points in the box: area", diagnostics.tarp_box);
    add("TARP, points about the posterior: area", diagnostics.tarp_local);
    const auto add_mean = [&](const char* name, const std::optional<MeanWithError>& value) {
        if (!value) return;
        table.rows.push_back({name, fmt::format("{:.3f} ± {:.3f}", value->mean, value->error), ""});
    };
    add_mean("log density of the truth [nat]", diagnostics.log_density);
    add_mean("what the curves tell [nat]", diagnostics.information);
    table.caption =
        "p-values: chance of a result as far off where the posterior is true. An area below 0 says "
        "too sure, above 0 too wide.";
    return table;
}

Table challenge_table(const ChallengeResult& challenge) {
    Table table;
    table.header = {"column", "errors divided by", "mean scaled error"};
    for (const ColumnScore& column : challenge.columns) {
        table.rows.push_back({column.name, fmt::format("{:.4g}", column.scale),
                              fmt::format("{:.4g}", column.mean_square)});
    }
    table.caption = fmt::format(
        "The challenge's score: {:.4g} ± {:.2g} of {} curves, the sum of squared errors divided by "
        "{}; mean scaled error {:.4g}.",
        challenge.score, challenge.error, challenge.rule.curves,
        challenge.rule.scale == nmrsim::ScoreScale::range ? "the columns' ranges squared"
                                                          : "the columns' variances",
        challenge.mean_scaled_error);
    return table;
}

}  // namespace nmrinverse
