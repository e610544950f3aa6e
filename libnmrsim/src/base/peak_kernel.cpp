#include "base/peak_kernel.h"

#include "base/kernel_vector.h"

namespace nmrsim {
namespace NMRSIM_ISA {
namespace {

typedef float V __attribute__((vector_size(kVectorBytes)));

// Enough chains to hide the latency of a multiply-add (4 or 5 cycles, two units), few enough to
// stay in registers.
constexpr int kChains = 12;

}  // namespace

PeakRun peak_run(long repeats) {
    V chain[kChains];
#pragma GCC unroll 16
    for (int j = 0; j < kChains; ++j) chain[j] = V{} + static_cast<float>(j);
    const V factor = V{} + 0.999f;
    const V term = V{} + 0.001f;
    // Floating-point addition is not associative, so that the compiler may not fold repeats.
    for (long i = 0; i < repeats; ++i) {
#pragma GCC unroll 16
        for (int j = 0; j < kChains; ++j) chain[j] = chain[j] * factor + term;
    }
    V sum{};
#pragma GCC unroll 16
    for (int j = 0; j < kChains; ++j) sum += chain[j];
    constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(float));
    return {2.0 * kLanes * kChains * static_cast<double>(repeats), sum[0]};
}

}  // namespace NMRSIM_ISA
}  // namespace nmrsim
