/// The inner loops of MeanFieldResidual, compiled for each instruction set.
#pragma once

namespace nmrsim {

/// Spins of many offsets that turn in one field, which a curve has measured.
struct DrivenSpins {
    int nodes = 0;                  ///< offsets, a multiple of 16; those without weight fill it up
    const float* turn = nullptr;    ///< (nodes) offset times the step [rad]
    const float* weight = nullptr;  ///< (nodes), sums to 1
    const float* root = nullptr;    ///< (nodes) scale of each offset's scatter
    float* mx = nullptr;            ///< (nodes), in place
    float* my = nullptr;            ///< (nodes), in place
    float* mz = nullptr;            ///< (nodes), in place
};

/// What a step needs beside the spins.
struct DrivenStep {
    float turn_x = 0.0f;  ///< the field times the step [rad]
    float turn_y = 0.0f;  ///< [rad]
    float decay = 1.0f;   ///< of mx and my over half the step
};

/// One set of loops.
struct MeanFieldKernel {
    /// One step of every spin: half the decay, the turn about (turn_x, turn_y, offset), half the
    /// decay.
    void (*step)(const DrivenSpins& spins, const DrivenStep& step);
    /// Weighted means of mx and my, and root * (m - mean) into rows x and y, (nodes).
    void (*record)(const DrivenSpins& spins, float* row_x, float* row_y, float mean[2]);
    /// Lower triangle of rows * rows^T, both (count, nodes) and (count, count), by rows.
    void (*gram_matrix)(const float* rows, int count, int nodes, float* result);
};

namespace baseline {
extern const MeanFieldKernel kMeanField;
}
namespace avx2 {
extern const MeanFieldKernel kMeanField;
}
namespace avx512 {
extern const MeanFieldKernel kMeanField;
}

}  // namespace nmrsim
