/// What the six programs share: options, errors, signals, progress.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nmrsim/experiment.h"
#include "nmrsim/provenance.h"

namespace nmrapps {

/// Options of every program.
struct CommonOptions {
    int threads = 0;     ///< 0: all cores
    bool quiet = false;  ///< no progress
};

/// EXPERIMENT and every --set, in order.
struct ExperimentChoice {
    std::string name;
    std::vector<std::string> settings;    ///< "table.key=value"
    std::optional<std::string> sequence;  ///< as text, in place of the experiment's
    std::string series;                   ///< a table of records, in place of the experiment's
};

/// Adds --threads, --quiet, --version and the example under --help.
void add_common_options(CLI::App& app, CommonOptions& options, const std::string& example);

/// Adds EXPERIMENT and --set; returns the option of EXPERIMENT.
CLI::Option* add_experiment_choice(CLI::App& app, ExperimentChoice& choice);

/// The chosen experiment with its sequence and settings applied, checked.
nmrsim::Experiment chosen_experiment(const ExperimentChoice& choice);

/// For options: finite numbers above 0, or not below it. CLI11's own messages
/// spell out the range.
CLI::Validator positive_number();
CLI::Validator no_negative_number();

/// The file that an input's name means: "-" is standard input.
std::string input_path(const std::string& name);

/// A program's main(): parses, works, and says what went wrong in one line on
/// standard error.
///
/// Returns: the exit status: 0; 2 for a bad command line or bad input; 1 for a
/// failure on the way; 130 and 143 after SIGINT and SIGTERM. Args: speaks: says
/// so; of many processes with the same command line one is enough, but for what
/// goes wrong in `work`.
int run_program(CLI::App& app, int argc, char** argv, const std::function<void()>& work,
                bool speaks = true);

/// Whether SIGINT or SIGTERM has come, see nmrsim/signals.h.
bool interrupted();

/// Ends the program with the signal's exit status if one has come. Args: saved:
/// what became of the work, for the line on standard error.
void stop_if_interrupted(const std::string& saved);

/// One line on standard error, "nmr-fit: warning: ...".
void warn(const CLI::App& app, const std::string& message);

/// The same for each of `messages`.
void warn(const CLI::App& app, const std::vector<std::string>& messages);

/// The program and its command line, from run_program() on.
nmrsim::Provenance provenance(const CLI::App& app);

/// Writes a text to standard output where `path` is empty or "-", otherwise as
/// a whole file.
void write_result(const std::string& path, std::string_view text);

/// Progress on standard error: a bar with the time left on a terminal, a line
/// every ten seconds otherwise, nothing where quiet.
class Progress {
public:
    Progress(const CLI::App& app, const CommonOptions& options);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// Args: fraction: of the whole done, in [0, 1]. status: what is done and how
    /// fast, a few words.
    void show(double fraction, const std::string& status);

    /// `done` of `total` curves, with their rate.
    void show_curves(std::size_t done, std::size_t total);

    /// Shows the last state and ends the line.
    void finish();

private:
    using Clock = std::chrono::steady_clock;
    void print(Clock::time_point now);

    std::string program_;
    bool quiet_;
    bool terminal_;
    bool printed_ = false;     ///< a bar stands on the current line
    bool last_shown_ = false;  ///< nothing has happened since the last line
    Clock::time_point start_ = Clock::now();
    Clock::time_point last_ = start_;
    double first_fraction_ = -1.0;  ///< done at the first report, or before, after --resume
    Clock::time_point first_shown_ = start_;
    double fraction_ = 0.0;
    std::string status_;
};

/// The progress of work in stages, one bar after the other.
class StageProgress {
public:
    StageProgress(const CLI::App& app, const CommonOptions& options)
        : app_(app), options_(options) {}

    /// As Progress::show(); another stage finishes the last one.
    void show(const std::string& stage, double fraction);

    /// One line on standard error, unless quiet.
    void say(const std::string& line);

    void finish();

private:
    const CLI::App& app_;
    const CommonOptions& options_;
    std::string stage_;
    double fraction_ = 0.0;
    std::optional<Progress> progress_;
};

}  // namespace nmrapps
