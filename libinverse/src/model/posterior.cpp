#include "nmrinverse/posterior.h"

#include <fmt/format.h>
#include "network/torch.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "model/model_state.h"
#include "nmrsim/random.h"
#include "nmrsim/stop.h"

namespace nmrinverse {
namespace {

// Curves looked at together: their numbers stay in the cache.
constexpr std::int64_t kCurvesAtOnce = 512;
// Rows (curves times points) of the joint density at once, and draws at once.
constexpr std::int64_t kRows = 8192;

// Gauss-Legendre's rule of ten points on [0, 1]. Moments are means over the levels of the
// quantiles, which bend away at both ends: with t -> 3 t^2 - 2 t^3 put in between, the rule is
// right to 1e-3 of a normal or logistic distribution's standard deviation (without it to 2e-2).
constexpr double kNode[] = {0.013046735741414128, 0.067468316655507732, 0.160295215850487796,
                            0.283302302935376393, 0.425562830509184394, 0.574437169490815606,
                            0.716697697064623607, 0.839704784149512204, 0.932531683344492268,
                            0.986953264258585872};
constexpr double kWeight[] = {0.033335672154344069, 0.074725674575290296, 0.109543181257991021,
                              0.134633359654998177, 0.147762112357376435, 0.147762112357376435,
                              0.134633359654998177, 0.109543181257991021, 0.074725674575290296,
                              0.033335672154344069};
std::vector<double> moment_levels() {
    std::vector<double> levels;
    for (const double t : kNode) levels.push_back(t * t * (3.0 - 2.0 * t));
    return levels;
}

std::vector<double> moment_weights() {
    std::vector<double> weights;
    for (std::size_t i = 0; i < std::size(kNode); ++i) {
        weights.push_back(kWeight[i] * 6.0 * kNode[i] * (1.0 - kNode[i]));
    }
    return weights;
}

// Where tails were fitted, the last two, the ends of 99% intervals: the farther of them is at most
// so many standard deviations from the estimate, 2.576 of a normal distribution, so that few
// answers are off by more than four where tails are heavier.
constexpr double kQuantile[] = {0.05, 0.25, 0.75, 0.95, 0.005, 0.995};
constexpr double kFarDeviations = 2.8;

double in_units(double u, const nmrsim::PriorRange& range) {
    return range.low + (range.high - range.low) * std::clamp(u, 0.0, 1.0);
}

/// The values on the unit box, (rows, unknowns), and whether all of a row lie inside.
struct OnBox {
    torch::Tensor u;
    std::vector<bool> inside;
};

OnBox on_box(std::span<const double> parameters, const nmrsim::Prior& prior) {
    const std::size_t unknowns = prior.size();
    const std::size_t rows = parameters.size() / unknowns;
    OnBox box{torch::empty({static_cast<std::int64_t>(rows), static_cast<std::int64_t>(unknowns)}),
              std::vector<bool>(rows, true)};
    float* to = box.u.data_ptr<float>();
    for (std::size_t at = 0; at < parameters.size(); ++at) {
        const nmrsim::PriorRange& range = prior[at % unknowns];
        const double u = (parameters[at] - range.low) / (range.high - range.low);
        if (!(u >= 0.0 && u <= 1.0)) box.inside[at / unknowns] = false;
        to[at] = static_cast<float>(std::clamp(u, 0.0, 1.0));
    }
    return box;
}

}  // namespace

EmbeddingReference embedding_reference(const torch::Tensor& embedding) {
    torch::NoGradGuard no_grad;
    const torch::Tensor rows = embedding.to(torch::kFloat64);
    const torch::Tensor mean = rows.mean(0);
    const torch::Tensor off = rows - mean;
    const std::int64_t width = rows.size(1);
    const auto count = static_cast<double>(rows.size(0));
    const torch::Tensor plain = off.t().matmul(off) / count;
    const torch::Tensor one = torch::eye(width, torch::kFloat64);
    // Few curves do not span all directions: so much of the variance is taken to be the same in all
    // of them as makes the expected error least (O. Ledoit, M. Wolf, J. Multivar. Anal. 88, 365
    // (2004), eq. 14 to 18).
    const double level = plain.diagonal().mean().item<double>();
    const double spread = (plain - level * one).square().sum().item<double>();
    const double fourth = off.square().sum(1).square().sum().item<double>();
    const double error =
        std::max(0.0, fourth / count - plain.square().sum().item<double>()) / count;
    const double share = spread > 0.0 ? std::min(1.0, error / spread) : 1.0;
    const torch::Tensor covariance = (1.0 - share) * plain + (share * level + 1e-12) * one;
    const torch::Tensor whitening =
        at::linalg_inv(at::linalg_cholesky(covariance)).t().contiguous();
    // Each curve's distance from the others, as that of a curve that is none of them: without it
    // the mean moves away by 1 / (n - 1) of where it is, and the covariance loses its share
    // (J. Sherman, W. J. Morrison, Ann. Math. Stat. 21, 124 (1950)).
    const torch::Tensor square = off.matmul(whitening).square().sum(1);
    const torch::Tensor left = (1.0 - square * ((1.0 - share) / (count - 1.0))).clamp_min(1e-6);
    const torch::Tensor distance = (square / left).sqrt() * (count / (count - 1.0));
    const torch::Tensor levels = torch::linspace(0.0, 1.0, kReferenceSteps, torch::kFloat64);
    return {mean.to(torch::kFloat32), whitening.to(torch::kFloat32),
            torch::quantile(distance, levels).to(torch::kFloat32)};
}

Predictions summarised(const PosteriorNet& net, const NetworkAnswer& answer,
                       const Calibration& calibration, const nmrsim::Prior& prior) {
    torch::NoGradGuard no_grad;
    Predictions result;
    result.unknowns = prior.size();
    result.count = static_cast<std::size_t>(answer.mean.size(1));
    const std::size_t values = result.count * result.unknowns;
    for (std::vector<double>* to :
         {&result.mean, &result.sd, &result.q05, &result.q25, &result.q75, &result.q95}) {
        to->resize(values);
    }
    std::vector<double> levels(std::begin(kQuantile), std::end(kQuantile));
    const std::vector<double> moments = moment_levels();
    const std::vector<double> weights = moment_weights();
    levels.insert(levels.end(), moments.begin(), moments.end());
    const torch::Tensor asked = torch::tensor(levels, torch::kFloat64);
    const auto categorical =
        std::find_if(prior.begin(), prior.end(),
                     [](const nmrsim::PriorRange& range) { return range.categorical(); });
    const auto count = static_cast<std::int64_t>(result.count);
    for (std::int64_t begin = 0; begin < count; begin += kCurvesAtOnce) {
        nmrsim::throw_if_stopped();
        const NetworkAnswer piece = answer.slice(begin, std::min(count, begin + kCurvesAtOnce));
        const torch::Tensor mean = combined(piece).mean.to(torch::kFloat64).contiguous();
        const torch::Tensor quantiles =
            net.marginal_quantiles(piece, calibration, asked).contiguous();
        const std::size_t offset = static_cast<std::size_t>(begin) * result.unknowns;
        for (std::int64_t at = 0; at < mean.numel(); ++at) {
            const std::size_t to = offset + static_cast<std::size_t>(at);
            const nmrsim::PriorRange& range = prior[to % result.unknowns];
            const double* q = quantiles.data_ptr<double>() + at * quantiles.size(2);
            const double* nodes = q + std::size(kQuantile);
            double first = 0.0, second = 0.0;
            for (std::size_t i = 0; i < weights.size(); ++i) first += weights[i] * nodes[i];
            for (std::size_t i = 0; i < weights.size(); ++i) {
                second += weights[i] * (nodes[i] - first) * (nodes[i] - first);
            }
            result.mean[to] = in_units(mean.data_ptr<double>()[at], range);
            const UnknownCalibration& unknown = calibration[to % result.unknowns];
            const double estimate = std::clamp(mean.data_ptr<double>()[at], 0.0, 1.0);
            const double far = std::max(q[5] - estimate, estimate - q[4]);
            const double least = unknown.by_level.empty() ? 0.0 : far / kFarDeviations;
            result.sd[to] = (range.high - range.low) * std::max(std::sqrt(second), least);
            result.q05[to] = in_units(q[0], range);
            result.q25[to] = in_units(q[1], range);
            result.q75[to] = in_units(q[2], range);
            result.q95[to] = in_units(q[3], range);
        }
        if (categorical == prior.end()) continue;
        const auto k = static_cast<int>(categorical - prior.begin());
        const torch::Tensor share = net.probabilities(piece, k).to(torch::kFloat64).contiguous();
        const auto choices = static_cast<std::size_t>(share.size(1));
        for (std::int64_t row = 0; row < share.size(0); ++row) {
            const double* p = share.data_ptr<double>() + row * share.size(1);
            result.probabilities.insert(result.probabilities.end(), p, p + choices);
            // The likeliest choice stands for the estimate.
            result.mean[offset + static_cast<std::size_t>(row) * result.unknowns +
                        static_cast<std::size_t>(k)] =
                categorical->low + 0.5 + static_cast<double>(std::max_element(p, p + choices) - p);
        }
    }
    return result;
}

Posterior::Posterior(std::shared_ptr<const State> state) : state_(std::move(state)) {}

std::size_t Posterior::count() const {
    return static_cast<std::size_t>(state_->answer.mean.size(1));
}

std::size_t Posterior::unknowns() const {
    return static_cast<std::size_t>(state_->answer.mean.size(2));
}

Predictions Posterior::summary() const {
    const ThreadGuard guard(state_->threads);
    const Model::State& model = *state_->model;
    return summarised(model.net, state_->answer, model.calibration, model.experiment.prior);
}

std::vector<double> Posterior::quantiles(std::span<const double> levels) const {
    const ThreadGuard guard(state_->threads);
    const Model::State& model = *state_->model;
    for (const double level : levels) {
        if (!(level >= 0.0 && level <= 1.0)) {
            throw std::invalid_argument(fmt::format("levels must be in [0, 1], got {}", level));
        }
    }
    const torch::Tensor asked =
        torch::tensor(std::vector<double>(levels.begin(), levels.end()), torch::kFloat64);
    std::vector<double> result;
    result.reserve(count() * unknowns() * levels.size());
    const auto all = static_cast<std::int64_t>(count());
    for (std::int64_t begin = 0; begin < all; begin += kCurvesAtOnce) {
        nmrsim::throw_if_stopped();
        const torch::Tensor piece =
            model.net
                .marginal_quantiles(
                    state_->answer.slice(begin, std::min(all, begin + kCurvesAtOnce)),
                    model.calibration, asked)
                .contiguous();
        const double* values = piece.data_ptr<double>();
        for (std::int64_t at = 0; at < piece.numel(); ++at) {
            const auto k = static_cast<std::size_t>(at / piece.size(2)) % unknowns();
            result.push_back(in_units(values[at], model.experiment.prior[k]));
        }
    }
    return result;
}

std::vector<double> Posterior::cdf(std::span<const double> parameters) const {
    torch::NoGradGuard no_grad;
    const ThreadGuard guard(state_->threads);
    const Model::State& model = *state_->model;
    if (parameters.size() != count() * unknowns()) {
        throw std::invalid_argument(fmt::format("parameters must hold {} x {} values, got {}",
                                                count(), unknowns(), parameters.size()));
    }
    const torch::Tensor below =
        model.net
            .marginal_densities(state_->answer, model.calibration,
                                on_box(parameters, model.experiment.prior).u)
            .cumulative.mean(0)
            .to(torch::kFloat64)
            .contiguous();
    return {below.data_ptr<double>(), below.data_ptr<double>() + below.numel()};
}

std::vector<double> Posterior::sample(std::size_t draws, std::uint64_t seed,
                                      std::uint64_t first_index) const {
    const ThreadGuard guard(state_->threads);
    Model::State& model = *state_->model;
    std::vector<double> result;
    result.reserve(count() * draws * unknowns());
    if (draws == 0) return result;
    const auto times = static_cast<std::int64_t>(draws);
    const auto numbers = static_cast<std::int64_t>(unknowns() + 1);
    const std::int64_t piece = std::max<std::int64_t>(1, kRows / times);
    const auto all = static_cast<std::int64_t>(count());
    for (std::int64_t begin = 0; begin < all; begin += piece) {
        nmrsim::throw_if_stopped();
        const std::int64_t end = std::min(all, begin + piece);
        torch::Tensor uniform = torch::empty({(end - begin) * times, numbers}, torch::kFloat64);
        double* to = uniform.data_ptr<double>();
        for (std::int64_t c = begin; c < end; ++c) {
            nmrsim::CounterRandom random(seed, first_index + static_cast<std::uint64_t>(c),
                                         nmrsim::RandomStream::posterior_draws);
            for (std::int64_t i = 0; i < times * numbers; ++i) *to++ = random.uniform();
        }
        const torch::Tensor drawn =
            model.net
                .draw(state_->answer.slice(begin, end).repeated(times), model.calibration, uniform)
                .contiguous();
        const double* values = drawn.data_ptr<double>();
        for (std::int64_t at = 0; at < drawn.numel(); ++at) {
            const auto k = static_cast<std::size_t>(at) % unknowns();
            result.push_back(in_units(values[at], model.experiment.prior[k]));
        }
    }
    return result;
}

std::vector<double> Posterior::log_prob(std::span<const double> parameters) const {
    torch::NoGradGuard no_grad;
    const ThreadGuard guard(state_->threads);
    Model::State& model = *state_->model;
    const nmrsim::Prior& prior = model.experiment.prior;
    const std::size_t each = count() * unknowns();
    if (each == 0 || parameters.size() % each != 0) {
        throw std::invalid_argument(fmt::format("parameters must hold {} x m x {} values, got {}",
                                                count(), unknowns(), parameters.size()));
    }
    double volume = 0.0;  // logarithm, of the box
    for (const nmrsim::PriorRange& range : prior) {
        volume += std::log(range.high - range.low);
    }
    const std::size_t points = parameters.size() / each;
    std::vector<double> result;
    result.reserve(count() * points);
    if (points == 0) return result;
    const std::size_t piece = std::max<std::size_t>(1, static_cast<std::size_t>(kRows) / points);
    for (std::size_t begin = 0; begin < count(); begin += piece) {
        nmrsim::throw_if_stopped();
        const std::size_t end = std::min(count(), begin + piece);
        const OnBox box = on_box(
            parameters.subspan(begin * points * unknowns(), (end - begin) * points * unknowns()),
            prior);
        const NetworkAnswer answer =
            state_->answer.slice(static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end))
                .repeated(static_cast<std::int64_t>(points));
        const torch::Tensor density = joint_log_density(model.net, answer, model.calibration, box.u)
                                          .to(torch::kFloat64)
                                          .contiguous();
        for (std::int64_t row = 0; row < density.size(0); ++row) {
            result.push_back(box.inside[static_cast<std::size_t>(row)]
                                 ? density.data_ptr<double>()[row] - volume
                                 : -std::numeric_limits<double>::infinity());
        }
    }
    return result;
}

std::vector<double> Posterior::distance() const {
    torch::NoGradGuard no_grad;
    const ThreadGuard guard(state_->threads);
    const EmbeddingReference& reference = state_->model->reference;
    const torch::Tensor far =
        (state_->answer.embedding[0] - reference.mean).matmul(reference.whitening).norm(2, 1);
    const float* quantiles = reference.quantiles.data_ptr<float>();
    std::vector<double> result;
    for (std::int64_t c = 0; c < far.size(0); ++c) {
        const float distance = far.data_ptr<float>()[c];
        const float* above = std::upper_bound(quantiles, quantiles + kReferenceSteps, distance);
        const auto index = static_cast<int>(above - quantiles);
        double share = index == 0 ? 0.0 : 1.0;
        if (index > 0 && index < kReferenceSteps) {
            const double width = *above - *(above - 1);
            share = (index - 1 + (width > 0.0 ? (distance - *(above - 1)) / width : 0.0)) /
                    (kReferenceSteps - 1);
        }
        result.push_back(share);
    }
    return result;
}

}  // namespace nmrinverse
