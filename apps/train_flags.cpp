#include "train_flags.h"

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>
#include <string_view>

#include "nmrsim/output_checks.h"
#include "option_table.h"

namespace nmrapps {
namespace {

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

void add_train_flags(CLI::App& app, TrainFlags& flags) {
    add_common_options(app, flags.common,
                       "nmr-train challenge-2021 --simulate 200000 --out model.safetensors");
    add_experiment_choice(app, flags.choice)->required();
    app.add_option("--out", flags.out, "File for the model")->required()->type_name("MODEL");
    auto* from_file = app.add_option("--data", flags.data_paths,
                                     "Train on this data set, manifest or challenge folder with "
                                     "mat_info.txt; may be repeated for several files of one set")
                          ->allow_extra_args(false)
                          ->type_name("train.h5");
    app.add_option("--simulate", flags.simulated, "Train on N curves in all, simulated as it goes")
        ->excludes(from_file)
        ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 40))
        ->type_name("N");
    flags.epochs =
        app.add_option("--epochs", flags.options.epochs, "Passes over the data (default: 20)")
            ->check(CLI::Range(1, 1000000))
            ->type_name("E");
    app.add_option("--minutes", flags.options.minutes,
                   "Stop after this time, with the learning rate on schedule")
        ->check(positive_number())
        ->type_name("M");
    app.add_option("--batch", flags.options.batch, "Curves a step (default: 512)")
        ->check(CLI::Range(1, 1 << 20))
        ->type_name("B");
    app.add_option("--noise", flags.noise,
                   "Noise added on the fly, in units of M: one level, or a log-uniform range")
        ->type_name("SIGMA|LOW:HIGH");
    add_choice(
        app, "--head", {"flow", "gaussian"},
        [&](const std::string& name) { flags.options.head = nmrinverse::head_from_name(name); },
        "Form of the posterior: flow or gaussian (default: flow)");
    flags.phase =
        app.add_option("--receiver-phase", flags.options.receiver.phase_deg,
                       "The receiver's phase is unknown by up to so much, either way [degrees]")
            ->check(CLI::Range(0.0, 180.0))
            ->type_name("DEG");
    flags.gain = app.add_option("--receiver-gain", flags.options.receiver.gain,
                                "The logarithm of its gain is unknown by up to so much, either way")
                     ->check(CLI::Range(0.0, 5.0))
                     ->type_name("G");
    app.add_option("--time-zero", flags.options.time_zero_us,
                   "The clock is off by up to so much, either way [us]; needs --simulate")
        ->check(no_negative_number())
        ->type_name("US");
    app.add_option("--members", flags.options.members,
                   "Networks side by side (default: 1, or 4 where curves are few)")
        ->check(CLI::Range(1, 64))
        ->type_name("M");
    add_choice(
        app, "--embedding", {"auto", "dense", "convolution"},
        [&](const std::string& name) {
            if (name != kAuto) flags.options.embedding = nmrinverse::embedding_from_name(name);
        },
        "What looks at a curve first: dense or convolution (default: auto, the second "
        "where curves are few)");
    add_choice(
        app, "--features", {"auto", "all", "plain", "phase-free"},
        [&](const std::string& name) {
            if (name != kAuto) flags.options.features = nmrinverse::features_from_name(name);
        },
        "What it sees: all, plain (the curve's numbers and no more), or phase-free, the "
        "same whatever the receiver's phase (default: auto, all; plain for many curves "
        "of drawn ensembles; phase-free where curves are few)");
    app.add_flag("!--no-aliases", flags.options.alpha_z_aliases,
                 "Few curves, or convolutions: do not learn from the aliases of alpha_z, the same "
                 "curves turned, beside them");
    app.add_flag("!--no-mirror", flags.options.mirrored,
                 "Do not learn from mirror images of curves, where they are as likely");
    app.add_option("--held-out", flags.options.held_out,
                   "Share of the data kept for early stopping and calibration (default: 0.1, up to "
                   "a third for few curves of other software)")
        ->check(CLI::Range(1e-4, 0.5))
        ->type_name("SHARE");
    app.add_option(
           "--patience", flags.options.patience,
           "Stop once E passes in a row have not lowered the held-out loss (default: never)")
        ->check(CLI::Range(1, 1000000))
        ->type_name("E");
    app.add_option("--width", flags.options.width, "Width of a network (default: 64)")
        ->check(CLI::Range(1, 1 << 14))
        ->type_name("W");
    app.add_option("--hidden", flags.options.hidden, "Width of its hidden layers (default: 256)")
        ->check(CLI::Range(1, 1 << 14))
        ->type_name("H");
    app.add_option("--blocks", flags.options.blocks, "Its residual blocks (default: 6)")
        ->check(CLI::Range(1, 256))
        ->type_name("B");
    app.add_option("--gates", flags.options.gates,
                   "Filters of a second look at the curve, weighted by what the first saw of it "
                   "(default: 512 for many curves of drawn ensembles, otherwise 0, none)")
        ->check(CLI::Range(0, 1 << 14))
        ->type_name("G");
    app.add_option("--first-look", flags.first_look,
                   "Learn also from what this model, trained on other curves, reads of a curve, "
                   "and from what the curve keeps beyond the mean field: drawn echoes, noise-free")
        ->type_name("MODEL");
    app.add_option("--posterior-weight", flags.options.posterior_weight,
                   "Weight of the posterior beside the estimates in the loss (default: 0.1)")
        ->check(positive_number())
        ->type_name("W");
    app.add_option("--learning-rate", flags.options.learning_rate,
                   "Peak of the learning rate; ten times as much for matrices (default: 0.002)")
        ->check(positive_number())
        ->type_name("RATE");
    app.add_option("--memory", flags.options.memory_mb,
                   "Data sets that take more memory are read as they are used [MiB] (default: 512)")
        ->check(CLI::Range(1, 1 << 24))
        ->type_name("MB");
    app.add_option("--seed", flags.options.seed, "Seed of all draws (default: 1)")->type_name("S");
    add_choice(
        app, "--device", {"auto", "cpu", "cuda"},
        [&](const std::string& name) {
            if (name != kAuto) flags.options.device = nmrinverse::device_from_name(name);
        },
        "auto, cpu or cuda (default: auto)");
    app.add_option("--calibrate", flags.calibrated,
                   "Train nothing: fit this model's widths anew on the noise-free curves of --data")
        ->needs(from_file)
        ->type_name("MODEL");
    app.add_flag("--resume", flags.options.resume,
                 "Go on from MODEL.checkpoint, which an interrupted run leaves");
}

