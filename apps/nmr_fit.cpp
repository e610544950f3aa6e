// Reads the interactions back from echoes.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <stdexcept>

#include "command_line.h"
#include "estimates_text.h"
#include "fit_check.h"
#include "measured_input.h"
#include "nmrinverse/challenge_score.h"
#include "nmrinverse/joint_fit.h"
#include "nmrinverse/model.h"
#include "nmrsim/errors.h"
#include "nmrsim/file_output.h"
#include "provenance.h"
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
/// Draws of a posterior that a challenge's columns are averaged over, as nmr-evaluate does.
constexpr std::size_t kChallengeDraws = 99;
/// With --measured, a time zero is fitted within this of where the echo was found [us].
constexpr double kTimeZeroRange_us = 2.0;
/// Curves whose verdict's reason is said, of those that come first.
constexpr std::size_t kReasonsSaid = 20;
/// Of all draws.
constexpr std::uint64_t kSeed = 1;

/// Puts "; more" at the end of `reasons`.
void add_reason(const std::string& more, std::string& reasons) {
    if (more.empty()) return;
    reasons += (reasons.empty() ? "" : "; ") + more;
}

void write_pictures(const CLI::App& app, const std::string& folder, const std::string& picture,
                    const Curves& curves, const Predictions& estimates,
                    const Judgements& judgements, const nmrinverse::Model& model,
                    nmrapps::Progress& progress) {
    const nmrsim::Prior& prior = model.experiment().prior;
    std::filesystem::create_directories(folder);
    nmrapps::write_provenance(app, model.experiment(), folder + "/report.html");
    nmrinverse::Page page("Fits of " + model.experiment().name);
    page.paragraph(nmrapps::made_by(app));
    page.table(nmrapps::model_table(model));
    nmrinverse::Table table;
    table.header = {"curve"};
    for (const nmrsim::PriorRange& range : prior) table.header.push_back(range.name);
    table.header.insert(table.header.end(), {"residual", "expected", "verdict", "why"});
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
        row.push_back(judgements.reason[c]);
        table.rows.push_back(std::move(row));

        const nmrinverse::FigureGrid figure =
            nmrapps::fit_figure(curves.names[c], curves, judgements, c);
        const std::string stem = std::filesystem::path(curves.names[c]).stem().string();
        const std::string file = fmt::format("{}/{:04}_{}.{}", folder, c, stem, picture);
        nmrsim::write_whole_file(file, nmrinverse::figure_picture(figure, file));
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
    std::string picture = "svg";
    double noise = 0.0;
    int samples = 0;
    bool refine = false;
    bool checked = false;
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
        ->check(nmrapps::no_negative_number())
        ->type_name("SIGMA");
    app.add_option("--out", out, "File for the estimates (default: standard output)")
        ->type_name("fit.csv");
    app.add_option("--format", format, "csv or challenge")
        ->check(CLI::IsMember({"csv", "challenge"}))
        ->type_name("NAME");
    app.add_option("--plot", plot, "Folder for a picture of each curve and report.html")
        ->type_name("DIR");
    app.add_option("--picture", picture, "With --plot: svg or png (default: svg)")
        ->check(CLI::IsMember({"svg", "png"}))
        ->type_name("NAME");
    auto* check = app.add_flag("--check,!--no-check", checked,
                               "Fit each curve to judge the network's answer, which is left as it "
                               "is; uniform kernel only (default: up to 64 curves)");
    app.add_flag("--refine", refine,
                 "Follow the network's estimate down to the best fit of the simulated curve; needs "
                 "--noise, uniform kernel only");
    app.add_flag("--fit-gain", fitting.fit_gain, "With --refine: the receiver's gain is unknown");
    app.add_flag("--fit-phase", fitting.fit_phase, "With --refine: so is its phase");
    auto* time_zero = app.add_option("--fit-time-zero", fitting.time_zero_range_us,
                                     "With --refine: the clock is off by up to US microseconds")
                          ->check(nmrapps::positive_number())
                          ->type_name("US");
    nmrapps::MeasuredOptions measuring;
    nmrapps::add_measured_options(app, measuring);
    bool joint = false;
    std::vector<std::string> per_curve;
    app.add_flag("--joint", joint,
                 "One fit of all curves, of one material: common unknowns are one for all (implies "
                 "--refine)");
    auto* own = app.add_option("--per-curve", per_curve,
                               "With --joint: unknowns that each curve has its own of (default: "
                               "flip_deg)")
                    ->delimiter(',')
                    ->type_name("NAME,...");
    nmrapps::ReadingOptions reading;
    nmrapps::add_reading_options(app, reading);
    app.add_option("--samples", samples,
                   "Also write N draws of each curve's posterior, beside --out as *.samples.csv")
        ->check(CLI::Range(1, 1000000))
        ->type_name("N");

    return nmrapps::run_program(app, argc, argv, [&] {
        measuring.check();
        if (!own->empty() && !joint) throw std::invalid_argument("--per-curve needs --joint");
        refine = refine || joint || measuring.on;
        if (refine && !measuring.on && !(noise > 0.0)) {
            throw std::invalid_argument(joint ? "--joint needs --noise SIGMA > 0, or --measured"
                                              : "--refine needs --noise SIGMA > 0");
        }
        fitting.fit_time_zero = !time_zero->empty();
        fitting.threads = common.threads;
        if (measuring.on && time_zero->empty()) fitting.time_zero_range_us = kTimeZeroRange_us;
        for (std::string& input : inputs) input = nmrapps::input_path(input);
        if (refine && checked) {
            throw std::invalid_argument("--check judges a network's answer: without --refine");
        }
        if (!refine && (fitting.fit_gain || fitting.fit_phase || fitting.fit_time_zero)) {
            throw std::invalid_argument(
                "--fit-gain, --fit-phase and --fit-time-zero need --refine");
        }
        if (samples > 0 && (out.empty() || joint)) {
            throw std::invalid_argument(
                "--samples draws from each curve's posterior into a file beside --out: it needs "
                "--out, and no --joint");
        }
        const std::size_t draws = static_cast<std::size_t>(samples);
        nmrapps::check_output_folder("--out", out);
        const std::string model_file = nmrapps::find_model(model_name);
        std::vector<std::string> read = inputs;
        read.push_back(model_file);
        std::vector<std::string> written = {out, out + ".toml"};
        for (const char* more : {".steps.json", ".samples.csv"}) {
            written.push_back(std::filesystem::path(out).replace_extension(more).string());
        }
        if (!out.empty() && out != "-") {
            for (const std::string& path : written) nmrapps::check_not_input("--out", path, read);
        }
        const nmrsim::OutputLock lock(out);
        const nmrinverse::Model model = nmrinverse::load_model(model_file);
        const nmrsim::Experiment& experiment = model.experiment();
        if (checked && !nmrapps::can_be_checked(experiment)) {
            throw std::invalid_argument(
                "--check needs an experiment of the uniform kernel, nothing drawn, no choice among "
                "the unknowns");
        }
        // A challenge's answers alone have no verdicts.
        const bool with_verdicts = format != "challenge" || !plot.empty();
        Curves curves;
        const nmrsim::CurveFormat curve_format =
            reading.format(measuring.on && !measuring.no_align);
        const nmrapps::Say say = [&](const std::string& line) {
            if (!common.quiet) fmt::print(stderr, "{}: {}\n", app.get_name(), line);
        };
        Predictions estimates;
        Predictions judged;  // a mean of several minima may be far from each of them
        nmrapps::JudgeOptions judging;
        judging.noise = noise;
        judging.threads = common.threads;
        judging.best_fit = refine;
        std::vector<std::string> doubt;
        nmrapps::NoiseLevels levels;
        nmrapps::RefinedEstimates refined;
        std::vector<double> starts;  // (count, draws, unknowns)
        const auto advance = [&](nmrapps::Progress& progress, double share) {
            progress.show(share, "refining");
            return !nmrapps::interrupted();
        };
        std::optional<nmrinverse::Posterior> posterior;
        std::vector<nmrapps::Judgement> checks;
        nmrapps::MeasuredCurvesFitted measured;
        Curves readable;
        if (measuring.on) {
            nmrapps::Progress progress(app, common);
            measured =
                nmrapps::fit_measured(inputs, model, curve_format, measuring, noise, fitting, say,
                                      [&](double share) { return advance(progress, share); });
            nmrapps::stop_if_interrupted("nothing written");
            progress.finish();
            curves = readable = measured.curves;
            judging.noise_of = measured.noise;
            fitting.fit_gain = !measuring.no_gain;
            fitting.fit_phase = !measuring.no_phase;
            fitting.fit_time_zero = true;
            if (joint) starts = nmrapps::joint_starts(measured, nmrapps::kStartsFromPosterior);
        } else {
            // An error stands alone: what was made out is said once all inputs are read.
            std::vector<std::string> axes;
            for (const std::string& input : inputs) {
                nmrapps::read_curves(input, experiment, curves, curve_format,
                                     [&](const std::string& line) { axes.push_back(line); });
            }
            if (joint && curves.count() < 2) {
                throw std::invalid_argument(
                    fmt::format("--joint needs two or more curves, got {}", curves.count()));
            }
            for (const std::string& line : axes) say(line);
            const std::vector<std::size_t> unreadable = nmrapps::unreadable_curves(curves);
            readable = nmrapps::with_empty_curves(curves, unreadable);
            // Refined, an estimate does not rest on the network's idea of noise.
            levels = nmrapps::noise_levels(app, readable, model, noise);
            const bool noisier = !refine && nmrapps::warn_if_noisier(app, model, noise);
            doubt.assign(curves.count(), noisier ? "more noise than the model was trained on" : "");
            for (std::size_t c = 0; c < curves.count(); ++c) {
                if (!curves.uneven[c]) continue;
                if (refine) {
                    throw nmrsim::InputError(curves.names[c] +
                                             ": --refine expects evenly spaced times");
                }
                add_reason("times unevenly spaced: judged on the interpolated curve", doubt[c]);
            }
            if (noise == 0.0 && !refine) {
                for (const double sigma : levels.sigma) {
                    judging.noise_of.emplace_back();
                    judging.noise_of.back().sigma = sigma;
                }
                judging.noise_is_bound = levels.measured;
            }
            posterior =
                model.posterior(readable.signal, readable.count(), levels.told, common.threads);
            if (refine) starts = posterior->sample(nmrapps::kStartsFromPosterior, kSeed);
        }
        if (joint) {
            nmrinverse::JointOptions jointly;
            jointly.refine = fitting;
            jointly.refine.noise = measuring.on ? jointly.refine.noise : noise;
            for (const nmrinverse::NoiseEstimate& one : measured.noise) {
                jointly.noise.push_back(one.sigma);
                jointly.noise_correlation.push_back(one.correlation);
                jointly.noise_uncertainty.push_back(one.uncertainty);
            }
            if (!per_curve.empty()) jointly.per_curve = per_curve;
            std::vector<float> together;
            for (std::size_t c = 0; c < readable.count(); ++c) {
                const auto samples_of = readable.samples(c);
                together.insert(together.end(), samples_of.begin(), samples_of.end());
                jointly.windows.push_back(readable.experiment_of(c, experiment).acquisition);
            }
            const nmrinverse::JointFit fit =
                nmrinverse::fit_jointly(experiment, together, starts, jointly);
            say(fmt::format("joint fit of {} curves: chi-square {:.5g} of {:.5g}{}", fit.curves,
                            fit.chi_square, fit.degrees,
                            fit.within_noise() ? "" : ", not within the noise"));
            refined = nmrapps::joint_estimates(fit, experiment.prior);
        } else if (measuring.on) {
            for (std::size_t c = 0; c < curves.count(); ++c) {
                fitting.noise = measured.noise[c].sigma;
                fitting.noise_correlation = measured.noise[c].correlation;
                fitting.noise_uncertainty = measured.noise[c].uncertainty;
                nmrapps::append_refinement(curves.experiment_of(c, experiment), curves.samples(c),
                                           measured.fits[c].fit, fitting, refined, draws);
            }
        } else if (refine) {
            fitting.noise = noise;
            nmrapps::Progress progress(app, common);
            refined = nmrapps::refined_estimates(
                readable, starts, experiment, fitting,
                [&](double share) { return advance(progress, share); }, draws);
            nmrapps::stop_if_interrupted("nothing written");
            progress.finish();
        } else {
            estimates = posterior->summary();
            if (check->empty()) {
                checked = with_verdicts && nmrapps::can_be_checked(experiment) &&
                          curves.count() <= nmrapps::kCheckedUnasked;
            }
            if (checked) {
                nmrapps::Progress progress(app, common);
                checks = nmrapps::check_by_fits(
                    readable, estimates, posterior->sample(nmrapps::kStartsFromPosterior, kSeed),
                    levels.sigma, noise == 0.0, experiment, fitting, [&](double share) {
                        progress.show(share, "checking by fits");
                        return !nmrapps::interrupted();
                    });
                nmrapps::stop_if_interrupted("nothing written");
                progress.finish();
            }
            // A refined fit is judged by its own chi-square, not by what led to it.
            judging.distance = posterior->distance();
            judging.samples = posterior->sample(kJudgedDraws, kSeed);
            judging.checked = checked;
        }
        if (refine) {
            estimates = std::move(refined.estimates);
            doubt = std::move(refined.doubt);
            judged = estimates;
            for (std::size_t c = 0; c < curves.count(); ++c) {
                const double share = refined.effective_share[c];
                judging.efficiency.push_back(share > 0.0 ? share : 1.0);  // 0: none were needed
                judging.factor.push_back(refined.fits[c].factor);
                std::copy(
                    refined.fits[c].estimate.begin(), refined.fits[c].estimate.end(),
                    judged.mean.begin() + static_cast<std::ptrdiff_t>(c * experiment.prior.size()));
                judging.time_zero_us.push_back(refined.fits[c].time_zero_us);
                if (measuring.on) add_reason(measured.doubt[c], doubt[c]);
            }
        }
        if (measuring.on && !out.empty() && out != "-") {
            nmrapps::write_result(
                std::filesystem::path(out).replace_extension(".steps.json").string(),
                measured.steps);
        }
        if (samples > 0) {
            nmrapps::write_result(
                std::filesystem::path(out).replace_extension(".samples.csv").string(),
                nmrapps::samples_as_csv(curves,
                                        refine ? refined.samples : posterior->sample(draws, kSeed),
                                        experiment.prior));
        }

        // A column that bends within a posterior is expected to be its mean there, not its value at
        // the mean.
        const auto as_challenge = [&] {
            if (!posterior || refine || experiment.challenge.empty() ||
                nmrsim::find_categorical(experiment.prior) != nullptr) {
                return nmrapps::estimates_as_challenge(estimates, experiment);
            }
            return nmrapps::challenge_rows(
                nmrinverse::challenge_means(experiment, posterior->sample(kChallengeDraws, kSeed),
                                            kChallengeDraws),
                experiment.challenge.size());
        };
        if (!with_verdicts) {
            nmrapps::write_provenance(app, experiment, out);
            nmrapps::write_result(out, as_challenge());
            return;
        }
        nmrapps::Progress progress(app, common);
        Judgements judgements = nmrapps::judge(curves, refine ? judged : estimates, experiment,
                                               judging, [&](double share) {
                                                   progress.show(share, "checking the fits");
                                                   return !nmrapps::interrupted();
                                               });
        nmrapps::stop_if_interrupted("nothing written");
        progress.finish();
        for (std::size_t c = 0; c < judgements.verdict.size(); ++c) {
            nmrapps::Verdict& verdict = judgements.verdict[c];
            const bool doubted = !doubt[c].empty();
            if (doubted && verdict == nmrapps::Verdict::ok) verdict = nmrapps::Verdict::caution;
            add_reason(doubt[c], judgements.reason[c]);
            if (!checks.empty()) {
                verdict = std::max(verdict, checks[c].verdict);
                add_reason(checks[c].reason, judgements.reason[c]);
            }
            if (verdict != nmrapps::Verdict::ok && c < kReasonsSaid) {
                say(fmt::format("{}: {}: {}", curves.names[c], verdict_name(verdict),
                                judgements.reason[c]));
            }
        }
        if (!plot.empty()) {
            nmrapps::Progress drawing(app, common);
            write_pictures(app, plot, picture, curves, estimates, judgements, model, drawing);
            drawing.finish();
        }
        nmrapps::write_provenance(app, experiment, out);
        nmrapps::write_result(
            out, format == "csv"
                     ? nmrapps::estimates_as_csv(curves, estimates, judgements, experiment.prior)
                     : as_challenge());
    });
}
