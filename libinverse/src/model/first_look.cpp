#include "model/first_look.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "model/model_state.h"
#include "nmrsim/mirrored_echo.h"
#include "nmrsim/units.h"

namespace nmrinverse {
namespace {

// Residuals are of this size, so that the network's numbers are of size 1 [units of M].
constexpr float kResidualSize = 1e-3f;
// Far below what a range of the whole lattice leaves [units of M].
constexpr float kLeastResidual = 1e-6f;
// Standard deviation of an even draw from the unit interval, the inverse of it.
const double kUnitSpread = std::sqrt(12.0);

}  // namespace

FirstLook::FirstLook(Model model) : model_(std::move(model)), residual_(model_.experiment()) {
    if (model_.state().first) {
        throw std::invalid_argument("a first look's model must not have a first look itself");
    }
    axis_ = nmrsim::mirror_axis_deg(model_.experiment()).value_or(0.0) * nmrsim::kRadiansPerDegree;
}

int FirstLook::samples() const {
    return 2 * residual_.samples() + 1 + static_cast<int>(model_.experiment().prior.size());
}

torch::Tensor FirstLook::look(std::span<const float> signal, std::size_t count, int threads) const {
    torch::NoGradGuard no_grad;
    const Model::State& state = model_.state();
    const nmrsim::Prior& prior = state.experiment.prior;
    const auto curves = static_cast<std::int64_t>(count);
    const torch::Tensor levels =
        torch::full({curves}, state.features.spec().noise_low, torch::kFloat32);
    PosteriorNet net = state.net;
    const torch::Tensor mean =
        combined(run_network(state.features, net,
                             reduced_curves(reduction_of(state), signal, count, threads), levels,
                             state.device))
            .mean.clamp(0.0, 1.0)
            .to(torch::kFloat64)
            .contiguous();
    std::vector<double> values(mean.data_ptr<double>(), mean.data_ptr<double>() + mean.numel());
    for (std::size_t at = 0; at < values.size(); ++at) {
        const nmrsim::PriorRange& range = prior[at % prior.size()];
        values[at] = range.low + (range.high - range.low) * values[at];
    }
    const std::vector<nmrsim::MeanField> fields = nmrsim::mean_fields(state.experiment, values);
    const auto kept = static_cast<std::int64_t>(residual_.samples());
    torch::Tensor residual = torch::empty({curves, 2, kept});
    residual_.compute(signal, fields,
                      {residual.data_ptr<float>(), static_cast<std::size_t>(residual.numel())},
                      threads);
    // A long range leaves little: its size tells as much as its shape.
    const torch::Tensor size = residual.square().mean({1, 2}, true).sqrt() + kLeastResidual;
    const torch::Tensor read = torch::cat(
        {(size.flatten(1) / kResidualSize).log(), ((mean - 0.5) * kUnitSpread).to(torch::kFloat32)},
        1);
    return torch::cat({residual / kResidualSize, residual / size,
                       torch::stack({std::cos(axis_) * read, std::sin(axis_) * read}, 1)},
                      2);
}

}  // namespace nmrinverse
