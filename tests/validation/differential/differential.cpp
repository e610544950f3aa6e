// Random experiments through the library and through plain Bloch equations that share nothing with
// it; see --help.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "nmrsim/experiment_file.h"
#include "oracle/bloch_oracle.h"
#include "summary.h"
#include "workers.h"

namespace {

using namespace differential;

constexpr const char* kHelp =
    R"(differential [--draws N] [--seed S] [--first I] [--only KIND] [--jobs J] [--limit SECONDS]
             [--save FOLDER] [--verbose] [--oracle] [--print I]

Draws experiments I, I + 1, ... under the seed and compares simulate(), simulate_batch() and
derivatives with the oracle. Prints each draw that fails, as TOML that nmr-simulate takes, or writes
it to FOLDER/PATH; then a table. Exits with 1 where a bound is not kept.

KIND: uniform, plane, chain, volume, spins, uniform-more, lattice-more.
--oracle   compares the oracle with itself instead: finer steps and more nodes
--print I  prints the TOML of draw I and ends
)";

struct Options {
    Work work;
    std::string save;
    bool verbose = false, oracle = false, print = false;
};

std::string toml_of(const Work& work, const Outcome& outcome) {
    const Draw draw = draw_experiment(work.seed, outcome.index);
    std::string text = fmt::format("# Draw {} of seed {}, {}, {}\n", outcome.index, work.seed,
                                   kKindNames[static_cast<int>(outcome.kind)], outcome.path);
    for (const std::string& complaint : outcome.complaints) text += "# " + complaint + '\n';
    return text + nmrsim::experiment_to_toml(draw.experiment);
}

std::string one_line(const Outcome& o) {
    std::string text =
        fmt::format("{} {} {} {}", o.index, o.path, kKindNames[static_cast<int>(o.kind)],
                    kEndNames[static_cast<int>(o.end)]);
    text += fmt::format(
        ": tolerance {:.2g}, peak {:.3g}, error {:.2g}, estimate {:.2g}, oracle {:.1g}, Mz {:.1g}, "
        "batch {:.2g}, derivative {:.2g}, {:.2g} s, oracle {:.2g} s",
        o.tolerance, o.peak, o.error, o.estimate, o.floor, o.z_error, o.batch, o.slope, o.library_s,
        o.oracle_s);
    return text;
}

void save(const Options& options, const Outcome& outcome) {
    const std::filesystem::path folder = std::filesystem::path(options.save) / outcome.path;
    std::filesystem::create_directories(folder);
    const std::string name = fmt::format("draw-{}-{}.toml", options.work.seed, outcome.index);
    std::ofstream(folder / name) << toml_of(options.work, outcome);
    std::ofstream index(folder / "INDEX.txt", std::ios::app);
    index << name << " tolerance " << fmt::format("{:.2g}", outcome.tolerance) << " peak "
          << fmt::format("{:.2g}", outcome.peak);
    for (const std::string& complaint : outcome.complaints) index << "; " << complaint;
    index << '\n';
}

/// The oracle's own error: the share of the peak that finer steps and more nodes change; where the
/// signal is faint, beside the spins' length. Some strongly coupled spins make of rounding an error
/// of the curve's own size: no double answers those, and they must stay few.
int check_oracle(const Work& work) {
    constexpr double kMostOfTolerance = 0.1, kMostOfLength = 1e-11, kMostChaotic = 0.03;
    double worst = 0.0;
    int failures = 0;
    for (std::uint64_t i = work.first; i < work.first + work.draws; ++i) {
        const Draw draw = draw_experiment(work.seed, i);
        const nmrsim::Signal plain = oracle::solve(draw.experiment, {1e-12, 1.0});
        const nmrsim::Signal fine = oracle::solve(draw.experiment, {1e-13, 2.0});
        const double peak = nmrsim::peak_magnitude(fine);
        const double own = nmrsim::largest_difference(plain, fine) / (peak > 0.0 ? peak : 1.0);
        const double share = own / draw.experiment.accuracy.tolerance;
        worst = std::max(worst, share);
        const bool off = share > kMostOfTolerance &&
                         own * peak > kMostOfLength * draw.experiment.acquisition.gain;
        failures += off;
        fmt::print("{} {}: peak {:.2g}, own error {:.2g}, {:.2g} of the tolerance{}\n", i,
                   kKindNames[static_cast<int>(draw.kind)], peak, own, share,
                   off ? ": not converged" : "");
    }
    fmt::print("largest share of a tolerance: {:.2g}; {} of {} draws not converged\n", worst,
               failures, work.draws);
    return failures <= kMostChaotic * static_cast<double>(work.draws) ? 0 : 1;
}

int run(const Options& options) {
    std::vector<Outcome> outcomes;
    run_draws(options.work, [&](const Outcome& outcome) {
        outcomes.push_back(outcome);
        if (options.verbose) fmt::print("{}\n", one_line(outcome));
        if (!outcome.failed()) return;
        if (!options.save.empty()) {
            save(options, outcome);
            for (const std::string& complaint : outcome.complaints) {
                fmt::print("draw {}, {}: {}\n", outcome.index, outcome.path, complaint);
            }
        } else {
            fmt::print("{}\n{}\n", one_line(outcome), toml_of(options.work, outcome));
        }
        std::fflush(stdout);
    });
    fmt::print("\n{}", summary_table(outcomes));
    const std::vector<std::string> broken = broken_bounds(outcomes);
    for (const std::string& line : broken) fmt::print("NOT KEPT: {}\n", line);
    return broken.empty() ? 0 : 1;
}

Options parsed(int argc, char** argv) {
    Options options;
    for (int k = 1; k < argc; ++k) {
        const std::string word = argv[k];
        const auto value = [&]() -> std::string {
            if (k + 1 == argc) throw std::invalid_argument(word + " needs a value");
            return argv[++k];
        };
        if (word == "--draws") {
            options.work.draws = std::stoull(value());
        } else if (word == "--seed") {
            options.work.seed = std::stoull(value());
        } else if (word == "--first") {
            options.work.first = std::stoull(value());
        } else if (word == "--only") {
            options.work.only = value();
            if (std::none_of(std::begin(kKindNames), std::end(kKindNames),
                             [&](const char* name) { return options.work.only == name; })) {
                throw std::invalid_argument("no kind is called " + options.work.only);
            }
        } else if (word == "--jobs") {
            options.work.jobs = std::stoi(value());
        } else if (word == "--limit") {
            options.work.limit_s = std::stod(value());
        } else if (word == "--save") {
            options.save = value();
        } else if (word == "--print") {
            options.work.first = std::stoull(value());
            options.print = true;
        } else if (word == "--verbose") {
            options.verbose = true;
        } else if (word == "--oracle") {
            options.oracle = true;
        } else {
            throw std::invalid_argument("unknown option " + word + "\n" + kHelp);
        }
    }
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        if (argc > 1 && std::string(argv[1]) == "--help") {
            fmt::print("{}", kHelp);
            return 0;
        }
        const Options options = parsed(argc, argv);
        if (options.print) {
            Outcome outcome;
            outcome.index = options.work.first;
            outcome.kind = kind_of_draw(options.work.seed, outcome.index);
            outcome.path = "as drawn";
            fmt::print("{}", toml_of(options.work, outcome));
            return 0;
        }
        return options.oracle ? check_oracle(options.work) : run(options);
    } catch (const std::exception& error) {
        fmt::print(stderr, "differential: {}\n", error.what());
        return 2;
    }
}
