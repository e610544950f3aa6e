// Trains a model.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string_view>

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

namespace {

double noise_level(const std::string& text, const std::string& whole) {
    double value = 0.0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end || !std::isfinite(value) || value < 0.0) {
        throw std::invalid_argument(
            "--noise must be SIGMA or LOW:HIGH with 0 <= LOW <= HIGH, got " + whole);
    }
    return value;
}

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

/// "SIGMA" or "LOW:HIGH" into the options.
void set_noise(const std::string& text, nmrinverse::TrainingOptions& options) {
    if (text.empty()) return;
    const std::size_t colon = text.find(':');
    options.noise_low = noise_level(text.substr(0, colon), text);
    options.noise_high =
        colon == std::string::npos ? options.noise_low : noise_level(text.substr(colon + 1), text);
    if (options.noise_high < options.noise_low) noise_level("", text);
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

constexpr std::string_view kAuto = "auto";

/// An option that names one of some choices.
template <class Take>
void add_choice(CLI::App& app, const char* flag, const std::vector<std::string>& choices,
                const Take& take, const char* help) {
    app.add_option_function<std::string>(flag, take, help)
        ->check(CLI::IsMember(choices))
        ->type_name("NAME");
}

}  // namespace

int main(int argc, char** argv) {
    nmrapps::Ranks ranks;
    CLI::App app(
        "Trains a model that reads an experiment's unknowns from its curves. Under mpirun, many "
        "processes share each step.",
        "nmr-train");
    nmrapps::CommonOptions common;
    nmrapps::ExperimentChoice choice;
    nmrinverse::TrainingOptions options;
    std::string out;
    std::vector<std::string> data_paths;
    std::string noise;
    std::string calibrated;
    std::string first_look;
    std::size_t simulated = 0;
    nmrapps::add_common_options(
        app, common, "nmr-train challenge-2021 --simulate 200000 --out model.safetensors");
    nmrapps::add_experiment_choice(app, choice)->required();
    app.add_option("--out", out, "File for the model")->required()->type_name("MODEL");
    auto* from_file =
        app.add_option("--data", data_paths,
                       "Train on this data set, manifest or challenge folder with mat_info.txt; "
                       "may be repeated for several files of one set")
            ->allow_extra_args(false)
            ->type_name("train.h5");
    app.add_option("--simulate", simulated, "Train on N curves in all, simulated as it goes")
        ->excludes(from_file)
        ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 40))
        ->type_name("N");
    auto* epochs = app.add_option("--epochs", options.epochs, "Passes over the data (default: 20)")
                       ->check(CLI::Range(1, 1000000))
                       ->type_name("E");
    app.add_option("--minutes", options.minutes,
                   "Stop after this time, with the learning rate on schedule")
        ->check(nmrapps::positive_number())
        ->type_name("M");
    app.add_option("--batch", options.batch, "Curves a step (default: 512)")
        ->check(CLI::Range(1, 1 << 20))
        ->type_name("B");
    app.add_option("--noise", noise,
                   "Noise added on the fly, in units of M: one level, or a log-uniform range")
        ->type_name("SIGMA|LOW:HIGH");
    add_choice(
        app, "--head", {"flow", "gaussian"},
        [&](const std::string& name) { options.head = nmrinverse::head_from_name(name); },
        "Form of the posterior: flow or gaussian (default: flow)");
    auto* phase =
        app.add_option("--receiver-phase", options.receiver.phase_deg,
                       "The receiver's phase is unknown by up to so much, either way [degrees]")
            ->check(CLI::Range(0.0, 180.0))
            ->type_name("DEG");
    auto* gain = app.add_option("--receiver-gain", options.receiver.gain,
                                "The logarithm of its gain is unknown by up to so much, either way")
                     ->check(CLI::Range(0.0, 5.0))
                     ->type_name("G");
    app.add_option("--time-zero", options.time_zero_us,
                   "The clock is off by up to so much, either way [us]; needs --simulate")
        ->check(nmrapps::no_negative_number())
        ->type_name("US");
    app.add_option("--members", options.members,
                   "Networks side by side (default: 1, or 4 where curves are few)")
        ->check(CLI::Range(1, 64))
        ->type_name("M");
    add_choice(
        app, "--embedding", {"auto", "dense", "convolution"},
        [&](const std::string& name) {
            if (name != kAuto) options.embedding = nmrinverse::embedding_from_name(name);
        },
        "What looks at a curve first: dense or convolution (default: auto, the second "
        "where curves are few)");
    add_choice(
        app, "--features", {"auto", "all", "plain", "phase-free"},
        [&](const std::string& name) {
            if (name != kAuto) options.features = nmrinverse::features_from_name(name);
        },
        "What it sees: all, plain (the curve's numbers and no more), or phase-free, the "
        "same whatever the receiver's phase (default: auto, all; plain for many curves "
        "of drawn ensembles; phase-free where curves are few)");
    app.add_flag("!--no-aliases", options.alpha_z_aliases,
                 "Few curves, or convolutions: do not learn from the aliases of alpha_z, the same "
                 "curves turned, "
                 "beside them");
    app.add_flag("!--no-mirror", options.mirrored,
                 "Do not learn from mirror images of curves, where they are as likely");
    app.add_option("--held-out", options.held_out,
                   "Share of the data kept for early stopping and calibration (default: 0.1, up to "
                   "0.2 for few curves of other software)")
        ->check(CLI::Range(1e-4, 0.5))
        ->type_name("SHARE");
    app.add_option(
           "--patience", options.patience,
           "Stop once E passes in a row have not lowered the held-out loss (default: never)")
        ->check(CLI::Range(1, 1000000))
        ->type_name("E");
    app.add_option("--width", options.width, "Width of a network (default: 64)")
        ->check(CLI::Range(1, 1 << 14))
        ->type_name("W");
    app.add_option("--hidden", options.hidden, "Width of its hidden layers (default: 256)")
        ->check(CLI::Range(1, 1 << 14))
        ->type_name("H");
    app.add_option("--blocks", options.blocks, "Its residual blocks (default: 6)")
        ->check(CLI::Range(1, 256))
        ->type_name("B");
    app.add_option("--gates", options.gates,
                   "Filters of a second look at the curve, weighted by what the first saw of it "
                   "(default: 512 for many curves of drawn ensembles, otherwise 0, none)")
        ->check(CLI::Range(0, 1 << 14))
        ->type_name("G");
    app.add_option(
           "--first-look", first_look,
           "Learn also from what this model, trained on other curves, reads of a curve, and "
           "from what the curve keeps beyond the mean field: drawn echoes, noise-free")
        ->type_name("MODEL");
    app.add_option("--posterior-weight", options.posterior_weight,
                   "Weight of the posterior beside the estimates in the loss (default: 0.1)")
        ->check(nmrapps::positive_number())
        ->type_name("W");
    app.add_option("--learning-rate", options.learning_rate,
                   "Peak of the learning rate; ten times as much for matrices (default: 0.002)")
        ->check(nmrapps::positive_number())
        ->type_name("RATE");
    app.add_option("--memory", options.memory_mb,
                   "Data sets that take more memory are read as they are used [MiB] (default: 512)")
        ->check(CLI::Range(1, 1 << 24))
        ->type_name("MB");
    app.add_option("--seed", options.seed, "Seed of all draws (default: 1)")->type_name("S");
    add_choice(
        app, "--device", {"auto", "cpu", "cuda"},
        [&](const std::string& name) {
            if (name != kAuto) options.device = nmrinverse::device_from_name(name);
        },
        "auto, cpu or cuda (default: auto)");
    app.add_option("--calibrate", calibrated,
                   "Train nothing: fit this model's widths anew on the noise-free curves of --data")
        ->needs(from_file)
        ->type_name("MODEL");
    app.add_flag("--resume", options.resume,
                 "Go on from MODEL.checkpoint, which an interrupted run leaves");

    const auto work = [&] {
        // The first rank speaks where all would refuse the same.
        if (!ranks.first()) ranks.barrier();
        if (data_paths.empty() == (simulated == 0)) {
            throw std::invalid_argument("one of --data and --simulate is required");
        }
        const nmrsim::Experiment experiment = nmrapps::chosen_experiment(choice);
        nmrapps::check_output_folder("--out", out);
        nmrapps::check_is_file("--out", out);
        set_noise(noise, options);
        if (!first_look.empty()) options.first_look = nmrapps::find_model(first_look);
        options.threads = common.threads;
        if (options.threads == 0 && ranks.size() > 1) options.threads = ranks.threads();
        options.checkpoint = out + ".checkpoint";
        for (const std::string& path : {out, options.checkpoint}) {
            nmrapps::check_not_input("--out", path, data_paths);
            nmrapps::check_not_input("--out", path, {choice.name, first_look, calibrated});
        }
        if (!options.resume && calibrated.empty() && std::filesystem::exists(options.checkpoint)) {
            throw std::invalid_argument(
                fmt::format("{} is what an interrupted training left: --resume goes on with it; "
                            "remove it to start again",
                            options.checkpoint));
        }
        // Time alone ends a training that has a time and no number of passes.
        if (options.minutes > 0.0 && epochs->empty() && !data_paths.empty())
            options.epochs = 1000000;
        if (simulated > 0) {
            if (static_cast<std::size_t>(options.epochs) > simulated) {
                throw std::invalid_argument(fmt::format("--simulate must be >= --epochs {}, got {}",
                                                        options.epochs, simulated));
            }
            options.curves_per_epoch = simulated / static_cast<std::size_t>(options.epochs);
        }
        options.validate();
        std::optional<nmrsim::OutputLock> lock;
        if (ranks.first()) {
            lock.emplace(out);
            nmrsim::remove_unfinished(out);
            nmrsim::remove_unfinished(options.checkpoint);
            ranks.barrier();
        } else {
            common.quiet = true;
        }

        if (!calibrated.empty()) {
            if (!ranks.first()) return;
            const nmrinverse::Model model = nmrinverse::load_model(nmrapps::find_model(calibrated));
            const nmrsim::Dataset data = whole_data(data_paths, model.experiment());
            std::optional<nmrinverse::ReceiverSpread> receiver;
            if (!phase->empty() || !gain->empty()) receiver = options.receiver;
            nmrinverse::save_model(
                nmrinverse::calibrate(model, data, receiver, options.seed, common.threads), out);
            return;
        }
        if (options.device == nmrinverse::Device::cuda && ranks.first() && !common.quiet) {
            fmt::print(stderr,
                       "nmr-train: training on cuda was never run before: check the "
                       "model's errors against one trained with --device cpu\n");
        }
        nmrapps::Progress progress(app, common);
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
            if (!common.quiet) {
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
        if (!common.quiet) {
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
