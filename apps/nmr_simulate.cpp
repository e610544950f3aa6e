// Simulates one curve, or one for each value of a setting.

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "command_line.h"
#include "nmrinverse/curve_figures.h"
#include "nmrinverse/report.h"
#include "nmrsim/curve_file.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/experiment_warnings.h"
#include "nmrsim/file_output.h"
#include "nmrsim/fisher.h"
#include "nmrsim/observables.h"
#include "nmrsim/output_checks.h"
#include "nmrsim/parameters.h"
#include "nmrsim/simulate.h"
#include "nmrsim/sweep.h"

int main(int argc, char** argv) {
    CLI::App app(
        "Simulates one spin echo: CSV with the header time_us,mx,my,mz. With --sweep, one for each "
        "value of a setting, side by side.",
        "nmr-simulate");
    nmrapps::CommonOptions common;
    nmrapps::ExperimentChoice choice;
    std::string out;
    std::string plot;
    std::optional<std::string> sweep;
    std::optional<std::uint64_t> noise_seed;
    bool bound = false;
    std::vector<std::string> by;
    bool list = false;
    std::string observe;
    std::vector<double> apodisation;
    nmrapps::add_common_options(app, common,
                                "nmr-simulate challenge-2021 --set interaction.alpha_x_khz=60 "
                                "--out curve.csv --plot curve.svg");
    nmrapps::add_experiment_choice(app, choice);
    app.add_option("--sequence", choice.sequence,
                   "Pulse sequence in place of the experiment's, before any --set: \"pulse 90 x; "
                   "delay 50us; pulse 180 y; acquire 0 150us 501\", \"cpmg 20us 8\"")
        ->type_name("TEXT");
    app.add_option("--sweep", sweep,
                   "One curve for each value of a setting: sequence.flip_deg=10:90:9 "
                   "(from:to:count) or sequence.flip_deg=10,45,90")
        ->type_name("table.key=VALUES");
    app.add_flag(
        "--bound", bound,
        "Print the Cramer-Rao bound of each unknown of the prior at acquisition.noise, the least "
        "standard deviation that an unbiased estimate can have; the curve only goes to --out");
    app.add_option("--by", by, "Parameters for --bound, in place of the prior's")
        ->type_name("NAME,...")
        ->delimiter(',');
    app.add_option("--noise-seed", noise_seed,
                   "Add noise of standard deviation acquisition.noise, the same for the same seed")
        ->type_name("S");
    app.add_option("--observe", observe,
                   "In place of the curve: echo-integral, the integral over each window and "
                   "record; decay, its magnitude against time; spectrum")
        ->type_name("NAME");
    app.add_option("--apodisation", apodisation,
                   "Widths that a spectrum's lines get, Lorentzian and Gaussian [kHz]")
        ->type_name("L[,G]")
        ->delimiter(',')
        ->expected(1, 2);
    app.add_option("--out", out, "File for the curve (default: standard output)")
        ->type_name("curve.csv");
    app.add_option("--plot", plot, "Draw the curve too: .svg or .png")->type_name("curve.svg");
    app.add_flag("--list", list, "Show the experiments that ship");

    return nmrapps::run_program(app, argc, argv, [&] {
        if (list) {
            nmrapps::write_result("", nmrsim::list_of_experiments());
            return;
        }
        if (choice.name.empty()) {
            throw std::invalid_argument("EXPERIMENT is required; --list shows those that ship");
        }
        const nmrsim::Experiment experiment = nmrapps::chosen_experiment(choice);
        nmrsim::check_output_folder("--out", out);
        nmrsim::check_output_folder("--plot", plot);
        nmrsim::check_not_input("--out", out, {choice.name});
        nmrsim::check_not_input("--plot", plot, {choice.name});
        if (!out.empty()) nmrsim::check_not_output("--plot", plot, {out, out + ".toml"});
        if (choice.sequence || !choice.settings.empty()) {  // which the file does not say
            const std::string made = out.empty() ? plot : out;
            nmrsim::check_not_input(out.empty() ? "--plot" : "--out", made + ".toml",
                                    {choice.name});
        }
        const nmrsim::OutputLock lock(out);
        if (!plot.empty()) nmrinverse::check_picture_name(plot);
        std::string csv;
        nmrinverse::Figure figure;
        std::string table;
        double estimated_error = 0.0;  // of the worst curve
        if (sweep && bound) throw std::invalid_argument("--bound does not go with --sweep");
        if (noise_seed && (sweep || bound)) {
            throw std::invalid_argument("--noise-seed goes with a single curve");
        }
        if (noise_seed && experiment.acquisition.noise == 0.0) {
            throw std::invalid_argument("--noise-seed needs acquisition.noise > 0");
        }
        if (!observe.empty() && (sweep || bound)) {
            throw std::invalid_argument("--observe goes with a single curve or a series");
        }
        if (!apodisation.empty() && observe != "spectrum") {
            throw std::invalid_argument("--apodisation needs --observe spectrum");
        }
        if (!by.empty() && !bound) throw std::invalid_argument("--by needs --bound");
        if (bound) {
            nmrapps::warn(app, nmrsim::experiment_warnings(experiment));
            if (by.empty()) by = nmrsim::bounded_unknowns(experiment);
            if (by.empty()) {
                throw std::invalid_argument("the experiment has no prior: say --by NAME,...");
            }
            const nmrsim::SignalJacobian jacobian =
                nmrsim::simulate_with_jacobian(experiment, by, common.threads);
            table = nmrsim::bounds_to_csv(experiment, jacobian);
            csv = nmrsim::curve_to_csv(experiment, jacobian.signal);
            estimated_error = jacobian.signal.estimated_error;
            figure = nmrinverse::curve_figure(experiment, jacobian.signal);
        } else if (!sweep) {
            nmrapps::warn(app, nmrsim::experiment_warnings(experiment));
            nmrsim::Signal signal = nmrsim::simulate(experiment, common.threads);
            estimated_error = signal.estimated_error;
            if (noise_seed) nmrsim::add_noise(signal, experiment.acquisition.noise, *noise_seed);
            apodisation.resize(2, 0.0);
            csv = observe.empty() ? nmrsim::curve_to_csv(experiment, signal)
                                  : nmrsim::observable_to_csv(observe, experiment, signal,
                                                              {apodisation[0], apodisation[1]});
            figure = nmrinverse::curve_figure(experiment, signal);
        } else {
            const nmrsim::SweepRange range = nmrsim::parse_sweep(*sweep);
            nmrapps::warn(app, nmrsim::sweep_warnings(experiment, range));
            nmrapps::Progress progress(app, common);
            const std::vector<nmrsim::Signal> curves = nmrsim::simulate_sweep(
                experiment, range.parameter, range.values, common.threads, [&](std::size_t done) {
                    progress.show_curves(done, range.values.size());
                    return !nmrapps::interrupted();
                });
            nmrapps::stop_if_interrupted("nothing written");
            progress.finish();
            csv = nmrsim::sweep_to_csv(range, curves);
            for (const nmrsim::Signal& curve : curves) {
                estimated_error = std::max(estimated_error, curve.estimated_error);
            }
            figure = nmrinverse::sweep_figure(experiment.name, range, curves);
        }
        nmrapps::stop_if_interrupted("nothing written");
        // The picture first: where gnuplot is missing, no output appears at all.
        if (!plot.empty()) nmrsim::write_whole_file(plot, nmrinverse::figure_picture(figure, plot));
        if (!bound || !out.empty()) nmrapps::write_result(out, csv);
        nmrapps::provenance(app).write(experiment, out.empty() ? plot : out, choice.name);
        if (bound) nmrapps::write_result("", table);
        if (!common.quiet && estimated_error > 0.0) {
            fmt::print(stderr, "estimated error {:.0e} of the largest |M|\n", estimated_error);
        }
    });
}
