#include "nmrinverse/fit_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "nmrinverse/estimates_text.h"
#include "nmrsim/parameters.h"

namespace nmrinverse {
namespace {

/// Pictures inside a page.
constexpr std::size_t kPageFigures = 60;
/// Curves whose answer is a sentence at the page's beginning.
constexpr std::size_t kAnswersSaid = 8;

/// Digits after the point that show two of a standard deviation; -1 where that is no use.
int decimals_of(double sd) {
    if (!(sd > 1e-9 && sd < 1e5)) return -1;
    return std::max(0, 1 - static_cast<int>(std::floor(std::log10(sd))));
}

}  // namespace

std::string label_of(const std::string& parameter_name) {
    const nmrsim::Parameter& row = nmrsim::parameter(parameter_name);
    return *row.unit ? fmt::format("{} [{}]", row.symbol, row.unit) : std::string(row.symbol);
}

std::string estimate_in_words(const Predictions& estimates, std::size_t curve, std::size_t unknown,
                              const std::string& parameter_name) {
    const nmrsim::Parameter& row = nmrsim::parameter(parameter_name);
    const std::size_t i = curve * estimates.unknowns + unknown;
    const int decimals = decimals_of(estimates.sd[i]);
    const auto digits = [&](double value) {
        return decimals < 0 ? fmt::format("{:.4g}", value)
                            : fmt::format("{:.{}f}", value, decimals);
    };
    return fmt::format("{} ± {:.2g}{}{}, 90% in [{}, {}]", digits(estimates.mean[i]),
                       estimates.sd[i], *row.unit ? " " : "", row.unit, digits(estimates.q05[i]),
                       digits(estimates.q95[i]));
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

namespace {

/// One curve's answer in a sentence.
std::string answer_of(const FitResult& result, const nmrsim::Prior& prior, std::size_t curve) {
    std::string text = result.curves.names[curve] + ": ";
    for (std::size_t k = 0; k < prior.size(); ++k) {
        if (k > 0) text += "; ";
        text += prior[k].categorical()
                    ? choice_in_words(result.estimates, curve, prior[k])
                    : nmrsim::parameter(prior[k].name).symbol + std::string(" = ") +
                          estimate_in_words(result.estimates, curve, k, prior[k].name);
    }
    const Judgements& judged = result.judgements;
    return fmt::format("{}. Verdict: {}{}{}. {}", text, verdict_name(judged.verdict[curve]),
                       judged.reason[curve].empty() ? "" : ", ", judged.reason[curve],
                       next_step(judged.verdict[curve], judged.reason[curve]));
}

/// What was made of measured files; none where they were not.
std::optional<Table> steps_table(const FitResult& result) {
    if (result.steps.empty()) return {};
    const nlohmann::json steps = nlohmann::json::parse(result.steps);
    Table table;
    table.header = {"curve", "file",        "noise",          "times shifted by [us]",
                    "gain",  "phase [deg]", "samples fitted", "chi-square"};
    for (const nlohmann::json& step : steps) {
        table.rows.push_back({step["curve"], step["axis"], step["noise_from"],
                              fmt::format("{:.4g}", -step["shift_us"].get<double>()),
                              fmt::format("{:.4g}", step["gain"].get<double>()),
                              fmt::format("{:.4g}", step["receiver_phase_deg"].get<double>()),
                              fmt::format("{}, {:.4g} us apart", step["points"].get<std::size_t>(),
                                          step["spacing_us"].get<double>()),
                              fmt::format("{:.5g} of {:.5g}", step["chi_square"].get<double>(),
                                          step["degrees"].get<double>())});
    }
    return table;
}

}  // namespace

Page fit_page(const FitResult& result, const nmrsim::Experiment& experiment,
              const std::string& made_by, const std::optional<Table>& model) {
    const nmrsim::Prior& prior = experiment.prior;
    const Judgements& judgements = result.judgements;
    Page page("Fits of " + experiment.name);
    for (std::size_t c = 0; c < std::min(result.count(), kAnswersSaid); ++c) {
        page.paragraph(answer_of(result, prior, c));
    }
    Table table;
    table.header = {"curve"};
    for (const nmrsim::PriorRange& range : prior) table.header.push_back(range.name);
    table.header.insert(table.header.end(),
                        {"residual", "expected", "residual's correlation", "verdict", "why"});
    std::vector<FigureGrid> figures;
    for (std::size_t c = 0; c < result.count(); ++c) {
        const std::string& name = result.curves.names[c];
        std::vector<std::string> row = {name};
        for (std::size_t k = 0; k < prior.size(); ++k) {
            row.push_back(prior[k].categorical()
                              ? choice_in_words(result.estimates, c, prior[k])
                              : estimate_in_words(result.estimates, c, k, prior[k].name));
        }
        row.push_back(fmt::format("{:.3g}", judgements.residual[c]));
        row.push_back(fmt::format("{:.3g}", judgements.expected[c]));
        row.push_back(fmt::format("{:.2f}", judgements.correlation[c]));
        row.emplace_back(verdict_name(judgements.verdict[c]));
        row.push_back(judgements.reason[c]);
        table.rows.push_back(std::move(row));
        if (c < kPageFigures) figures.push_back(fit_figure(name, result.curves, judgements, c));
    }
    page.heading("Curves and fits");
    if (result.count() > kPageFigures) {
        page.paragraph(
            fmt::format("The first {} of {} curves; the others are files beside this one.",
                        kPageFigures, result.count()));
    }
    page.figures(figures);
    page.heading("Estimates");
    page.table(table);
    if (const std::optional<Table> steps = steps_table(result)) {
        page.heading("What was made of the files");
        page.table(*steps);
    }
    page.heading("What fitted them");
    if (model) page.table(*model);
    page.paragraph(made_by);
    return page;
}

}  // namespace nmrinverse
