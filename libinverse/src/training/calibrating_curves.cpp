#include "training/calibrating_curves.h"

#include <fmt/format.h>
#include "network/torch.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "nmrsim/simulate.h"

namespace nmrinverse {
namespace {

// Fresh curves lie beyond all others of training's key space.
constexpr std::uint64_t kFreshIndex = std::uint64_t{1} << 50;
// So many, so many at a time, in this share of the time of a timed training.
constexpr std::int64_t kFresh = 4096;
constexpr std::int64_t kFreshPiece = 512;
constexpr double kFreshShare = 0.05;

// Half of the held-out curves calibrate; where they are few more of them, as a choice among passes
// needs fewer than the end of an interval that one in twenty lies beyond.
constexpr std::int64_t kWantedOfHeldOut = 1000;
constexpr std::int64_t kMostOfHeldOut = 8192;

// A data set's curves are the experiment's where so many of them differ by less than this share
// from what is simulated, and by their noise, whose power is known to this share.
constexpr std::size_t kCompared = 32;
constexpr double kSameCurves = 5e-3;
constexpr double kSameNoise = 0.1;
// Largest sqrt(n) times the distance of the parameters' distribution from the prior's: one in 10^4
// sets of the prior's own is beyond (Kolmogorov).
constexpr double kSamePrior = 2.23;

bool follows_prior(const nmrsim::Dataset& some) {
    const std::size_t unknowns = some.unknowns.size();
    const auto count = static_cast<double>(some.count());
    for (std::size_t k = 0; k < unknowns; ++k) {
        const nmrsim::PriorRange& range = some.unknowns[k];
        std::vector<double> u;
        for (std::size_t at = k; at < some.parameters.size(); at += unknowns) {
            u.push_back((some.parameters[at] - range.low) / (range.high - range.low));
        }
        std::sort(u.begin(), u.end());
        if (u.empty() || u.front() < 0.0 || u.back() > 1.0) return false;
        if (range.categorical()) continue;
        double farthest = 0.0;
        for (std::size_t i = 0; i < u.size(); ++i) {
            const auto below = static_cast<double>(i);
            farthest = std::max({farthest, (below + 1.0) / count - u[i], u[i] - below / count});
        }
        if (farthest * std::sqrt(count) > kSamePrior) return false;
    }
    return true;
}

bool same_curves(const nmrsim::Experiment& experiment, const nmrsim::Dataset& some, int threads) {
    const std::size_t count = std::min(some.count(), kCompared);
    const std::span<const double> parameters =
        std::span(some.parameters).first(count * some.unknowns.size());
    std::vector<float> again(count * 2 * some.points());
    try {
        nmrsim::simulate_batch(experiment, parameters, {}, again, threads);
    } catch (const std::invalid_argument&) {
        return false;  // parameters that the simulator refuses
    }
    double difference = 0.0, power = 0.0;
    for (std::size_t at = 0; at < again.size(); ++at) {
        difference += std::pow(static_cast<double>(again[at]) - some.signal[at], 2);
        power += std::pow(static_cast<double>(again[at]), 2);
    }
    const double noise =
        std::pow(experiment.acquisition.noise, 2) * static_cast<double>(again.size());
    return std::abs(difference - noise) <= kSameNoise * noise + kSameCurves * kSameCurves * power;
}

}  // namespace

std::int64_t calibrating_among(std::int64_t held_out) {
    return std::max(std::min(kMostOfHeldOut, held_out / 2),
                    std::min(kWantedOfHeldOut, 3 * held_out / 4));
}

bool can_be_made_anew(const nmrsim::Experiment& experiment, const nmrsim::Dataset& some,
                      int threads) {
    return nmrsim::is_uniform(experiment) && experiment.line.spins == 0 && some.count() > 0 &&
           follows_prior(some) && same_curves(experiment, some, threads);
}

CalibratingCurves fresh_curves(const nmrsim::Experiment& experiment, const Reduction& reduction,
                               const TrainingOptions& options, const TrainingPeers& peers,
                               int threads) {
    CurveSource source{experiment, reduction, options.seed, options.time_zero_us};
    if (options.noise_high == 0.0) source.noise = experiment.acquisition.noise;
    source.experiment.acquisition.noise = 0.0;
    const std::atomic<bool> stop = false;
    const auto start = std::chrono::steady_clock::now();
    std::vector<torch::Tensor> curves, unknowns;
    for (std::int64_t done = 0; done < kFresh; done += kFreshPiece) {
        TrainingCurves piece = simulate_curves(
            source, kFreshIndex + static_cast<std::uint64_t>(done), kFreshPiece, threads, stop);
        curves.push_back(std::move(piece.reduced));
        unknowns.push_back(std::move(piece.unknowns));
        if (options.minutes == 0.0) continue;
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
        const bool late = seconds.count() > kFreshShare * 60.0 * options.minutes;
        if (peers.size == 1 ? late : peers.largest(late) != 0) break;
    }
    TrainingCurves all{torch::cat(curves), torch::cat(unknowns)};
    std::string told = fmt::format("{} fresh curves", all.count());
    return {std::move(all), std::move(told)};
}

CalibratingCurves taken_from(TrainingCurves& held_out) {
    const std::int64_t all = held_out.count();
    const std::int64_t some = calibrating_among(all);
    if (some == 0) return {};
    CalibratingCurves taken{
        {held_out.reduced.slice(0, 0, some).clone(), held_out.unknowns.slice(0, 0, some).clone()},
        fmt::format("{} held-out curves that chose nothing", some)};
    held_out.reduced = held_out.reduced.slice(0, some).clone();
    held_out.unknowns = held_out.unknowns.slice(0, some).clone();
    return taken;
}

}  // namespace nmrinverse
