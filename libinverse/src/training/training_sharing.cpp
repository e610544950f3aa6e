// What the processes of one training tell each other.

#include <vector>

#include "training/training.h"

namespace nmrinverse {

Training::Share Training::share_of(std::int64_t count) const {
    // Fewer than one for each: all of them do the same.
    if (count < peers_.size) return {0, count, 1.0 / peers_.size};
    const std::int64_t begin = count * peers_.rank / peers_.size;
    const std::int64_t end = count * (peers_.rank + 1) / peers_.size;
    return {begin, end, static_cast<double>(end - begin) / static_cast<double>(count)};
}

torch::Tensor Training::summed(const torch::Tensor& mine) const {
    torch::NoGradGuard no_grad;
    torch::Tensor sum = mine.detach().to(torch::kCPU, torch::kFloat32).contiguous().clone();
    peers_.sum({sum.data_ptr<float>(), static_cast<std::size_t>(sum.numel())});
    return sum.to(mine.device());
}

TrainingCurves Training::whole(const TrainingCurves& mine, std::int64_t at,
                               std::int64_t count) const {
    if (alone()) return mine;
    const auto spread = [&](const torch::Tensor& part, at::IntArrayRef shape) {
        torch::Tensor all = torch::zeros(shape);
        if (part.defined()) all.slice(0, at, at + part.size(0)).copy_(part);
        peers_.sum({all.data_ptr<float>(), static_cast<std::size_t>(all.numel())});
        return all;
    };
    const std::int64_t samples = held_out_clean_.size(2);
    return {spread(mine.reduced, {count, 2, samples}),
            spread(mine.unknowns, {count, held_out_.unknowns.size(1)})};
}

double Training::sum_gradients(double loss) {
    torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> gradients;
    for (const auto& [name, weight] : state_.model->net.weights()) {
        gradients.push_back(weight.grad().flatten());
    }
    gradients.push_back(torch::full({1}, loss, gradients.front().options()));
    const torch::Tensor sum = summed(torch::cat(gradients));
    gradients.pop_back();
    std::int64_t begin = 0;
    for (const torch::Tensor& gradient : gradients) {
        gradient.copy_(sum.slice(0, begin, begin + gradient.numel()));
        begin += gradient.numel();
    }
    return sum[begin].item<double>();
}

void Training::agree() {
    if (alone()) return;
    torch::NoGradGuard no_grad;
    const auto take_first = [&](const std::vector<std::pair<std::string, torch::Tensor>>& tensors) {
        for (const auto& [name, tensor] : tensors) {
            const torch::Tensor plain = tensor.detach();
            plain.copy_(summed(peers_.rank == 0 ? plain : torch::zeros_like(plain)));
        }
    };
    take_first(state_.model->net.weights());
    take_first(state_.average);
    take_first(state_.optimizer->state());
    take_first({{"scale", state_.scale}});
}

}  // namespace nmrinverse
