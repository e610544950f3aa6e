#include "nmrsim/provenance.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "nmrsim/experiment_file.h"
#include "nmrsim/file_output.h"
#include "nmrsim/version.h"

namespace nmrsim {
namespace {

/// A word in single quotes where a shell would not take it as it is.
std::string for_shell(const std::string& word) {
    constexpr std::string_view kPlain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=./:,@%";
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
    std::string text = "'";
    for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return text + "'";
}

}  // namespace

std::string Provenance::command_text() const {
    std::string text;
    for (const std::string& word : command) text += (text.empty() ? "" : " ") + for_shell(word);
    return text;
}

std::string Provenance::in_words() const {
    return fmt::format("Made by {} {}: {}", program, kVersion, command_text());
}

std::string Provenance::toml(const Experiment& experiment) const {
    // A comment of TOML is one line without control characters.
    std::string line = command_text();
    std::replace_if(
        line.begin(), line.end(),
        [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; }, ' ');
    return fmt::format("# {} {}\n# {}\n\n{}", program, kVersion, line,
                       experiment_to_toml(experiment));
}

void Provenance::write(const Experiment& experiment, const std::string& path,
                       const std::string& read) const {
    // Beside a pipe or a device there is no place.
    std::error_code error;
    if (path.empty() || path == "-" || path.starts_with("/dev/") ||
        (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error))) {
        return;
    }
    const std::string beside = path + ".toml";
    if (same_file(beside, read)) return;  // what gave it says it already
    write_whole_file(beside, toml(experiment));
}

}  // namespace nmrsim
