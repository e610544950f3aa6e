#include "model/reduction.h"

namespace nmrinverse {

torch::Tensor reduced_curves(const Reduction& reduction, std::span<const float> signal,
                             std::size_t count, int threads) {
    const LowPass& low_pass = reduction.low_pass;
    torch::Tensor curves = torch::empty({static_cast<std::int64_t>(count), 2, low_pass.samples});
    apply_low_pass(low_pass, signal, count,
                   {curves.data_ptr<float>(), static_cast<std::size_t>(curves.numel())}, threads);
    if (!reduction.first) return curves;
    return torch::cat({curves, reduction.first->look(signal, count, threads)}, 2);
}

}  // namespace nmrinverse
