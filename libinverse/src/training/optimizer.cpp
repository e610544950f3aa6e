#include "training/optimizer.h"

#include <algorithm>
#include <cmath>

namespace nmrinverse {
namespace {

// AdamW. A short memory of squares suits a learning rate that ends near zero.
constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.99;
constexpr double kEpsilon = 1e-8;

// Muon. Matrices with a side below kSmallestSide are left to AdamW.
constexpr double kMomentum = 0.95;
constexpr double kMatrixRate = 10.0;
constexpr std::int64_t kSmallestSide = 16;

}  // namespace

torch::Tensor orthogonalised(const torch::Tensor& matrix) {
    torch::NoGradGuard no_grad;
    const bool tall = matrix.size(0) > matrix.size(1);
    torch::Tensor x = tall ? matrix.t() : matrix;
    x = x / (x.norm() + 1e-12);
    for (int i = 0; i < 5; ++i) {
        const torch::Tensor gram = x.matmul(x.t());
        const torch::Tensor polynomial = -4.7750 * gram + 2.0315 * gram.matmul(gram);
        x = 3.4445 * x + polynomial.matmul(x);
    }
    return tall ? x.t() : x;
}

Optimizer::Optimizer(std::vector<std::pair<std::string, torch::Tensor>> parameters,
                     double weight_decay)
    : weight_decay_(weight_decay) {
    for (auto& [name, weight] : parameters) {
        Slot slot;
        slot.name = name;
        slot.weight = weight;
        slot.is_matrix = weight.dim() >= 2 &&
                         std::min(weight.size(0), weight.numel() / weight.size(0)) >= kSmallestSide;
        slot.first = torch::zeros_like(weight.detach());
        if (!slot.is_matrix) slot.second = torch::zeros_like(slot.first);
        slots_.push_back(std::move(slot));
    }
}

double Optimizer::clip_gradients(double largest) {
    torch::NoGradGuard no_grad;
    double sum = 0.0;
    for (const Slot& slot : slots_) sum += slot.weight.grad().square().sum().item<double>();
    const double norm = std::sqrt(sum);
    if (norm > largest) {
        for (Slot& slot : slots_) slot.weight.mutable_grad().mul_(largest / norm);
    }
    return norm;
}

void Optimizer::step(double learning_rate) {
    torch::NoGradGuard no_grad;
    ++steps;
    const double correction1 = 1.0 - std::pow(kBeta1, static_cast<double>(steps));
    const double correction2 = 1.0 - std::pow(kBeta2, static_cast<double>(steps));
    for (Slot& slot : slots_) {
        const torch::Tensor gradient = slot.weight.grad();
        if (slot.is_matrix) {
            const double rate = kMatrixRate * learning_rate;
            slot.first.mul_(kMomentum).add_(gradient);
            // Steps of matrices of any shape change their output alike.
            const auto rows = static_cast<double>(gradient.size(0));
            const double columns = static_cast<double>(gradient.numel()) / rows;
            const double shape = std::sqrt(std::max(1.0, rows / columns));
            const torch::Tensor matrix = (gradient + kMomentum * slot.first).flatten(1);
            slot.weight.mul_(1.0 - rate * weight_decay_);
            slot.weight.add_(orthogonalised(matrix).view_as(slot.weight), -rate * shape);
        } else {
            slot.first.mul_(kBeta1).add_(gradient, 1.0 - kBeta1);
            slot.second.mul_(kBeta2).addcmul_(gradient, gradient, 1.0 - kBeta2);
            slot.weight.mul_(1.0 - learning_rate * weight_decay_);
            slot.weight.addcdiv_(slot.first, (slot.second / correction2).sqrt_().add_(kEpsilon),
                                 -learning_rate / correction1);
        }
        slot.weight.mutable_grad() = torch::Tensor();
    }
}

std::vector<std::pair<std::string, torch::Tensor>> Optimizer::state() const {
    std::vector<std::pair<std::string, torch::Tensor>> state;
    for (const Slot& slot : slots_) {
        state.push_back({slot.name + ".first", slot.first});
        if (!slot.is_matrix) state.push_back({slot.name + ".second", slot.second});
    }
    return state;
}

}  // namespace nmrinverse
