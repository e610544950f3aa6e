/// Pulses that take time, and sites that relax in their own ways, under the uniform kernel;
/// compiled for each instruction set.
///
/// Two exact flows in turn: every spin about its own effective field, with relaxation, and all of
/// them about the mean. Arrays written "[lanes]" are as in uniform_kernel.h, "1 + t" counts a
/// quantity and then its tangents.
#pragma once

#include "base/instruction_set.h"

namespace nmrsim {

/// What is left of a Bloch vector of a node in one pass, less the vector itself: (1 + t,
/// 12)[lanes], a 3 x 3 matrix row by row, then what is regained for each unit of weight.
inline constexpr int kEffectiveTurn = 12;

/// Equal steps of several curves within one segment.
template <typename Real>
struct UniformPulseSteps {
    int tangents = 0;  ///< t
    int passes = 0;    ///< passes a step, a palindrome
    int steps = 0;
    bool across = false;             ///< as UniformSteps
    int blocks = 0;                  ///< of nodes: of one site, their pulses of one strength
    const int* block_end = nullptr;  ///< (blocks)
    /// (nodes), across (nodes)[lanes]: angle that a node's offset turns by in a step [rad]
    const Real* offset = nullptr;
    const Real* share = nullptr;     ///< (passes) of the step in turns about the effective fields
    const Real* coupling = nullptr;  ///< (passes + 1) of the step in turns about the mean
    /// (blocks, 1 + t, 4)[lanes] of a step: angle of the line's centre [rad], losses by 1/T2 and
    /// 1/T1, and what Mz regains.
    const Real* common = nullptr;
    const Real* drive = nullptr;     ///< (blocks, 1 + t, 2)[lanes] angle about x and y [rad]
    const Real* strength = nullptr;  ///< (1 + t, 2)[lanes] -2 pi alpha h in the plane and along z
    const Real* weight = nullptr;    ///< (nodes, 1 + t)[lanes]; null: nothing is regained
    Real* state = nullptr;           ///< (nodes, 1 + t, 3)[lanes] as UniformSteps
    Real* record = nullptr;  ///< (steps + 1, 1 + t, 3)[lanes] M at the steps' ends; may be null
    Real* turns = nullptr;   ///< ((passes + 1) / 2, nodes, 1 + t, kEffectiveTurn)[lanes], scratch
};

namespace baseline {
void run_pulse_float(const UniformPulseSteps<float>&);
void run_pulse_double(const UniformPulseSteps<double>&);
}  // namespace baseline
namespace avx2 {
void run_pulse_float(const UniformPulseSteps<float>&);
void run_pulse_double(const UniformPulseSteps<double>&);
}  // namespace avx2
namespace avx512 {
void run_pulse_float(const UniformPulseSteps<float>&);
void run_pulse_double(const UniformPulseSteps<double>&);
}  // namespace avx512

}  // namespace nmrsim
