#include "nmrsim/dataset_generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <stdexcept>
#include <thread>
#include <utility>

#include "files/saved_parts.h"
#include "nmrsim/challenge_files.h"
#include "nmrsim/dataset.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/dataset_reader.h"
#include "nmrsim/errors.h"
#include "nmrsim/file_output.h"
#include "nmrsim/manifest.h"
#include "nmrsim/simulate.h"
#include "nmrsim/stop.h"

namespace nmrsim {
namespace {

using Clock = std::chrono::steady_clock;

/// Curves made at a time; a signal loses at most these. A few seconds' work in either regime.
constexpr std::size_t kUniformChunk = 4096;
constexpr std::size_t kLatticeChunk = 128;
/// Held in memory before they are saved, and copied at a time into the file in the end [bytes].
constexpr std::size_t kHeldBytes = std::size_t{128} << 20;
constexpr std::size_t kCopiedBytes = std::size_t{16} << 20;
/// The last blocks that several processes take are so much smaller, so that all end together.
constexpr std::size_t kLastBlocks = 8;
/// How long the names of files may take to reach a network file system's other machines.
constexpr int kNameWaitS = 60;

/// A worker takes this share of what is left to it (guided self-scheduling: C. Polychronopoulos,
/// D. Kuck, IEEE Trans. Computers C-36, 1425 (1987)).
constexpr std::size_t kBlocksLeft = 3;

/// A task with what follows from it.
struct Task : GenerationTask {
    Dataset description;  ///< of the set, without curves
    bool stopped = false;

    explicit Task(const GenerationTask& given)
        : GenerationTask(given),
          description(generate_dataset(given.experiment, 0, given.seed, given.range.first)) {}

    /// Curves made at a time.
    std::size_t chunk() const { return is_uniform(experiment) ? kUniformChunk : kLatticeChunk; }
    std::size_t curve_bytes() const {
        return 2 * description.points() * sizeof(float) +
               description.unknowns.size() * sizeof(double);
    }
    std::size_t curves_in(std::size_t bytes) const {
        return std::max<std::size_t>(1, bytes / curve_bytes());
    }
    /// Whether the run goes on. Args: done: curves.
    bool goes_on(std::size_t done) {
        stopped = stopped || (progress && !progress(done));
        return goes_on();
    }
    bool goes_on() {
        stopped = stopped || stop_requested();
        return !stopped;
    }
};

/// Cuts ranges into blocks for `workers` that take one after the other: large ones first, so that
/// there are few, and small ones last, so that all end together.
///
/// Args: smallest, largest: curves of a block, where there are as many.
std::vector<IndexRange> blocks_of(const std::vector<IndexRange>& ranges, int workers,
                                  std::size_t smallest, std::size_t largest) {
    std::size_t left = 0;
    for (const IndexRange& range : ranges) left += range.count;
    std::vector<IndexRange> blocks;
    for (IndexRange range : ranges) {
        while (range.count > 0) {
            std::size_t size = largest;
            if (workers > 1) {
                size = std::clamp(left / (kBlocksLeft * static_cast<std::size_t>(workers)),
                                  std::min(smallest, largest), largest);
            }
            size = std::min(size, range.count);
            blocks.push_back({range.first, size});
            range = {range.first + size, range.count - size};
            left -= size;
        }
    }
    return blocks;
}

/// train.h5 -> train.2-of-3.h5
std::string shard_path(const std::string& out, int part, int parts) {
    std::filesystem::path path(out);
    if (path.extension() == ".h5" || path.extension() == ".json") path.replace_extension();
    return fmt::format("{}.{}-of-{}.h5", path.string(), part, parts);
}

/// What says of which curves a challenge folder is, written once all are there.
std::string folder_mark(const Task& task) {
    return (std::filesystem::path(task.path) / "experiment.toml").string();
}

/// A folder's experiment.toml: the command line, which may differ, is its second line.
std::string without_command(const std::string& toml) {
    const std::size_t first = toml.find('\n');
    const std::size_t second = first == toml.npos ? first : toml.find('\n', first + 1);
    return second == toml.npos ? toml : toml.substr(0, first) + toml.substr(second);
}

/// Whether `out` is already all that is asked for.
bool is_done(const Task& task, const std::string& out) {
    if (task.challenge) {
        std::ifstream mark(folder_mark(task));
        const std::string found(std::istreambuf_iterator<char>(mark), {});
        return !found.empty() && without_command(found) == without_command(task.provenance);
    }
    if (!std::filesystem::exists(out)) return false;
    try {
        const DatasetReader reader({out}, false);
        const Dataset& found = reader.description();
        return found.experiment_toml == task.description.experiment_toml &&
               found.version == task.description.version && found.seed == task.seed &&
               found.first_index == task.range.first && reader.count() == task.range.count;
    } catch (const InputError&) {
        return false;
    }
}

/// Makes the curves of its share of the blocks and saves them from time to time, so that memory
/// stays as it is however many there are.
class Maker {
public:
    /// Args: blocks: what is to be made, the same for all peers, which take them in turn.
    Maker(Task& task, std::vector<IndexRange> blocks, SavedParts& parts,
          const GenerationPeers& peers)
        : task_(task),
          parts_(parts),
          peers_(peers),
          blocks_(std::move(blocks)),
          held_(task.description),
          aside_(task.description) {
        done_ = task.range.count;
        for (const IndexRange& block : blocks_) done_ -= block.count;
    }

