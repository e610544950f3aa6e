#include "command_line.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <new>
#include <stdexcept>

#include "completion.h"
#include "man_page.h"
#include "markdown_tables.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/file_output.h"
#include "nmrsim/nearest_name.h"
#include "nmrsim/sequence_text.h"
#include "nmrsim/series.h"
#include "nmrsim/signals.h"
#include "nmrsim/stop.h"
#include "nmrsim/version.h"
#include "option_table.h"

namespace nmrapps {
namespace {

constexpr int kFailure = 1;
constexpr int kBadInput = 2;

std::vector<std::string> command_words;

struct Interrupted {
    int number;
    std::string saved;
};

/// Prints "program: message" as one line, whatever the message holds.
void print_line(const std::string& program, std::string message) {
    while (!message.empty() && message.back() == '\n') message.pop_back();
    for (char& c : message) {
        if (c == '\n' || c == '\r') c = ' ';
    }
    fmt::print(stderr, "{}: {}\n", program, message);
}

CLI::Validator number_check(const char* expected, bool (*fits)(double)) {
    return CLI::Validator(
        [=](std::string& text) -> std::string {
            double value = 0.0;
            if (CLI::detail::lexical_cast(text, value) && std::isfinite(value) && fits(value)) {
                return "";
            }
            return fmt::format("expected {}, got {}", expected, text);
        },
        "");
}

}  // namespace

std::string input_path(const std::string& name) {
    return name == "-" ? "/dev/stdin" : name;
}

CLI::Validator positive_number() {
    return number_check("a number above 0", [](double value) { return value > 0.0; });
}

CLI::Validator no_negative_number() {
    return number_check("a number of 0 or more", [](double value) { return value >= 0.0; });
}

void add_common_options(CLI::App& app, CommonOptions& options, const std::string& example) {
    app.add_option("--threads", options.threads, "Threads to use (default: all cores)")
        ->check(CLI::Range(1, 4096))
        ->type_name("N");
    app.add_flag("--quiet", options.quiet, "Show no progress");
    app.set_version_flag("--version", app.get_name() + " " + nmrsim::kVersion);
    app.footer("Example:\n  " + example);
}

CLI::Option* add_experiment_choice(CLI::App& app, ExperimentChoice& choice) {
    app.add_option("--set", choice.settings, "Change one value of the experiment; may be repeated")
        ->allow_extra_args(false)
        ->type_name("table.key=value");
    app.add_option("--series", choice.series,
                   "Records that differ in some settings: a table whose columns "
                   "are keys, such as "
                   "sequence.tau_us")
        ->type_name("records.csv");
    return app
        .add_option("EXPERIMENT", choice.name,
                    "Name of an experiment that ships (nmr-simulate --list) or a "
                    "TOML file")
        ->type_name("");
}

nmrsim::Experiment chosen_experiment(const ExperimentChoice& choice) {
    nmrsim::Experiment experiment = nmrsim::load_experiment(input_path(choice.name));
    if (choice.sequence) nmrsim::replace_sequence(experiment, *choice.sequence);
    for (const std::string& setting : choice.settings) nmrsim::apply_setting(experiment, setting);
    if (!choice.series.empty()) experiment.series = nmrsim::read_series(choice.series);
    experiment.validate();
    return experiment;
}

namespace {

/// "; did you mean --refine?" for the first word that looks like an option and
/// is none.
std::string option_hint(const CLI::App& app) {
    std::vector<std::string> known;
    for (const OptionRow& row : option_table(app)) {
        known.insert(known.end(), row.names.begin(), row.names.end());
    }
    for (std::string word : app.remaining()) {
        word.resize(std::min(word.find('='), word.size()));
        if (!word.starts_with("--")) continue;
        return nmrsim::did_you_mean(word, known);
    }
    return "";
}

/// What the build asks for to install, and scripts/reference.sh; --help does
/// not mention it.
std::optional<std::string> generated_text(const CLI::App& app, int argc, char** argv) {
    const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    if (arguments == std::vector<std::string>{"--man-page"}) return man_page(app);
    if (arguments == std::vector<std::string>{"--option-table"}) return option_markdown(app);
    if (arguments == std::vector<std::string>{"--parameter-table"}) return parameter_markdown();
    if (arguments.size() == 2 && arguments[0] == "--completion") {
        return completion(app, arguments[1]);
    }
    return std::nullopt;
}

}  // namespace

int run_program(CLI::App& app, int argc, char** argv, const std::function<void()>& work,
                bool speaks) {
    const std::string program = app.get_name();
    command_words.assign(argv, argv + argc);
    if (argc > 0) command_words[0] = std::filesystem::path(argv[0]).filename().string();
    const auto refuse = [&](const std::string& message) {
        if (speaks) print_line(program, message);
        return kBadInput;
    };
    try {
        if (const auto text = generated_text(app, argc, argv)) {
            if (speaks) write_result("", *text);
            return 0;
        }
        app.parse(argc, argv);
    } catch (const CLI::Success& success) {  // --help, --version
        return speaks ? app.exit(success) : 0;
    } catch (const CLI::ExtrasError& error) {
        return refuse(error.what() + option_hint(app));
    } catch (const std::exception& error) {
        return refuse(error.what());
    }
    nmrsim::catch_signals(speaks ? program : "");
    const auto stopped = [&](int number, const std::string& saved) {
        nmrsim::signals_are_handled();
        if (speaks) {
            print_line(program, fmt::format("interrupted by {}; {}",
                                            number == SIGINT ? "SIGINT" : "SIGTERM", saved));
        }
        return 128 + number;
    };
    try {
        work();
        return 0;
    } catch (const Interrupted& stop) {
        return stopped(stop.number, stop.saved);
    } catch (const nmrsim::Stopped&) {
        return stopped(nmrsim::received_signal(), "nothing written");
    } catch (const std::invalid_argument& error) {
        print_line(program, error.what());
        return kBadInput;
    } catch (const nmrsim::InputError& error) {
        print_line(program, error.what());
        return kBadInput;
    } catch (const std::bad_alloc&) {
        print_line(program, "not enough memory");
    } catch (const std::exception& error) {
        print_line(program, error.what());
    }
    return kFailure;
}

bool interrupted() {
    return nmrsim::received_signal() != 0;
}

void stop_if_interrupted(const std::string& saved) {
    if (interrupted()) throw Interrupted{nmrsim::received_signal(), saved};
}

void warn(const CLI::App& app, const std::string& message) {
    print_line(app.get_name(), "warning: " + message);
}

void warn(const CLI::App& app, const std::vector<std::string>& messages) {
    for (const std::string& message : messages) warn(app, message);
}

nmrsim::Provenance provenance(const CLI::App& app) {
    return {app.get_name(), command_words};
}

void write_result(const std::string& path, std::string_view text) {
    if (!path.empty() && path != "-") {
        nmrsim::write_whole_file(path, text);
        return;
    }
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout)) {
        throw std::runtime_error("standard output: cannot write");
    }
}

}  // namespace nmrapps
