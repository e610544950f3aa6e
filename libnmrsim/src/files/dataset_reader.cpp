#include "nmrsim/dataset_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include "files/open_dataset.h"
#include "nmrsim/errors.h"
#include "nmrsim/manifest.h"
#include "nmrsim/sha256.h"

namespace nmrsim {

namespace {

/// A file and what is known of it before it is opened.
struct Part {
    std::string path;
    std::size_t begin = 0;  ///< its first curve's place in the whole
    std::size_t count = 0;
    std::optional<Shard> shard;        ///< what a manifest says of it
    std::optional<CurveRange> origin;  ///< where we made it
};

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
    throw InputError(fmt::format("{}: {}", path, what));
}

/// Refuses a file that is not of the same set as `first`.
void check_alike(const Dataset& found, const std::string& path, const Dataset& first,
                 const std::string& first_path) {
    const auto same = [](const PriorRange& a, const PriorRange& b) {
        return a.name == b.name && a.low == b.low && a.high == b.high && a.choices == b.choices;
    };
    const char* differs = nullptr;
    if (found.experiment_toml != first.experiment_toml) differs = "experiment";
    if (!std::equal(found.unknowns.begin(), found.unknowns.end(), first.unknowns.begin(),
                    first.unknowns.end(), same)) {
        differs = "unknowns";
    }
    if (found.time_us != first.time_us) differs = "times";
    if (differs) refuse(path, fmt::format("expected the {} of {}", differs, first_path));
}

}  // namespace

struct DatasetReader::Files {
    std::vector<Part> parts;
    std::size_t count = 0;
    std::size_t held_bytes = 0;  ///< in all files
    bool verify = true;
    Dataset description;
    bool labelled = false;
    std::optional<OpenDataset> open;  ///< the one file that is
    std::size_t open_part = 0;
    std::set<std::string> verified;  ///< paths whose SHA-256 is known to be right

    void add(const std::string& path, std::size_t curves, std::optional<Shard> shard,
             std::optional<CurveRange> origin) {
        if (curves == 0) return;
        std::error_code error;
        const auto bytes = std::filesystem::file_size(path, error);
        if (error) refuse(path, "no such file, but the manifest names it");
        if (shard && bytes != shard->bytes) {
            refuse(path,
                   fmt::format("expected {} bytes by the manifest, found {}", shard->bytes, bytes));
        }
        held_bytes += bytes;
        parts.push_back({path, count, curves, std::move(shard), origin});
        count += curves;
    }

    void check_sha256(const Part& part) {
        if (!verify || verified.contains(part.path)) return;
        const std::string sha256 = sha256_of_file(part.path);
        if (sha256 != part.shard->sha256) {
            refuse(part.path, fmt::format("expected SHA-256 {} by the manifest, found {}",
                                          part.shard->sha256, sha256));
        }
        verified.insert(part.path);
    }

    const OpenDataset& opened(std::size_t index) {
        const Part& part = parts[index];
        if (open && (open_part == index || parts[open_part].path == part.path)) return *open;
        open.reset();
        if (part.shard) check_sha256(part);
        open.emplace(part.path);
        open_part = index;
        const auto differs = [&](const char* what, std::uint64_t expected, std::uint64_t found) {
            open.reset();
            refuse(part.path, fmt::format("expected {} {}, found {}", what, expected, found));
        };
        if (open->count() != part.count) differs("curves, count", part.count, open->count());
        if (part.shard && open->description().first_index != part.shard->first_index) {
            differs("first_index", part.shard->first_index, open->description().first_index);
        }
        if (!description.time_us.empty()) {
            check_alike(open->description(), part.path, description, parts.front().path);
            if (open->labelled() != labelled)
                refuse(part.path, "expected parameters in all files or none");
        }
        return *open;
    }
};

