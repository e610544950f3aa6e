// Says how good a model is.

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <stdexcept>

#include "command_line.h"
#include "nmrinverse/curves.h"
#include "nmrinverse/evaluation_report.h"
#include "nmrinverse/fit.h"
#include "nmrinverse/model.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/file_output.h"
#include "option_table.h"
#include "provenance.h"

namespace {

/// Draws of each posterior: ranks of true values among them have steps of 1 in 100.
constexpr std::size_t kDraws = 99;
constexpr std::uint64_t kSeed = 1;

/// What the model's posteriors say at the true values.
nmrinverse::PosteriorArrays posterior_arrays(const nmrinverse::Model& model,
                                             const nmrsim::Dataset& data, double noise,
                                             int threads) {
    const nmrinverse::Posterior posterior =
        model.posterior(data.signal, data.count(), noise, threads);
    nmrinverse::PosteriorArrays arrays;
    arrays.transforms = posterior.cdf(data.parameters);
    arrays.samples = posterior.sample(kDraws, kSeed);
    arrays.log_density = posterior.log_prob(data.parameters);
    return arrays;
}

void write_report(const CLI::App& app, const std::string& folder, const nmrinverse::Model& model,
                  const nmrsim::Dataset& data, const nmrinverse::Evaluation& evaluation,
                  double noise, bool refined, int threads) {
    const nmrinverse::Page page = nmrinverse::evaluation_page(
        model, data, evaluation, nmrapps::made_by(app), noise, refined, threads);
    std::filesystem::create_directories(folder);
    nmrsim::write_whole_file(folder + "/report.html", page.html());
    nmrsim::write_whole_file(folder + "/report.json",
                             nmrinverse::evaluation_json(evaluation, model) + "\n");
    nmrapps::write_provenance(app, model.experiment(), folder + "/report.html");
    for (const auto& [name, svg] : page.pictures()) {
        nmrsim::write_whole_file(folder + "/" + name + ".svg", svg);
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Scores a model on curves whose parameters are known.", "nmr-evaluate");
    nmrapps::CommonOptions common;
    std::string model_name;
    std::string data_path;
    std::string out;
    bool refine = false;
    nmrapps::add_common_options(app, common, "nmr-evaluate model.safetensors test.h5 --out report");
    app.add_option("MODEL", model_name, "Model file, or the name of one that ships")
        ->required()
        ->type_name("");
    app.add_option("DATA", data_path, "HDF5 data set, or challenge folder with mat_info.txt")
        ->required()
        ->type_name("");
    app.add_option("--out", out, "Folder for report.html, its figures as SVG, and report.json")
        ->type_name("REPORT");
    app.add_flag("--refine", refine,
                 "Score the estimates after following them down to the best fit; needs data with "
                 "noise, uniform kernel only");

    return nmrapps::run_program(app, argc, argv, [&] {
        if (!out.empty() && std::filesystem::exists(out) && !std::filesystem::is_directory(out)) {
            throw std::invalid_argument("--out " + out + ": expected a folder, found a file");
        }
        for (const char* file : {"/report.html", "/report.json", "/report.html.toml"}) {
            nmrapps::check_not_input("--out", out + file, {data_path, model_name});
        }
        const nmrinverse::Model model = nmrinverse::load_model(nmrapps::find_model(model_name));
        const nmrsim::Dataset data = nmrinverse::read_labelled(data_path, model.experiment());
        const double noise =
            nmrsim::parse_experiment(data.experiment_toml, data_path).acquisition.noise;
        if (refine && !(noise > 0.0)) {
            throw std::invalid_argument(
                "--refine needs a data set made with acquisition.noise > 0");
        }
        const std::string noisier = nmrinverse::noise_doubt(noise, model.largest_noise());
        if (!refine && !noisier.empty()) nmrapps::warn(app, noisier);
        const std::uint64_t learnt = nmrinverse::curves_learnt(model, data);
        if (learnt > 0) {
            nmrapps::warn(app, fmt::format("the model learnt from {} of these {} curves: it looks "
                                           "better on them than it is; generate others under "
                                           "another --seed",
                                           learnt, data.count()));
        }
        const double told = std::min(noise, model.largest_noise());  // to the network
        nmrinverse::Evaluation evaluation = nmrinverse::evaluate(model, data, told, common.threads);
        if (refine) {
            nmrinverse::InputCurves input;
            input.name = data_path;
            input.names.assign(data.count(), data_path);
            input.curves.time_us = data.time_us;
            input.curves.signal = data.signal;
            nmrinverse::FitOptions options;
            options.noise = noise;
            options.refine = true;
            options.judge = false;
            options.samples = kDraws;
            options.threads = common.threads;
            nmrapps::StageProgress progress(app, common);
            options.progress = [&](const std::string& stage, double share) {
                progress.show(stage, share);
                return !nmrapps::interrupted();
            };
            nmrinverse::FitResult refined = nmrinverse::fit(model, {&input, 1}, options);
            progress.finish();
            evaluation = nmrinverse::evaluate_estimates(std::move(refined.estimates), data);
            evaluation.learnt = learnt;
            // The score stays by the estimates, which are means of more than these draws.
            evaluation.posterior.samples = std::move(refined.samples);
        } else {
            nmrinverse::add_posterior(evaluation,
                                      posterior_arrays(model, data, told, common.threads), data);
        }
        nmrapps::stop_if_interrupted("nothing written");
        if (!out.empty())
            write_report(app, out, model, data, evaluation, told, refine, common.threads);
        nmrapps::write_result("", nmrinverse::evaluation_table(evaluation));
    });
}
