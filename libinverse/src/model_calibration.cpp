// A model's calibration: widths that fit the errors on curves that were not trained on.

#include <torch/torch.h>

#include <cmath>
#include <stdexcept>

#include "disturbance.h"
#include "model_state.h"
#include "nmrinverse/trainer.h"
#include "training_data.h"

namespace nmrinverse {
namespace {

// Levels of noise that have a factor of their own.
constexpr int kKnots = 9;
// Fewer held-out curves than this say nothing about a shape.
constexpr std::int64_t kFewestCurves = 200;

// Factors that widened_calibration() tries, each so many times the one before.
constexpr int kWidenings = 8;
constexpr double kWidening = 1.5;

/// Mean negative logarithm of each marginal at the truth, (unknowns).
std::vector<double> surprise_of(const PosteriorNet& net, const NetworkAnswer& answer,
                                const Calibration& calibration, const torch::Tensor& truth) {
    const torch::Tensor members = net->marginal_densities(answer, calibration, truth).marginal;
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
    return net->marginal_densities(answer, calibration, truth).cumulative.mean(0);
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

}  // namespace

Calibration calibrated_on(const Features& features, PosteriorNet& net,
                          const ReceiverSpread& receiver, const torch::Tensor& reduced,
                          const torch::Tensor& truth, std::uint64_t seed,
                          const torch::Device& device) {
    torch::NoGradGuard no_grad;
    const auto unknowns = static_cast<std::size_t>(truth.size(1));
    const std::int64_t count = truth.size(0);
    const torch::Generator random = at::make_generator<at::CPUGeneratorImpl>(seed);
    const auto answer_at = [&](const torch::Tensor& levels) {
        return run_network(features, net,
                           disturbed(features, receiver, reduced.to(device), levels, random),
                           levels, device);
    };
    const NetworkAnswer mixed = answer_at(noise_levels(features.spec(), count, random));
    Calibration calibration = fit_calibration(
        unknowns, static_cast<std::size_t>(count),
        [&](const Calibration& trial) { return surprise_of(net, mixed, trial, truth); });
    if (count < kFewestCurves) return calibration;
    const FeatureSpec& spec = features.spec();
    const int knots = spec.noise_is_input() ? kKnots : 1;
    std::vector<std::vector<double>> factors;  // (knots, unknowns)
    for (int knot = 0; knot < knots; ++knot) {
        const double share = knots > 1 ? static_cast<double>(knot) / (knots - 1) : 1.0;
        const double level =
            spec.noise_is_input()
                ? spec.noise_low * std::pow(spec.noise_high / spec.noise_low, share)
                : spec.noise_high;
        const NetworkAnswer answer = answer_at(torch::full({count}, level));
        factors.push_back(fit_factors([&](double factor) {
            Calibration trial = calibration;
            for (UnknownCalibration& unknown : trial) unknown.by_noise = {factor};
            return unevenness_of(cumulative(net, answer, trial, truth));
        }));
    }
    for (std::size_t k = 0; k < unknowns; ++k) {
        calibration[k].by_noise.clear();
        for (const std::vector<double>& each : factors) calibration[k].by_noise.push_back(each[k]);
    }
    return calibration;
}

Calibration widened_calibration(const PosteriorNet& net, const NetworkAnswer& answer,
                                const torch::Tensor& truth) {
    torch::NoGradGuard no_grad;
    Calibration best(static_cast<std::size_t>(truth.size(1)));
    std::vector<double> least = surprise_of(net, answer, best, truth);
    double scale = 1.0;
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

Model calibrate(const Model& model, const nmrsim::Dataset& data, const ReceiverSpread& receiver,
                std::uint64_t seed, int threads) {
    require_usable(data);
    const Model::State& from = model.state();
    if (data.points() != static_cast<std::size_t>(from.features.spec().low_pass.points) ||
        data.unknowns.size() != from.experiment.prior.size()) {
        throw std::invalid_argument(
            "the data set must have the model's points and unknowns to calibrate it");
    }
    const ThreadGuard guard(threads);
    const Curves curves = reduced(data, reduction_of(from), threads);
    auto state = std::make_shared<Model::State>(from);
    state->calibration = calibrated_on(state->features, state->net, receiver, curves.reduced,
                                       curves.unknowns, seed, state->device);
    return Model(std::move(state));
}

}  // namespace nmrinverse
