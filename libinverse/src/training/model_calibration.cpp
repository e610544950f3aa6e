// A model's calibration: widths that fit the errors on curves that were not trained on.

#include <fmt/format.h>
#include "network/torch.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#include "curve/disturbance.h"
#include "model/model_state.h"
#include "nmrinverse/trainer.h"
#include "nmrsim/experiment_file.h"
#include "training/model_calibration.h"
#include "training/training_data.h"
#include "training/training_random.h"

namespace nmrinverse {
namespace {

// Levels of noise that have a factor of their own.
constexpr int kKnots = 9;

// Parts are fitted with their neighbours as they are, so that they are gone through more than once.
constexpr int kSweeps = 2;
constexpr double kLargestInSweep = 1.6;
constexpr int kStepsInSweep = 3;  // each way
// As many curves as tell a scale and a floor.
constexpr std::int64_t kMostForScale = 1500;

/// Mean negative logarithm of each marginal at the truth, (unknowns).
std::vector<double> surprise_of(const PosteriorNet& net, const NetworkAnswer& answer,
                                const Calibration& calibration, const torch::Tensor& truth) {
    const torch::Tensor members = net.marginal_densities(answer, calibration, truth).marginal;
    const torch::Tensor mean =
        (std::log(static_cast<double>(members.size(0))) - torch::logsumexp(members, 0))
            .mean(0)
            .to(torch::kFloat64)
            .contiguous();
    return {mean.data_ptr<double>(), mean.data_ptr<double>() + mean.numel()};
}

/// Mean over the members of each marginal's cumulative, as (n, unknowns).
torch::Tensor cumulative(const PosteriorNet& net, const NetworkAnswer& answer,
                         const Calibration& calibration, const torch::Tensor& truth) {
    return net.marginal_densities(answer, calibration, truth).cumulative.mean(0);
}

/// Mean square distance of the columns' distribution functions from the diagonal, (unknowns), each
/// over its variance p (1 - p): the ends of 90% intervals count as much as those of 50% ones (T. W.
/// Anderson, D. A. Darling, Ann. Math. Stat. 23, 193 (1952)).
std::vector<double> unevenness_of(const torch::Tensor& columns) {
    const torch::Tensor sorted = std::get<0>(columns.to(torch::kFloat64).sort(0));
    const auto count = static_cast<double>(columns.size(0));
    const torch::Tensor diagonal =
        ((torch::arange(columns.size(0), torch::kFloat64) + 0.5) / count).unsqueeze(1);
    const torch::Tensor square =
        ((sorted - diagonal).square() / (diagonal * (1.0 - diagonal))).mean(0).contiguous();
    return {square.data_ptr<double>(), square.data_ptr<double>() + square.numel()};
}

/// Calibrations of levels of noise, alike but for their factors, as one.
Calibration joined(const std::vector<Calibration>& levels) {
    Calibration all = levels.front();
    for (std::size_t k = 0; k < all.size(); ++k) {
        UnknownCalibration& unknown = all[k];
        // What is given by where estimates lie is so at every level: by parts where all have some.
        for (std::size_t j = 0; j < unknown.by_estimate.size(); ++j) {
            const auto lacks = [&](const Calibration& level) {
                return level[k].by_estimate[j].empty();
            };
            if (std::any_of(levels.begin(), levels.end(), lacks)) unknown.by_estimate[j].clear();
        }
        for (std::size_t level = 1; level < levels.size(); ++level) {
            const UnknownCalibration& own = levels[level][k];
            unknown.by_level.insert(unknown.by_level.end(), own.by_level.begin(),
                                    own.by_level.end());
            unknown.by_noise.push_back(own.by_noise.front());
            for (std::size_t j = 0; j < unknown.by_estimate.size(); ++j) {
                std::vector<double>& table = unknown.by_estimate[j];
                if (table.empty()) continue;
                table.insert(table.end(), own.by_estimate[j].begin(), own.by_estimate[j].end());
            }
        }
        const auto none = [](const std::vector<double>& table) { return table.empty(); };
        if (std::all_of(unknown.by_estimate.begin(), unknown.by_estimate.end(), none)) {
            unknown.by_estimate.clear();
        }
    }
    return all;
}

/// Fits the factors of one level of noise by where the estimates lie.
class EstimateFactors {
public:
    /// Args: answer: at that level. trial: what its widths are so far; one factor by noise each.
    EstimateFactors(const PosteriorNet& net, const NetworkAnswer& answer,
                    const torch::Tensor& truth, const Calibration& trial)
        : net_(net), answer_(answer), truth_(truth), trial_(trial) {
        const std::size_t unknowns = trial_.size();
        for (UnknownCalibration& unknown : trial_) unknown.by_estimate.resize(unknowns);
        const torch::Tensor estimate = answer.mean.mean(0).clamp(0.0, 1.0);
        // Fewer curves than this in a part of the estimates' range say nothing of it alone: a
        // factor of 2% is their chance.
        constexpr std::int64_t kFewestInPart = 1000;
        for (std::size_t j = 0; j < unknowns; ++j) {
            if (net.options().choices[j] > 0) continue;  // a choice is no place
            std::vector<torch::Tensor> parts;
            const torch::Tensor part =
                (estimate.select(1, static_cast<std::int64_t>(j)) * kParts).floor();
            for (int p = 0; p < kParts; ++p) {
                const torch::Tensor rows =
                    (p + 1 < kParts ? part.eq(p) : part.ge(p)).nonzero().flatten();
                parts.push_back(rows.size(0) >= kFewestInPart ? rows : torch::Tensor());
            }
            const bool all = std::all_of(parts.begin(), parts.end(),
                                         [](const torch::Tensor& rows) { return rows.defined(); });
            if (all) by_.push_back({j, parts});
        }
        for (UnknownCalibration& unknown : trial_) {
            for (const auto& [j, parts] : by_) unknown.by_estimate[j].assign(kParts, 1.0);
        }
    }

