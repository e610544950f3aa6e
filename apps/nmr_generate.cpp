// Makes data sets.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "command_line.h"
#include "index_range.h"
#include "nmrsim/challenge_files.h"
#include "nmrsim/dataset.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/dataset_reader.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_warnings.h"
#include "nmrsim/file_output.h"
#include "nmrsim/manifest.h"
#include "provenance.h"
#include "ranks.h"
#include "saved_parts.h"

namespace {

using nmrapps::IndexRange;
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

constexpr const char* kSaved = "{} of {} curves saved in {}; --resume goes on";

struct Task {
    nmrsim::Experiment experiment;
    nmrsim::Dataset description;  ///< of the set, without curves
    IndexRange range;
    std::uint64_t seed = 0;
    std::string out;
    bool challenge = false;
    std::string provenance;  ///< of a challenge folder, its experiment.toml
    int threads = 0;
    double save_every_s = 60.0;

    /// Curves made at a time.
    std::size_t chunk() const {
        return nmrsim::is_uniform(experiment) ? kUniformChunk : kLatticeChunk;
    }
    std::size_t curve_bytes() const {
        return 2 * description.points() * sizeof(float) +
               description.unknowns.size() * sizeof(double);
    }
    std::size_t curves_in(std::size_t bytes) const {
        return std::max<std::size_t>(1, bytes / curve_bytes());
    }
};

/// train.h5 -> train.json
std::string manifest_path(const std::string& out) {
    return std::filesystem::path(out).replace_extension(".json").string();
}

/// train.h5 -> train.2-of-3.h5
std::string shard_path(const std::string& out, int part, int parts) {
    std::filesystem::path path(out);
    if (path.extension() == ".h5" || path.extension() == ".json") path.replace_extension();
    return fmt::format("{}.{}-of-{}.h5", path.string(), part, parts);
}

/// What says of which curves a challenge folder is, written once all are there.
std::string folder_mark(const Task& task) {
    return (std::filesystem::path(task.out) / "experiment.toml").string();
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
        const nmrsim::DatasetReader reader({out}, false);
        const nmrsim::Dataset& found = reader.description();
        return found.experiment_toml == task.description.experiment_toml &&
               found.version == task.description.version && found.seed == task.seed &&
               found.first_index == task.range.first && reader.count() == task.range.count;
    } catch (const nmrsim::InputError&) {
        return false;
    }
}

/// Makes the curves of its share of the blocks and saves them from time to time, so that memory
/// stays as it is however many there are.
class Maker {
public:
    /// Args: blocks: what is to be made, the same on all ranks, which take them in turn.
    Maker(const Task& task, std::vector<IndexRange> blocks, nmrapps::SavedParts& parts,
          nmrapps::Ranks& ranks, nmrapps::Progress& progress)
        : task_(task),
          parts_(parts),
          ranks_(ranks),
          progress_(progress),
          blocks_(std::move(blocks)),
          held_(task.description),
          aside_(task.description) {
        done_ = task.range.count;
        for (const IndexRange& block : blocks_) done_ -= block.count;
    }

    ~Maker() {
        if (saving_.valid()) saving_.wait();
    }

    /// Until all blocks are taken or a signal comes. The last curves may be only held.
    void run() {
        for (std::uint64_t next = 0; !nmrapps::interrupted();) {
            const std::uint64_t taken = ranks_.count_on();
            // What others have taken since is as good as done.
            for (; next < std::min<std::uint64_t>(taken, blocks_.size()); ++next) {
                done_ += blocks_[next].count;
            }
            if (taken >= blocks_.size()) break;
            make(blocks_[taken]);
        }
        // The others need not go on either.
        if (nmrapps::interrupted()) ranks_.count_on(blocks_.size());
    }

    /// Saves what is held and waits until it is on the disk.
    void save() {
        save_aside();
        if (saving_.valid()) saving_.get();
    }

