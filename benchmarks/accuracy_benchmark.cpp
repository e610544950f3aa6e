// Whether the tolerance asked for is kept, and whether the estimated error is honest: errors of
// random draws of the shipped experiments, relative to the largest |M| of the curve over the
// window.
//
//     accuracy_benchmark [--experiments A,B] [--draws N] [--tolerances 1e-4,1e-6,1e-8]
//                        [--steps 0.25,0.5] [--seed N] [--threads N] [--tighter N] [--oracle N]
//                        [--precision automatic|single|double] [--no-timing]
//
// Each row is one experiment and one tolerance (or forced steps a sample with --steps): quantiles
// of the error, the share of draws within the tolerance, the median of estimated over true error,
// the share of draws whose error exceeds the estimate, and the curves a second of a batch on
// `threads` threads. The reference is the same code in double, `tighter` (30) times below the
// smallest tolerance; --oracle N checks it on N draws against simulate_reference(), on a lattice
// after cutting it to 12 x 12.
//
// Expectation: at least 99% within, and at most 1% above the estimate.

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "nmrsim/experiment_file.h"
#include "nmrsim/prior.h"
#include "nmrsim/reference_simulator.h"
#include "nmrsim/simulate.h"

using namespace nmrsim;

namespace {

struct Options {
    std::vector<std::string> experiments = shipped_experiments();
    std::vector<double> tolerances{1e-4, 1e-6, 1e-8};
    std::vector<double> steps;  ///< a sample, forced; rows of these where not empty
    std::size_t draws = 200;
    std::uint64_t seed = 20260;
    int threads = omp_get_num_procs();
    double tighter = 30.0;
    std::size_t oracle = 0;
    Precision precision = Precision::automatic;
    bool timing = true;
};

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> items;
    std::istringstream stream(list);
    for (std::string item; std::getline(stream, item, ',');) items.push_back(item);
    return items;
}

std::vector<double> numbers(const std::string& list) {
    std::vector<double> values;
    for (const std::string& item : split(list)) values.push_back(std::stod(item));
    return values;
}

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string flag = argv[i];
        if (flag == "--no-timing") {
            options.timing = false;
            continue;
        }
        if (i + 1 == argc) throw std::invalid_argument(flag + " needs a value");
        const std::string value = argv[++i];
        if (flag == "--experiments") {
            options.experiments = split(value);
        } else if (flag == "--tolerances") {
            options.tolerances = numbers(value);
        } else if (flag == "--steps") {
            options.steps = numbers(value);
        } else if (flag == "--draws") {
            options.draws = std::stoul(value);
        } else if (flag == "--seed") {
            options.seed = std::stoull(value);
        } else if (flag == "--threads") {
            options.threads = std::stoi(value);
        } else if (flag == "--tighter") {
            options.tighter = std::stod(value);
        } else if (flag == "--oracle") {
            options.oracle = std::stoul(value);
        } else if (flag == "--precision") {
            options.precision = value == "single"   ? Precision::single
                                : value == "double" ? Precision::double_
                                                    : Precision::automatic;
        } else {
            throw std::invalid_argument("unknown flag " + flag);
        }
    }
    return options;
}

double relative_error(const Signal& signal, const Signal& exact) {
    return largest_difference(signal, exact) / peak_magnitude(exact);
}

Experiment draw(const Experiment& experiment, const Options& options, std::size_t i) {
    Experiment one =
        with_parameters(experiment, draw_parameters(experiment.prior, options.seed, i));
    one.lattice.seed = i + 1;
    return one;
}

Experiment converged(Experiment experiment, const Options& options) {
    experiment.accuracy = {};
    experiment.accuracy.precision = Precision::double_;
    experiment.accuracy.tolerance =
        *std::min_element(options.tolerances.begin(), options.tolerances.end()) / options.tighter;
    return experiment;
}

/// What the rows of one experiment gather.
struct Row {
    Experiment experiment;         ///< with the row's accuracy
    std::string label;             ///< "1e-4", or the forced steps
    double within = 0.0;           ///< tolerance to be within; 0: none
    std::vector<double> error;     ///< (draws)
    std::vector<double> estimate;  ///< (draws)
};

std::vector<Row> rows_of(const Experiment& experiment, const Options& options) {
    std::vector<Row> rows;
    if (options.steps.empty()) {
        for (double tolerance : options.tolerances) {
            rows.push_back({experiment, fmt::format("{:.0e}", tolerance), tolerance, {}, {}});
            rows.back().experiment.accuracy.tolerance = tolerance;
        }
    }
    for (double steps : options.steps) {
        rows.push_back({experiment, fmt::format("{:.3g} steps", steps), 0.0, {}, {}});
        rows.back().experiment.accuracy.steps_per_point = steps;
    }
    for (Row& row : rows) {
        row.experiment.accuracy.precision = options.precision;
        row.error.resize(options.draws);
        row.estimate.resize(options.draws);
    }
    return rows;
}

