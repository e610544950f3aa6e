/// A loop of nothing but fused multiply-adds, compiled for each instruction set.
#pragma once

namespace nmrsim {

/// What a run did; `sum` only keeps the work from being optimised away.
struct PeakRun {
    double flops;
    float sum;
};

namespace baseline {
PeakRun peak_run(long repeats);
}
namespace avx2 {
PeakRun peak_run(long repeats);
}
namespace avx512 {
PeakRun peak_run(long repeats);
}

}  // namespace nmrsim
