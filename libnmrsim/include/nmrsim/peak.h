/// The machine's arithmetic peak, to hold a simulation's speed against.
#pragma once

namespace nmrsim {

/// Single-precision additions and multiplications a second that independent fused multiply-adds in
/// registers reach, with the instruction set that the simulator uses [1/s].
///
/// Args: threads: 0 for all cores. seconds: how long to measure.
double measured_peak_flops(int threads = 0, double seconds = 0.3);

/// "baseline", "avx2" or "avx512": what the simulator uses on this machine.
const char* instruction_set_name();

}  // namespace nmrsim