void TrainFlags::settle(const Ranks& ranks) {
    nmrsim::check_output_folder("--out", out);
    nmrsim::check_is_file("--out", out);
    if (!noise.empty()) nmrinverse::set_noise(options, noise, "--noise");
    if (!first_look.empty()) options.first_look = find_model(first_look);
    options.threads = common.threads;
    if (options.threads == 0 && ranks.size() > 1) options.threads = ranks.threads();
    options.checkpoint = out + ".checkpoint";
    for (const std::string& path : {out, options.checkpoint}) {
        nmrsim::check_not_input("--out", path, data_paths);
        nmrsim::check_not_input("--out", path, {choice.name, first_look, calibrated});
    }
    if (!options.resume && calibrated.empty() && std::filesystem::exists(options.checkpoint)) {
        throw std::invalid_argument(
            fmt::format("{} is what an interrupted training left: --resume goes on with it; remove "
                        "it to start again",
                        options.checkpoint));
    }
    // Time alone ends a training that has a time and no number of passes.
    if (options.minutes > 0.0 && epochs->empty() && !data_paths.empty()) options.epochs = 1000000;
    if (simulated > 0) {
        if (static_cast<std::size_t>(options.epochs) > simulated) {
            throw std::invalid_argument(fmt::format("--simulate must be >= --epochs {}, got {}",
                                                    options.epochs, simulated));
        }
        options.curves_per_epoch = simulated / static_cast<std::size_t>(options.epochs);
    }
    options.validate();
}

}  // namespace nmrapps
