// Reads the interactions back from echoes.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "command_line.h"
#include "estimates_text.h"
#include "nmrinverse/model.h"
#include "nmrsim/file_output.h"
#include "refined_estimates.h"
#include "report_sections.h"

namespace {

using nmrapps::Curves;
using nmrapps::Judgements;
using nmrinverse::Predictions;

/// Pictures inside the report; every curve has its own file.
constexpr std::size_t kReportFigures = 60;

void write_pictures(const std::string& folder, const Curves& curves, const Predictions& estimates,
                    const Judgements& judgements, const nmrinverse::Model& model,
                    nmrapps::Progress& progress) {
    const nmrsim::Prior& prior = model.experiment().prior;
    std::filesystem::create_directories(folder);
    nmrinverse::Page page("Fits of " + model.experiment().name);
    page.table(nmrapps::model_table(model));
    nmrinverse::Table table;
    table.header = {"curve"};
    for (const nmrsim::PriorRange& range : prior) table.header.push_back(range.name);
    table.header.insert(table.header.end(), {"residual", "expected", "verdict"});
    std::vector<nmrinverse::FigureGrid> figures;
    for (std::size_t c = 0; c < curves.count(); ++c) {
        std::vector<std::string> row = {curves.names[c]};
        for (std::size_t k = 0; k < prior.size(); ++k) {
            row.push_back(prior[k].categorical()
                              ? nmrapps::choice_in_words(estimates, c, prior[k])
                              : nmrapps::estimate_in_words(estimates, c, k, prior[k].name));
        }
        row.push_back(fmt::format("{:.4f}", judgements.residual[c]));
        row.push_back(fmt::format("{:.4f}", judgements.expected[c]));
        row.emplace_back(verdict_name(judgements.verdict[c]));
        table.rows.push_back(std::move(row));

        const nmrinverse::FigureGrid figure =
            nmrapps::fit_figure(curves.names[c], curves, judgements, c);
        const std::string stem = std::filesystem::path(curves.names[c]).stem().string();
        nmrsim::write_whole_file(fmt::format("{}/{:04}_{}.svg", folder, c, stem),
                                 nmrinverse::figure_svg(figure));
        if (c < kReportFigures) figures.push_back(figure);
        progress.show(static_cast<double>(c + 1) / curves.count(), "drawing");
        nmrapps::stop_if_interrupted("some pictures are missing in " + folder);
    }
    page.heading("Estimates");
    page.table(table);
    page.heading("Curves and fits");
    if (curves.count() > kReportFigures) {
        page.paragraph(
            fmt::format("The first {} of {} curves; the others are files beside this one.",
                        kReportFigures, curves.count()));
    }
    page.figures(figures);
    nmrsim::write_whole_file(folder + "/report.html", page.html());
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Reads an experiment's unknowns from echoes, with their uncertainty.", "nmr-fit");
    nmrapps::CommonOptions common;
    std::string model_name;
    std::vector<std::string> inputs;
    std::string out;
    std::string plot;
    std::string format = "csv";
    double noise = 0.0;
    int samples = 0;
    bool refine = false;
    nmrapps::add_common_options(app, common,
                                "nmr-fit model.safetensors echo1.csv echo2.csv --out fit.csv");
    app.add_option("MODEL", model_name, "Model file, or the name of one that ships")
        ->required()
        ->type_name("");
    app.add_option("INPUT", inputs, "CSV curves, HDF5 data sets or challenge folders")
        ->required()
        ->type_name("");
    app.add_option("--noise", noise, "Standard deviation of the noise on each of Mx and My")
        ->check(CLI::NonNegativeNumber)
        ->type_name("SIGMA");
    app.add_option("--out", out, "File for the estimates (default: standard output)")
        ->type_name("fit.csv");
    app.add_option("--format", format, "csv or challenge")
        ->check(CLI::IsMember({"csv", "challenge"}))
        ->type_name("NAME");
    app.add_option("--plot", plot, "Folder for a picture of each curve and report.html")
        ->type_name("DIR");
    app.add_flag("--refine", refine,
                 "Follow the network's estimate down to the best fit of the simulated curve; needs "
                 "--noise, uniform kernel only");
    auto* samples_option =
        app.add_option("--samples", samples, "Not in this version")->type_name("N");

    return nmrapps::run_program(app, argc, argv, [&] {
        if (refine && !(noise > 0.0)) {
            throw std::invalid_argument("--refine needs --noise SIGMA > 0");
        }
        if (!samples_option->empty()) {
            throw std::invalid_argument("--samples: this version cannot draw samples yet");
        }
        nmrapps::check_output_folder("--out", out);
        const nmrinverse::Model model = nmrinverse::load_model(nmrapps::find_model(model_name));
        const nmrsim::Experiment& experiment = model.experiment();
        Curves curves;
        for (const std::string& input : inputs) nmrapps::read_curves(input, experiment, curves);
        // Refined, an estimate does not rest on the network's idea of noise.
        const bool noisier = !refine && nmrapps::warn_if_noisier(app, model, noise);
        Predictions estimates = model.predict(curves.signal, curves.count(), noise, common.threads);
        std::vector<bool> doubtful(curves.count(), noisier);
        if (refine) {
            nmrapps::Progress refining(app, common);
            nmrapps::RefinedEstimates refined = nmrapps::refined_estimates(
                curves, estimates, experiment, noise, common.threads, [&](double share) {
                    refining.show(share, "refining");
                    return !nmrapps::interrupted();
                });
            nmrapps::stop_if_interrupted("nothing written");
            refining.finish();
            estimates = std::move(refined.estimates);
            doubtful = std::move(refined.doubtful);
        }

        if (format == "challenge" && plot.empty()) {
            nmrapps::write_result(out, nmrapps::estimates_as_challenge(estimates, experiment));
            return;
        }
        nmrapps::Progress progress(app, common);
        Judgements judgements = nmrapps::judge(
            curves, estimates, experiment,
            {.noise = noise, .threads = common.threads, .best_fit = refine}, [&](double share) {
                progress.show(share, "checking the fits");
                return !nmrapps::interrupted();
            });
        nmrapps::stop_if_interrupted("nothing written");
        progress.finish();
        for (std::size_t c = 0; c < judgements.verdict.size(); ++c) {
            nmrapps::Verdict& verdict = judgements.verdict[c];
            if (doubtful[c] && verdict == nmrapps::Verdict::ok) verdict = nmrapps::Verdict::caution;
        }
        if (!plot.empty()) {
            nmrapps::Progress drawing(app, common);
            write_pictures(plot, curves, estimates, judgements, model, drawing);
            drawing.finish();
        }
        nmrapps::write_result(
            out, format == "csv"
                     ? nmrapps::estimates_as_csv(curves, estimates, judgements, experiment.prior)
                     : nmrapps::estimates_as_challenge(estimates, experiment));
    });
}
