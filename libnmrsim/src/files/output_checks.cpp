#include "nmrsim/output_checks.h"

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>

#include "nmrsim/file_output.h"
#include "nmrsim/manifest.h"

namespace nmrsim {
namespace {

namespace fs = std::filesystem;

/// The files behind what a user names as an input.
std::vector<std::string> files_of(const std::string& input) {
    std::vector<std::string> files = {input, input.substr(0, input.rfind(":/"))};
    std::error_code error;
    if (fs::is_directory(input, error)) {
        for (const char* name : {"echos_r.txt", "echos_i.txt", "mat_info.txt", "experiment.toml"}) {
            files.push_back((fs::path(input) / name).string());
        }
    } else if (fs::is_regular_file(input, error) && is_manifest(input)) {
        for (const Shard& shard : read_manifest(input).shards) {
            files.push_back((fs::path(input).parent_path() / shard.file).string());
        }
    }
    return files;
}

}  // namespace

void check_output_folder(const std::string& option, const std::string& path) {
    if (path.empty() || path == "-") return;
    const fs::path folder = fs::path(path).parent_path();
    if (!folder.empty() && !fs::is_directory(folder)) {
        throw std::invalid_argument(
            fmt::format("{} {}: there is no folder {}", option, path, folder.string()));
    }
    if (fs::is_directory(path)) {
        throw std::invalid_argument(
            fmt::format("{} {}: expected a file, found a folder", option, path));
    }
}

void check_not_input(const std::string& option, const std::string& output,
                     const std::vector<std::string>& inputs) {
    std::error_code error;
    if (output.empty() || !fs::is_regular_file(output, error)) return;
    for (const std::string& input : inputs) {
        for (const std::string& file : files_of(input)) {
            if (!same_file(output, file)) continue;
            throw std::invalid_argument(
                fmt::format("{} {}: it is read, as {}, and would be written over: choose another "
                            "name",
                            option, output, file));
        }
    }
}

void check_not_output(const std::string& option, const std::string& output,
                      const std::vector<std::string>& others) {
    if (output.empty() || output == "-" || fs::is_character_file(output)) return;
    for (const std::string& other : others) {
        if (!same_file(output, other)) continue;
        throw std::invalid_argument(fmt::format(
            "{} {}: this run writes another of its results there, as {}: choose another "
            "name",
            option, output, other));
    }
}

void check_is_file(const std::string& option, const std::string& path) {
    std::error_code error;
    const auto type = fs::status(path, error).type();
    const bool device = type == fs::file_type::fifo || type == fs::file_type::character ||
                        type == fs::file_type::socket;
    if (path == "-" || path.starts_with("/dev/") || device) {
        throw std::invalid_argument(
            fmt::format("{} {}: expected a file, it can be no pipe", option, path));
    }
}

void check_is_folder(const std::string& option, const std::string& path) {
    if (!path.empty() && fs::exists(path) && !fs::is_directory(path)) {
        throw std::invalid_argument(
            fmt::format("{} {}: expected a folder, found a file", option, path));
    }
}

}  // namespace nmrsim
