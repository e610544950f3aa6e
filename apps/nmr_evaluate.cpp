// Says how good a model is, or the fits of an experiment.

#include <filesystem>
#include <stdexcept>

#include "command_line.h"
#include "fit_source.h"
#include "nmrinverse/curves.h"
#include "nmrinverse/evaluation_report.h"
#include "nmrsim/file_output.h"
#include "nmrsim/output_checks.h"

namespace {

void write_report(const CLI::App& app, const std::string& folder, const nmrapps::FitSource& source,
                  const nmrsim::Dataset& data, const nmrinverse::Evaluation& evaluation,
                  bool fitted, int threads) {
    nmrinverse::Page page = nmrinverse::evaluation_page(
        source.experiment, data, evaluation, nmrapps::provenance(app).in_words(), threads);
    if (!fitted) source.add_one_posterior(page, data);
    std::filesystem::create_directories(folder);
    nmrsim::write_whole_file(folder + "/report.html", page.html());
    nmrsim::write_whole_file(folder + "/report.json",
                             nmrinverse::evaluation_json(evaluation, source.experiment) + "\n");
    nmrapps::provenance(app).write(source.experiment, folder + "/report.html");
    for (const auto& [name, svg] : page.pictures()) {
        nmrsim::write_whole_file(folder + "/" + name + ".svg", svg);
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Scores a model, or fits without one, on curves whose parameters are known.",
                 "nmr-evaluate");
    nmrapps::CommonOptions common;
    std::string name;
    std::string data_path;
    std::string out;
    bool refine = false;
    nmrapps::add_common_options(app, common, "nmr-evaluate model.safetensors test.h5 --out report");
    app.add_option("MODEL", name,
                   "Model file, or the name of one that ships; or an experiment, TOML file or "
                   "name, fitted without a network (implies --refine)")
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
        nmrsim::check_is_folder("--out", out);
        const std::string read = nmrapps::fit_source_file(name);
        for (const char* file : {"/report.html", "/report.json", "/report.html.toml"}) {
            nmrsim::check_not_input("--out", out + file, {data_path, read});
        }
        const nmrapps::FitSource source = nmrapps::load_fit_source(name);
        if (!source.doubt.empty()) nmrapps::warn(app, source.doubt);
        const bool fitted = refine || !source.evaluate;
        const nmrsim::Dataset data = nmrinverse::read_labelled(data_path, source.experiment);
        if (source.doubts) nmrapps::warn(app, source.doubts(data, fitted));
        nmrinverse::Evaluation evaluation;
        if (fitted) {
            nmrapps::StageProgress progress(app, common);
            nmrinverse::FitOptions options;
            options.threads = common.threads;
            options.progress = [&](const std::string& stage, double share) {
                progress.show(stage, share);
                return !nmrapps::interrupted();
            };
            evaluation = source.evaluate_fits(data, options);
            progress.finish();
        } else {
            evaluation = source.evaluate(data, common.threads);
        }
        nmrapps::stop_if_interrupted("nothing written");
        if (!out.empty()) {
            write_report(app, out, source, data, evaluation, fitted, common.threads);
        }
        nmrapps::write_result("", nmrinverse::evaluation_table(evaluation));
    });
}
