// Trains a model.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <stdexcept>

#include "command_line.h"
#include "nmrinverse/curves.h"
#include "nmrinverse/model.h"
#include "nmrinverse/trainer.h"
#include "nmrsim/dataset_reader.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/experiment_match.h"
#include "nmrsim/file_output.h"
#include "nmrsim/parameters.h"
#include "option_table.h"
#include "ranks.h"
#include "train_flags.h"

namespace {

/// Data sets of the experiment, one after the other.
nmrsim::DatasetReader open_data(const std::vector<std::string>& paths,
                                const nmrsim::Experiment& experiment) {
    nmrsim::DatasetReader data(paths);
    nmrsim::check_same_experiment(
        paths.front(), nmrsim::parse_experiment(data.description().experiment_toml, paths.front()),
        experiment, true);
    return data;
}

/// Whether the data are a challenge folder, which has to be read at once.
bool is_folder(const std::vector<std::string>& paths) {
    return paths.size() == 1 && std::filesystem::is_directory(paths.front());
}

/// All curves of the experiment with what made them.
nmrsim::Dataset whole_data(const std::vector<std::string>& paths,
                           const nmrsim::Experiment& experiment) {
    if (is_folder(paths)) return nmrinverse::read_labelled(paths.front(), experiment);
    const nmrsim::DatasetReader data = open_data(paths, experiment);
    return data.rows(0, data.count());
}

/// "alpha_x 2.3 kHz, alpha_z 28 kHz": root mean squared errors on the held-out part.
std::string errors_in_words(const std::vector<double>& mse, const nmrsim::Prior& prior) {
    std::string text;
    for (std::size_t k = 0; k < mse.size() && k < prior.size(); ++k) {
        if (prior[k].categorical()) continue;
        const nmrsim::Parameter& row = nmrsim::parameter(prior[k].name);
        text += fmt::format("{}{} {:.3g}{}{}", text.empty() ? "" : ", ", row.symbol,
                            std::sqrt(mse[k]), *row.unit ? " " : "", row.unit);
    }
    return text;
}

std::string status_of(const nmrinverse::TrainingProgress& now, const nmrsim::Prior& prior) {
    std::string text = fmt::format("epoch {}, {:.0f} curves/s, loss {:.3f}", now.epoch,
                                   now.curves_per_s, now.train_loss);
    if (!now.held_out_mse.empty()) {
        text += fmt::format(", held out {:.3f} nats, {}", now.held_out_log_density,
                            errors_in_words(now.held_out_mse, prior));
    }
    return text;
}

}  // namespace

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
            const nmrsim::Dataset data = whole_data(data_paths, model.experiment());
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
            nmrapps::keep_work_after_signals();  // there is something to keep
            progress.show(now.fraction, status_of(now, experiment.prior));
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
            if (is_folder(data_paths)) return train_on(whole_data(data_paths, experiment));
            return train_on(open_data(data_paths, experiment));
        };
        const nmrinverse::Model model = trained();
        if (ranks.first()) nmrinverse::save_model(model, out);
        nmrapps::share_signal(ranks.largest(nmrapps::received_signal()));
        nmrapps::stop_if_interrupted(
            fmt::format("the best model so far is {}; --resume goes on", out));
        progress.finish();
        if (ranks.first()) std::filesystem::remove(options.checkpoint);
        if (!flags.common.quiet) {
            const nmrinverse::TrainingRecord& record = model.record();
            fmt::print(stderr,
                       "nmr-train: {} curves in {:.0f} s; weights of epoch {} of {}; held out: "
                       "{:.3f} nats, root mean squared: {}; widths by {}\n",
                       record.curves_seen, record.seconds, kept, std::max(kept, record.epochs),
                       record.held_out_log_density,
                       errors_in_words(record.held_out_mse, experiment.prior),
                       record.calibrated_on);
        }
        const std::string doubt = nmrinverse::doubt_about(model);
        if (ranks.first() && !doubt.empty()) nmrapps::warn(app, doubt);
    };
    return ranks.leave(nmrapps::run_program(app, argc, argv, work, ranks.first()));
}
