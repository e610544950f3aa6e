/// Data sets made into files: however large, saved on the way, gone on with, by many processes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nmrsim/experiment.h"
#include "nmrsim/stop.h"

namespace nmrsim {

/// The curves first ... first + count - 1 of a data set.
struct IndexRange {
    std::uint64_t first = 0;
    std::size_t count = 0;

    std::uint64_t end() const { return first + count; }
};

/// Part `part` of `parts` of a range, from 1; the parts differ by one curve at most.
IndexRange part_of(const IndexRange& whole, std::uint64_t part, std::uint64_t parts);

/// Part I of N of `count` curves for the text "I/N", I from 1 to N. Args: what: names the text in
/// messages. Throws: std::invalid_argument for another text, and where no curve is in it.
IndexRange shard_range(const std::string& what, const std::string& shard, std::size_t count);

/// Which curves to make, and where to.
struct GenerationTask {
    Experiment experiment;
    IndexRange range;  ///< of the curves under the seed, see generate_dataset()
    std::uint64_t seed = 0;
    std::string path;        ///< an HDF5 file, or the folder of a challenge
    bool challenge = false;  ///< the challenge's text files
    std::string provenance;  ///< of a challenge folder: text of its experiment.toml
    int threads = 0;         ///< 0 for all cores; the files do not depend on it
    /// Curves are saved at least so often, in a folder beside the path (train.h5: train.part) [s].
    double save_every_s = 60.0;
    bool resume = false;     ///< go on from what an earlier run has left there
    BatchProgress progress;  ///< called with the curves done; false ends the run, with all saved
};

/// The processes of one run, each of which calls generate_dataset_files() with the same task; as
/// one, by default.
struct GenerationPeers {
    int rank = 0;
    int size = 1;
    std::function<void()> barrier = [] {};
    /// Adds to a counter that all share, 0 at first; returns what it was. Empty where there is one.
    std::function<std::uint64_t(std::uint64_t by)> count_on = {};
    std::function<void()> poll = [] {};  ///< called often while this process works
    std::function<int(int)> largest = [](int value) { return value; };  ///< of all processes'
    /// The texts of all, in their order, on each.
    std::function<std::vector<std::string>(const std::string&)> gather =
        [](const std::string& text) { return std::vector<std::string>{text}; };
};

/// What became of a run.
struct GenerationOutcome {
    bool whole = true;      ///< all curves are in the file, folder or shards
    std::size_t saved = 0;  ///< otherwise so many of them in `folder`
    std::string folder;     ///< of the parts
};

/// Makes a data set as files that are whole or not there: one HDF5 file or challenge folder; of
/// several processes an HDF5 shard each, PATH.I-of-N.h5, and a manifest of them, PATH.json.
///
/// The bytes depend on experiment, seed and range alone, not on threads, processes or
/// interruptions. It ends early, with what is done saved, where progress() says so or
/// request_stop() was called (nmrsim/stop.h). Throws: std::invalid_argument, for instance where
/// resuming would replace another set; InputError for parts of another set; std::runtime_error for
/// what cannot be written.
GenerationOutcome generate_dataset_files(const GenerationTask& task,
                                         const GenerationPeers& peers = {});

/// train.h5 -> train.json: the manifest of the shards of several processes.
std::string manifest_path(const std::string& path);

}  // namespace nmrsim