    /// Curves that are not saved.
    const nmrsim::Dataset& held() const { return held_; }

private:
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
        for (std::size_t made = 0; made < block.count && !nmrapps::interrupted();) {
            const auto report = [&](std::size_t done) {
                ranks_.poll();
                progress_.show_curves(done_ + made + done, task_.range.count);
                return !nmrapps::interrupted();
            };
            const nmrsim::Dataset more = nmrsim::generate_dataset(
                task_.experiment, std::min(task_.chunk(), block.count - made), task_.seed,
                block.first + made, task_.threads, report);
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

    const Task& task_;
    nmrapps::SavedParts& parts_;
    nmrapps::Ranks& ranks_;
    nmrapps::Progress& progress_;
    std::vector<IndexRange> blocks_;
    nmrsim::Dataset held_;
    nmrsim::Dataset aside_;  ///< on its way to the disk
    std::future<void> saving_;
    std::size_t done_ = 0;  ///< curves that are there or in other hands, but for this rank's block
    Clock::time_point saved_ = Clock::now();
};

/// Copies curves of `range` into one file, of a form or the other.
void write_out(const Task& task, nmrapps::SavedParts& parts, const IndexRange& range,
               const std::string& path, bool alone, std::string* sha256 = nullptr) {
    const std::size_t most = task.curves_in(kCopiedBytes);
    const auto pieces = [&](std::size_t first) {
        if (alone) {  // others would wait for this one
            nmrapps::stop_if_interrupted(
                fmt::format(kSaved, parts.count(), task.range.count, parts.folder()));
        }
        return parts.rows(range.first + first, std::min(most, range.count - first));
    };
    if (task.challenge) {
        nmrsim::write_challenge(task.experiment, range.count, pieces, path, task.provenance);
        return;
    }
    nmrsim::Dataset description = task.description;
    description.first_index = range.first;
    nmrsim::write_dataset(description, range.count, pieces, path, sha256);
}

/// Waits until this machine, too, knows the names of all parts.
void find_all(nmrapps::SavedParts& parts) {
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

/// A shard of each rank, and the manifest of them.
void write_shards(const Task& task, nmrapps::SavedParts& parts, nmrapps::Ranks& ranks) {
    const IndexRange mine =
        nmrapps::part_of(task.range, static_cast<std::uint64_t>(ranks.rank()) + 1,
                         static_cast<std::uint64_t>(ranks.size()));
    nmrsim::Manifest manifest{task.description.version,
                              task.description.experiment_toml,
                              task.seed,
                              task.range.first,
                              {}};
    std::string sha256;
    if (mine.count > 0) {
        const std::string path = shard_path(task.out, ranks.rank() + 1, ranks.size());
        write_out(task, parts, mine, path, false, &sha256);
    }
    const std::vector<std::string> all = ranks.gather(sha256);
    if (!ranks.first()) return;
    for (int rank = 0; rank < ranks.size(); ++rank) {
        const IndexRange range =
            nmrapps::part_of(task.range, static_cast<std::uint64_t>(rank) + 1, all.size());
        if (range.count == 0) continue;
        const std::filesystem::path path(shard_path(task.out, rank + 1, ranks.size()));
        manifest.shards.push_back({path.filename().string(), range.first, range.count,
                                   std::filesystem::file_size(path),
                                   all[static_cast<std::size_t>(rank)]});
    }
    nmrsim::write_manifest(manifest, manifest_path(task.out));
}

/// What rank 0 does before any rank starts. Returns: whether all is done already.
bool prepare(const Task& task, nmrapps::SavedParts& parts, const nmrapps::Ranks& ranks,
             bool resume) {
    const bool shards = ranks.size() > 1 && !task.challenge;
    const std::string last = shards ? manifest_path(task.out) : task.out;
    for (const std::string& path : {task.out, last}) nmrsim::remove_unfinished(path);
    for (int part = 1; shards && part <= ranks.size(); ++part) {
        nmrsim::remove_unfinished(shard_path(task.out, part, ranks.size()));
    }
    if (!resume) {
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
            ? std::filesystem::exists(std::filesystem::path(task.out) / "echos_r.txt", error) ||
                  std::filesystem::exists(folder_mark(task), error)
            : std::filesystem::exists(last);
    if (there && !begun) {
        throw std::invalid_argument(
            fmt::format("--resume: {} is there and is not this set, whole: remove it or name "
                        "another --out",
                        last));
    }
    return false;
}

void generate(const Task& task, nmrapps::Ranks& ranks, nmrapps::Progress& progress, bool resume) {
    nmrapps::SavedParts parts(task.out, task.description, task.range);
    if (ranks.largest(ranks.first() && prepare(task, parts, ranks, resume))) return;
    if (!ranks.first()) parts.scan(false);
    Maker maker(task,
                nmrapps::blocks_of(parts.missing(), ranks.size(), task.chunk() / kLastBlocks,
                                   task.curves_in(kHeldBytes)),
                parts, ranks, progress);
    ranks.barrier();  // none saves before all have looked
    nmrapps::keep_work_after_signals();
    maker.run();

    nmrapps::share_signal(ranks.largest(nmrapps::received_signal()));
    const bool whole = ranks.size() == 1 && maker.held().count() == task.range.count;
    if (!whole) maker.save();
    ranks.barrier();
    if (whole) {
        progress.finish();
        if (task.challenge) {
            nmrsim::make_folder(parts.folder());  // until all is there
            nmrsim::write_challenge(maker.held(), task.experiment, task.out, task.provenance);
            parts.clear();
        } else {
            nmrsim::write_dataset(maker.held(), task.out);
        }
        return;
    }
    if (nmrapps::interrupted()) {
        parts.scan(false);
        const std::size_t done = parts.count();
        nmrapps::stop_if_interrupted(
            done > 0 ? fmt::format(kSaved, done, task.range.count, parts.folder())
                     : "nothing done yet");
    }
    find_all(parts);
    progress.finish();
    if (ranks.size() > 1 && !task.challenge) {
        write_shards(task, parts, ranks);
    } else if (ranks.first()) {
        write_out(task, parts, task.range, task.out, ranks.size() == 1);
    }
    ranks.barrier();
    if (ranks.first()) parts.clear();
}

}  // namespace

int main(int argc, char** argv) {
    nmrapps::Ranks ranks;
    CLI::App app(
        "Makes a data set: curves with parameters drawn from the experiment's prior. Curve i "
        "depends on the experiment, the seed and i alone. Under mpirun, many processes make it "
        "together: a shard each, PATH.I-of-N.h5, and a manifest of them, PATH.json.",
        "nmr-generate");
    nmrapps::CommonOptions common;
    nmrapps::ExperimentChoice choice;
    Task task;
    std::size_t count = 0;
    std::string shard;
    std::string format = "hdf5";
    bool resume = false;
    nmrapps::add_common_options(
        app, common, "nmr-generate challenge-2021 --count 60000 --seed 1 --out train.h5");
    nmrapps::add_experiment_choice(app, choice)->required();
    app.add_option("--count", count, "Curves in all, over all shards")
        ->required()
        ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 40))
        ->type_name("N");
    app.add_option("--seed", task.seed, "Seed of all draws")->required()->type_name("S");
    app.add_option("--out", task.out, "HDF5 file, or folder of the challenge's text files")
        ->required()
        ->type_name("PATH");
    app.add_option("--shard", shard,
                   "Make only part I of N, I from 1 to N: the same curves as in the whole")
        ->type_name("I/N");
    app.add_option("--format", format, "hdf5 or challenge")
        ->check(CLI::IsMember({"hdf5", "challenge"}))
        ->type_name("NAME");
    app.add_option("--save-every", task.save_every_s,
                   "Save what is done at least so often, in PATH's .part folder (default: 60)")
        ->check(nmrapps::no_negative_number())
        ->type_name("SECONDS");
    app.add_flag("--resume", resume,
                 "Go on from what an interrupted or killed run left in PATH's .part folder");

