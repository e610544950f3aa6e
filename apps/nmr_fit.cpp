// Reads the interactions back from echoes.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "command_line.h"
#include "estimates_text.h"
#include "nmrinverse/model.h"
#include "nmrsim/file_output.h"
#include "reading_options.h"
#include "refined_estimates.h"
#include "report_sections.h"

namespace {

using nmrapps::Curves;
using nmrapps::Judgements;
using nmrinverse::Predictions;

/// Pictures inside the report; every curve has its own file.
constexpr std::size_t kReportFigures = 60;
/// Draws of a posterior whose curves say how far its own error shows.
constexpr std::size_t kJudgedDraws = 8;
/// Of all draws.
constexpr std::uint64_t kSeed = 1;

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
    nmrinverse::RefineOptions fitting;
    nmrapps::add_common_options(app, common,
                                "nmr-fit model.safetensors echo1.csv echo2.csv --out fit.csv");
    app.add_option("MODEL", model_name, "Model file, or the name of one that ships")
        ->required()
        ->type_name("");
    app.add_option("INPUT", inputs,
                   "Curves (CSV and other text, .npy, .npz, FILE.h5:/PATH), HDF5 data sets or "
                   "challenge folders")
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
    app.add_flag("--fit-gain", fitting.fit_gain, "With --refine: the receiver's gain is unknown");
    app.add_flag("--fit-phase", fitting.fit_phase, "With --refine: so is its phase");
    auto* time_zero = app.add_option("--fit-time-zero", fitting.time_zero_range_us,
                                     "With --refine: the clock is off by up to US microseconds")
                          ->check(CLI::PositiveNumber)
                          ->type_name("US");
    nmrapps::ReadingOptions reading;
    nmrapps::add_reading_options(app, reading);
    app.add_option("--samples", samples,
                   "Also write N draws of each curve's posterior, beside --out as *.samples.csv")
        ->check(CLI::Range(1, 1000000))
        ->type_name("N");

    return nmrapps::run_program(app, argc, argv, [&] {
        if (refine && !(noise > 0.0)) {
            throw std::invalid_argument("--refine needs --noise SIGMA > 0");
        }
        fitting.fit_time_zero = !time_zero->empty();
        if (!refine && (fitting.fit_gain || fitting.fit_phase || fitting.fit_time_zero)) {
            throw std::invalid_argument(
                "--fit-gain, --fit-phase and --fit-time-zero need --refine");
        }
        if (samples > 0 && (out.empty() || refine)) {
            throw std::invalid_argument(
                "--samples draws from the network's posterior into a file beside --out: it needs "
                "--out, and no --refine");
        }
        nmrapps::check_output_folder("--out", out);
        const nmrinverse::Model model = nmrinverse::load_model(nmrapps::find_model(model_name));
        const nmrsim::Experiment& experiment = model.experiment();
        Curves curves;
        const nmrsim::CurveFormat curve_format = reading.format();
        const nmrapps::Say say = [&](const std::string& line) {
            if (!common.quiet) fmt::print(stderr, "{}: {}\n", app.get_name(), line);
        };
        for (const std::string& input : inputs) {
            nmrapps::read_curves(input, experiment, curves, curve_format, say);
        }
        const std::vector<std::size_t> unreadable = nmrapps::unreadable_curves(curves);
        const Curves readable = nmrapps::with_empty_curves(curves, unreadable);
        // Refined, an estimate does not rest on the network's idea of noise.
        const std::vector<double> levels = nmrapps::noise_levels(app, readable, model, noise);
        const bool noisier = !refine && nmrapps::warn_if_noisier(app, model, noise);
        const nmrinverse::Posterior posterior =
            model.posterior(readable.signal, readable.count(), levels, common.threads);
        Predictions estimates = posterior.summary();
        nmrapps::JudgeOptions judging;
        judging.noise = noise;
        judging.threads = common.threads;
        judging.best_fit = refine;
        std::vector<bool> doubtful(curves.count(), noisier);
        if (refine) {
            fitting.noise = noise;
            fitting.threads = common.threads;
            nmrapps::Progress refining(app, common);
            nmrapps::RefinedEstimates refined = nmrapps::refined_estimates(
                readable, posterior.sample(nmrapps::kStartsFromPosterior, kSeed), experiment,
                fitting, [&](double share) {
                    refining.show(share, "refining");
                    return !nmrapps::interrupted();
                });
            nmrapps::stop_if_interrupted("nothing written");
            refining.finish();
            estimates = std::move(refined.estimates);
            doubtful = std::move(refined.doubtful);
            for (std::size_t c = 0; c < curves.count(); ++c) {
                const double share = refined.effective_share[c];
                judging.efficiency.push_back(share > 0.0 ? share : 1.0);  // 0: none were needed
                judging.factor.push_back(refined.fits[c].factor);
                judging.time_zero_us.push_back(refined.fits[c].time_zero_us);
            }
        } else {
            // A refined fit is judged by its own chi-square, not by what led to it.
            judging.distance = posterior.distance();
            judging.samples = posterior.sample(kJudgedDraws, kSeed);
        }
        if (samples > 0) {
            nmrapps::write_result(
                std::filesystem::path(out).replace_extension(".samples.csv").string(),
                nmrapps::samples_as_csv(curves,
                                        posterior.sample(static_cast<std::size_t>(samples), kSeed),
                                        experiment.prior));
        }

        if (format == "challenge" && plot.empty()) {
            nmrapps::write_result(out, nmrapps::estimates_as_challenge(estimates, experiment));
            return;
        }
        nmrapps::Progress progress(app, common);
        Judgements judgements =
            nmrapps::judge(curves, estimates, experiment, judging, [&](double share) {
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
