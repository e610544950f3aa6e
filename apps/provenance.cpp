#include "provenance.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <vector>

#include "nmrsim/experiment_file.h"
#include "nmrsim/file_output.h"
#include "nmrsim/version.h"

namespace nmrapps {
namespace {

std::vector<std::string>& command() {
    static std::vector<std::string> words;
    return words;
}

/// A word in single quotes where a shell would not take it as it is.
std::string quoted(const std::string& word) {
    constexpr std::string_view kPlain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=./:,@%";
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
    std::string text = "'";
    for (const char c : word) {
        if (c == '\'') {
            text += "'\\''";
        } else {
            text += c;
        }
    }
    return text + "'";
}

}  // namespace

void remember_command(int argc, char** argv) {
    command().assign(argv, argv + argc);
    if (!command().empty()) {
        command().front() = std::filesystem::path(command().front()).filename().string();
    }
}

std::string command_text() {
    std::string text;
    for (const std::string& word : command()) text += (text.empty() ? "" : " ") + quoted(word);
    return text;
}

std::string made_by(const CLI::App& app) {
    return fmt::format("Made by {} {}: {}", app.get_name(), nmrsim::kVersion, command_text());
}

std::string provenance_toml(const CLI::App& app, const nmrsim::Experiment& experiment) {
    // A comment of TOML is one line without control characters.
    std::string line = command_text();
    std::replace_if(
        line.begin(), line.end(),
        [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; }, ' ');
    return fmt::format("# {} {}\n# {}\n\n{}", app.get_name(), nmrsim::kVersion, line,
                       nmrsim::experiment_to_toml(experiment));
}

void write_provenance(const CLI::App& app, const nmrsim::Experiment& experiment,
                      const std::string& path, const std::string& read) {
    // Beside a pipe or a device there is no place.
    std::error_code error;
    if (path.empty() || path == "-" ||
        (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error)) ||
        path.starts_with("/dev/")) {
        return;
    }
    const std::string beside = path + ".toml";
    if (nmrsim::same_file(beside, read)) return;  // what gave it says it already
    nmrsim::write_whole_file(beside, provenance_toml(app, experiment));
}

}  // namespace nmrapps