    const int status = nmrapps::run_program(
        app, argc, argv,
        [&] {
            // The first rank speaks where all would refuse the same.
            if (!ranks.first()) ranks.barrier();
            task.experiment = nmrapps::chosen_experiment(choice);
            task.range = nmrapps::shard_range(shard, count);
            if (task.range.count == 0) {
                throw std::invalid_argument(
                    fmt::format("--shard {}: no curves in it, --count is {}", shard, count));
            }
            task.challenge = format == "challenge";
            if (task.challenge) {
                if (std::filesystem::exists(task.out) && !std::filesystem::is_directory(task.out)) {
                    throw std::invalid_argument("--out " + task.out +
                                                ": expected a folder, found a file");
                }
            } else {
                nmrapps::check_output_folder("--out", task.out);
                nmrapps::check_is_file("--out", task.out);
            }
            for (const std::string& path :
                 {task.out, manifest_path(task.out), task.out + "/experiment.toml"}) {
                nmrapps::check_not_input("--out", path, {choice.name});
            }
            task.description =
                nmrsim::generate_dataset(task.experiment, 0, task.seed, task.range.first);
            if (ranks.first()) {
                nmrapps::warn(app, nmrsim::prior_warnings(task.experiment));
                ranks.barrier();
            } else {
                common.quiet = true;
            }
            std::optional<nmrsim::OutputLock> lock;
            if (ranks.first()) lock.emplace(task.out);
            ranks.barrier();
            task.provenance = fmt::format("{}# curves {} to {} of seed {}\n",
                                          nmrapps::provenance_toml(app, task.experiment),
                                          task.range.first, task.range.end(), task.seed);
            task.threads = common.threads > 0 ? common.threads : ranks.threads();
            nmrapps::Progress progress(app, common);
            generate(task, ranks, progress, resume);
        },
        ranks.first());
    return ranks.leave(status);
}