    ~Maker() {
        if (saving_.valid()) saving_.wait();
    }

    /// Until all blocks are taken or the run is stopped. The last curves may be only held.
    void run() {
        for (std::uint64_t next = 0; task_.goes_on();) {
            const std::uint64_t taken = take(1);
            // What others have taken since is as good as done.
            for (; next < std::min<std::uint64_t>(taken, blocks_.size()); ++next) {
                done_ += blocks_[next].count;
            }
            if (taken >= blocks_.size()) break;
            make(blocks_[taken]);
        }
        // The others need not go on either.
        if (!task_.goes_on()) take(blocks_.size());
    }

    /// Saves what is held and waits until it is on the disk.
    void save() {
        save_aside();
        if (saving_.valid()) saving_.get();
    }

    /// Curves that are not saved.
    const Dataset& held() const { return held_; }

private:
    /// Adds to the counter that all share; returns what it was.
    std::uint64_t take(std::uint64_t by) {
        return peers_.count_on ? peers_.count_on(by) : std::exchange(counter_, counter_ + by);
    }

    /// Hands what is held to a thread that saves it: no core waits for the disk.
    void save_aside() {
        if (saving_.valid()) saving_.get();
        if (held_.count() > 0) {
            std::swap(held_, aside_);
            saving_ = std::async(std::launch::async, [this] { parts_.save(aside_); });
        }
        held_.signal.clear();
        held_.parameters.clear();
        saved_ = Clock::now();  // writing takes its time too
    }

    void make(const IndexRange& block) {
        if (held_.count() > 0) save_aside();
        held_.first_index = block.first;
        held_.signal.reserve(block.count * 2 * task_.description.points());
        held_.parameters.reserve(block.count * task_.description.unknowns.size());
        for (std::size_t made = 0; made < block.count && task_.goes_on();) {
            const auto report = [&](std::size_t done) {
                peers_.poll();
                return task_.goes_on(done_ + made + done);
            };
            const Dataset more =
                generate_dataset(task_.experiment, std::min(task_.chunk(), block.count - made),
                                 task_.seed, block.first + made, task_.threads, report);
            held_.signal.insert(held_.signal.end(), more.signal.begin(), more.signal.end());
            held_.parameters.insert(held_.parameters.end(), more.parameters.begin(),
                                    more.parameters.end());
            made += more.count();
            const std::chrono::duration<double> unsaved = Clock::now() - saved_;
            if (unsaved.count() >= task_.save_every_s && made < block.count) {
                save_aside();
                held_.first_index = block.first + made;
            }
        }
    }

