#include "report_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "nmrsim/experiment.h"
#include "nmrsim/parameters.h"
#include "nmrsim/version.h"
#include "provenance.h"

namespace nmrapps {
namespace {

using nmrinverse::Figure;
using nmrinverse::Series;

/// Curves that are drawn with error bars.
constexpr std::size_t kErrorBars = 150;

std::vector<double> column(const std::vector<double>& table, std::size_t columns,
                           std::size_t which) {
    std::vector<double> values;
    for (std::size_t i = which; i < table.size(); i += columns) values.push_back(table[i]);
    return values;
}

Figure scatter(const std::string& title, const std::string& x_label, const std::string& y_label,
               std::vector<double> x, std::vector<double> y) {
    Figure figure;
    figure.title = title;
    figure.x_label = x_label;
    figure.y_label = y_label;
    Series points;
    points.x = std::move(x);
    points.y = std::move(y);
    points.style = Series::Style::points;
    points.thin = points.x.size() > 300;
    figure.series.push_back(std::move(points));
    return figure;
}

/// The curves `which` of a data set and what an evaluation says about them.
void select(const nmrsim::Dataset& data, const nmrinverse::Predictions& all,
            const std::vector<std::size_t>& which, Curves& curves,
            nmrinverse::Predictions& estimates) {
    const std::size_t row = 2 * data.points();
    curves.time_us = data.time_us;
    estimates.count = which.size();
    estimates.unknowns = all.unknowns;
    for (const std::size_t i : which) {
        curves.names.push_back(fmt::format("curve {}", i));
        curves.signal.insert(curves.signal.end(), data.signal.begin() + i * row,
                             data.signal.begin() + (i + 1) * row);
        const auto copy = [&](const std::vector<double>& from, std::vector<double>& to) {
            to.insert(to.end(), from.begin() + i * all.unknowns,
                      from.begin() + (i + 1) * all.unknowns);
        };
        copy(all.mean, estimates.mean);
        copy(all.sd, estimates.sd);
        copy(all.q05, estimates.q05);
        copy(all.q25, estimates.q25);
        copy(all.q75, estimates.q75);
        copy(all.q95, estimates.q95);
    }
}

}  // namespace

std::string label_of(const std::string& parameter_name) {
    const nmrsim::Parameter& row = nmrsim::parameter(parameter_name);
    return *row.unit ? fmt::format("{} [{}]", row.symbol, row.unit) : std::string(row.symbol);
}

std::string estimate_in_words(const nmrinverse::Predictions& estimates, std::size_t curve,
                              std::size_t unknown, const std::string& parameter_name) {
    const nmrsim::Parameter& row = nmrsim::parameter(parameter_name);
    const std::size_t i = curve * estimates.unknowns + unknown;
    return fmt::format("{:.4g} ± {:.2g}{}{}, 90% in [{:.4g}, {:.4g}]", estimates.mean[i],
                       estimates.sd[i], *row.unit ? " " : "", row.unit, estimates.q05[i],
                       estimates.q95[i]);
}

nmrinverse::FigureGrid fit_figure(const std::string& title, const Curves& curves,
                                  const Judgements& judgements, std::size_t curve) {
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
    nmrinverse::FigureGrid grid;
    grid.title = title;
    grid.panels = {std::move(above), std::move(below)};
    grid.row_shares = {2.2, 1.0};
    grid.width = 720;
    grid.height = 460;
    return grid;
}

std::vector<Figure> prediction_figures(const nmrinverse::Evaluation& evaluation) {
    std::vector<Figure> figures;
    const std::size_t unknowns = evaluation.scores.size();
    for (std::size_t k = 0; k < unknowns; ++k) {
        if (evaluation.scores[k].categorical) continue;
        const std::string label = label_of(evaluation.scores[k].name);
        const std::vector<double> truth = column(evaluation.truth, unknowns, k);
        const std::vector<double> mean = column(evaluation.predictions.mean, unknowns, k);
        const std::vector<double> sd = column(evaluation.predictions.sd, unknowns, k);
        Figure figure = scatter(label, "true", "estimate", truth, mean);
        // Bars of all curves would hide one another.
        Series bars;
        bars.label = fmt::format("± sd, {} curves", std::min(truth.size(), kErrorBars));
        bars.style = Series::Style::points;
        bars.thin = true;
        bars.color = 1;
        for (std::size_t i = 0; i < std::min(truth.size(), kErrorBars); ++i) {
            bars.x.push_back(truth[i]);
            bars.y.push_back(mean[i]);
            bars.error.push_back(sd[i]);
        }
        figure.series.push_back(std::move(bars));
        figure.equal_axes = true;
        figure.width = figure.height = 480;
        figures.push_back(std::move(figure));
    }
    return figures;
}

std::vector<Figure> error_figures(const nmrinverse::Evaluation& evaluation) {
    std::vector<Figure> figures;
    const std::size_t unknowns = evaluation.scores.size();
    for (std::size_t k = 0; k < unknowns; ++k) {
        if (evaluation.scores[k].categorical) continue;
        const std::string label = label_of(evaluation.scores[k].name);
        std::vector<double> truth = column(evaluation.truth, unknowns, k);
        std::vector<double> error = column(evaluation.predictions.mean, unknowns, k);
        for (std::size_t i = 0; i < error.size(); ++i) error[i] -= truth[i];
        figures.push_back(
            scatter(label, "true", "estimate - true", std::move(truth), std::move(error)));
        figures.back().width = 480;
    }
    return figures;
}

nmrinverse::Table score_table(const nmrinverse::Evaluation& evaluation) {
    nmrinverse::Table table;
    table.header = {"unknown", "mse", "rmse", "median error", "R²", "coverage 50%", "coverage 90%"};
    table.caption = fmt::format(
        "{} curves; coverage is the share of true values inside the 50% and 90% intervals",
        evaluation.count);
    for (const nmrinverse::UnknownScore& score : evaluation.scores) {
        if (score.categorical) continue;
        table.rows.push_back(
            {label_of(score.name), fmt::format("{:.4g}", score.mse),
             fmt::format("{:.4g}", score.rmse), fmt::format("{:.4g}", score.median_error),
             fmt::format("{:.4f}", score.r2), fmt::format("{:.1f}%", 100.0 * score.coverage50),
             fmt::format("{:.1f}%", 100.0 * score.coverage90)});
    }
    return table;
}

std::string made_by(const CLI::App& app) {
    return fmt::format("Made by {} {}: {}", app.get_name(), nmrsim::kVersion, command_text());
}

nmrinverse::Table model_table(const nmrinverse::Model& model) {
    const nmrinverse::TrainingRecord& record = model.record();
    nmrinverse::Table table;
    table.header = {"model", ""};
    table.rows = {{"experiment", model.experiment().name},
                  {"weights", fmt::format("{}", record.weights)},
                  {"curves seen in training", fmt::format("{}", record.curves_seen)},
                  {"training time", fmt::format("{:.0f} s on {}", record.seconds, record.device)},
                  {"trained by version", record.version}};
    return table;
}

void add_example_fits(nmrinverse::Page& page, const nmrinverse::Model& model,
                      const nmrsim::Dataset& data, const nmrinverse::Evaluation& evaluation,
                      int threads) {
    const nmrsim::Prior& prior = model.experiment().prior;
    const std::size_t unknowns = prior.size();
    std::vector<double> error(evaluation.count, 0.0);  // in units of the priors' ranges
    for (std::size_t i = 0; i < evaluation.truth.size(); ++i) {
        const nmrsim::PriorRange& range = prior[i % unknowns];
        const double scaled =
            (evaluation.predictions.mean[i] - evaluation.truth[i]) / (range.high - range.low);
        error[i / unknowns] += scaled * scaled;
    }
    std::vector<std::size_t> order(evaluation.count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return error[a] < error[b]; });
    std::vector<std::size_t> which;
    for (int third = 0; third <= 3; ++third) {
        const std::size_t i = order[third * (order.size() - 1) / 3];
        if (std::find(which.begin(), which.end(), i) == which.end()) which.push_back(i);
    }
    Curves curves;
    nmrinverse::Predictions estimates;
    select(data, evaluation.predictions, which, curves, estimates);
    const Judgements judgements =
        judge(curves, estimates, model.experiment(), {.threads = threads});

