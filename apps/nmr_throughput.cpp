// Measures how fast and how exactly curves are simulated.

#include <fmt/format.h>
#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "command_line.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/throughput.h"
#include "nmrsim/version.h"

namespace {

std::string as_table(const nlohmann::ordered_json& result) {
    std::string text;
    for (const auto& [key, value] : result.items()) {
        text += fmt::format("{:<20} {}\n", key,
                            value.is_string()         ? value.get<std::string>()
                            : value.is_number_float() ? fmt::format("{:.4g}", value.get<double>())
                                                      : value.dump());
    }
    return text;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Measures curves per second, and the error against the converged answer, on parameters "
        "drawn from the experiment's prior.",
        "nmr-throughput");
    nmrapps::CommonOptions common;
    nmrapps::ExperimentChoice choice;
    choice.name = "challenge-2021";
    double seconds = 10.0;
    bool json = false;
    nmrapps::add_common_options(
        app, common,
        "nmr-throughput challenge-2021 --set accuracy.tolerance=1e-3 --seconds 5 --json");
    nmrapps::add_experiment_choice(app, choice);
    app.add_option("--seconds", seconds, "How long to measure the rate (default: 10)")
        ->check(nmrapps::positive_number())
        ->type_name("S");
    app.add_flag("--json", json, "Print one JSON object");

    return nmrapps::run_program(app, argc, argv, [&] {
        const nmrsim::Experiment experiment = nmrapps::chosen_experiment(choice);
        nmrapps::StageProgress progress(app, common);
        nmrsim::ThroughputOptions options;
        options.seconds = seconds;
        options.threads = common.threads;
        options.progress = [&](const std::string& stage, double share) {
            progress.show(stage, share);
            return !nmrapps::interrupted();
        };
        const nmrsim::Throughput measured = nmrsim::measure_throughput(experiment, options);
        progress.finish();

        rusage usage = {};
        getrusage(RUSAGE_SELF, &usage);
        nlohmann::ordered_json result;
        result["version"] = nmrsim::kVersion;
        result["experiment"] = experiment.name;
        result["threads"] = measured.threads;
        result["curves_per_s"] = measured.curves_per_s();
        result["spin_steps_per_s"] = measured.curves_per_s() * measured.spin_steps;
        for (const int percent : {50, 90, 99}) {
            result[fmt::format("error_p{}", percent)] = measured.error(0.01 * percent);
        }
        result["error_draws"] = measured.errors.size();
        result["peak_share"] = measured.peak_share();
        result["peak_gflops"] = measured.peak_flops * 1e-9;
        result["memory_mib"] = static_cast<double>(usage.ru_maxrss) / 1024.0;
        result["curves"] = measured.curves;
        result["seconds"] = measured.seconds;
        if (json) result["settings"] = nmrsim::experiment_to_toml(experiment);
        nmrapps::write_result("", json ? result.dump() + "\n" : as_table(result));
    });
}
