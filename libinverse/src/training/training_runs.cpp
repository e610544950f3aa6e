// The order in which curves are learnt from: at hand, read window after window, or simulated.

#include <algorithm>
#include <optional>
#include <vector>

#include "nmrsim/stop.h"
#include "training/training.h"

namespace nmrinverse {
namespace {

// The pool of simulated curves to use again holds at most this.
constexpr std::int64_t kPoolBytes = std::int64_t{1} << 30;
// While it has to wait for curves, a timed training goes on with old ones, this many steps at a
// time.
constexpr std::int64_t kStepsWhileWaiting = 8;

/// The stream's chunk; none where simulations were asked to stop (nmrsim/stop.h), which ends the
/// training with what it has.
std::optional<TrainingCurves> taken_unless_stopped(CurveStream& stream) {
    try {
        return stream.take();
    } catch (const nmrsim::Stopped&) {
        return std::nullopt;
    }
}

/// Rows to learn from in one pass, in random order: as many as there are, where curves have aliases
/// each curve as often as another, with one of its own drawn each time. A curve of many aliases
/// must not count more than one of few, or the prior would not be the one that was asked for.
torch::Tensor order_of(const TrainingCurves& curves, const torch::Generator& random) {
    if (!curves.begins.defined()) return torch::randperm(curves.count(), random);
    const std::int64_t count = curves.begins.size(0) - 1;
    const torch::Tensor first = curves.begins.slice(0, 0, count);
    const torch::Tensor aliases = curves.begins.slice(0, 1) - first;
    std::vector<torch::Tensor> rounds;
    for (std::int64_t round = 0; round < curves.count() / count; ++round) {
        const torch::Tensor chosen =
            (torch::rand({count}, random, torch::kFloat64) * aliases).floor().to(torch::kLong);
        rounds.push_back((first + chosen).index_select(0, torch::randperm(count, random)));
    }
    return torch::cat(rounds);
}

}  // namespace

Model Training::run(const TrainingCurves& curves, TrainingCurves held_out) {
    hold_out(std::move(held_out));
    pool_ = curves.reduced.to(device_);
    unknowns_ = curves.unknowns.to(device_);
    seen_before_ = state_.model->record.curves_seen;
    steps_in_all_ = static_cast<long>(options_.epochs) *
                    std::max<long>(1, static_cast<long>(curves.count()) / options_.batch);
    Go go = Go::on;
    while (go == Go::on && state_.epoch < options_.epochs) {
        const torch::Generator random = generator(options_.seed, state_.epoch, Purpose::order);
        go = learn(order_of(curves, random), random);
        if (go == Go::on) go = end_epoch();
    }
    if (state_.best_epoch == 0 || options_.minutes > 0.0) evaluate_epoch();
    return finish();
}

Model Training::run(DataWindows& windows, TrainingCurves held_out) {
    hold_out(std::move(held_out));
    seen_before_ = state_.model->record.curves_seen;
    steps_in_all_ =
        static_cast<long>(options_.epochs) *
        std::max<long>(1, static_cast<long>(windows.curves_per_pass()) / options_.batch);
    Go go = Go::on;
    if (state_.epoch < options_.epochs) windows.start(state_.chunks);
    while (go == Go::on && state_.epoch < options_.epochs) {
        const torch::Generator random = generator(options_.seed, state_.chunks, Purpose::order);
        const DataWindows::Place place = windows.place(state_.chunks);
        pool_ = unknowns_ = torch::Tensor();
        const TrainingCurves window = whole(windows.take(), place.begin, place.count);
        pool_ = window.reduced.to(device_);
        unknowns_ = window.unknowns.to(device_);
        if (state_.chunks + 1 < options_.epochs * windows.per_pass()) {
            windows.start(state_.chunks + 1);
        }
        go = learn(torch::randperm(place.count, random), random);
        if (go == Go::stop) break;
        ++state_.chunks;
        if (state_.chunks % windows.per_pass() == 0) {
            go = end_epoch();
        } else {
            agree();
            save_checkpoint();
        }
    }
    if (state_.best_epoch == 0 || options_.minutes > 0.0) evaluate_epoch();
    return finish();
}

Model Training::run(CurveStream& stream, std::int64_t chunk, std::int64_t chunks_per_epoch,
                    TrainingCurves held_out) {
    chunk_ = chunk;
    const std::int64_t unknowns = held_out.unknowns.size(1);
    const std::int64_t samples = held_out.reduced.size(2);
    hold_out(std::move(held_out));
    const std::int64_t chunks_in_all = options_.epochs * chunks_per_epoch;
    // The pool is a ring of chunks.
    const std::int64_t ring = std::clamp<std::int64_t>(
        kPoolBytes / (chunk * (2 * samples + unknowns) * 4), 1, chunks_in_all);
    const torch::TensorOptions on_device(device_);
    pool_ = torch::empty({ring * chunk, 2, samples}, on_device);
    unknowns_ = torch::empty({ring * chunk, unknowns}, on_device);
    const auto store = [&](std::int64_t index, const TrainingCurves& curves) {
        const std::int64_t at = index % ring * chunk;
        pool_.slice(0, at, at + chunk).copy_(curves.reduced);
        unknowns_.slice(0, at, at + chunk).copy_(curves.unknowns);
    };
    // A resumed training finds its pool as it was.
    for (std::int64_t c = std::max<std::int64_t>(0, state_.chunks - ring); c < state_.chunks; ++c) {
        stream.start(c);
        store(c, whole(stream.take(), stream.begin(), chunk));
    }
    time_alone_ = options_.minutes > 0.0;
    seen_before_ = state_.model->record.curves_seen;
    steps_in_all_ = static_cast<long>(
        chunks_in_all * std::max<std::int64_t>(1, options_.replays * chunk / options_.batch));
    if (state_.chunks < chunks_in_all) stream.start(state_.chunks);

    Go go = Go::on;
    while (go == Go::on && state_.chunks < chunks_in_all) {
        const torch::Generator random = generator(options_.seed, state_.chunks, Purpose::order);
        // Only a timed training may do what depends on time.
        while (time_alone_ && state_.chunks > 0 && go == Go::on && any_stops(!stream.ready())) {
            const std::int64_t filled = std::min(ring, state_.chunks) * chunk;
            go = learn(
                torch::randint(filled, {kStepsWhileWaiting * options_.batch}, random, torch::kLong),
                random);
        }
        if (go == Go::stop) break;
        const std::optional<TrainingCurves> mine = taken_unless_stopped(stream);
        if (any_stops(!mine)) break;
        store(state_.chunks, whole(*mine, stream.begin(), chunk));
        if (state_.chunks + 1 < chunks_in_all) stream.start(state_.chunks + 1);
        const std::int64_t filled = std::min(ring, state_.chunks + 1) * chunk;
        torch::Tensor order = torch::cat(
            {torch::arange(chunk) + state_.chunks % ring * chunk,
             torch::randint(filled, {(options_.replays - 1) * chunk}, random, torch::kLong)});
        order = order.index_select(0, torch::randperm(order.size(0), random));
        go = learn(order, random);
        if (go == Go::stop) break;
        ++state_.chunks;
        if (state_.chunks % chunks_per_epoch == 0) go = end_epoch();
    }
    // All curves simulated and time left: on with what there is.
    while (go == Go::on && time_alone_) {
        const torch::Generator random =
            generator(options_.seed, state_.steps, Purpose::order_again);
        const std::int64_t filled = std::min(ring, chunks_in_all) * chunk;
        go = learn(torch::randperm(filled, random), random);
        if (go == Go::on) go = end_epoch();
    }
    if (state_.best_epoch == 0 || time_alone_) evaluate_epoch();
    return finish();
}

}  // namespace nmrinverse
