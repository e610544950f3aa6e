// Reads the interactions back from echoes.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "command_line.h"
#include "fit_flags.h"
#include "fit_source.h"
#include "nmrinverse/compare.h"
#include "nmrinverse/estimates_text.h"
#include "nmrinverse/fit_report.h"
#include "nmrsim/file_output.h"
#include "nmrsim/output_checks.h"

namespace {

using nmrinverse::FitResult;

/// Curves whose verdict's reason is said, of those that come first.
constexpr std::size_t kReasonsSaid = 20;

void write_pictures(const CLI::App& app, const nmrapps::FitFlags& flags, const FitResult& result,
                    const nmrapps::FitSource& source) {
    nmrapps::Progress progress(app, flags.common);
    std::filesystem::create_directories(flags.plot);
    const std::string report = flags.plot + "/report.html";
    nmrapps::provenance(app).write(source.experiment, report);
    for (std::size_t c = 0; c < result.count(); ++c) {
        const std::string& name = result.curves.names[c];
        const std::string stem = std::filesystem::path(name).stem().string();
        const std::string file = fmt::format("{}/{:04}_{}.{}", flags.plot, c, stem, flags.picture);
        const auto figure = nmrinverse::fit_figure(name, result.curves, result.judgements, c);
        nmrsim::write_whole_file(file, nmrinverse::figure_picture(figure, file));
        progress.show(static_cast<double>(c + 1) / static_cast<double>(result.count()), "drawing");
        nmrapps::stop_if_interrupted("some pictures are missing in " + flags.plot);
    }
    const nmrinverse::Page page = nmrinverse::fit_page(
        result, source.experiment, nmrapps::provenance(app).in_words(), source.description);
    nmrsim::write_whole_file(report, page.html());
    progress.finish();
}

/// Estimates, draws and steps into their files, after one line on each curve that is not ok.
void write_results(const CLI::App& app, const nmrapps::FitFlags& flags, const FitResult& result,
                   const nmrapps::FitSource& source) {
    const nmrsim::Experiment& experiment = source.experiment;
    const nmrinverse::Judgements& judged = result.judgements;
    for (std::size_t c = 0; c < std::min(kReasonsSaid, judged.verdict.size()); ++c) {
        if (judged.verdict[c] == nmrinverse::Verdict::ok || flags.common.quiet) continue;
        fmt::print(stderr, "{}: {}: {}: {}\n", app.get_name(), result.curves.names[c],
                   verdict_name(judged.verdict[c]), judged.reason[c]);
    }
    if (!result.steps.empty() && !flags.out.empty() && flags.out != "-") {
        nmrapps::write_result(flags.beside_out(".steps.json"), result.steps);
    }
    if (flags.samples > 0) {
        const auto draws = result.first_samples(static_cast<std::size_t>(flags.samples));
        nmrapps::write_result(flags.beside_out(".samples.csv"),
                              nmrinverse::samples_as_csv(result.curves, draws, experiment.prior));
    }
    if (!flags.plot.empty()) write_pictures(app, flags, result, source);
    nmrapps::provenance(app).write(experiment, flags.out);
    if (flags.format == "csv") {
        nmrapps::write_result(flags.out,
                              nmrinverse::estimates_as_csv(result.curves, result.estimates, judged,
                                                           experiment.prior));
    } else {
        nmrapps::write_result(flags.out,
                              nmrinverse::fit_as_challenge(result, flags.fit, experiment));
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Reads an experiment's unknowns from echoes, with their uncertainty.", "nmr-fit");
    nmrapps::FitFlags flags;
    nmrapps::add_fit_flags(app, flags);
    return nmrapps::run_program(app, argc, argv, [&] {
        flags.settle();
        std::vector<std::string> read = flags.inputs;
        if (!flags.in_words()) read.push_back(nmrapps::fit_source_file(flags.model));
        if (!flags.out.empty() && flags.out != "-") {
            for (const std::string& path :
                 {flags.out, flags.out + ".toml", flags.beside_out(".steps.json"),
                  flags.beside_out(".samples.csv")}) {
                nmrsim::check_not_input("--out", path, read);
            }
        }
        const nmrsim::OutputLock lock(flags.out);
        const nmrapps::FitSource source = flags.source();
        if (!source.doubt.empty()) nmrapps::warn(app, source.doubt);
        std::vector<nmrinverse::InputCurves> inputs;
        const nmrsim::CurveFormat format =
            flags.reading.format(flags.fit.measured && flags.fit.align);
        std::size_t count = 0;
        for (const std::string& input : flags.inputs) {
            inputs.push_back(nmrinverse::read_curves(input, source.experiment, format));
            count += inputs.back().curves.count();
        }
        if (flags.fit.joint && count < 2) {
            throw std::invalid_argument(
                fmt::format("--joint needs two or more curves, got {}", count));
        }
        if (flags.format == "challenge") {
            flags.fit.samples = std::max(flags.fit.samples,
                                         nmrinverse::challenge_draws(flags.fit, source.experiment));
        }
        nmrapps::StageProgress progress(app, flags.common);
        flags.fit.progress = [&](const std::string& stage, double share) {
            progress.show(stage, share);
            return !nmrapps::interrupted();
        };
        flags.fit.say = [&](const std::string& line) { progress.say(line); };
        flags.fit.warn = [&](const std::string& line) { nmrapps::warn(app, line); };
        if (!flags.compare.empty()) {
            const nmrinverse::Comparison odds = nmrinverse::compare(
                nmrinverse::alternatives_of(source.experiment, flags.compare), inputs, flags.fit);
            progress.finish();
            return nmrapps::write_result(flags.out, nmrinverse::comparison_as_csv(odds));
        }
        const FitResult result = source.fit(inputs, flags.fit);
        progress.finish();
        write_results(app, flags, result, source);
    });
}
