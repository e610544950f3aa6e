#include "nmrsim/peak.h"

#include <chrono>

#include "base/instruction_set.h"
#include "base/peak_kernel.h"
#include "nmrsim/threads.h"

namespace nmrsim {
double measured_peak_flops(int threads, double seconds) {
    threads = team_size(threads);
    using Clock = std::chrono::steady_clock;
    constexpr long kRepeats = 200000;
    double flops = 0.0;
    float sum = 0.0f;
    const auto begin = Clock::now();
#pragma omp parallel num_threads(threads) reduction(+ : flops, sum)
    while (std::chrono::duration<double>(Clock::now() - begin).count() < seconds) {
        const PeakRun done = NMRSIM_BEST(peak_run)(kRepeats);
        flops += done.flops;
        sum += done.sum;
    }
    const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
    volatile float keep = sum;
    static_cast<void>(keep);
    return flops / elapsed;
}

const char* instruction_set_name() {
    switch (instruction_set()) {
        case InstructionSet::avx512:
            return "avx512";
        case InstructionSet::avx2:
            return "avx2";
        case InstructionSet::baseline:
            break;
    }
    return "baseline";
}

}  // namespace nmrsim
