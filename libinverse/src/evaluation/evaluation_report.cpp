#include "nmrinverse/evaluation_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "evaluation/table_column.h"
#include "nmrinverse/classification.h"
#include "nmrinverse/diagnostic_figures.h"
#include "nmrinverse/fit_report.h"
#include "nmrsim/experiment.h"
#include "nmrsim/parameters.h"

namespace nmrinverse {
namespace {

/// Curves that are drawn with error bars.
constexpr std::size_t kErrorBars = 150;

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
void select(const nmrsim::Dataset& data, const Predictions& all,
            const std::vector<std::size_t>& which, Curves& curves, Predictions& estimates) {
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

/// Calls make(k, label, truth, mean) for every unknown that is a number.
template <class Make>
void for_each_number(const Evaluation& evaluation, const Make& make) {
    const std::size_t unknowns = evaluation.scores.size();
    for (std::size_t k = 0; k < unknowns; ++k) {
        if (evaluation.scores[k].categorical) continue;
        make(k, label_of(evaluation.scores[k].name), column(evaluation.truth, unknowns, k),
             column(evaluation.predictions.mean, unknowns, k));
    }
}

}  // namespace

std::vector<Figure> prediction_figures(const Evaluation& evaluation) {
    std::vector<Figure> figures;
    for_each_number(
        evaluation, [&](std::size_t k, const std::string& label, const std::vector<double>& truth,
                        const std::vector<double>& mean) {
            const std::vector<double> sd =
                column(evaluation.predictions.sd, evaluation.scores.size(), k);
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
        });
    return figures;
}

std::vector<Figure> error_figures(const Evaluation& evaluation) {
    std::vector<Figure> figures;
    for_each_number(evaluation, [&](std::size_t, const std::string& label,
                                    const std::vector<double>& truth, std::vector<double> error) {
        for (std::size_t i = 0; i < error.size(); ++i) error[i] -= truth[i];
        figures.push_back(scatter(label, "true", "estimate - true", truth, std::move(error)));
        figures.back().width = 480;
    });
    return figures;
}

Table score_table(const Evaluation& evaluation) {
    Table table;
    table.header = {"unknown", "mse", "rmse", "median error", "R²", "coverage 50%", "coverage 90%"};
    table.caption = fmt::format(
        "{} curves; coverage is the share of true values inside the 50% and 90% intervals",
        evaluation.count);
    for (const UnknownScore& score : evaluation.scores) {
        if (score.categorical) continue;
        table.rows.push_back(
            {label_of(score.name), fmt::format("{:.4g}", score.mse),
             fmt::format("{:.4g}", score.rmse), fmt::format("{:.4g}", score.median_error),
             fmt::format("{:.4f}", score.r2), fmt::format("{:.1f}%", 100.0 * score.coverage50),
             fmt::format("{:.1f}%", 100.0 * score.coverage90)});
    }
    return table;
}

void add_example_fits(Page& page, const nmrsim::Experiment& experiment, const nmrsim::Dataset& data,
                      const Evaluation& evaluation, int threads) {
    const nmrsim::Prior& prior = experiment.prior;
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
    Predictions estimates;
    select(data, evaluation.predictions, which, curves, estimates);
    const Judgements judgements = judge(curves, estimates, experiment, {.threads = threads});

    Table table;
    table.header = {"curve"};
    for (const nmrsim::PriorRange& range : prior) {
        table.header.push_back(label_of(range.name) + ", true");
        table.header.push_back("estimate");
    }
    table.header.insert(table.header.end(), {"residual", "expected", "verdict"});
    std::vector<FigureGrid> figures;
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

Page evaluation_page(const nmrsim::Experiment& experiment, const nmrsim::Dataset& data,
                     const Evaluation& evaluation, const std::string& made_by, int threads) {
    Page page(fmt::format("Evaluation of {} {}", evaluation.model ? "a model for" : "fits of",
                          experiment.name));
    page.paragraph(made_by);
    if (evaluation.model) page.table(*evaluation.model);
    page.heading("Scores");
    page.table(score_table(evaluation));
    if (const auto& classes = evaluation.classification) {
        page.table(classification_report_table(*classes));
        page.figures({reliability_figure(*classes)});
    }
    if (evaluation.challenge) page.table(challenge_table(*evaluation.challenge));
    page.heading("Estimate against true value");
    page.figures(prediction_figures(evaluation));
    page.heading("Errors");
    page.figures(error_figures(evaluation));
    const Diagnostics diagnostics = diagnose(evaluation);
    page.heading("Can it be believed?");
    page.table(thirds_table(diagnostics));
    if (!diagnostics.unknowns.empty()) {
        page.table(calibration_table(diagnostics));
        page.figures(rank_figures(diagnostics));
        page.figures(coverage_figures(diagnostics));
    }
    page.heading("Curves and fits");
    add_example_fits(page, experiment, data, evaluation, threads);
    return page;
}

}  // namespace nmrinverse
