// Writes the demo's report; not installed.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "command_line.h"
#include "nmrinverse/curves.h"
#include "nmrinverse/evaluation_report.h"
#include "nmrinverse/fit_report.h"
#include "nmrinverse/model.h"
#include "nmrinverse/verdict.h"
#include "nmrsim/coupling.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/errors.h"
#include "nmrsim/file_output.h"
#include "nmrsim/output_checks.h"

using namespace nmrinverse;

namespace {

/// What the winner of the 2021 challenge reached, ten-fold out of fold on 3,000 curves; source: the
/// challenge's published results.
struct WinnersScore {
    const char* name;
    double mse, r2;
};
constexpr WinnersScore kWinner2021[] = {
    {"alpha_x_khz", 25.64, 0.986}, {"alpha_z_khz", 1749.8, 0.767}, {"flip_deg", 1.362, 0.997}};

/// A published echo and the parameters it was computed with (arXiv 2602.02732).
struct PublishedEcho {
    std::string file;
    double alpha_x_khz = 0.0;  ///< multiplies the unnormalised kernel [kHz]
    double xi = 0.0;           ///< range of the gaussian kernel [lattice units]
};

/// Reads DIR/echoes.csv: file,alpha_x_khz,xi.
std::vector<PublishedEcho> read_published(const std::string& folder) {
    const std::string path = folder + "/echoes.csv";
    std::ifstream file(path);
    std::string line;
    if (!std::getline(file, line)) throw nmrsim::InputError(path + ": cannot read");
    std::vector<PublishedEcho> echoes;
    while (std::getline(file, line, ',')) {
        PublishedEcho echo{folder + "/" + line};
        char comma = 0;
        if (!(file >> echo.alpha_x_khz >> comma >> echo.xi)) {
            throw nmrsim::InputError(path + ": expected file,alpha_x_khz,xi");
        }
        echoes.push_back(echo);
        file >> std::ws;
    }
    return echoes;
}

Table winner_table(const Evaluation& evaluation) {
    Table table;
    table.header = {"unknown", "mse, this model", "mse, winner", "R², this model", "R², winner"};
    for (const UnknownScore& score : evaluation.scores) {
        for (const WinnersScore& winner : kWinner2021) {
            if (score.name != winner.name) continue;
            table.rows.push_back({label_of(score.name), fmt::format("{:.4g}", score.mse),
                                  fmt::format("{:g}", winner.mse), fmt::format("{:.4f}", score.r2),
                                  fmt::format("{:.3f}", winner.r2)});
        }
    }
    table.caption = fmt::format(
        "{} fresh curves; the winner's: ten-fold, out of fold, 3,000 curves", evaluation.count);
    return table;
}

void add_challenge(Page& page, const std::string& model_path, const std::string& data_path,
                   int threads) {
    const Model model = load_model(model_path);
    const nmrsim::Dataset data = read_labelled(data_path, model.experiment());
    const Evaluation evaluation = evaluate(model, data, 0.0, threads);
    page.heading("NMR Spin Challenge 2021");
    page.paragraph(
        "Two pulses of unknown strength on spins that all couple to all: from the echo alone, "
        "alpha_x, alpha_z and the flip angle theta are to be found.");
    page.table(winner_table(evaluation));
    page.table(score_table(evaluation));
    page.figures(prediction_figures(evaluation));
    page.paragraph("The errors: near 90 degrees Mz vanishes, and with it what tells of alpha_z.");
    page.figures(error_figures(evaluation));
    page.heading("Example curves and fits");
    add_example_fits(page, model.experiment(), data, evaluation, threads);
    page.table(model_table(model));
}

void add_published(Page& page, const std::string& model_path, const std::string& folder,
                   bool stand_ins, int threads) {
    const Model model = load_model(model_path);
    const nmrsim::Experiment& experiment = model.experiment();
    const std::vector<PublishedEcho> echoes = read_published(folder);
    Curves curves;
    for (const PublishedEcho& echo : echoes) {
        append_curves(read_curves(echo.file, experiment), experiment, curves);
    }
    const Predictions estimates = model.predict(curves.signal, curves.count(), 0.0, threads);
    const Judgements judgements = judge(curves, estimates, experiment, {.threads = threads});

    Table table;
    table.header = {
        "echo",     "true [kHz]",   "estimate [kHz]", "deviation %", "90% interval [kHz]",
        "xi, true", "xi, estimate", "90% interval",   "residual",    "verdict"};
    double worst = 0.0;
    int couplings = 0, ranges = 0;  // inside their 90% intervals
    std::vector<FigureGrid> figures;
    for (std::size_t c = 0; c < echoes.size(); ++c) {
        nmrsim::Interaction interaction = experiment.interaction;
        interaction.kernel = nmrsim::GaussianKernel{echoes[c].xi};
        const double truth =
            echoes[c].alpha_x_khz * nmrsim::kernel_sum(interaction, experiment.lattice);
        const std::size_t i = 2 * c;  // unknowns: alpha_x_khz, xi
        const double deviation = 100.0 * (estimates.mean[i] / truth - 1.0);
        worst = std::max(worst, std::abs(deviation));
        couplings += estimates.q05[i] <= truth && truth <= estimates.q95[i];
        ranges += estimates.q05[i + 1] <= echoes[c].xi && echoes[c].xi <= estimates.q95[i + 1];
        table.rows.push_back(
            {fmt::format("{}", c + 1), fmt::format("{:.2f}", truth),
             fmt::format("{:.2f} ± {:.2f}", estimates.mean[i], estimates.sd[i]),
             fmt::format("{:+.2f}", deviation),
             fmt::format("{:.2f} to {:.2f}", estimates.q05[i], estimates.q95[i]),
             fmt::format("{:.2f}", echoes[c].xi),
             fmt::format("{:.1f} ± {:.1f}", estimates.mean[i + 1], estimates.sd[i + 1]),
             fmt::format("{:.1f} to {:.1f}", estimates.q05[i + 1], estimates.q95[i + 1]),
             fmt::format("{:.4f}", judgements.residual[c]),
             std::string(verdict_name(judgements.verdict[c]))});
        figures.push_back(fit_figure(fmt::format("echo {}: summed coupling {:.1f} kHz, xi {:.1f}",
                                                 c + 1, truth, echoes[c].xi),
                                     curves, judgements, c));
    }
    table.caption =
        "Residual: root mean square, from the curve simulated at the estimate, offsets drawn anew.";
    page.heading(stand_ins ? "Five published echoes, stand-ins" : "Five published echoes");
    page.paragraph(fmt::format(
        "The couplings of {0} echoes were read back to {1:.2g}% or better: {2} of {0} lie inside "
        "their 90% intervals, and {3} of {0} ranges xi.",
        echoes.size(), worst, couplings, ranges));
    page.paragraph(
        stand_ins
            ? "The published files are not on this machine. These curves are stand-ins, "
              "simulated here from the published parameters with random offsets of their "
              "own; what follows says nothing about the published curves themselves."
            : "Echoes that others computed and published (arXiv 2602.02732): 10,000 spins on a "
              "lattice, a gaussian coupling of range xi, offsets drawn and unknown here.");
    page.paragraph(
        "The network was trained minutes ago on curves simulated here, their summed coupling in 20 "
        "to 200 kHz, xi in 3 to 30. xi shows only in how much the local fields differ.");
    page.table(table);
    fmt::print("{}\n", fmt::join(table.header, "  "));
    for (const auto& row : table.rows) fmt::print("{}\n", fmt::join(row, "  "));
    page.figures(figures);
    page.table(model_table(model));
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Writes the report of ./demo.sh.", "nmr-demo-report");
    nmrapps::CommonOptions common;
    std::string model, data, published_model, published, out;
    std::vector<std::string> stages;
    bool stand_ins = false;
    nmrapps::add_common_options(app, common, "./demo.sh");
    app.add_option("--model", model, "Model for challenge-2021")->required();
    app.add_option("--data", data, "Fresh curves with their parameters")->required();
    app.add_option("--published-model", published_model, "Model for published-echo")->required();
    app.add_option("--published", published, "Folder with echoes.csv and the curves it names")
        ->required();
    app.add_flag("--stand-ins", stand_ins, "The published curves are stand-ins, simulated here");
    app.add_option("--stage", stages, "What the demo did, and how long it took [s]; repeated")
        ->allow_extra_args(false)
        ->type_name("NAME=SECONDS");
    app.add_option("--out", out, "File for the report")->required()->type_name("report.html");

    return nmrapps::run_program(app, argc, argv, [&] {
        nmrsim::check_output_folder("--out", out);
        Page page("nmrsim: spin echoes simulated, and read back");
        add_published(page, published_model, published, stand_ins, common.threads);
        nmrapps::stop_if_interrupted("nothing written");
        add_challenge(page, model, data, common.threads);
        nmrapps::stop_if_interrupted("nothing written");
        Table table{{"stage", "seconds"}, {}, {}};
        for (const std::string& stage : stages) {
            const std::size_t split = stage.rfind('=');
            table.rows.push_back({stage.substr(0, split), stage.substr(split + 1)});
        }
        page.heading("How it was made");
        page.paragraph(nmrapps::provenance(app).in_words() + ".");
        page.table(table);
        nmrsim::write_whole_file(out, page.html());
    });
}
