#include "nmrinverse/model.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "blas_kernels.h"
#include "model_state.h"

namespace nmrinverse {
namespace {

// Curves through the network at once: the activations of a piece stay in the cache.
constexpr std::int64_t kPiece = 512;

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

}  // namespace

ThreadGuard::ThreadGuard(int threads) : before_(torch::get_num_threads()) {
    choose_blas_kernels();
    if (threads > 0) torch::set_num_threads(threads);
}

ThreadGuard::~ThreadGuard() {
    torch::set_num_threads(before_);
}

std::vector<std::pair<std::string, torch::Tensor>> named_weights(const EmbeddingNet& net) {
    std::vector<std::pair<std::string, torch::Tensor>> weights;
    for (const auto& item : net->named_parameters()) weights.push_back({item.key(), item.value()});
    return weights;
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

NetworkOutput run_network(const Features& features, EmbeddingNet& net, const torch::Tensor& reduced,
                          const torch::Tensor& noise, const torch::Device& device) {
    torch::NoGradGuard no_grad;
    const std::int64_t count = reduced.size(0);
    const auto values = static_cast<std::size_t>(count * net->options().unknowns);
    NetworkOutput output;
    output.mean.reserve(values);
    output.log_sd.reserve(values);
    const auto append = [](std::vector<float>& to, const torch::Tensor& from) {
        const torch::Tensor flat = from.to(torch::kCPU).contiguous();
        to.insert(to.end(), flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
    };
    for (std::int64_t begin = 0; begin < count; begin += kPiece) {
        const std::int64_t end = std::min(count, begin + kPiece);
        const torch::Tensor levels =
            noise.defined() ? noise.slice(0, begin, end).to(device) : torch::Tensor();
        const NetworkAnswer piece = combined(
            net->forward(features.inputs(reduced.slice(0, begin, end).to(device), levels)));
        append(output.mean, piece.mean);
        append(output.log_sd, piece.log_sd);
    }
    return output;
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

Predictions Model::predict(std::span<const float> signal, std::size_t count, double noise,
                           int threads) const {
    const LowPass& low_pass = state_->features.spec().low_pass;
    const auto points = static_cast<std::size_t>(low_pass.points);
    if (signal.size() != count * 2 * points) {
        throw std::invalid_argument(
            fmt::format("signal must hold {} curves x 2 x {} points, got {} values", count, points,
                        signal.size()));
    }
    if (!(noise >= 0.0) || !std::isfinite(noise)) {
        throw std::invalid_argument(fmt::format("noise must be >= 0 and finite, got {}", noise));
    }
    require_finite(signal, points);

    const ThreadGuard guard(threads);
    torch::Tensor reduced = torch::empty({static_cast<std::int64_t>(count), 2, low_pass.samples});
    apply_low_pass(low_pass, signal, count,
                   {reduced.data_ptr<float>(), static_cast<std::size_t>(reduced.numel())}, threads);
    const torch::Tensor levels =
        torch::full({static_cast<std::int64_t>(count)}, noise, torch::kFloat32);
    const NetworkOutput output =
        run_network(state_->features, state_->net, reduced, levels, state_->device);
    return calibrated(output.mean, output.log_sd, state_->calibration, state_->experiment.prior);
}

}  // namespace nmrinverse
