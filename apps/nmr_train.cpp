// Trains a model.

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <stdexcept>

#include "command_line.h"
#include "nmrinverse/model.h"
#include "nmrinverse/trainer.h"
#include "nmrinverse/training_files.h"
#include "nmrsim/file_output.h"
#include "nmrsim/signals.h"
#include "option_table.h"
#include "ranks.h"
#include "train_flags.h"

int main(int argc, char** argv) {
    nmrapps::Ranks ranks;
    CLI::App app(
        "Trains a model that reads an experiment's unknowns from its curves. Under mpirun, many "
        "processes share each step.",
        "nmr-train");
    nmrapps::TrainFlags flags;
    nmrapps::add_train_flags(app, flags);
    nmrinverse::TrainingOptions& options = flags.options;
    const std::vector<std::string>& data_paths = flags.data_paths;
    const std::string& out = flags.out;

    const auto work = [&] {
        // The first rank speaks where all would refuse the same.
        if (!ranks.first()) ranks.barrier();
        if (data_paths.empty() == (flags.simulated == 0)) {
            throw std::invalid_argument("one of --data and --simulate is required");
        }
        const nmrsim::Experiment experiment = nmrapps::chosen_experiment(flags.choice);
        flags.settle(ranks);
        std::optional<nmrsim::OutputLock> lock;
        if (ranks.first()) {
            lock.emplace(out);
            nmrsim::remove_unfinished(out);
            nmrsim::remove_unfinished(options.checkpoint);
            ranks.barrier();
        } else {
            flags.common.quiet = true;
        }

        if (!flags.calibrated.empty()) {
            if (!ranks.first()) return;
            const nmrinverse::Model model =
                nmrinverse::load_model(nmrapps::find_model(flags.calibrated));
            const nmrsim::Dataset data =
                nmrinverse::open_training_files(data_paths, model.experiment()).whole();
            std::optional<nmrinverse::ReceiverSpread> receiver;
            if (!flags.phase->empty() || !flags.gain->empty()) receiver = options.receiver;
            nmrinverse::save_model(
                nmrinverse::calibrate(model, data, receiver, options.seed, flags.common.threads),
                out);
            return;
        }
        if (options.device == nmrinverse::Device::cuda && ranks.first() && !flags.common.quiet) {
            fmt::print(stderr,
                       "nmr-train: training on cuda was never run before: check the "
                       "model's errors against one trained with --device cpu\n");
        }
        nmrapps::Progress progress(app, flags.common);
        int kept = 0;
        const auto report = [&](const nmrinverse::TrainingProgress& now) {
            kept = now.best_epoch;
            nmrsim::keep_work_after_signals();  // there is something to keep
            progress.show(now.fraction, nmrinverse::progress_in_words(now, experiment.prior));
            return !nmrapps::interrupted();
        };
        const nmrinverse::TrainingPeers peers{ranks.rank(), ranks.size(),
                                              [&](std::span<float> values) { ranks.sum(values); },
                                              [&](int value) { return ranks.largest(value); }};
        const auto train_on = [&](const auto& data) {
            if (ranks.first()) nmrapps::warn(app, nmrinverse::doubts_about(data));
            if (!flags.common.quiet) {
                fmt::print(stderr, "nmr-train: {} curves: {}\n", data.count(),
                           nmrinverse::network_in_words(options, experiment, data.count()));
            }
            return nmrinverse::train(data, options, report, peers);
        };
        const auto trained = [&] {
            if (data_paths.empty()) return nmrinverse::train(experiment, options, report, peers);
            const auto data = nmrinverse::open_training_files(data_paths, experiment);
            return data.reader ? train_on(*data.reader) : train_on(*data.at_hand);
        };
        const nmrinverse::Model model = trained();
        if (ranks.first()) nmrinverse::save_model(model, out);
        nmrsim::share_signal(ranks.largest(nmrsim::received_signal()));
        nmrapps::stop_if_interrupted(
            fmt::format("the best model so far is {}; --resume goes on", out));
        progress.finish();
        if (ranks.first()) std::filesystem::remove(options.checkpoint);
        if (!flags.common.quiet) {
            fmt::print(stderr, "nmr-train: {}\n", nmrinverse::training_in_words(model, kept));
        }
        const std::string doubt = nmrinverse::doubt_about(model);
        if (ranks.first() && !doubt.empty()) nmrapps::warn(app, doubt);
    };
    return ranks.leave(nmrapps::run_program(app, argc, argv, work, ranks.first()));
}
