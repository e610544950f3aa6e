// Measures how fast and how exactly curves are simulated.

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

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
/// Curves whose error is measured; fewer where they do not fit into the time, as on a lattice.
constexpr std::size_t kErrorDraws = 200;
constexpr double kErrorTimeShare = 4.0;  ///< time for them over --seconds
/// "Converged": far beyond any tolerance a user would ask for.
constexpr double kConvergedTolerance = 1e-9;

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
    batch.signal.resize(count * 2 * static_cast<std::size_t>(experiment.acquisition.points));
    return batch;
}

struct Rate {
    double curves_per_s = 0.0;
    std::size_t curves = 0;
    double seconds = 0.0;
};

Rate measure_rate(const nmrsim::Experiment& experiment, double seconds, int threads,
                  nmrapps::Progress& progress) {
    const std::size_t count = nmrsim::is_uniform(experiment) ? 4096 : 256;
    Batch batch = draw_batch(experiment, count, 0);
    // Warm-up: plans, pages and clock rates settle in the first tenth of the time.
    Clock::time_point start = Clock::now();
    const double warm_up = std::min(1.0, 0.1 * seconds);
    nmrsim::simulate_batch(experiment, batch.parameters, batch.lattice_seeds, batch.signal, threads,
                           [&](std::size_t) { return seconds_since(start) < warm_up; });
    Rate rate;
    start = Clock::now();
    do {
        rate.curves += nmrsim::simulate_batch(
            experiment, batch.parameters, batch.lattice_seeds, batch.signal, threads,
            [&](std::size_t done) {
                const double now = seconds_since(start);
                progress.show(std::min(0.99, now / seconds),
                              fmt::format("{:.1f} curves/s", (rate.curves + done) / now));
                return now < seconds && !nmrapps::interrupted();
            });
    } while (seconds_since(start) < seconds && !nmrapps::interrupted());
    rate.seconds = seconds_since(start);
    rate.curves_per_s = rate.curves / rate.seconds;
    return rate;
}

/// Largest |M - M_converged| of each draw, ascending.
std::vector<double> measure_errors(const nmrsim::Experiment& experiment, double seconds,
                                   int threads, nmrapps::Progress& progress) {
    nmrsim::Experiment converged = experiment;
    converged.accuracy = {};
    converged.accuracy.tolerance = kConvergedTolerance;
    converged.accuracy.precision = nmrsim::Precision::double_;
    const std::size_t points = static_cast<std::size_t>(experiment.acquisition.points);
    const std::size_t chunk = nmrsim::is_uniform(experiment) ? 32 : 2;
    std::vector<double> errors;
    const Clock::time_point start = Clock::now();
    for (std::size_t first = 0; first < kErrorDraws && !nmrapps::interrupted(); first += chunk) {
        if (first > 0 && seconds_since(start) > kErrorTimeShare * seconds) break;
        Batch fast = draw_batch(experiment, std::min(chunk, kErrorDraws - first), first);
        Batch exact = fast;
        nmrsim::simulate_batch(experiment, fast.parameters, fast.lattice_seeds, fast.signal,
                               threads);
        nmrsim::simulate_batch(converged, exact.parameters, exact.lattice_seeds, exact.signal,
                               threads);
        for (std::size_t c = 0; c < fast.lattice_seeds.size(); ++c) {
            const float* a = fast.signal.data() + c * 2 * points;
            const float* b = exact.signal.data() + c * 2 * points;
            double largest = 0.0;
            for (std::size_t i = 0; i < points; ++i) {
                largest = std::max(largest,
                                   std::hypot(static_cast<double>(a[i]) - b[i],
                                              static_cast<double>(a[points + i]) - b[points + i]));
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
struct MeanCost {
    double spin_steps = 0.0;
    double flops = 0.0;
};

MeanCost mean_cost(const nmrsim::Experiment& experiment) {
    constexpr std::size_t kDraws = 64;
    MeanCost mean;
    for (std::size_t i = 0; i < kDraws; ++i) {
        const auto values = nmrsim::draw_parameters(experiment.prior, kSeed, i);
        const nmrsim::SimulationCost cost =
            nmrsim::simulation_cost(nmrsim::with_parameters(experiment, values));
        mean.spin_steps += cost.spin_steps() / kDraws;
        mean.flops += cost.flops / kDraws;
    }
    return mean;
}

double peak_memory_mib() {
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024.0;
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
        "drawn "
        "from the experiment's prior.",
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
        const Rate rate = measure_rate(experiment, seconds, threads, rate_progress);
        rate_progress.finish();
        nmrapps::stop_if_interrupted("nothing measured");
        nmrapps::Progress error_progress(app, common);
        const std::vector<double> errors =
            measure_errors(experiment, seconds, threads, error_progress);
        error_progress.finish();
        nmrapps::stop_if_interrupted("errors not measured");
        const MeanCost cost = mean_cost(experiment);
        const double peak = nmrsim::measured_peak_flops(threads);

        nlohmann::ordered_json result;
        result["version"] = nmrsim::kVersion;
        result["experiment"] = experiment.name;
        result["threads"] = threads;
        result["curves_per_s"] = rate.curves_per_s;
        result["spin_steps_per_s"] = rate.curves_per_s * cost.spin_steps;
        result["error_p50"] = quantile(errors, 0.5);
        result["error_p90"] = quantile(errors, 0.9);
        result["error_p99"] = quantile(errors, 0.99);
        result["error_draws"] = errors.size();
        result["peak_share"] = rate.curves_per_s * cost.flops / peak;
        result["peak_gflops"] = peak * 1e-9;
        result["memory_mib"] = peak_memory_mib();
        result["curves"] = rate.curves;
        result["seconds"] = rate.seconds;
        if (json) result["settings"] = nmrsim::experiment_to_toml(experiment);
        nmrapps::write_result("", json ? result.dump() + "\n" : as_table(result));
    });
}
