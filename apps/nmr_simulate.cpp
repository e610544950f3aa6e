// Simulates one curve.

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>

#include "command_line.h"
#include "nmrinverse/report.h"
#include "nmrsim/curve_file.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/file_output.h"
#include "nmrsim/simulate.h"

namespace {

std::string list_of_experiments() {
    std::string text;
    for (const std::string& name : nmrsim::shipped_experiments()) {
        text += fmt::format("{:<24} {}\n", name, nmrsim::shipped_experiment_summary(name));
    }
    return text;
}

nmrinverse::Figure curve_figure(const std::string& title, const nmrsim::Signal& signal) {
    std::vector<double> magnitude(signal.points());
    for (std::size_t i = 0; i < signal.points(); ++i) {
        magnitude[i] = std::hypot(signal.mx[i], signal.my[i]);
    }
    nmrinverse::Figure figure;
    figure.title = title;
    figure.x_label = "time (us)";
    figure.y_label = "magnetization";
    figure.series = {{"|M|", signal.time_us, magnitude, {}},
                     {"Mx", signal.time_us, signal.mx, {}},
                     {"My", signal.time_us, signal.my, {}},
                     {"Mz", signal.time_us, signal.mz, {}}};
    figure.width = 800;
    figure.height = 450;
    return figure;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Simulates one spin echo: CSV with the header time_us,mx,my,mz.", "nmr-simulate");
    nmrapps::CommonOptions common;
    nmrapps::ExperimentChoice choice;
    std::string out;
    std::string plot;
    bool list = false;
    nmrapps::add_common_options(app, common,
                                "nmr-simulate challenge-2021 --set interaction.alpha_x_khz=60 "
                                "--out curve.csv --plot curve.svg");
    nmrapps::add_experiment_choice(app, choice);
    app.add_option("--out", out, "File for the curve (default: standard output)")
        ->type_name("curve.csv");
    app.add_option("--plot", plot, "Draw the curve too")->type_name("curve.svg");
    app.add_flag("--list", list, "Show the experiments that ship");

    return nmrapps::run_program(app, argc, argv, [&] {
        if (list) {
            nmrapps::write_result("", list_of_experiments());
            return;
        }
        if (choice.name.empty()) {
            throw std::invalid_argument("EXPERIMENT is required; --list shows those that ship");
        }
        const nmrsim::Experiment experiment = nmrapps::chosen_experiment(choice);
        nmrapps::check_output_folder("--out", out);
        nmrapps::check_output_folder("--plot", plot);
        const nmrsim::Signal signal = nmrsim::simulate(experiment);
        nmrapps::stop_if_interrupted("nothing written");
        // The picture first: where gnuplot is missing, no output appears at all.
        if (!plot.empty()) {
            const std::string svg = nmrinverse::figure_svg(curve_figure(experiment.name, signal));
            nmrsim::write_whole_file(plot, svg);
        }
        nmrapps::write_result(out, nmrsim::curve_to_csv(signal));
    });
}
