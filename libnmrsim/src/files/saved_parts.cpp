#include "files/saved_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "nmrsim/dataset_file.h"
#include "nmrsim/dataset_reader.h"
#include "nmrsim/errors.h"
#include "nmrsim/file_output.h"

namespace nmrsim {
namespace fs = std::filesystem;

namespace {

/// Digits of a part's name, enough for any index, so that names sort as their curves do.
constexpr int kDigits = 20;
constexpr const char* kDigit = "0123456789";

/// 00000000000000004096.h5
bool is_part(const fs::path& file) {
    const std::string stem = file.stem().string();
    return file.extension() == ".h5" && stem.size() == kDigits &&
           stem.find_first_not_of(kDigit) == stem.npos;
}

/// What write_whole_file() has not finished of one.
bool is_unfinished(const fs::path& file) {
    const std::string name = file.filename().string();
    return file.extension() == ".partial" && name.size() > kDigits && name[0] == '.' &&
           name.find_first_not_of(kDigit, 1) == kDigits + 1;
}

}  // namespace

struct SavedParts::Open {
    std::string path;
    DatasetReader reader;
};

std::string parts_folder(const std::string& out) {
    fs::path path(out);
    if (!path.has_filename()) path = path.parent_path();  // "DIR/"
    if (path.extension() == ".h5" || path.extension() == ".json") path.replace_extension();
    return path.string() + ".part";
}

SavedParts::SavedParts(const std::string& out, Dataset description, const IndexRange& range)
    : folder_(parts_folder(out)), description_(std::move(description)), range_(range) {}

void SavedParts::clear() {
    parts_.clear();
    open_.reset();
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_, error)) {
        if (is_part(entry.path()) || is_unfinished(entry.path())) fs::remove(entry.path());
    }
    fs::remove(folder_, error);  // unless something else lies in it
}

void SavedParts::check(const std::string& path, const Dataset& found, std::size_t count) const {
    const auto refuse = [&](const std::string& what) {
        throw InputError(fmt::format(
            "{}: cannot resume: {}; remove it or drop --resume to start again", path, what));
    };
    if (found.experiment_toml != description_.experiment_toml) {
        refuse("it holds curves of another experiment");
    }
    if (found.version != description_.version) {
        refuse(fmt::format("it was made by version {}, expected {}", found.version,
                           description_.version));
    }
    if (found.seed != description_.seed) {
        refuse(fmt::format("it has seed {}, expected {}", found.seed, description_.seed));
    }
    if (found.first_index < range_.first || found.first_index >= range_.end() ||
        count > range_.end() - found.first_index) {
        refuse(fmt::format("it holds curves {} to {}, expected some of {} to {}", found.first_index,
                           found.first_index + count, range_.first, range_.end()));
    }
}

void SavedParts::scan(bool tidy) {
    parts_.clear();
    std::error_code error;
    if (fs::exists(folder_, error) && !fs::is_directory(folder_, error)) {
        throw InputError(
            fmt::format("{}: expected the folder of an interrupted run, found a file", folder_));
    }
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_, error)) {
        if (is_part(entry.path())) files.push_back(entry.path());
        if (tidy && is_unfinished(entry.path())) fs::remove(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) {
        const DatasetReader reader({file.string()});
        check(file.string(), reader.description(), reader.count());
        const IndexRange range{reader.description().first_index, reader.count()};
        // Two runs may have made the same curves, which have the same bytes.
        if (!parts_.empty() && range.end() <= parts_.back().range.end()) continue;
        parts_.push_back({range, file.string()});
    }
}

std::vector<IndexRange> SavedParts::missing() const {
    std::vector<IndexRange> gaps;
    std::uint64_t at = range_.first;
    const auto gap_until = [&](std::uint64_t end) {
        if (end > at) gaps.push_back({at, static_cast<std::size_t>(end - at)});
    };
    for (const Part& part : parts_) {
        gap_until(part.range.first);
        at = std::max(at, part.range.end());
    }
    gap_until(range_.end());
    return gaps;
}

std::size_t SavedParts::count() const {
    std::size_t count = range_.count;
    for (const IndexRange& gap : missing()) count -= gap.count;
    return count;
}

void SavedParts::save(const Dataset& curves) {
    make_folder(folder_);
    write_dataset(
        curves,
        (fs::path(folder_) / fmt::format("{:0{}}.h5", curves.first_index, kDigits)).string());
}

Dataset SavedParts::rows(std::uint64_t first, std::size_t most) {
    // The last that starts there or before.
    const auto later =
        std::upper_bound(parts_.begin(), parts_.end(), first,
                         [](std::uint64_t i, const Part& part) { return i < part.range.first; });
    if (later == parts_.begin() || first >= std::prev(later)->range.end()) {
        throw std::runtime_error(fmt::format("{}: curve {} is missing", folder_, first));
    }
    const Part& part = *std::prev(later);
    if (!open_ || open_->path != part.path) {
        open_.reset();
        open_ = std::make_shared<Open>(Open{part.path, DatasetReader({part.path})});
        check(part.path, open_->reader.description(), open_->reader.count());
    }
    const auto from = static_cast<std::size_t>(first - part.range.first);
    return open_->reader.rows(from, std::min(most, part.range.count - from));
}

}  // namespace nmrsim
