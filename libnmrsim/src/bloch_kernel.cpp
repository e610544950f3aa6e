#include "bloch_kernel.h"

#include "kernel_vector.h"

namespace nmrsim {
namespace NMRSIM_ISA {
namespace {

typedef double Vector __attribute__((vector_size(kVectorBytes)));
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(double));

/// The same number for one spin a lane.
template <class Scalar>
struct InLanes {
    typedef Vector type;
};
template <int size>
struct InLanes<Dual<size>> {
    typedef Dual<size, Vector> type;
};

inline void put(Vector& to, int lane, double from) {
    to[lane] = from;
}
inline void take(const Vector& from, int lane, double& to) {
    to = from[lane];
}
template <int size>
inline void put(Dual<size, Vector>& to, int lane, const Dual<size>& from) {
    to.value[lane] = from.value;
    for (int k = 0; k < size; ++k) to.slope[k][lane] = from.slope[k];
}
template <int size>
inline void take(const Dual<size, Vector>& from, int lane, Dual<size>& to) {
    to.value = from.value[lane];
    for (int k = 0; k < size; ++k) to.slope[k] = from.slope[k][lane];
}

template <class Scalar>
void act(const BlochJob<Scalar>& job) {
    typedef typename InLanes<Scalar>::type Lanes;
    Lanes transverse = {}, longitudinal = {}, recovery = {};
    for (int lane = 0; lane < kLanes; ++lane) {
        put(transverse, lane, job.transverse_loss);
        put(longitudinal, lane, job.longitudinal_loss);
        put(recovery, lane, job.recovery);
    }
    for (long begin = 0; begin < job.spins; begin += kLanes) {
        const int n = static_cast<int>(job.spins - begin < kLanes ? job.spins - begin : kLanes);
        Vec3<Lanes> m = {Lanes{}, Lanes{}, Lanes{}}, turn = {Lanes{}, Lanes{}, Lanes{}};
        for (int lane = 0; lane < n; ++lane) {
            const Vec3<Scalar>& from = job.from[begin + lane];
            const Vec3<Scalar>& about = job.turn[begin + lane];
            put(m.x, lane, from.x);
            put(m.y, lane, from.y);
            put(m.z, lane, from.z);
            put(turn.x, lane, about.x);
            put(turn.y, lane, about.y);
            put(turn.z, lane, about.z);
        }
        const Vec3<Lanes> moved =
            bloch_action(m, turn, transverse, longitudinal, recovery, job.degree);
        for (int lane = 0; lane < n; ++lane) {
            Vec3<Scalar>& to = job.to[begin + lane];
            take(moved.x, lane, to.x);
            take(moved.y, lane, to.y);
            take(moved.z, lane, to.z);
        }
    }
}

}  // namespace

BlochKernels bloch_kernels() {
    return {act<double>, act<Dual<1>>, act<Dual<2>>, act<Dual<3>>};
}

}  // namespace NMRSIM_ISA
}  // namespace nmrsim