    nmrinverse::Table table;
    table.header = {"curve"};
    for (const nmrsim::PriorRange& range : prior) {
        table.header.push_back(label_of(range.name) + ", true");
        table.header.push_back("estimate");
    }
    table.header.insert(table.header.end(), {"residual", "expected", "verdict"});
    std::vector<nmrinverse::FigureGrid> figures;
    for (std::size_t c = 0; c < judgements.verdict.size(); ++c) {
        std::vector<std::string> row = {fmt::format("{}", which[c])};
        for (std::size_t k = 0; k < unknowns; ++k) {
            row.push_back(fmt::format("{:.4g}", evaluation.truth[which[c] * unknowns + k]));
            row.push_back(fmt::format("{:.4g} ± {:.2g}", estimates.mean[c * unknowns + k],
                                      estimates.sd[c * unknowns + k]));
        }
        row.push_back(fmt::format("{:.4f}", judgements.residual[c]));
        row.push_back(fmt::format("{:.4f}", judgements.expected[c]));
        row.emplace_back(verdict_name(judgements.verdict[c]));
        table.rows.push_back(std::move(row));
        figures.push_back(fit_figure(curves.names[c], curves, judgements, c));
    }
    table.caption =
        "From the smallest to the largest error, scaled by the prior's ranges. Residual: root mean "
        "square difference of the curve from the one simulated at the estimate.";
    page.table(table);
    page.figures(figures);
}

}  // namespace nmrapps
