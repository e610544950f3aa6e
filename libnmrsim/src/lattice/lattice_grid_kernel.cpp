#include "lattice/lattice_grid_kernel.h"

#include "base/lattice_vector.h"

// Compiled three times: see nmrsim_add_kernel in cmake/NmrsimTargets.cmake. No standard headers.

namespace nmrsim {
namespace NMRSIM_ISA {
namespace {

typedef FloatVector Vector;
typedef double WideVector __attribute__((vector_size(2 * kVectorBytes)));
constexpr int kWidth = kLanes<float>;

/// Lattice rows that share the loads of grid values.
constexpr int kRows = 2;

/// Sums of so many vectors of each row are added up in double, so that they lose nothing.
constexpr long kBlock = 16L * kWidth;

/// Two rows of sites and the grid rows of their interval, as copies that no store can alias.
template <int kTaps>
struct Rows {
    float* x;
    float* y;
    float* z;
    const float* offset;
    float* past_z[kPastZ];
    float* store_z;
    const float* field[kTaps];
    float* gathered[kTaps];
    float window[kRows][kTaps];
    float self_mean[2][kPastZ + 1];
};

template <int kTaps, bool kCouplesZ, bool kRelaxes>
inline void advance_rows(const GridStep& given, const Rows<kTaps>& rows, long begin, long end,
                         Vector* sums) {
    constexpr int kComponents = kCouplesZ ? 3 : 2;
    constexpr int kParts = kRelaxes ? 2 : 1;
    const long columns = given.columns;
    const int doublings = given.doublings;
    const float scale = turn_scale<float>(doublings);
    const float offset_time = given.offset_time;
    const float equilibrium = given.equilibrium;
    const float transverse_loss[2] = {given.transverse_loss[0], given.transverse_loss[1]};
    const float longitudinal_loss[2] = {given.longitudinal_loss[0], given.longitudinal_loss[1]};
    Vector sum_x = sums[0];
    Vector sum_y = sums[1];
    Vector sum_z = sums[2];
    for (long v = begin; v < end; v += kWidth) {
        // Of each part and site row: B0, B1, components x, y and perhaps z.
        Vector field[kParts][2][kComponents][kRows];
#pragma GCC unroll 2
        for (int part = 0; part < kParts; ++part) {
#pragma GCC unroll 2
            for (int k = 0; k < 2; ++k) {
#pragma GCC unroll 3
                for (int c = 0; c < kComponents; ++c) {
                    const long at = ((part * 2 + k) * kComponents + c) * columns + v;
                    Vector sum[kRows] = {};
#pragma GCC unroll 6
                    for (int t = 0; t < kTaps; ++t) {
                        const Vector g = load<Vector>(rows.field[t] + at);
                        for (int r = 0; r < kRows; ++r) sum[r] += rows.window[r][t] * g;
                    }
                    for (int r = 0; r < kRows; ++r) field[part][k][c][r] = sum[r];
                }
            }
        }
        Vector turned[kRows][kComponents];
#pragma GCC unroll 2
        for (int r = 0; r < kRows; ++r) {
            const long i = r * columns + v;
            Vector x = load<Vector>(rows.x + i);
            Vector y = load<Vector>(rows.y + i);
            Vector z = load<Vector>(rows.z + i);
            const Vector offset_turn = load<Vector>(rows.offset + i) * offset_time;
            Vector past[kPastZ];
#pragma GCC unroll 2
            for (int p = 0; p < kPastZ; ++p) past[p] = load<Vector>(rows.past_z[p] + i);
            const Vector now = z;
            store(rows.store_z + i, z);
#pragma GCC unroll 2
            for (int part = 0; part < kParts; ++part) {
                Vector mean_z = offset_turn + now * rows.self_mean[part][kPastZ];
#pragma GCC unroll 2
                for (int p = 0; p < kPastZ; ++p) mean_z += past[p] * rows.self_mean[part][p];
                Vector moment_z = {};
                if constexpr (kCouplesZ) {
                    mean_z += field[part][0][kComponents - 1][r];
                    moment_z = field[part][1][kComponents - 1][r];
                }
                if constexpr (kRelaxes) {
                    x -= x * transverse_loss[part];
                    y -= y * transverse_loss[part];
                    z -= (z - equilibrium) * longitudinal_loss[part];
                }
                turn<float, kCouplesZ>(field[part][0][0][r], field[part][0][1][r], mean_z,
                                       field[part][1][0][r], field[part][1][1][r], moment_z, scale,
                                       doublings, x, y, z);
            }
            if constexpr (kRelaxes) {
                x -= x * transverse_loss[0];
                y -= y * transverse_loss[0];
                z -= (z - equilibrium) * longitudinal_loss[0];
            }
            store(rows.x + i, x);
            store(rows.y + i, y);
            store(rows.z + i, z);
            sum_x += x;
            sum_y += y;
            sum_z += z;
            turned[r][0] = x;
            turned[r][1] = y;
            if constexpr (kCouplesZ) turned[r][kComponents - 1] = z;
        }
#pragma GCC unroll 3
        for (int c = 0; c < kComponents; ++c) {
            const long at = c * columns + v;
#pragma GCC unroll 6
            for (int t = 0; t < kTaps; ++t) {
                Vector sum = load<Vector>(rows.gathered[t] + at);
                for (int r = 0; r < kRows; ++r) sum += rows.window[r][t] * turned[r][c];
                store(rows.gathered[t] + at, sum);
            }
        }
    }
    sums[0] = sum_x;
    sums[1] = sum_y;
    sums[2] = sum_z;
}

template <int kTaps, bool kCouplesZ, bool kRelaxes>
void advance_as(GridStep& step) {
    constexpr int kComponents = kCouplesZ ? 3 : 2;
    constexpr int kParts = kRelaxes ? 2 : 1;
    const long gathered_row = kComponents * step.columns;
    const long field_row = 2 * kParts * kComponents * step.columns;
    const long all = step.grid_rows * gathered_row;
    for (long i = 0; i < all; ++i) step.gathered[i] = 0;
    WideVector totals[3] = {};
    Rows<kTaps> rows;
    for (int part = 0; part < 2; ++part) {
        for (int p = 0; p <= kPastZ; ++p) rows.self_mean[part][p] = step.self_mean[part][p];
    }
    for (int j = 0; j < step.grid_rows; ++j) {
        for (int t = 0; t < kTaps; ++t) {
            const int row = (j + t + 1 - kTaps / 2 + step.grid_rows) % step.grid_rows;
            rows.field[t] = step.field + row * field_row;
            rows.gathered[t] = step.gathered + row * gathered_row;
        }
        for (int s = 0; s < step.spacing; s += kRows) {
            for (int r = 0; r < kRows; ++r) {
                for (int t = 0; t < kTaps; ++t) {
                    rows.window[r][t] = step.window[(s + r) * kTaps + t];
                }
            }
            const long first = (static_cast<long>(j) * step.spacing + s) * step.columns;
            rows.x = step.mx + first;
            rows.y = step.my + first;
            rows.z = step.mz + first;
            rows.offset = step.offset + first;
            for (int p = 0; p < kPastZ; ++p) rows.past_z[p] = step.past_z[p] + first;
            rows.store_z = step.past_z[step.store_z] + first;
            for (long begin = 0; begin < step.columns; begin += kBlock) {
                const long end = begin + kBlock < step.columns ? begin + kBlock : step.columns;
                Vector sums[3] = {};
                advance_rows<kTaps, kCouplesZ, kRelaxes>(step, rows, begin, end, sums);
                for (int c = 0; c < 3; ++c) {
                    totals[c] += __builtin_convertvector(sums[c], WideVector);
                }
            }
        }
    }
    for (int c = 0; c < 3; ++c) {
        step.sum[c] = 0.0;
        for (int lane = 0; lane < kWidth; ++lane) step.sum[c] += totals[c][lane];
    }
}

template <int kTaps>
void advance_with(GridStep& step) {
    if (step.couples_z) {
        step.relaxes ? advance_as<kTaps, true, true>(step) : advance_as<kTaps, true, false>(step);
    } else {
        step.relaxes ? advance_as<kTaps, false, true>(step) : advance_as<kTaps, false, false>(step);
    }
}

void advance(GridStep& step) {
    step.taps == kFewTaps ? advance_with<kFewTaps>(step) : advance_with<kMostTaps>(step);
}

/// Blocks from the last one back, so that what one writes beyond its row's end is written over.
template <int kTaps>
void interpolate_as(int points, int spacing, const float* window, const float* in, float* out) {
    for (int j = (points - 1) / kWidth * kWidth; j >= 0; j -= kWidth) {
        Vector value[kTaps];
#pragma GCC unroll 6
        for (int t = 0; t < kTaps; ++t) value[t] = load<Vector>(in + j + t);
        for (int s = 0; s < spacing; ++s) {
            Vector sum = window[s * kTaps] * value[0];
#pragma GCC unroll 6
            for (int t = 1; t < kTaps; ++t) sum += window[s * kTaps + t] * value[t];
            store(out + s * points + j, sum);
        }
    }
}

template <int kTaps>
void gather_as(int points, int spacing, const float* window, const float* in, float* scratch,
               float* out) {
    constexpr int kHalf = kTaps / 2;
    const int stride = points + kTaps - 1;
    for (int s = 0; s < spacing; ++s) {
        const float* from = in + s * points;
        float* to = scratch + s * stride;
        for (int t = 0; t < kHalf; ++t) to[t] = from[points - kHalf + t];
        for (int j = 0; j < points; j += kWidth) {
            store(to + kHalf + j, load<Vector>(from + j));
        }
        for (int t = 0; t < kHalf - 1; ++t) to[kHalf + points + t] = from[t];
    }
    for (int j = (points - 1) / kWidth * kWidth; j >= 0; j -= kWidth) {
        Vector sum[2] = {};
        for (int s = 0; s < spacing; ++s) {
            const float* from = scratch + s * stride + j;
#pragma GCC unroll 6
            for (int t = 0; t < kTaps; ++t) {
                sum[t % 2] += window[s * kTaps + kTaps - 1 - t] * load<Vector>(from + t);
            }
        }
        store(out + j, sum[0] + sum[1]);
    }
}

void interpolate(int points, int spacing, int taps, const float* window, const float* in,
                 float* out) {
    taps == kFewTaps ? interpolate_as<kFewTaps>(points, spacing, window, in, out)
                     : interpolate_as<kMostTaps>(points, spacing, window, in, out);
}

void gather(int points, int spacing, int taps, const float* window, const float* in, float* scratch,
            float* out) {
    taps == kFewTaps ? gather_as<kFewTaps>(points, spacing, window, in, scratch, out)
                     : gather_as<kMostTaps>(points, spacing, window, in, scratch, out);
}

}  // namespace

extern const LatticeGridKernel kLatticeGrid;
const LatticeGridKernel kLatticeGrid = {advance, interpolate, gather};

}  // namespace NMRSIM_ISA
}  // namespace nmrsim
