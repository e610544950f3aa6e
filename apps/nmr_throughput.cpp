// Measures how fast and how exactly curves are simulated.

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "command_line.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/peak.h"
#include "nmrsim/prior.h"
#include "nmrsim/random.h"
#include "nmrsim/simulate.h"
#include "nmrsim/threads.h"
#include "nmrsim/version.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kSeed = 20210;
/// Curves whose error is measured; fewer, as on a lattice, where so many times --seconds are over.
constexpr std::size_t kErrorDraws = 200;
constexpr double kErrorTimeShare = 4.0;
constexpr double kConvergedTolerance = 1e-9;  ///< far beyond what a user would ask for

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Curves simulated side by side, with their parameters.
struct Batch {
    std::vector<double> parameters;            ///< (count, unknowns)
    std::vector<std::uint64_t> lattice_seeds;  ///< (count)
    std::vector<float> signal;                 ///< (count, 2, points)
};

Batch draw_batch(const nmrsim::Experiment& experiment, std::size_t count, std::uint64_t first) {
    Batch batch;
    for (std::size_t i = 0; i < count; ++i) {
        const auto values = nmrsim::draw_parameters(experiment.prior, kSeed, first + i);
        batch.parameters.insert(batch.parameters.end(), values.begin(), values.end());
        batch.lattice_seeds.push_back(first + i + 1);
    }
    batch.signal.resize(count * 2 * nmrsim::sample_count(experiment));
    return batch;
}

/// Curves that were simulated, and the seconds that they took.
std::pair<std::size_t, double> measure_rate(const nmrsim::Experiment& experiment, double seconds,
                                            int threads, nmrapps::Progress& progress) {
    const std::size_t count = nmrsim::is_uniform(experiment) ? 4096 : 256;
    Batch batch = draw_batch(experiment, count, 0);
    // Warm-up: plans, pages and clock rates settle in the first tenth of the time.
    const double warm_up = std::min(1.0, 0.1 * seconds);
    Clock::time_point start = Clock::now();
    nmrsim::simulate_batch(experiment, batch.parameters, batch.lattice_seeds, batch.signal, threads,
                           [&](std::size_t) { return seconds_since(start) < warm_up; });
    std::size_t curves = 0;
    start = Clock::now();
    do {
        curves += nmrsim::simulate_batch(
            experiment, batch.parameters, batch.lattice_seeds, batch.signal, threads,
            [&](std::size_t done) {
                const double now = seconds_since(start);
                progress.show(std::min(0.99, now / seconds),
                              fmt::format("{:.1f} curves/s", (curves + done) / now));
                return now < seconds && !nmrapps::interrupted();
            });
    } while (seconds_since(start) < seconds && !nmrapps::interrupted());
    return {curves, seconds_since(start)};
}

/// Largest |M - M_converged| of each draw, ascending.
std::vector<double> measure_errors(const nmrsim::Experiment& experiment, double seconds,
                                   int threads, nmrapps::Progress& progress) {
    nmrsim::Experiment converged = experiment;
    converged.accuracy = {};
    converged.accuracy.tolerance = kConvergedTolerance;
    converged.accuracy.precision = nmrsim::Precision::double_;
    const std::size_t points = nmrsim::sample_count(experiment);
    const std::size_t chunk = nmrsim::is_uniform(experiment) ? 32 : 2;
    std::vector<double> errors;
    const Clock::time_point start = Clock::now();
    const auto simulated = [&](const nmrsim::Experiment& of, Batch batch) {
        nmrsim::simulate_batch(of, batch.parameters, batch.lattice_seeds, batch.signal, threads);
        return std::move(batch.signal);
    };
    for (std::size_t first = 0; first < kErrorDraws && !nmrapps::interrupted(); first += chunk) {
        if (first > 0 && seconds_since(start) > kErrorTimeShare * seconds) break;
        const std::size_t count = std::min(chunk, kErrorDraws - first);
        const Batch drawn = draw_batch(experiment, count, first);
        const std::vector<float> fast = simulated(experiment, drawn);
        const std::vector<float> exact = simulated(converged, drawn);
        for (std::size_t c = 0; c < count; ++c) {
            double largest = 0.0;
            for (std::size_t x = 2 * c * points; x < (2 * c + 1) * points; ++x) {
                const auto off = [&](std::size_t i) { return double{fast[i]} - exact[i]; };
                largest = std::max(largest, std::hypot(off(x), off(x + points)));
            }
            errors.push_back(largest);
        }
        progress.show(static_cast<double>(first) / kErrorDraws, "measuring errors");
    }
    std::sort(errors.begin(), errors.end());
    return errors;
}

double quantile(const std::vector<double>& ascending, double share) {
    if (ascending.empty()) return 0.0;
    const double last = static_cast<double>(ascending.size() - 1);
    return ascending[static_cast<std::size_t>(std::ceil(share * last))];
}

/// Spin steps and floating-point operations of a curve, means over draws of the prior.
std::pair<double, double> mean_cost(const nmrsim::Experiment& experiment) {
    constexpr std::size_t kDraws = 64;
    double spin_steps = 0.0, flops = 0.0;
    for (std::size_t i = 0; i < kDraws; ++i) {
        const nmrsim::SimulationCost cost = nmrsim::simulation_cost(nmrsim::with_parameters(
            experiment, nmrsim::draw_parameters(experiment.prior, kSeed, i)));
        spin_steps += cost.spin_steps() / kDraws;
        flops += cost.flops / kDraws;
    }
    return {spin_steps, flops};
}

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
        const int threads = nmrsim::team_size(common.threads);
        nmrapps::Progress rate_progress(app, common);
        const auto [curves, taken] = measure_rate(experiment, seconds, threads, rate_progress);
        const double rate = static_cast<double>(curves) / taken;
        rate_progress.finish();
        nmrapps::stop_if_interrupted("nothing measured");
        nmrapps::Progress error_progress(app, common);
        const std::vector<double> errors =
            measure_errors(experiment, seconds, threads, error_progress);
        error_progress.finish();
        nmrapps::stop_if_interrupted("errors not measured");
        const auto [spin_steps, flops] = mean_cost(experiment);
        const double peak = nmrsim::measured_peak_flops(threads);

        rusage usage = {};
        getrusage(RUSAGE_SELF, &usage);
        nlohmann::ordered_json result;
        result["version"] = nmrsim::kVersion;
        result["experiment"] = experiment.name;
        result["threads"] = threads;
        result["curves_per_s"] = rate;
        result["spin_steps_per_s"] = rate * spin_steps;
        for (const int percent : {50, 90, 99}) {
            result[fmt::format("error_p{}", percent)] = quantile(errors, 0.01 * percent);
        }
        result["error_draws"] = errors.size();
        result["peak_share"] = rate * flops / peak;
        result["peak_gflops"] = peak * 1e-9;
        result["memory_mib"] = static_cast<double>(usage.ru_maxrss) / 1024.0;
        result["curves"] = curves;
        result["seconds"] = taken;
        if (json) result["settings"] = nmrsim::experiment_to_toml(experiment);
        nmrapps::write_result("", json ? result.dump() + "\n" : as_table(result));
    });
}
