#include "symmetry/mean_field_kernel.h"

#include "base/kernel_vector.h"

namespace nmrsim {
namespace NMRSIM_ISA {
namespace {

typedef float V __attribute__((vector_size(kVectorBytes), may_alias));
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(float));

inline const V* vectors(const float* p) {
    return reinterpret_cast<const V*>(p);
}
inline V* vectors(float* p) {
    return reinterpret_cast<V*>(p);
}

inline float sum_of(V v) {
    float sum = 0.0f;
    for (int lane = 0; lane < kLanes; ++lane) sum += v[lane];
    return sum;
}

// Rows of the matrix at once: the sums of a block stay in registers.
constexpr int kBlock = 4;

void driven_step(const DrivenSpins& spins, const DrivenStep& step) {
    const V bx = V{} + step.turn_x;
    const V by = V{} + step.turn_y;
    const V decay = V{} + step.decay;
    const V plane = bx * bx + by * by;
    for (int i = 0; i < spins.nodes / kLanes; ++i) {
        const V bz = vectors(spins.turn)[i];
        const V a2 = plane + bz * bz;
        // sin(a) / a and (1 - cos a) / a^2; a < 1, so that the terms left out are below 1e-7.
        const V sine = 1.0f + a2 * (-1.0f / 6 +
                                    a2 * (1.0f / 120 + a2 * (-1.0f / 5040 + a2 * (1.0f / 362880))));
        const V cosine =
            0.5f +
            a2 * (-1.0f / 24 + a2 * (1.0f / 720 + a2 * (-1.0f / 40320 + a2 * (1.0f / 3628800))));
        const V x = vectors(spins.mx)[i] * decay;
        const V y = vectors(spins.my)[i] * decay;
        const V z = vectors(spins.mz)[i];
        // dm/dt = m x B
        const V cx = y * bz - z * by;
        const V cy = z * bx - x * bz;
        const V cz = x * by - y * bx;
        vectors(spins.mx)[i] = (x + sine * cx + cosine * (cy * bz - cz * by)) * decay;
        vectors(spins.my)[i] = (y + sine * cy + cosine * (cz * bx - cx * bz)) * decay;
        vectors(spins.mz)[i] = z + sine * cz + cosine * (cx * by - cy * bx);
    }
}

void driven_record(const DrivenSpins& spins, float* row_x, float* row_y, float mean[2]) {
    V sum_x{};
    V sum_y{};
    for (int i = 0; i < spins.nodes / kLanes; ++i) {
        const V weight = vectors(spins.weight)[i];
        sum_x += weight * vectors(spins.mx)[i];
        sum_y += weight * vectors(spins.my)[i];
    }
    mean[0] = sum_of(sum_x);
    mean[1] = sum_of(sum_y);
    for (int i = 0; i < spins.nodes / kLanes; ++i) {
        const V root = vectors(spins.root)[i];
        vectors(row_x)[i] = root * (vectors(spins.mx)[i] - mean[0]);
        vectors(row_y)[i] = root * (vectors(spins.my)[i] - mean[1]);
    }
}

void gram_matrix(const float* rows, int count, int nodes, float* result) {
    const int lanes = nodes / kLanes;
    for (int i0 = 0; i0 < count; i0 += kBlock) {
        for (int j0 = 0; j0 <= i0; j0 += kBlock) {
            V sum[kBlock][kBlock]{};
            const V* a[kBlock];
            const V* b[kBlock];
            for (int s = 0; s < kBlock; ++s) {
                a[s] = vectors(rows + static_cast<long>(i0 + s < count ? i0 + s : i0) * nodes);
                b[s] = vectors(rows + static_cast<long>(j0 + s < count ? j0 + s : j0) * nodes);
            }
            for (int k = 0; k < lanes; ++k) {
#pragma GCC unroll 4
                for (int s = 0; s < kBlock; ++s) {
#pragma GCC unroll 4
                    for (int t = 0; t < kBlock; ++t) sum[s][t] += a[s][k] * b[t][k];
                }
            }
            for (int s = 0; s < kBlock && i0 + s < count; ++s) {
                for (int t = 0; t < kBlock && j0 + t < count; ++t) {
                    result[static_cast<long>(i0 + s) * count + j0 + t] = sum_of(sum[s][t]);
                }
            }
        }
    }
}

}  // namespace

const MeanFieldKernel kMeanField{driven_step, driven_record, gram_matrix};

}  // namespace NMRSIM_ISA
}  // namespace nmrsim
