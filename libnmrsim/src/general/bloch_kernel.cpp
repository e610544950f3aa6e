#include "general/bloch_kernel.h"

#include "base/kernel_vector.h"

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

template <class Scalar>
void slope(const SlopeJob<Scalar>& job) {
    for (long i = 0; i < job.spins; ++i) {
        const Vec3<Scalar> m = job.m[i];
        Vec3<Scalar> k = cross(m, job.field[i]);
        k.x = k.x - job.transverse * m.x;
        k.y = k.y - job.transverse * m.y;
        k.z = k.z - job.longitudinal * m.z + job.recovery;
        job.slope[i] = k;
    }
}

template <class Scalar>
void sum(const SumJob<Scalar>& job) {
    for (long i = 0; i < job.spins; ++i) {
        Vec3<Scalar> m = job.from[i];
        for (int k = 0; k < job.count; ++k) m = m + job.weight[k] * job.slope[k][i];
        job.to[i] = m;
    }
}

inline Vector load(const double* from) {
    Vector v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
}

/// The coordinates one after the other: all spins' are added up alike.
template <>
void sum(const SumJob<double>& job) {
    const long n = 3 * job.spins;
    const double* const from = &job.from->x;
    double* const to = &job.to->x;
    long i = 0;
    for (; i + kLanes <= n; i += kLanes) {
        Vector m = load(from + i);
        for (int k = 0; k < job.count; ++k) m += job.weight[k] * load(&job.slope[k]->x + i);
        __builtin_memcpy(to + i, &m, sizeof m);
    }
    for (; i < n; ++i) {
        double m = from[i];
        for (int k = 0; k < job.count; ++k) m += job.weight[k] * (&job.slope[k]->x)[i];
        to[i] = m;
    }
}

template <class Scalar>
constexpr BlochKernel<Scalar> of() {
    return {act<Scalar>, slope<Scalar>, sum<Scalar>};
}

}  // namespace

BlochKernels bloch_kernels() {
    return {of<double>(), of<Dual<1>>(), of<Dual<2>>(), of<Dual<3>>()};
}

}  // namespace NMRSIM_ISA
}  // namespace nmrsim
