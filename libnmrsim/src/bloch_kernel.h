/// The Bloch action on many spins, compiled for each instruction set.
#pragma once

#include "bloch_action.h"
#include "instruction_set.h"

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

struct BlochKernels {
    void (*plain)(const BlochJob<double>&);
    void (*dual1)(const BlochJob<Dual<1>>&);
    void (*dual2)(const BlochJob<Dual<2>>&);
    void (*dual3)(const BlochJob<Dual<3>>&);
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