/// Curves a second of simulate_batch(), over at least a second.
double curves_per_second(const Experiment& experiment, const Options& options) {
    using Clock = std::chrono::steady_clock;
    const std::size_t count = is_uniform(experiment) ? 1024 : 16;
    std::vector<double> parameters;
    std::vector<std::uint64_t> seeds;
    for (std::size_t i = 0; i < count; ++i) {
        const std::vector<double> values = draw_parameters(experiment.prior, options.seed, i);
        parameters.insert(parameters.end(), values.begin(), values.end());
        seeds.push_back(i + 1);
    }
    std::vector<float> signal(count * 2 * static_cast<std::size_t>(experiment.acquisition.points));
    const auto pass = [&] {
        return simulate_batch(experiment, parameters, seeds, signal, options.threads);
    };
    if (is_uniform(experiment)) pass();  // warm-up; a lattice's curves take long enough without
    std::size_t done = 0;
    const Clock::time_point start = Clock::now();
    double seconds = 0.0;
    while (seconds < 1.0) {
        done += pass();
        seconds = std::chrono::duration<double>(Clock::now() - start).count();
    }
    return static_cast<double>(done) / seconds;
}

double quantile(std::vector<double> values, double share) {
    std::sort(values.begin(), values.end());
    const double last = static_cast<double>(values.size() - 1);
    return values[static_cast<std::size_t>(std::ceil(share * last))];
}

void print_row(const Row& row, const Options& options) {
    std::size_t within = 0, above = 0;
    std::vector<double> ratio;
    for (std::size_t i = 0; i < row.error.size(); ++i) {
        within += row.error[i] <= row.within;
        above += row.error[i] > row.estimate[i];
        if (row.error[i] > 0.0) ratio.push_back(row.estimate[i] / row.error[i]);
    }
    const double percent = 100.0 / static_cast<double>(row.error.size());
    fmt::print(
        "{:<24} {:>11} {:>8} {:>9.1e} {:>9.1e} {:>9.1e} {:>9.1e} {:>9.1f} {:>7.1f} {:>9}\n",
        row.experiment.name, row.label,
        row.within > 0.0 ? fmt::format("{:.1f}", percent * static_cast<double>(within)) : "-",
        quantile(row.error, 0.5), quantile(row.error, 0.9), quantile(row.error, 0.99),
        quantile(row.error, 1.0), ratio.empty() ? 0.0 : quantile(ratio, 0.5),
        percent * static_cast<double>(above),
        options.timing ? fmt::format("{:.4g}", curves_per_second(row.experiment, options)) : "-");
    std::fflush(stdout);
}

/// The converged curve against the oracle, second order and extrapolated from two steps.
void print_oracle(const Experiment& experiment, const Options& options) {
    std::vector<double> error(options.oracle);
#pragma omp parallel for schedule(dynamic) num_threads(options.threads)
    for (std::size_t i = 0; i < options.oracle; ++i) {
        Experiment one = draw(experiment, options, i);
        if (!is_uniform(one)) one.lattice.nx = one.lattice.ny = 12;
        const double step_us = 0.04;
        constexpr int kNodes = 400;  // Gauss-Legendre: 2e-15 over the 2021 task's times
        const Signal exact = simulate(converged(one, options));
        const Signal coarse = simulate_reference(one, step_us, kNodes);
        Signal fine = simulate_reference(one, 0.5 * step_us, kNodes);
        for (std::size_t k = 0; k < fine.points(); ++k) {
            fine.mx[k] += (fine.mx[k] - coarse.mx[k]) / 3.0;
            fine.my[k] += (fine.my[k] - coarse.my[k]) / 3.0;
        }
        error[i] = relative_error(exact, fine);
    }
    fmt::print("{:<24} converged against the oracle, {} draws: largest {:.1e}\n", experiment.name,
               options.oracle, quantile(error, 1.0));
}

void measure(const Experiment& experiment, const Options& options) {
    std::vector<Row> rows = rows_of(experiment, options);
#pragma omp parallel for schedule(dynamic) num_threads(options.threads)
    for (std::size_t i = 0; i < options.draws; ++i) {
        const Signal exact = simulate(converged(draw(experiment, options, i), options));
        for (Row& row : rows) {
            const Signal signal = simulate(draw(row.experiment, options, i));
            row.error[i] = relative_error(signal, exact);
            row.estimate[i] = signal.estimated_error;
        }
    }
    for (const Row& row : rows) print_row(row, options);
    if (options.oracle > 0) print_oracle(experiment, options);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const Options options = parse(argc, argv);
        fmt::print("{} draws, seed {}, {} threads, reference {} times below the least tolerance\n",
                   options.draws, options.seed, options.threads, options.tighter);
        fmt::print("{:<24} {:>11} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7} {:>9}\n", "experiment",
                   "asked", "within %", "median", "90%", "99%", "largest", "est/true", "above %",
                   "curves/s");
        for (const std::string& name : options.experiments) {
            measure(load_experiment(name), options);
        }
    } catch (const std::exception& error) {
        fmt::print(stderr, "accuracy_benchmark: {}\n", error.what());
        return 1;
    }
    return 0;
}
