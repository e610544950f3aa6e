#include "curve/disturbance.h"

#include <cmath>

#include "nmrsim/units.h"

namespace nmrinverse {

torch::Tensor noise_levels(const FeatureSpec& spec, std::int64_t count,
                           const torch::Generator& random) {
    if (!spec.noise_is_input()) return torch::full({count}, spec.noise_high);
    const double low = std::log(spec.noise_low);
    const double high = std::log(spec.noise_high);
    return (torch::rand({count}, random) * (high - low) + low).exp();
}

torch::Tensor mirrored_by_chance(const torch::Tensor& reduced, double axis_deg,
                                 const torch::Generator& random) {
    const double twice = axis_deg * (2.0 * nmrsim::kPi / 180.0);
    const double re = std::cos(twice);
    const double im = std::sin(twice);
    const torch::Tensor mx = reduced.select(1, 0);
    const torch::Tensor my = reduced.select(1, 1);
    const torch::Tensor mirrored = torch::stack({re * mx + im * my, im * mx - re * my}, 1);
    const torch::Tensor chosen =
        (torch::rand({reduced.size(0), 1, 1}, random) < 0.5).to(reduced.device());
    return torch::where(chosen, mirrored, reduced);
}

torch::Tensor disturbed(const Features& features, const ReceiverSpread& receiver,
                        const torch::Tensor& reduced, const torch::Tensor& noise,
                        const torch::Generator& random) {
    torch::Tensor curves = reduced;
    const std::int64_t count = reduced.size(0);
    const auto either_way = [&](double most) {
        return ((2.0 * torch::rand({count, 1}, random) - 1.0) * most).to(reduced.device());
    };
    if (receiver.phase_deg > 0.0 || receiver.gain > 0.0) {
        const torch::Tensor phase = either_way(receiver.phase_deg * nmrsim::kPi / 180.0);
        const torch::Tensor gain = either_way(receiver.gain).exp();
        const torch::Tensor re = gain * phase.cos();
        const torch::Tensor im = gain * phase.sin();
        const torch::Tensor mx = curves.select(1, 0);
        const torch::Tensor my = curves.select(1, 1);
        curves = torch::stack({re * mx - im * my, im * mx + re * my}, 1);
    }
    if (features.spec().noise_high > 0.0) {
        const torch::Tensor white = torch::randn(reduced.sizes(), random).to(reduced.device());
        curves = curves + features.noise_after_low_pass(white) *
                              noise.reshape({-1, 1, 1}).to(reduced.device());
    }
    return curves;
}

}  // namespace nmrinverse