    Task& task_;
    SavedParts& parts_;
    const GenerationPeers& peers_;
    std::vector<IndexRange> blocks_;
    Dataset held_;
    Dataset aside_;  ///< on its way to the disk
    std::future<void> saving_;
    std::size_t done_ = 0;  ///< curves that are there or in other hands, but for this peer's block
    std::uint64_t counter_ = 0;  ///< where there is one peer
    Clock::time_point saved_ = Clock::now();
};

/// Copies curves of `range` into one file, of a form or the other.
///
/// Args: alone: no other process waits for this one, so that it may be stopped: throws Stopped.
void write_out(const Task& task, SavedParts& parts, const IndexRange& range,
               const std::string& path, bool alone, std::string* sha256 = nullptr) {
    const std::size_t most = task.curves_in(kCopiedBytes);
    const auto pieces = [&](std::size_t first) {
        if (alone) throw_if_stopped();
        return parts.rows(range.first + first, std::min(most, range.count - first));
    };
    if (task.challenge) {
        write_challenge(task.experiment, range.count, pieces, path, task.provenance);
        return;
    }
    Dataset description = task.description;
    description.first_index = range.first;
    write_dataset(description, range.count, pieces, path, sha256);
}

/// Waits until this machine, too, knows the names of all parts.
void find_all(SavedParts& parts) {
    for (int second = 0;; ++second) {
        parts.scan(false);
        if (parts.missing().empty()) return;
        if (second == kNameWaitS) {
            throw std::runtime_error(
                fmt::format("{}: curves from {} on are missing; is the folder the same for all?",
                            parts.folder(), parts.missing().front().first));
        }
        std::this_thread::sleep_for(std::chrono::seconds(1));
    }
}

/// A shard of each peer, and the manifest of them.
void write_shards(const Task& task, SavedParts& parts, const GenerationPeers& peers) {
    const IndexRange mine = part_of(task.range, static_cast<std::uint64_t>(peers.rank) + 1,
                                    static_cast<std::uint64_t>(peers.size));
    Manifest manifest{task.description.version,
                      task.description.experiment_toml,
                      task.seed,
                      task.range.first,
                      {}};
    std::string sha256;
    if (mine.count > 0) {
        const std::string path = shard_path(task.path, peers.rank + 1, peers.size);
        write_out(task, parts, mine, path, false, &sha256);
    }
    const std::vector<std::string> all = peers.gather(sha256);
    if (peers.rank != 0) return;
    for (int rank = 0; rank < peers.size; ++rank) {
        const IndexRange range =
            part_of(task.range, static_cast<std::uint64_t>(rank) + 1, all.size());
        if (range.count == 0) continue;
        const std::filesystem::path path(shard_path(task.path, rank + 1, peers.size));
        manifest.shards.push_back({path.filename().string(), range.first, range.count,
                                   std::filesystem::file_size(path),
                                   all[static_cast<std::size_t>(rank)]});
    }
    write_manifest(manifest, manifest_path(task.path));
}

/// What the first peer does before any starts. Returns: whether all is done already.
bool prepare(const Task& task, SavedParts& parts, const GenerationPeers& peers) {
    const bool shards = peers.size > 1 && !task.challenge;
    const std::string last = shards ? manifest_path(task.path) : task.path;
    for (const std::string& path : {task.path, last}) remove_unfinished(path);
    for (int part = 1; shards && part <= peers.size; ++part) {
        remove_unfinished(shard_path(task.path, part, peers.size));
    }
    if (!task.resume) {
        parts.clear();
        return false;
    }
    parts.scan(true);
    if (is_done(task, last)) {
        parts.clear();
        return true;
    }
    // A folder that an interrupted run was writing has one of parts beside it.
    std::error_code error;
    const bool begun = task.challenge && std::filesystem::exists(parts.folder(), error);
    const bool there =
        task.challenge
            ? std::filesystem::exists(std::filesystem::path(task.path) / "echos_r.txt", error) ||
                  std::filesystem::exists(folder_mark(task), error)
            : std::filesystem::exists(last);
    if (there && !begun) {
        throw std::invalid_argument(
            fmt::format("cannot resume: {} is there and is not this set, whole: remove it or name "
                        "another",
                        last));
    }
    return false;
}

}  // namespace

IndexRange part_of(const IndexRange& whole, std::uint64_t part, std::uint64_t parts) {
    // floor(i count / parts), where the product may not fit 64 bits.
    const auto start_of = [&](std::uint64_t i) {
        return i * (whole.count / parts) + i * (whole.count % parts) / parts;
    };
    const std::uint64_t start = start_of(part - 1);
    return {whole.first + start, static_cast<std::size_t>(start_of(part) - start)};
}

IndexRange shard_range(const std::string& what, const std::string& shard, std::size_t count) {
    const char* end = shard.data() + shard.size();
    std::uint64_t part = 0;
    std::uint64_t parts = 0;
    const auto first = std::from_chars(shard.data(), end, part);
    const bool slash = first.ec == std::errc() && first.ptr != end && *first.ptr == '/';
    const auto second = slash ? std::from_chars(first.ptr + 1, end, parts) : first;
    if (!slash || second.ec != std::errc() || second.ptr != end || part < 1 || part > parts) {
        throw std::invalid_argument(
            fmt::format("{} must be I/N with 1 <= I <= N, got {}", what, shard));
    }
    const IndexRange range = part_of({0, count}, part, parts);
    if (range.count == 0) {
        throw std::invalid_argument(
            fmt::format("{} {}: no curves in it, of {} in all", what, shard, count));
    }
    return range;
}

std::string manifest_path(const std::string& path) {
    return std::filesystem::path(path).replace_extension(".json").string();
}

GenerationOutcome generate_dataset_files(const GenerationTask& given,
                                         const GenerationPeers& peers) {
    Task task(given);
    const bool first = peers.rank == 0;
    SavedParts parts(task.path, task.description, task.range);
    if (peers.largest(first && prepare(task, parts, peers))) return {};
    if (!first) parts.scan(false);
    Maker maker(task,
                blocks_of(parts.missing(), peers.size, task.chunk() / kLastBlocks,
                          task.curves_in(kHeldBytes)),
                parts, peers);
    peers.barrier();  // none saves before all have looked
    maker.run();

    const bool stopped = peers.largest(task.stopped) != 0;
    const bool whole = peers.size == 1 && maker.held().count() == task.range.count;
    if (!whole) maker.save();
    peers.barrier();
    if (whole) {
        if (task.challenge) {
            make_folder(parts.folder());  // until all is there
            write_challenge(maker.held(), task.experiment, task.path, task.provenance);
            parts.clear();
        } else {
            write_dataset(maker.held(), task.path);
        }
        return {};
    }
    const auto interrupted = [&] {
        parts.scan(false);
        return GenerationOutcome{false, parts.count(), parts.folder()};
    };
    if (stopped) return interrupted();
    find_all(parts);
    if (peers.size > 1 && !task.challenge) {
        write_shards(task, parts, peers);
    } else if (first) {
        try {
            write_out(task, parts, task.range, task.path, peers.size == 1);
        } catch (const Stopped&) {
            return interrupted();
        }
    }
    peers.barrier();
    if (first) parts.clear();
    return {};
}

}  // namespace nmrsim
