#include "nmrinverse/fit_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "nmrinverse/estimates_text.h"
#include "nmrsim/parameters.h"

namespace nmrinverse {
namespace {

/// Pictures inside a page.
constexpr std::size_t kPageFigures = 60;

}  // namespace

std::string label_of(const std::string& parameter_name) {
    const nmrsim::Parameter& row = nmrsim::parameter(parameter_name);
    return *row.unit ? fmt::format("{} [{}]", row.symbol, row.unit) : std::string(row.symbol);
}

std::string estimate_in_words(const Predictions& estimates, std::size_t curve, std::size_t unknown,
                              const std::string& parameter_name) {
    const nmrsim::Parameter& row = nmrsim::parameter(parameter_name);
    const std::size_t i = curve * estimates.unknowns + unknown;
    return fmt::format("{:.4g} ± {:.2g}{}{}, 90% in [{:.4g}, {:.4g}]", estimates.mean[i],
                       estimates.sd[i], *row.unit ? " " : "", row.unit, estimates.q05[i],
                       estimates.q95[i]);
}

FigureGrid fit_figure(const std::string& title, const Curves& curves, const Judgements& judgements,
                      std::size_t curve) {
    const std::vector<double> times = curves.times_us(curve);
    const std::size_t points = times.size();
    const float* data = curves.samples(curve).data();
    const float* fit = judgements.fit[curve].data();
    const auto line = [&](const std::string& label, int color, const auto& value) {
        Series series;
        series.label = label;
        series.x = times;
        series.color = color;
        for (std::size_t i = 0; i < points; ++i) series.y.push_back(value(i));
        return series;
    };
    const auto of = [points](const float* from, std::size_t part) {
        return [=](std::size_t i) { return static_cast<double>(from[part * points + i]); };
    };
    const auto difference = [&](std::size_t part) {
        return [=](std::size_t i) {
            return static_cast<double>(data[part * points + i]) - fit[part * points + i];
        };
    };
    Figure above, below;
    above.y_label = "magnetization";
    above.x_numbers = false;
    above.series = {line("Mx", 0, of(data, 0)), line("My", 1, of(data, 1)),
                    line("Mx, fit", 2, of(fit, 0)), line("My, fit", 3, of(fit, 1))};
    above.series[2].thin = above.series[3].thin = true;
    // Room for the key above the curves.
    double most = 0.0;
    for (std::size_t i = 0; i < 2 * points; ++i) {
        if (std::isfinite(data[i])) most = std::max(most, std::abs(static_cast<double>(data[i])));
        if (std::isfinite(fit[i])) most = std::max(most, std::abs(static_cast<double>(fit[i])));
    }
    if (most > 0.0) above.y_range = {{-1.05 * most, 1.4 * most}};
    below.x_label = "time [us]";
    below.y_label = "residual";
    double rest = 0.0;
    for (const std::size_t part : {std::size_t{0}, std::size_t{1}}) {
        for (std::size_t i = 0; i < points; ++i) {
            const double off = std::abs(difference(part)(i));
            if (std::isfinite(off)) rest = std::max(rest, off);
        }
    }
    if (rest > 0.0) below.y_range = {{-1.1 * rest, 1.1 * rest}};
    below.series = {line("", 0, difference(0)), line("", 1, difference(1))};
    if (points > 1) above.x_range = below.x_range = {{times.front(), times.back()}};
    FigureGrid grid;
    grid.title = title;
    grid.panels = {std::move(above), std::move(below)};
    grid.row_shares = {2.2, 1.0};
    grid.width = 720;
    grid.height = 460;
    return grid;
}

Page fit_page(const FitResult& result, const nmrsim::Experiment& experiment,
              const std::string& made_by, const std::optional<Table>& model) {
    const nmrsim::Prior& prior = experiment.prior;
    const Judgements& judgements = result.judgements;
    Page page("Fits of " + experiment.name);
    page.paragraph(made_by);
    if (model) page.table(*model);
    Table table;
    table.header = {"curve"};
    for (const nmrsim::PriorRange& range : prior) table.header.push_back(range.name);
    table.header.insert(table.header.end(), {"residual", "expected", "verdict", "why"});
    std::vector<FigureGrid> figures;
    for (std::size_t c = 0; c < result.count(); ++c) {
        const std::string& name = result.curves.names[c];
        std::vector<std::string> row = {name};
        for (std::size_t k = 0; k < prior.size(); ++k) {
            row.push_back(prior[k].categorical()
                              ? choice_in_words(result.estimates, c, prior[k])
                              : estimate_in_words(result.estimates, c, k, prior[k].name));
        }
        row.push_back(fmt::format("{:.4f}", judgements.residual[c]));
        row.push_back(fmt::format("{:.4f}", judgements.expected[c]));
        row.emplace_back(verdict_name(judgements.verdict[c]));
        row.push_back(judgements.reason[c]);
        table.rows.push_back(std::move(row));
        if (c < kPageFigures) figures.push_back(fit_figure(name, result.curves, judgements, c));
    }
    page.heading("Estimates");
    page.table(table);
    page.heading("Curves and fits");
    if (result.count() > kPageFigures) {
        page.paragraph(
            fmt::format("The first {} of {} curves; the others are files beside this one.",
                        kPageFigures, result.count()));
    }
    page.figures(figures);
    return page;
}

}  // namespace nmrinverse