    const Calibration& fitted() {
        for (int sweep = 0; sweep < kSweeps; ++sweep) {
            for (const auto& [j, parts] : by_) sweep_over(j, parts);
        }
        return trial_;
    }

private:
    static constexpr int kParts = UnknownCalibration::kEstimateKnots;

    void sweep_over(std::size_t j, const std::vector<torch::Tensor>& parts) {
        const std::size_t unknowns = trial_.size();
        const auto at_factor = [&](double factor) {
            Calibration wider = trial_;
            for (UnknownCalibration& unknown : wider) unknown.by_noise.front() *= factor;
            const torch::Tensor columns = cumulative(net_, answer_, wider, truth_);
            std::vector<double> all;  // (parts, unknowns)
            for (const torch::Tensor& rows : parts) {
                const std::vector<double> own = unevenness_of(columns.index_select(0, rows));
                all.insert(all.end(), own.begin(), own.end());
            }
            return all;
        };
        const std::vector<double> factors =
            fit_factors(at_factor, {kLargestInSweep, kStepsInSweep});
        for (std::size_t k = 0; k < unknowns; ++k) {
            for (std::size_t p = 0; p < kParts; ++p) {
                trial_[k].by_estimate[j][p] *= factors[p * unknowns + k];
            }
        }
    }