DatasetReader::DatasetReader(const std::vector<std::string>& paths, bool verify)
    : files_(std::make_unique<Files>()) {
    if (paths.empty()) throw std::invalid_argument("a data set needs at least one file");
    files_->verify = verify;
    for (const std::string& path : paths) {
        if (!is_manifest(path)) {
            const OpenDataset file(path);
            if (paths.size() == 1) {  // which may hold no curves
                files_->description = file.description();
                files_->labelled = file.labelled();
            }
            const Dataset& of = file.description();
            std::optional<CurveRange> origin;
            if (!of.version.empty()) origin = CurveRange{of.seed, of.first_index, file.count()};
            files_->add(path, file.count(), std::nullopt, origin);
            continue;
        }
        const Manifest manifest = read_manifest(path);
        const std::filesystem::path folder = std::filesystem::path(path).parent_path();
        for (const Shard& shard : manifest.shards) {
            files_->add((folder / shard.file).string(), shard.count, shard,
                        CurveRange{manifest.seed, shard.first_index, shard.count});
        }
        if (files_->count == 0) refuse(path, "expected curves, found none");
        // What the manifest says of the whole must be what its files are made of.
        const Dataset& first = files_->opened(files_->parts.size() - 1).description();
        if (first.experiment_toml != manifest.experiment_toml) {
            refuse(path, "experiment: expected that of its shards");
        }
        if (first.seed != manifest.seed) {
            refuse(path, fmt::format("seed: expected its shards' {}, found {}", first.seed,
                                     manifest.seed));
        }
    }
    if (files_->count == 0) {
        if (paths.size() == 1) return;
        refuse(paths.front(), "expected curves, found none");
    }
    const OpenDataset& first = files_->opened(0);
    files_->labelled = first.labelled();
    files_->description = first.description();
    // Files named one by one have been open already; those of a manifest are compared when read.
    files_->open.reset();
    for (std::size_t i = 1; i < files_->parts.size(); ++i) {
        if (!files_->parts[i].shard) files_->opened(i);
    }
}

DatasetReader::~DatasetReader() = default;
DatasetReader::DatasetReader(DatasetReader&&) noexcept = default;
DatasetReader& DatasetReader::operator=(DatasetReader&&) noexcept = default;

const Dataset& DatasetReader::description() const {
    return files_->description;
}

std::size_t DatasetReader::count() const {
    return files_->count;
}

std::vector<CurveRange> DatasetReader::origin() const {
    std::vector<CurveRange> all;
    for (const Part& part : files_->parts) {
        if (!part.origin) continue;
        const CurveRange& next = *part.origin;
        if (!all.empty() && all.back().seed == next.seed &&
            all.back().first_index + all.back().count == next.first_index) {
            all.back().count += next.count;
        } else {
            all.push_back(next);
        }
    }
    return all;
}

bool DatasetReader::labelled() const {
    return files_->labelled;
}

std::size_t DatasetReader::bytes_in_memory() const {
    const Dataset& set = description();
    return count() * (2 * set.points() * sizeof(float) + set.unknowns.size() * sizeof(double));
}

Dataset DatasetReader::rows(std::size_t first, std::size_t count) const {
    if (first > files_->count || count > files_->count - first) {
        throw std::invalid_argument(fmt::format("curves {} to {} asked for, but the set holds {}",
                                                first, first + count, files_->count));
    }
    Dataset set = files_->description;
    auto part =
        std::upper_bound(files_->parts.begin(), files_->parts.end(), first,
                         [](std::size_t place, const Part& later) { return place < later.begin; });
    const std::size_t row_bytes = 2 * set.points() * sizeof(float);
    bool told = false;
    for (std::size_t done = 0; done < count; ++part) {
        const auto index = static_cast<std::size_t>(part - files_->parts.begin()) - 1;
        const Part& here = files_->parts[index];
        const std::size_t from = first + done - here.begin;
        const std::size_t more = std::min(count - done, here.count - from);
        const OpenDataset& file = files_->opened(index);
        if (!std::exchange(told, true)) {
            set.first_index = file.description().first_index + from;
            set.seed = file.description().seed;
        }
        // Not before a file has proved to hold what a manifest says; then without growing in steps.
        if (done == 0) {
            const std::size_t known = std::min(count, files_->held_bytes / row_bytes + more);
            set.signal.reserve(known * 2 * set.points());
            set.parameters.reserve(labelled() ? known * set.unknowns.size() : 0);
        }
        file.read(from, more, set);
        done += more;
    }
    return set;
}

}  // namespace nmrsim
