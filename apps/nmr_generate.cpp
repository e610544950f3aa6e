// Makes data sets.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <utility>

#include "command_line.h"
#include "nmrsim/challenge_files.h"
#include "nmrsim/dataset.h"
#include "nmrsim/dataset_file.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/experiment_warnings.h"
#include "nmrsim/file_output.h"
#include "provenance.h"

namespace {

/// How often the curves done so far are saved, for --resume after a crash [s].
constexpr double kSavePeriodS = 60.0;
/// Curves made at a time; a signal loses at most these. A few seconds' work in either regime.
constexpr std::size_t kUniformChunk = 4096;
constexpr std::size_t kLatticeChunk = 128;

/// The curves first ... first + count - 1 of a data set.
struct IndexRange {
    std::uint64_t first = 0;
    std::size_t count = 0;
};

/// Part `shard` = "I/N" of `count` curves, I from 1 to N.
IndexRange shard_range(const std::string& shard, std::size_t count) {
    if (shard.empty()) return {0, count};
    const char* end = shard.data() + shard.size();
    std::uint64_t part = 0;
    std::uint64_t parts = 0;
    const auto first = std::from_chars(shard.data(), end, part);
    const bool slash = first.ec == std::errc() && first.ptr != end && *first.ptr == '/';
    const auto second = slash ? std::from_chars(first.ptr + 1, end, parts) : first;
    if (!slash || second.ec != std::errc() || second.ptr != end || part < 1 || part > parts) {
        throw std::invalid_argument("--shard must be I/N with 1 <= I <= N, got " + shard);
    }
    const std::uint64_t begin = (part - 1) * count / parts;
    return {begin, static_cast<std::size_t>(part * count / parts - begin)};
}

/// Where an interrupted run leaves its curves: train.h5 -> train.part.h5.
std::string part_path(const std::string& out) {
    std::filesystem::path path(out);
    if (!path.has_filename()) path = path.parent_path();  // "DIR/"
    if (path.extension() == ".h5") path.replace_extension();
    return path.string() + ".part.h5";
}

/// Appends curves to the `total` that will be there in the end.
void append(nmrsim::Dataset& whole, nmrsim::Dataset more, std::size_t total) {
    if (whole.time_us.empty()) {
        whole = std::move(more);
        return;
    }
    whole.signal.reserve(total * 2 * whole.points());
    whole.signal.insert(whole.signal.end(), more.signal.begin(), more.signal.end());
    whole.parameters.insert(whole.parameters.end(), more.parameters.begin(), more.parameters.end());
}

/// The part of an earlier run, if there is one, checked against what is asked now.
std::optional<nmrsim::Dataset> earlier_part(const std::string& path,
                                            const nmrsim::Experiment& experiment,
                                            std::uint64_t seed, const IndexRange& range) {
    if (!std::filesystem::exists(path)) return std::nullopt;
    nmrsim::Dataset part = nmrsim::read_dataset(path);
    const auto refuse = [&](const std::string& what) {
        throw nmrsim::InputError(fmt::format(
            "{}: cannot resume: {}; remove it or drop --resume to start again", path, what));
    };
    if (part.experiment_toml != nmrsim::experiment_to_toml(experiment)) {
        refuse("it holds curves of another experiment");
    }
    if (part.seed != seed) refuse(fmt::format("it has seed {}, expected {}", part.seed, seed));
    if (part.first_index != range.first || part.count() > range.count) {
        refuse(fmt::format("it holds curves {} to {}, expected {} to {}", part.first_index,
                           part.first_index + part.count(), range.first,
                           range.first + range.count));
    }
    return part;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Makes a data set: curves with parameters drawn from the experiment's prior. Curve i "
        "depends "
        "on the experiment, the seed and i alone.",
        "nmr-generate");
    nmrapps::CommonOptions common;
    nmrapps::ExperimentChoice choice;
    std::size_t count = 0;
    std::uint64_t seed = 0;
    std::string out;
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
    app.add_option("--seed", seed, "Seed of all draws")->required()->type_name("S");
    app.add_option("--out", out, "HDF5 file, or folder of the challenge's text files")
        ->required()
        ->type_name("PATH");
    app.add_option("--shard", shard,
                   "Make only part I of N, I from 1 to N: the same curves as in the whole")
        ->type_name("I/N");
    app.add_option("--format", format, "hdf5 or challenge")
        ->check(CLI::IsMember({"hdf5", "challenge"}))
        ->type_name("NAME");
    app.add_flag("--resume", resume, "Go on from what an interrupted run left in PATH's .part.h5");

    return nmrapps::run_program(app, argc, argv, [&] {
        const nmrsim::Experiment experiment = nmrapps::chosen_experiment(choice);
        nmrapps::warn(app, nmrsim::prior_warnings(experiment));
        const IndexRange range = shard_range(shard, count);
        if (range.count == 0) {
            throw std::invalid_argument(
                fmt::format("--shard {}: no curves in it, --count is {}", shard, count));
        }
        const bool challenge = format == "challenge";
        const std::string part_file = part_path(out);
        if (challenge) {
            if (std::filesystem::exists(out) && !std::filesystem::is_directory(out)) {
                throw std::invalid_argument("--out " + out + ": expected a folder, found a file");
            }
        } else {
            nmrapps::check_output_folder("--out", out);
        }

        nmrsim::Dataset data;
        if (resume) {
            if (auto part = earlier_part(part_file, experiment, seed, range)) {
                data = std::move(*part);
            }
        }
        nmrapps::Progress progress(app, common);
        auto saved = std::chrono::steady_clock::now();
        const auto unsaved_s = [&] {
            return std::chrono::duration<double>(std::chrono::steady_clock::now() - saved).count();
        };
        const std::size_t chunk = nmrsim::is_uniform(experiment) ? kUniformChunk : kLatticeChunk;
        while (data.count() < range.count && !nmrapps::interrupted()) {
            const std::size_t before = data.count();
            const auto report = [&](std::size_t done) {
                progress.show_curves(before + done, range.count);
                return !nmrapps::interrupted();
            };
            append(data,
                   nmrsim::generate_dataset(experiment, std::min(chunk, range.count - before), seed,
                                            range.first + before, common.threads, report),
                   range.count);
            if (unsaved_s() >= kSavePeriodS && data.count() < range.count) {
                nmrsim::write_dataset(data, part_file);
                saved = std::chrono::steady_clock::now();  // writing takes its time too
            }
        }
        if (data.count() < range.count) {
            if (data.count() > 0) nmrsim::write_dataset(data, part_file);
            nmrapps::stop_if_interrupted(
                data.count() > 0 ? fmt::format("{} of {} curves saved in {}; --resume goes on",
                                               data.count(), range.count, part_file)
                                 : "nothing done yet");
        }
        progress.finish();
        if (challenge) {
            nmrsim::write_challenge(data, experiment, out);
            nmrsim::write_whole_file((std::filesystem::path(out) / "experiment.toml").string(),
                                     nmrapps::provenance_toml(app, experiment));
        } else {
            nmrsim::write_dataset(data, out);
        }
        std::filesystem::remove(part_file);
    });
}
