/// The Bloch action on many spins, compiled for each instruction set.
#pragma once

#include "base/instruction_set.h"
#include "general/bloch_action.h"

namespace nmrsim {

/// to[i] = bloch_action(from[i], turn[i], ...) for `spins` spins; `from` and `to` may be the same.
template <class Scalar>
struct BlochJob {
    long spins = 0;
    const Vec3<Scalar>* from = nullptr;
    const Vec3<Scalar>* turn = nullptr;  ///< [rad]
    Vec3<Scalar>* to = nullptr;
    Scalar transverse_loss = 0.0;
    Scalar longitudinal_loss = 0.0;
    Scalar recovery = 0.0;
    int degree = 2;
};

/// slope[i] = m[i] x field[i] - rates m[i] + recovery, for `spins` spins.
template <class Scalar>
struct SlopeJob {
    long spins = 0;
    const Vec3<Scalar>* m = nullptr;
    const Vec3<Scalar>* field = nullptr;  ///< [rad/us]
    Vec3<Scalar>* slope = nullptr;
    Scalar transverse = 0.0;  ///< [1/us]
    Scalar longitudinal = 0.0;
    Scalar recovery = 0.0;
};

/// Most slopes in a sum.
inline constexpr int kMostSlopes = 11;

/// to[i] = from[i] + sum over k < count of weight[k] slope[k][i]; `from` and `to` may be the same.
template <class Scalar>
struct SumJob {
    long spins = 0;
    int count = 0;
    const Vec3<Scalar>* from = nullptr;
    const Vec3<Scalar>* slope[kMostSlopes] = {};
    Scalar weight[kMostSlopes] = {};
    Vec3<Scalar>* to = nullptr;
};

/// Functions for one kind of numbers.
template <class Scalar>
struct BlochKernel {
    void (*act)(const BlochJob<Scalar>&);
    void (*slope)(const SlopeJob<Scalar>&);
    void (*sum)(const SumJob<Scalar>&);
};

struct BlochKernels {
    BlochKernel<double> plain;
    BlochKernel<Dual<1>> dual1;
    BlochKernel<Dual<2>> dual2;
    BlochKernel<Dual<3>> dual3;
};

namespace baseline {
BlochKernels bloch_kernels();
}
namespace avx2 {
BlochKernels bloch_kernels();
}
namespace avx512 {
BlochKernels bloch_kernels();
}

}  // namespace nmrsim