    PosteriorNet net_;
    const NetworkAnswer& answer_;
    const torch::Tensor& truth_;
    Calibration trial_;
    std::vector<std::pair<std::size_t, std::vector<torch::Tensor>>> by_;
};

/// Bends the cumulatives so that central intervals hold the shares that they should, and a little
/// more where few curves tell.
Calibration with_shares(const PosteriorNet& net, const NetworkAnswer& answer,
                        const torch::Tensor& truth, Calibration trial) {
    constexpr std::size_t kEnds = UnknownCalibration::kLevelKnots;
    const auto count = static_cast<double>(truth.size(0));
    std::vector<double> ends, asked;
    // Fewer curves than this beyond a share say nothing of where it ends.
    constexpr double kFewestBeyond = 4.0;
    // Intervals hold more than their share by so many standard deviations of what that many curves
    // tell, those of 99% and more, whose ends are the standard deviations', by so many.
    constexpr double kDoubt = 0.5;
    constexpr double kTailDoubt = 1.0;
    constexpr double kTailShare = 0.95;
    for (const double share : UnknownCalibration::kShares) {
        if (count * (1.0 - share) < kFewestBeyond) break;
        const double doubt = share > kTailShare ? kTailDoubt : kDoubt;
        asked.push_back(share + doubt * std::sqrt(share * (1.0 - share) / count));
    }
    for (const double share : UnknownCalibration::kShares) {
        ends.push_back(std::log((1.0 + share) / (1.0 - share)));
    }
    // Ends that too few curves tell of lie so many times as far out as in proportion to those
    // before them, as tails of networks do, and where next to none tell anything, all of them.
    constexpr double kUntestedStep = 1.25;
    constexpr double kUntested = 2.0;
    for (std::size_t k = 0; k < trial.size(); ++k) {
        if (net.options().choices[k] > 0) continue;
        trial[k].by_level = ends;
        if (!asked.empty()) continue;
        for (double& end : trial[k].by_level) end *= kUntested;
    }
    if (asked.empty()) return trial;
    // True values may lie so far out that single precision does not tell how far.
    const auto in_double = [](const torch::Tensor& tensor) { return tensor.to(torch::kFloat64); };
    const NetworkAnswer wide{answer.embedding, in_double(answer.mean), in_double(answer.log_sd),
                             in_double(answer.marginals), answer.noise_position};
    const torch::Tensor wide_truth = in_double(truth);
    // The mixture of several members' cumulatives is bent with each of theirs: it takes some
    // rounds.
    constexpr int kRounds = 4;
    // Logits of cumulatives in double precision are no farther out: 1 - 2e-16.
    constexpr double kLargestLogit = 36.0;
    // From one share's end to the next, at least.
    constexpr double kLeastStep = 1.02;
    for (int round = 0; round < kRounds; ++round) {
        const torch::Tensor size =
            torch::logit(cumulative(net, wide, trial, wide_truth).clamp(0.0, 1.0))
                .abs()
                .clamp_max(kLargestLogit);
        const torch::Tensor found =
            torch::quantile(size, torch::tensor(asked, torch::kFloat64), 0);  // (shares, unknowns)
        for (std::size_t k = 0; k < trial.size(); ++k) {
            std::vector<double>& knots = trial[k].by_level;
            if (knots.empty()) continue;
            for (std::size_t j = 0; j < kEnds; ++j) {
                const double before = j > 0 ? knots[j - 1] : 0.0;
                if (j < asked.size()) {
                    knots[j] *= found[static_cast<std::int64_t>(j)][static_cast<std::int64_t>(k)]
                                    .item<double>() /
                                ends[j];
                } else {
                    knots[j] = before * kUntestedStep * ends[j] / ends[j - 1];
                }
                knots[j] = std::max(knots[j], std::max(1e-3, kLeastStep * before));
            }
        }
    }
    return trial;
}

}  // namespace

Calibration calibrated_on(const Features& features, PosteriorNet& net,
                          const ReceiverSpread& receiver, const torch::Tensor& reduced,
                          const torch::Tensor& truth, std::uint64_t seed,
                          const torch::Device& device) {
    torch::NoGradGuard no_grad;
    const auto unknowns = static_cast<std::size_t>(truth.size(1));
    const std::int64_t count = truth.size(0);
    const torch::Generator random = generator(seed, 0, Purpose::calibration);
    const auto answer_at = [&](const torch::Tensor& levels) {
        return run_network(features, net,
                           disturbed(features, receiver, reduced.to(device), levels, random),
                           levels, device);
    };
    const std::int64_t some = std::min(count, kMostForScale);
    const NetworkAnswer mixed =
        answer_at(noise_levels(features.spec(), count, random)).slice(0, some);
    const torch::Tensor true_of_some = truth.slice(0, 0, some);
    Calibration calibration = fit_calibration(
        unknowns, static_cast<std::size_t>(some),
        [&](const Calibration& trial) { return surprise_of(net, mixed, trial, true_of_some); });
    // Fewer held-out curves than this say nothing about a shape.
    constexpr std::int64_t kFewestCurves = 200;
    if (count < kFewestCurves) return with_shares(net, mixed, truth, calibration);
    const FeatureSpec& spec = features.spec();
    const int knots = spec.noise_is_input() ? kKnots : 1;
    // The factor of all at a level of noise.
    constexpr TriedFactors kTriedAtLevel{4.0, 8};
    std::vector<Calibration> fitted;  // (knots), with one factor by noise each
    for (int knot = 0; knot < knots; ++knot) {
        const double share = knots > 1 ? static_cast<double>(knot) / (knots - 1) : 1.0;
        const double level =
            spec.noise_is_input()
                ? spec.noise_low * std::pow(spec.noise_high / spec.noise_low, share)
                : spec.noise_high;
        const NetworkAnswer answer = answer_at(torch::full({count}, level));
        const std::vector<double> factors = fit_factors(
            [&](double factor) {
                Calibration trial = calibration;
                for (UnknownCalibration& unknown : trial) unknown.by_noise = {factor};
                return unevenness_of(cumulative(net, answer, trial, truth));
            },
            kTriedAtLevel);
        Calibration own = calibration;
        for (std::size_t k = 0; k < unknowns; ++k) own[k].by_noise = {factors[k]};
        fitted.push_back(
            with_shares(net, answer, truth, EstimateFactors(net, answer, truth, own).fitted()));
    }
    return joined(fitted);
}

double calibration_seconds(const Features& features, PosteriorNet& net,
                           const torch::Tensor& reduced, const torch::Tensor& truth,
                           const torch::Device& device) {
    torch::NoGradGuard no_grad;
    const std::int64_t few = std::min<std::int64_t>(512, truth.size(0));
    const torch::Tensor noise = torch::full({few}, features.spec().noise_high);
    const Calibration plain(static_cast<std::size_t>(truth.size(1)));
    constexpr int kTimes = 3;
    double network = 0.0, look = 0.0;  // [s], means: a busy machine stays so
    for (int time = -1; time < kTimes; ++time) {
        const auto start = std::chrono::steady_clock::now();
        const NetworkAnswer answer =
            run_network(features, net, reduced.slice(0, 0, few), noise, device);
        const auto middle = std::chrono::steady_clock::now();
        surprise_of(net, answer, plain, truth.slice(0, 0, few));
        const auto end = std::chrono::steady_clock::now();
        if (time < 0) continue;  // what comes first finds nothing in the caches
        network += std::chrono::duration<double>(middle - start).count() / kTimes;
        look += std::chrono::duration<double>(end - middle).count() / kTimes;
    }
    const double knots = features.spec().noise_is_input() ? kKnots : 1;
    const auto all = static_cast<double>(truth.size(0));
    // Times that the densities are looked at, about: at all levels of noise, and at each.
    constexpr double kLooks = 250.0;
    constexpr double kLooksAtLevel = 65.0;
    const double looks =
        kLooks * std::min(all, static_cast<double>(kMostForScale)) + kLooksAtLevel * knots * all;
    return (knots * all * network + looks * look) / static_cast<double>(few);
}

Calibration widened_calibration(const PosteriorNet& net, const NetworkAnswer& answer,
                                const torch::Tensor& truth) {
    torch::NoGradGuard no_grad;
    Calibration best(static_cast<std::size_t>(truth.size(1)));
    std::vector<double> least = surprise_of(net, answer, best, truth);
    double scale = 1.0;
    // Factors that widened_calibration() tries, each so many times the one before.
    constexpr int kWidenings = 8;
    constexpr double kWidening = 1.5;
    for (int i = 0; i < kWidenings; ++i) {
        scale *= kWidening;
        const std::vector<double> surprise =
            surprise_of(net, answer, Calibration(best.size(), {scale, 0.0, {1.0}}), truth);
        for (std::size_t k = 0; k < best.size(); ++k) {
            if (!(surprise[k] < least[k])) continue;
            least[k] = surprise[k];
            best[k].sd_scale = scale;
        }
    }
    return best;
}

Model calibrate(const Model& model, const nmrsim::Dataset& data,
                const std::optional<ReceiverSpread>& asked, std::uint64_t seed, int threads) {
    require_usable(data);
    const Model::State& from = model.state();
    ReceiverSpread receiver = asked.value_or(ReceiverSpread{});
    if (!asked && from.record.receiver) {
        receiver = {(*from.record.receiver)[0], (*from.record.receiver)[1]};
    }
    const double noise = nmrsim::parse_experiment(data.experiment_toml, "the data set's experiment")
                             .acquisition.noise;
    if (noise > 0.0 && from.features.spec().noise_high > 0.0) {
        throw std::invalid_argument(fmt::format(
            "the data set must be without noise to calibrate a model that was trained for noise up "
            "to {}, which is put on here, got acquisition.noise = {}",
            from.features.spec().noise_high, noise));
    }
    if (from.record.receiver && (*from.record.receiver)[2] > 0.0) {
        throw std::invalid_argument(fmt::format(
            "the model was trained for a clock that is off by up to {} us, which a data set's "
            "curves do not show: its widths would be those of a clock that is right",
            (*from.record.receiver)[2]));
    }
    if (data.points() != static_cast<std::size_t>(from.features.spec().low_pass.points) ||
        data.unknowns.size() != from.experiment.prior.size()) {
        throw std::invalid_argument(
            "the data set must have the model's points and unknowns to calibrate it");
    }
    const ThreadGuard guard(threads);
    const TrainingCurves curves = reduced(data, reduction_of(from), threads);
    auto state = std::make_shared<Model::State>(from);
    if (!data.version.empty()) {
        state->record.learnt.push_back({"data", data.seed, data.first_index, data.count()});
    }
    state->record.calibrated_on = fmt::format("{} curves told", data.count());
    state->calibration = calibrated_on(state->features, state->net, receiver, curves.reduced,
                                       curves.unknowns, seed, state->device);
    return Model(std::move(state));
}

}  // namespace nmrinverse
