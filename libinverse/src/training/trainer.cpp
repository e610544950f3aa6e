#include "nmrinverse/trainer.h"

#include <fmt/format.h>
#include "network/torch.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>

#include "nmrsim/alpha_z_aliases.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/threads.h"
#include "training/calibrating_curves.h"
#include "training/curve_pace.h"
#include "training/training.h"
#include "training/training_setup.h"

namespace nmrinverse {
namespace {

// Errors of curves while training need not be smaller than the network's own.
constexpr double kTrainingTolerance = 1e-3;

// Simulated curves that are held out lie beyond all that train.
constexpr std::uint64_t kHeldOutIndex = std::uint64_t{1} << 48;
// Where no other curves calibrate, so many are held out, up to this share of all.
constexpr double kWantedHeldOut = 1000.0;
constexpr double kMostShareHeldOut = 1.0 / 3.0;
// Curves of a data set that are looked at for whether more of them can be simulated.
constexpr std::size_t kLookedAt = 2048;

/// Where curves come from, for the record; nothing of those of another maker.
std::vector<LearntCurves> learnt_from(const std::vector<nmrsim::CurveRange>& ranges) {
    std::vector<LearntCurves> learnt;
    for (const nmrsim::CurveRange& range : ranges) {
        learnt.push_back({"data", range.seed, range.first_index, range.count});
    }
    return learnt;
}

std::vector<LearntCurves> learnt_from(const nmrsim::Dataset& data) {
    if (data.version.empty()) return {};
    return learnt_from({nmrsim::CurveRange{data.seed, data.first_index, data.count()}});
}

/// FNV-1a.
template <typename Value>
std::uint64_t hashed(std::uint64_t hash, std::span<const Value> values) {
    for (const std::byte byte : std::as_bytes(values)) {
        hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3;
    }
    return hash;
}

/// What tells a data set from others: its size, and curves at its beginning, middle and end.
std::string data_mark(std::size_t count, const auto& rows) {
    constexpr std::size_t kRows = 64;
    std::uint64_t hash = 0xcbf29ce484222325;
    const std::size_t some = std::min(count, kRows);
    for (const std::size_t first : {std::size_t{0}, (count - some) / 2, count - some}) {
        const nmrsim::Dataset piece = rows(first, some);
        hash = hashed(hash, std::span<const double>(piece.parameters));
        hash = hashed(hash, std::span<const float>(piece.signal));
    }
    return fmt::format("{} curves, {:016x}", count, hash);
}

/// Noise on top of noise is of a level that nobody told.
void require_noise_once(const TrainingOptions& options, const nmrsim::Experiment& experiment) {
    if (options.noise_high > 0.0 && experiment.acquisition.noise > 0.0) {
        throw std::invalid_argument(
            fmt::format("training.noise must be 0 for curves that have noise already "
                        "(acquisition.noise = {}), got up to {}",
                        experiment.acquisition.noise, options.noise_high));
    }
}

bool resumes(const TrainingOptions& options) {
    return options.resume && !options.checkpoint.empty() &&
           std::filesystem::exists(options.checkpoint);
}

/// The data set's curves at these positions.
nmrsim::Dataset rows_of(const nmrsim::Dataset& data, const torch::Tensor& positions) {
    nmrsim::Dataset rows = data;
    rows.signal.clear();
    rows.parameters.clear();
    const std::size_t values = 2 * data.points();
    const std::size_t unknowns = data.unknowns.size();
    const torch::Tensor order = positions.contiguous();
    for (std::int64_t at = 0; at < order.size(0); ++at) {
        const auto row = static_cast<std::size_t>(order[at].item<std::int64_t>());
        const auto piece = [row](const auto& all, std::size_t size) {
            return std::span(all).subspan(row * size, size);
        };
        const std::span<const float> curve = piece(data.signal, values);
        const std::span<const double> truth = piece(data.parameters, unknowns);
        rows.signal.insert(rows.signal.end(), curve.begin(), curve.end());
        rows.parameters.insert(rows.parameters.end(), truth.begin(), truth.end());
    }
    return rows;
}

/// The experiment of a data set that can be trained on, with its unknowns.
nmrsim::Experiment experiment_of(const nmrsim::Dataset& data) {
    nmrsim::Experiment experiment =
        nmrsim::parse_experiment(data.experiment_toml, "the data set's experiment");
    experiment.prior = data.unknowns;
    if (nmrsim::sample_count(experiment) != data.points()) {
        throw std::invalid_argument(
            fmt::format("the data set's curves must have the {} points of its experiment, got {}",
                        experiment.acquisition.points, data.points()));
    }
    return experiment;
}

void require_no_shift(const TrainingOptions& options) {
    if (options.time_zero_us > 0.0) {
        throw std::invalid_argument(
            "training.time_zero_us must be 0 for a data set: only simulated curves can be shifted");
    }
}

/// The state that a training starts from: its checkpoint's, or a new one with features for the
/// `sample` of curves.
///
/// Args: data: what tells the data set, "" where curves are simulated. sample: gives the curves,
/// (count, 2, points), where they are needed.
template <typename Sample>
TrainerState starting_state(const nmrsim::Experiment& experiment, const TrainingOptions& options,
                            const std::string& data, const torch::Device& device, int threads,
                            const Sample& sample) {
    const std::shared_ptr<const FirstLook> first = first_look_of(options, experiment);
    TrainerState state = [&] {
        if (resumes(options)) return read_checkpoint(experiment, options, data, device);
        const std::span<const float> signal = sample();
        const auto values = 2 * nmrsim::sample_count(experiment);
        return new_trainer_state(
            experiment,
            features_for(experiment, signal, signal.size() / values, options, first.get(), threads),
            options, device);
    }();
    state.model->first = first;
    state.data = data;
    return state;
}

nmrsim::Dataset rows_of(const nmrsim::Dataset& data, std::size_t first, std::size_t count) {
    return rows_of(data, torch::arange(static_cast<std::int64_t>(first),
                                       static_cast<std::int64_t>(first + count)));
}

TrainingCurves picked(const TrainingCurves& curves, const torch::Tensor& positions) {
    return {curves.reduced.index_select(0, positions), curves.unknowns.index_select(0, positions)};
}

/// Curves to calibrate on: fresh ones like those of a data set, where they can be made anew, or a
/// part of the held-out ones.
CalibratingCurves calibrating(const nmrsim::Experiment& experiment, bool anew,
                              const Reduction& reduction, const TrainingOptions& options,
                              const TrainingPeers& peers, int threads, TrainingCurves& held_out) {
    return anew ? fresh_curves(experiment, reduction, options, peers, threads)
                : taken_from(held_out);
}

/// On curves at hand.
Model train_at_hand(const nmrsim::Dataset& data, std::vector<LearntCurves> learnt,
                    const TrainingOptions& given, const TrainingReport& report,
                    const TrainingPeers& peers, std::chrono::steady_clock::time_point start) {
    require_usable(data);
    const bool few_curves = data.count() < kManyCurves;
    const nmrsim::Experiment experiment = experiment_of(data);
    TrainingOptions options = settled(given, experiment, few_curves);
    options.memory_mb = 0;  // of no effect here, and so not of the checkpoint
    const bool anew = can_be_made_anew(
        experiment, rows_of(data, 0, std::min(data.count(), kLookedAt)), options.threads);
    if (!given.held_out && !anew) {
        options.held_out = std::clamp(kWantedHeldOut / static_cast<double>(data.count()),
                                      *options.held_out, kMostShareHeldOut);
    }
    require_no_shift(options);
    require_noise_once(options, experiment);
    const auto count = static_cast<std::int64_t>(data.count());
    const auto held_out =
        std::max<std::int64_t>(1, std::llround(*options.held_out * static_cast<double>(count)));
    if (count < 2) {
        throw std::invalid_argument(
            fmt::format("the data set must hold at least 2 curves to train on, got {}", count));
    }
    const ThreadGuard threads(learning_threads(options, nmrsim::team_size(options.threads)));
    const torch::Device device = device_of(options);
    const std::string mark = data_mark(data.count(), [&](std::size_t first, std::size_t rows) {
        return rows_of(data, first, rows);
    });
    TrainerState state = starting_state(experiment, options, mark, device, options.threads, [&] {
        const std::size_t sample = std::min(data.count(), static_cast<std::size_t>(kScaleCurves));
        return std::span(data.signal).first(sample * 2 * data.points());
    });
    state.model->record.learnt = std::move(learnt);
    const Reduction reduction = reduction_of(*state.model);
    const torch::Tensor order = torch::randperm(count, generator(options.seed, 0, Purpose::split));
    const torch::Tensor to_learn = order.slice(0, held_out);
    const TrainingCurves curves = reduced(data, reduction, options.threads);
    const bool aliased = learns_from_aliases(options, experiment, few_curves);
    TrainingCurves to_use;
    if (aliased) {
        std::vector<std::int64_t> begins;
        to_use =
            reduced(nmrsim::with_alpha_z_aliases(rows_of(data, to_learn), options.threads, &begins),
                    reduction, options.threads);
        to_use.begins = torch::tensor(begins, torch::kLong);
    } else {
        to_use = picked(curves, to_learn);
    }
    TrainingCurves held_out_curves = picked(curves, order.slice(0, 0, held_out));
    Training training(std::move(state), options, report, peers, start);
    training.calibrate_on(
        calibrating(experiment, anew, reduction, options, peers, options.threads, held_out_curves));
    return training.run(to_use, std::move(held_out_curves));
}

}  // namespace

Model train(const nmrsim::Dataset& data, const TrainingOptions& given, const TrainingReport& report,
            const TrainingPeers& peers) {
    given.validate();
    return train_at_hand(data, learnt_from(data), given, report, peers,
                         std::chrono::steady_clock::now());
}

Model train(const nmrsim::DatasetReader& data, const TrainingOptions& given,
            const TrainingReport& report, const TrainingPeers& peers) {
    given.validate();
    const auto start = std::chrono::steady_clock::now();
    if (data.bytes_in_memory() <= static_cast<std::size_t>(given.memory_mb) << 20) {
        return train_at_hand(data.rows(0, data.count()), learnt_from(data.origin()), given, report,
                             peers, start);
    }
    const nmrsim::Experiment experiment = experiment_of(data.description());
    const TrainingOptions options = settled(given, experiment, data.count() < kManyCurves);
    require_no_shift(options);
    require_noise_once(options, experiment);
    const int cores = nmrsim::team_size(options.threads);
    const ThreadGuard threads(learning_threads(options, cores));
    const torch::Device device = device_of(options);
    nmrsim::Dataset sample;
    const std::string mark = data_mark(
        data.count(), [&](std::size_t first, std::size_t rows) { return data.rows(first, rows); });
    TrainerState state = starting_state(experiment, options, mark, device, cores, [&] {
        sample = data.rows(0, std::min(data.count(), static_cast<std::size_t>(kScaleCurves)));
        require_usable(sample);
        return std::span<const float>(sample.signal);
    });
    state.model->record.learnt = learnt_from(data.origin());
    const Reduction reduction = reduction_of(*state.model);
    DataWindows windows(data, reduction, options, peers);
    TrainingCurves held_out = windows.held_out();
    const torch::Tensor order =
        torch::randperm(held_out.count(), generator(options.seed, 0, Purpose::split));
    held_out = picked(held_out, order);
    const bool anew =
        can_be_made_anew(experiment, data.rows(0, std::min(data.count(), kLookedAt)), cores);
    Training training(std::move(state), options, report, peers, start);
    training.calibrate_on(
        calibrating(experiment, anew, reduction, options, peers, cores, held_out));
    return training.run(windows, std::move(held_out));
}

Model train(const nmrsim::Experiment& described, const TrainingOptions& given,
            const TrainingReport& report, const TrainingPeers& peers) {
    given.validate();
    const auto start = std::chrono::steady_clock::now();
    TrainingOptions options = settled(given, described, false);
    options.memory_mb = 0;
    described.validate();
    if (described.prior.empty()) {
        throw std::invalid_argument("prior must name at least one unknown to train for, got none");
    }
    if (options.curves_per_epoch < 1) {
        throw std::invalid_argument("training.curves_per_epoch must be >= 1, got 0");
    }
    if (options.noise_high == 0.0 && described.acquisition.noise > 0.0) {
        options.noise_low = options.noise_high = described.acquisition.noise;
    }
    const int cores = nmrsim::team_size(options.threads);
    const torch::Device device = device_of(options);
    // Some cores simulate while the others learn: none waits for another within a step.
    const int learners = device.is_cuda() ? 1 : learning_threads(options, std::max(1, cores / 2));
    const int producers = std::max(1, cores - learners);
    const ThreadGuard threads(learners);

    // Noise comes afresh each time a curve is used.
    nmrsim::Experiment experiment = described;
    experiment.acquisition.noise = 0.0;
    std::optional<CurvePace> pace;
    TrainerState state = starting_state(described, options, "", device, cores, [&] {
        pace.emplace(experiment, options, peers, cores, producers);
        return pace->sample();
    });
    if (pace) state.portions = pace->portions();
    if (state.portions.chunk == 0) state.portions = usual_portions(options);
    const Reduction reduction = reduction_of(*state.model);
    const auto [chunk, held_out] = state.portions;
    const auto chunks_per_epoch =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(options.curves_per_epoch) / chunk);
    const std::atomic<bool> stop = false;
    TrainingCurves held_out_curves =
        simulate_curves({experiment, reduction, options.seed, options.time_zero_us}, kHeldOutIndex,
                        held_out, cores, stop);
    state.model->record.learnt = {
        {"training", options.seed, 0, 0},  // counted in the end
        {"training", options.seed, kHeldOutIndex, static_cast<std::uint64_t>(held_out)}};
    nmrsim::Experiment coarse = experiment;
    coarse.accuracy.tolerance = std::max(coarse.accuracy.tolerance, kTrainingTolerance);
    CurveStream stream({coarse, reduction, options.seed, options.time_zero_us}, chunk, producers,
                       peers.rank, peers.size);
    const bool cheap = nmrsim::is_uniform(experiment) && experiment.line.spins == 0;
    Training training(std::move(state), options, report, peers, start);
    training.calibrate_on(cheap ? fresh_curves(experiment, reduction, options, peers, cores)
                                : taken_from(held_out_curves));
    return training.run(stream, chunk, chunks_per_epoch, std::move(held_out_curves));
}

}  // namespace nmrinverse
