// Makes data sets.

#include <fmt/format.h>

#include <optional>

#include "command_line.h"
#include "nmrsim/dataset.h"
#include "nmrsim/dataset_generation.h"
#include "nmrsim/experiment_warnings.h"
#include "nmrsim/file_output.h"
#include "nmrsim/output_checks.h"
#include "nmrsim/signals.h"
#include "ranks.h"

namespace {

nmrsim::GenerationPeers peers_of(nmrapps::Ranks& ranks) {
    nmrsim::GenerationPeers peers;
    peers.rank = ranks.rank();
    peers.size = ranks.size();
    peers.barrier = [&] { ranks.barrier(); };
    peers.count_on = [&](std::uint64_t by) { return ranks.count_on(by); };
    peers.poll = [&] { ranks.poll(); };
    peers.largest = [&](int value) { return ranks.largest(value); };
    peers.gather = [&](const std::string& text) { return ranks.gather(text); };
    return peers;
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
    nmrsim::GenerationTask task;
    std::size_t count = 0;
    std::string shard;
    std::string format = "hdf5";
    nmrapps::add_common_options(
        app, common, "nmr-generate challenge-2021 --count 60000 --seed 1 --out train.h5");
    nmrapps::add_experiment_choice(app, choice)->required();
    app.add_option("--count", count, "Curves in all, over all shards")
        ->required()
        ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 40))
        ->type_name("N");
    app.add_option("--seed", task.seed, "Seed of all draws")->required()->type_name("S");
    app.add_option("--out", task.path, "HDF5 file, or folder of the challenge's text files")
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
    app.add_flag("--resume", task.resume,
                 "Go on from what an interrupted or killed run left in PATH's .part folder");

    const int status = nmrapps::run_program(
        app, argc, argv,
        [&] {
            // The first rank speaks where all would refuse the same.
            if (!ranks.first()) ranks.barrier();
            task.experiment = nmrapps::chosen_experiment(choice);
            task.range = {0, count};
            if (!shard.empty()) task.range = nmrsim::shard_range("--shard", shard, count);
            task.challenge = format == "challenge";
            if (task.challenge) {
                nmrsim::check_is_folder("--out", task.path);
            } else {
                nmrsim::check_output_folder("--out", task.path);
                nmrsim::check_is_file("--out", task.path);
            }
            for (const std::string& path :
                 {task.path, nmrsim::manifest_path(task.path), task.path + "/experiment.toml"}) {
                nmrsim::check_not_input("--out", path, {choice.name});
            }
            // Whether it has a prior, before anything is written.
            nmrsim::generate_dataset(task.experiment, 0, task.seed, task.range.first);
            if (ranks.first()) {
                nmrapps::warn(app, nmrsim::prior_warnings(task.experiment));
                ranks.barrier();
            } else {
                common.quiet = true;
            }
            std::optional<nmrsim::OutputLock> lock;
            if (ranks.first()) lock.emplace(task.path);
            ranks.barrier();
            task.provenance = fmt::format("{}# curves {} to {} of seed {}\n",
                                          nmrapps::provenance(app).toml(task.experiment),
                                          task.range.first, task.range.end(), task.seed);
            task.threads = common.threads > 0 ? common.threads : ranks.threads();
            nmrapps::Progress progress(app, common);
            task.progress = [&](std::size_t done) {
                progress.show_curves(done, task.range.count);
                return !nmrapps::interrupted();
            };
            nmrsim::keep_work_after_signals();
            const nmrsim::GenerationOutcome outcome =
                nmrsim::generate_dataset_files(task, peers_of(ranks));
            nmrsim::share_signal(ranks.largest(nmrsim::received_signal()));
            if (!outcome.whole) {
                nmrapps::stop_if_interrupted(
                    outcome.saved > 0 ? fmt::format("{} of {} curves saved in {}; --resume goes on",
                                                    outcome.saved, task.range.count, outcome.folder)
                                      : "nothing done yet");
            }
            progress.finish();
        },
        ranks.first());
    return ranks.leave(status);
}
