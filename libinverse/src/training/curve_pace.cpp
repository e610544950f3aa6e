#include "training/curve_pace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "nmrsim/stop.h"
#include "training/training_data.h"

namespace nmrinverse {
namespace {

// Curves that features are scaled by at least, and that are held out.
constexpr std::int64_t kFewestScaleCurves = 64;
constexpr std::int64_t kFewestHeldOut = 64;
constexpr std::int64_t kMostHeldOut = 4096;

void append(nmrsim::Dataset& all, nmrsim::Dataset more) {
    if (all.signal.empty()) {
        all = std::move(more);
        return;
    }
    all.signal.insert(all.signal.end(), more.signal.begin(), more.signal.end());
    all.parameters.insert(all.parameters.end(), more.parameters.begin(), more.parameters.end());
}

std::int64_t most_in(double seconds, double rate, std::int64_t least, std::int64_t most) {
    const double curves = std::min(seconds * rate, static_cast<double>(most));
    return std::clamp(static_cast<std::int64_t>(curves), std::min(least, most), most);
}

}  // namespace

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

CurvePortions usual_portions(const TrainingOptions& options) {
    const auto per_epoch = static_cast<std::int64_t>(options.curves_per_epoch);
    const auto all = static_cast<double>(per_epoch) * options.epochs;
    // Simulated at once.
    constexpr std::int64_t kChunk = 8192;
    return {per_epoch / ((per_epoch + kChunk - 1) / kChunk),
            std::clamp<std::int64_t>(std::llround(*options.held_out * all), kFewestHeldOut,
                                     kMostHeldOut)};
}

CurvePace::CurvePace(const nmrsim::Experiment& experiment, const TrainingOptions& options,
                     const TrainingPeers& peers, int threads, int producers)
    : portions_(usual_portions(options)) {
    // Curves only looked at for scaling lie beyond all that train and those that are held out.
    constexpr std::uint64_t kScaleIndex = std::uint64_t{1} << 49;
    const auto simulated = [&](std::int64_t first, std::int64_t count) {
        return training_curves(experiment, static_cast<std::size_t>(count), options.seed,
                               kScaleIndex + static_cast<std::uint64_t>(first), threads);
    };
    if (options.minutes == 0.0) {
        sample_ = simulated(0, kScaleCurves);
        return;
    }
    const double time = 60.0 * options.minutes;
    const auto of_all = [&](int value) { return peers.size == 1 ? value : peers.largest(value); };
    const auto start = std::chrono::steady_clock::now();
    std::int64_t done = 0;
    bool late = false;
    // Shares of the time of a timed training that each of these may take at most.
    constexpr double kScaleShare = 0.05;
    constexpr double kHeldOutShare = 0.08;
    constexpr double kChunkShare = 0.05;
    while (done < kScaleCurves && !late) {
        // As many again, so that a first look is over soon where curves are slow.
        const std::int64_t piece =
            done == 0 ? std::max(1, threads) : std::min(done, kScaleCurves - done);
        append(sample_, simulated(done, piece));
        nmrsim::throw_if_stopped();
        done += piece;
        // Not even the fewest, where they would take long: they are not waited for.
        const double share = (done >= kFewestScaleCurves ? 1.0 : 2.0) * kScaleShare;
        late = of_all(seconds_since(start) > share * time) != 0;
    }
    const double seconds = 1e-3 * std::max(1, of_all(static_cast<int>(1e3 * seconds_since(start))));
    const double alone = static_cast<double>(done) / seconds;
    const int producing = of_all(1000 * producers / std::max(1, threads));
    const double rate = alone * peers.size * 1e-3 * producing;
    // Batches without which nothing is learnt.
    constexpr std::int64_t kFewestBatches = 2;
    const std::int64_t needed = kFewestHeldOut + kFewestBatches * options.batch;
    if (rate * (time - seconds) < static_cast<double>(needed)) {
        throw std::invalid_argument(fmt::format(
            "training.minutes must be at least {:.2g} for this experiment, got {:.3g}: it gives "
            "{:.2g} curves a second here, and {} are needed to learn anything (training.batch = "
            "{})",
            1.1 * (static_cast<double>(needed) / rate + seconds) / 60.0, options.minutes, rate,
            needed, options.batch));
    }
    portions_.held_out = most_in(kHeldOutShare * time, alone, kFewestHeldOut, portions_.held_out);
    portions_.chunk = most_in(kChunkShare * time, rate, options.batch, portions_.chunk);
}

}  // namespace nmrinverse
