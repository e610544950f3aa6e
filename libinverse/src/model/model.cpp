#include "nmrinverse/model.h"

#include <fmt/format.h>
#include <omp.h>
#include "network/torch.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "model/model_state.h"
#include "network/blas_kernels.h"
#include "nmrinverse/refine.h"
#include "nmrsim/stop.h"
#include "nmrsim/threads.h"

namespace nmrinverse {
namespace {

// Curves through the network at once: the activations of a piece stay in the cache.
constexpr std::int64_t kPiece = 512;

// Noise may be so many times the largest trained: as told, where the same number may have been
// rounded or measured, and as made out of a curve's scatter, which says at most what it is.
constexpr double kSlack = 1.05;
constexpr double kSlackOfScatter = 1.5;

// Of a sample, for differences [units of M].
constexpr float kDifference = 1e-4f;

/// Throws: std::invalid_argument that names the curve and the point of the first bad value.
void require_finite(std::span<const float> signal, std::size_t points) {
    for (std::size_t at = 0; at < signal.size(); ++at) {
        if (!std::isfinite(signal[at])) {
            throw std::invalid_argument(
                fmt::format("signal must be finite, got {} at curve {}, {}, point {}", signal[at],
                            at / (2 * points), at / points % 2 ? "My" : "Mx", at % points));
        }
    }
}

/// Throws: std::invalid_argument for a curve with more noise than the model knows.
void require_known_noise(const Model& model, double noise, double slack, const char* said,
                         std::size_t curve) {
    if (noise <= slack * model.largest_noise()) return;
    throw std::invalid_argument(
        fmt::format("noise of curve {} {} {:.3g}, the model was trained on at most {:.3g}: its "
                    "intervals would be too narrow (noise = {:.3g} gives them all the same)",
                    curve, said, noise, model.largest_noise(), model.largest_noise()));
}

/// The level of each curve by the scatter of its samples, at most the model's largest.
std::vector<double> levels_of_scatter(const Model& model, std::span<const float> signal,
                                      std::size_t count) {
    std::vector<double> levels;
    const std::size_t row = count > 0 ? signal.size() / count : 0;
    for (std::size_t c = 0; c < count; ++c) {
        const double level = estimated_noise(signal.subspan(c * row, row));
        require_known_noise(model, level, kSlackOfScatter, "is, by the scatter of its samples,", c);
        levels.push_back(std::min(level, model.largest_noise()));
    }
    return levels;
}

/// A first look's answer has no slope of its own: two curves a sample.
std::vector<double> gradient_by_differences(const Model& model, std::span<const float> signal,
                                            double noise) {
    const std::size_t samples = signal.size();
    const std::size_t unknowns = model.experiment().prior.size();
    std::vector<float> curves;
    curves.reserve(2 * samples * samples);
    for (std::size_t s = 0; s < samples; ++s) {
        for (const float off : {kDifference, -kDifference}) {
            curves.insert(curves.end(), signal.begin(), signal.end());
            curves[curves.size() - samples + s] += off;
        }
    }
    const std::vector<double> mean = model.predict(curves, 2 * samples, noise).mean;
    std::vector<double> result(unknowns * samples);
    for (std::size_t s = 0; s < samples; ++s) {
        for (std::size_t k = 0; k < unknowns; ++k) {
            result[k * samples + s] =
                (mean[2 * s * unknowns + k] - mean[(2 * s + 1) * unknowns + k]) /
                (2.0 * static_cast<double>(kDifference));
        }
    }
    return result;
}

/// Torch's threads are OpenMP's. Its own call would also start a pool for quantized networks, which
/// waits for ever where the system gives no more threads.
void set_torch_threads(int threads) {
    omp_set_num_threads(threads);
    if (torch::get_num_threads() != threads) torch::set_num_threads(threads);  // another OpenMP
}

}  // namespace

ThreadGuard::ThreadGuard(int threads) : before_(torch::get_num_threads()) {
    choose_blas_kernels();
    set_torch_threads(nmrsim::team_size(threads));
}

ThreadGuard::~ThreadGuard() {
    set_torch_threads(before_);
}

FileTensor to_file_tensor(const torch::Tensor& tensor) {
    const torch::Tensor flat = tensor.detach().to(torch::kCPU, torch::kFloat32).contiguous();
    const float* values = flat.data_ptr<float>();
    return {flat.sizes().vec(), std::vector<float>(values, values + flat.numel())};
}

void from_file_tensor(const FileTensor& from, torch::Tensor to) {
    torch::NoGradGuard no_grad;
    to.copy_(torch::from_blob(const_cast<float*>(from.values.data()), from.shape, torch::kFloat32));
}

NetworkAnswer run_network(const Features& features, PosteriorNet& net, const torch::Tensor& reduced,
                          const torch::Tensor& noise, const torch::Device& device, bool stops) {
    torch::NoGradGuard no_grad;
    const std::int64_t count = reduced.size(0);
    std::vector<torch::Tensor> embedding, mean, log_sd, marginals;
    for (std::int64_t begin = 0; begin < count || begin == 0; begin += kPiece) {
        if (stops) nmrsim::throw_if_stopped();
        const std::int64_t end = std::min(count, begin + kPiece);
        const torch::Tensor levels =
            noise.defined() ? noise.slice(0, begin, end).to(device) : torch::Tensor();
        const NetworkAnswer piece =
            net(features.inputs(reduced.slice(0, begin, end).to(device), levels));
        embedding.push_back(piece.embedding.to(torch::kCPU));
        mean.push_back(piece.mean.to(torch::kCPU));
        log_sd.push_back(piece.log_sd.to(torch::kCPU));
        marginals.push_back(piece.marginals.to(torch::kCPU));
    }
    return {torch::cat(embedding, 1), torch::cat(mean, 1), torch::cat(log_sd, 1),
            torch::cat(marginals, 1),
            noise.defined() ? features.noise_position(noise.to(torch::kCPU)) : torch::Tensor()};
}

torch::Tensor joint_log_density(PosteriorNet& net, const NetworkAnswer& answer,
                                const Calibration& calibration, const torch::Tensor& u) {
    const torch::Tensor each = net.densities(answer, calibration, u).conditional.sum(-1);
    return torch::logsumexp(each, 0) - std::log(static_cast<double>(each.size(0)));
}

std::uint64_t curves_learnt(const TrainingRecord& record, std::uint64_t seed,
                            std::uint64_t first_index, std::uint64_t count) {
    // Ranges that overlap each other count once: by where their parts of these curves begin.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> parts;
    for (const LearntCurves& learnt : record.learnt) {
        if (learnt.stream != "data" || learnt.seed != seed) continue;
        const std::uint64_t begin = std::max(learnt.first_index, first_index);
        const std::uint64_t end = std::min(learnt.first_index + learnt.count, first_index + count);
        if (begin < end) parts.emplace_back(begin, end);
    }
    std::sort(parts.begin(), parts.end());
    std::uint64_t sum = 0, done = 0;
    for (const auto& [begin, end] : parts) {
        const std::uint64_t from = std::max(begin, done);
        if (end > from) sum += end - from;
        done = std::max(done, end);
    }
    return sum;
}

Reduction reduction_of(const Model::State& state) {
    return {state.features.spec().low_pass, state.first};
}

Model::Model(std::shared_ptr<State> state) : state_(std::move(state)) {}

const nmrsim::Experiment& Model::experiment() const {
    return state_->experiment;
}

const TrainingRecord& Model::record() const {
    return state_->record;
}

double Model::largest_noise() const {
    return std::max(state_->features.spec().noise_high, state_->experiment.acquisition.noise);
}

Posterior Model::posterior(std::span<const float> signal, std::size_t count,
                           std::optional<double> noise, int threads) const {
    const auto points = static_cast<std::size_t>(state_->features.spec().low_pass.points);
    if (!noise && state_->features.spec().noise_is_input() && signal.size() == count * 2 * points) {
        require_finite(signal, points);
        return posterior(signal, count, levels_of_scatter(*this, signal, count), threads);
    }
    return posterior(signal, count, std::vector<double>(count, noise.value_or(0.0)), threads);
}

Posterior Model::posterior(std::span<const float> signal, std::size_t count,
                           std::span<const double> noise, int threads) const {
    const LowPass& low_pass = state_->features.spec().low_pass;
    const auto points = static_cast<std::size_t>(low_pass.points);
    if (signal.size() != count * 2 * points || noise.size() != count) {
        throw std::invalid_argument(fmt::format(
            "signal must hold {} curves x 2 x {} points and noise as many levels, got {} values "
            "and {} levels",
            count, points, signal.size(), noise.size()));
    }
    for (std::size_t c = 0; c < count; ++c) {
        if (!(noise[c] >= 0.0) || !std::isfinite(noise[c])) {
            throw std::invalid_argument(
                fmt::format("noise must be >= 0 and finite, got {}", noise[c]));
        }
        require_known_noise(*this, noise[c], kSlack, "is", c);
    }
    require_finite(signal, points);

    const ThreadGuard guard(threads);
    const torch::Tensor reduced = reduced_curves(reduction_of(*state_), signal, count, threads);
    const torch::Tensor levels =
        torch::tensor(std::vector<double>(noise.begin(), noise.end()), torch::kFloat64)
            .to(torch::kFloat32);
    return Posterior(std::make_shared<Posterior::State>(Posterior::State{
        state_, run_network(state_->features, state_->net, reduced, levels, state_->device, true),
        threads}));
}

Predictions Model::predict(std::span<const float> signal, std::size_t count,
                           std::optional<double> noise, int threads) const {
    return posterior(signal, count, noise, threads).summary();
}

std::vector<double> Model::gradient(std::span<const float> signal,
                                    std::optional<double> told) const {
    const LowPass& low_pass = state_->features.spec().low_pass;
    const auto points = static_cast<std::int64_t>(low_pass.points);
    if (signal.size() != static_cast<std::size_t>(2 * points)) {
        throw std::invalid_argument(
            fmt::format("signal must hold 2 x {} points, got {} values", points, signal.size()));
    }
    require_finite(signal, static_cast<std::size_t>(points));
    const bool measured = !told && state_->features.spec().noise_is_input();
    const double noise =
        measured ? levels_of_scatter(*this, signal, 1).front() : told.value_or(0.0);
    if (state_->first) return gradient_by_differences(*this, signal, noise);
    std::vector<float> matrix = low_pass_matrix(low_pass);
    const torch::Tensor filter =
        torch::from_blob(matrix.data(), {low_pass.samples, points}).to(state_->device);
    const torch::Tensor curve = torch::from_blob(const_cast<float*>(signal.data()), {1, 2, points})
                                    .clone()
                                    .to(state_->device)
                                    .set_requires_grad(true);
    const torch::Tensor level = torch::full({1}, noise, torch::TensorOptions(state_->device));
    const torch::Tensor mean =
        state_->net(state_->features.inputs(curve.matmul(filter.t()), level)).mean.mean(0);
    std::vector<double> result;
    for (std::size_t k = 0; k < state_->experiment.prior.size(); ++k) {
        const nmrsim::PriorRange& range = state_->experiment.prior[k];
        const torch::Tensor slope =
            torch::autograd::grad({mean[0][static_cast<std::int64_t>(k)]}, {curve}, {},
                                  /*retain_graph=*/true)[0]
                .to(torch::kCPU, torch::kFloat64)
                .mul(range.high - range.low)
                .contiguous();
        result.insert(result.end(), slope.data_ptr<double>(),
                      slope.data_ptr<double>() + slope.numel());
    }
    return result;
}

}  // namespace nmrinverse
