#include "lattice/lattice_kernel.h"

#include "base/lattice_vector.h"

// Compiled three times: see nmrsim_add_kernel in cmake/NmrsimTargets.cmake. No standard headers.

namespace nmrsim {
namespace NMRSIM_ISA {
namespace {

// 6 x 4 sums stay in 32 registers, 6 x 2 in 16.
constexpr int kPanelVectors = kVectorBytes == 64 ? 4 : 2;
constexpr int kPanelRows = 6;

/// kHistory 0: as many past fields as the step says.
template <class Real, int kHistory, bool kCouplesZ, bool kRelaxes>
void advance_as(SiteStep<Real>& step) {
    typedef typename VectorOf<Real>::type Vector;
    constexpr int kWidth = kLanes<Real>;
    constexpr int kParts = kRelaxes ? 2 : 1;
    // Sums of so many vectors in Real are added up in double, so that they lose nothing.
    constexpr long kBlock = 32L * kWidth;
    const int history = kHistory ? kHistory : step.history;
    const Vector zero = {};
    const int doublings = step.doublings;
    const Real scale = turn_scale<Real>(doublings);
    Real* const px = step.mx;
    Real* const py = step.my;
    Real* const pz = step.mz;

    double total[3] = {0.0, 0.0, 0.0};
    for (long begin = 0; begin < step.sites; begin += kBlock) {
        const long end = begin + kBlock < step.sites ? begin + kBlock : step.sites;
        Vector sx = zero;
        Vector sy = zero;
        Vector sz = zero;
        for (long i = begin; i < end; i += kWidth) {
            Vector x = load<Vector>(px + i);
            Vector y = load<Vector>(py + i);
            Vector z = load<Vector>(pz + i);
            const Vector offset_turn = load<Vector>(step.offset + i) * step.offset_time;
            Vector mean_x[kParts];
            Vector mean_y[kParts];
            Vector mean_z[kParts];
            Vector moment_x[kParts];
            Vector moment_y[kParts];
            Vector moment_z[kParts];
            for (int part = 0; part < kParts; ++part) {
                mean_x[part] = mean_y[part] = zero;
                moment_x[part] = moment_y[part] = moment_z[part] = zero;
                mean_z[part] = offset_turn;
            }
            for (int p = 0; p < history; ++p) {
                const Vector wx = load<Vector>(step.wx[p] + i);
                const Vector wy = load<Vector>(step.wy[p] + i);
                for (int part = 0; part < kParts; ++part) {
                    mean_x[part] += wx * step.plane_mean[part][p];
                    mean_y[part] += wy * step.plane_mean[part][p];
                    moment_x[part] += wx * step.plane_moment[part][p];
                    moment_y[part] += wy * step.plane_moment[part][p];
                }
                if constexpr (kCouplesZ) {
                    const Vector wz = load<Vector>(step.wz[p] + i);
                    for (int part = 0; part < kParts; ++part) {
                        mean_z[part] += wz * step.z_mean[part][p];
                        moment_z[part] += wz * step.z_moment[part][p];
                    }
                }
            }
            for (int part = 0; part < kParts; ++part) {
                if constexpr (kRelaxes) {
                    x -= x * step.transverse_loss[part];
                    y -= y * step.transverse_loss[part];
                    z -= (z - step.equilibrium) * step.longitudinal_loss[part];
                }
                const Vector bz = kCouplesZ ? moment_z[part] : zero;
                turn<Real, kCouplesZ>(mean_x[part], mean_y[part], mean_z[part], moment_x[part],
                                      moment_y[part], bz, scale, doublings, x, y, z);
            }
            if constexpr (kRelaxes) {
                x -= x * step.transverse_loss[0];
                y -= y * step.transverse_loss[0];
                z -= (z - step.equilibrium) * step.longitudinal_loss[0];
            }
            store(px + i, x);
            store(py + i, y);
            store(pz + i, z);
            sx += x;
            sy += y;
            sz += z;
        }
        for (int lane = 0; lane < kWidth; ++lane) {
            total[0] += static_cast<double>(sx[lane]);
            total[1] += static_cast<double>(sy[lane]);
            total[2] += static_cast<double>(sz[lane]);
        }
    }
    for (int k = 0; k < 3; ++k) step.sum[k] = total[k];
}

template <class Real, bool kCouplesZ, bool kRelaxes>
void advance_with(SiteStep<Real>& step) {
    if (step.history == kUsualHistory) {
        advance_as<Real, kUsualHistory, kCouplesZ, kRelaxes>(step);
    } else {
        advance_as<Real, 0, kCouplesZ, kRelaxes>(step);
    }
}

template <class Real>
void advance(SiteStep<Real>& step) {
    if (step.couples_z) {
        step.relaxes ? advance_with<Real, true, true>(step) : advance_with<Real, true, false>(step);
    } else {
        step.relaxes ? advance_with<Real, false, true>(step)
                     : advance_with<Real, false, false>(step);
    }
}

/// kRows x kVectors sums in registers.
template <class Real, int kRows, int kVectors>
void multiply_block(int depth, const Real* a, long a_stride, const Real* in, long in_stride,
                    Real* out, long out_stride) {
    typedef typename VectorOf<Real>::type Vector;
    constexpr int kWidth = kLanes<Real>;
    Vector sum[kRows][kVectors] = {};
    for (int k = 0; k < depth; ++k) {
        Vector v[kVectors];
        for (int j = 0; j < kVectors; ++j) v[j] = load<Vector>(in + k * in_stride + j * kWidth);
        for (int r = 0; r < kRows; ++r) {
            for (int j = 0; j < kVectors; ++j) sum[r][j] += a[r * a_stride + k] * v[j];
        }
    }
    for (int r = 0; r < kRows; ++r) {
        for (int j = 0; j < kVectors; ++j) store(out + r * out_stride + j * kWidth, sum[r][j]);
    }
}

template <class Real, int kVectors>
void multiply_panel(int rows, int depth, const Real* a, long a_stride, const Real* in,
                    long in_stride, Real* out, long out_stride) {
    const int blocks = (rows + kPanelRows - 1) / kPanelRows;
    for (int block = 0; block < blocks; ++block) {
        const int first = rows * block / blocks;
        const int count = rows * (block + 1) / blocks - first;
        const Real* ab = a + first * a_stride;
        Real* ob = out + first * out_stride;
        switch (count) {
            case 1:
                multiply_block<Real, 1, kVectors>(depth, ab, a_stride, in, in_stride, ob,
                                                  out_stride);
                break;
            case 2:
                multiply_block<Real, 2, kVectors>(depth, ab, a_stride, in, in_stride, ob,
                                                  out_stride);
                break;
            case 3:
                multiply_block<Real, 3, kVectors>(depth, ab, a_stride, in, in_stride, ob,
                                                  out_stride);
                break;
            case 4:
                multiply_block<Real, 4, kVectors>(depth, ab, a_stride, in, in_stride, ob,
                                                  out_stride);
                break;
            case 5:
                multiply_block<Real, 5, kVectors>(depth, ab, a_stride, in, in_stride, ob,
                                                  out_stride);
                break;
            default:
                multiply_block<Real, 6, kVectors>(depth, ab, a_stride, in, in_stride, ob,
                                                  out_stride);
        }
    }
}

template <class Real>
void multiply(int rows, int depth, int columns, const Real* a, long a_stride, const Real* in,
              long in_stride, Real* out, long out_stride) {
    const int vectors = columns / kLanes<Real>;
    const int panels = (vectors + kPanelVectors - 1) / kPanelVectors;
    for (int panel = 0; panel < panels; ++panel) {
        const int first = vectors * panel / panels;
        const int count = vectors * (panel + 1) / panels - first;
        const Real* ip = in + first * kLanes<Real>;
        Real* op = out + first * kLanes<Real>;
        switch (count) {
            case 1:
                multiply_panel<Real, 1>(rows, depth, a, a_stride, ip, in_stride, op, out_stride);
                break;
            case 2:
                multiply_panel<Real, 2>(rows, depth, a, a_stride, ip, in_stride, op, out_stride);
                break;
            case 3:
                if constexpr (kPanelVectors > 2) {
                    multiply_panel<Real, 3>(rows, depth, a, a_stride, ip, in_stride, op,
                                            out_stride);
                }
                break;
            default:
                if constexpr (kPanelVectors > 2) {
                    multiply_panel<Real, 4>(rows, depth, a, a_stride, ip, in_stride, op,
                                            out_stride);
                }
        }
    }
}

/// Calls body(j) for vectors at j = 0, width, ... of n numbers; the last one overlaps its
/// neighbour, so that outputs must not be inputs. tail(j) does single numbers where n is short.
template <class Real, class Body, class Tail>
inline void for_vectors(int n, Body body, Tail tail) {
    constexpr int kWidth = kLanes<Real>;
    if (n < kWidth) {
        for (int j = 0; j < n; ++j) tail(j);
        return;
    }
    for (int j = 0; j <= n - kWidth; j += kWidth) body(j);
    if (n % kWidth) body(n - kWidth);
}

inline FloatVector reversed(FloatVector v) {
#if defined(NMRSIM_ISA_avx512)
    return __builtin_shufflevector(v, v, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
#elif defined(NMRSIM_ISA_avx2)
    return __builtin_shufflevector(v, v, 7, 6, 5, 4, 3, 2, 1, 0);
#else
    return __builtin_shufflevector(v, v, 3, 2, 1, 0);
#endif
}

inline DoubleVector reversed(DoubleVector v) {
#if defined(NMRSIM_ISA_avx512)
    return __builtin_shufflevector(v, v, 7, 6, 5, 4, 3, 2, 1, 0);
#elif defined(NMRSIM_ISA_avx2)
    return __builtin_shufflevector(v, v, 3, 2, 1, 0);
#else
    return __builtin_shufflevector(v, v, 1, 0);
#endif
}

template <class Real>
void add_subtract(int n, const Real* a, const Real* b, Real* plus, Real* minus) {
    typedef typename VectorOf<Real>::type Vector;
    for_vectors<Real>(
        n,
        [=](int j) {
            const Vector u = load<Vector>(a + j);
            const Vector v = load<Vector>(b + j);
            store(plus + j, u + v);
            store(minus + j, u - v);
        },
        [=](int j) {
            plus[j] = a[j] + b[j];
            minus[j] = a[j] - b[j];
        });
}

template <class Real>
void add_subtract_reversed(int n, const Real* a, const Real* b, Real* plus, Real* minus) {
    typedef typename VectorOf<Real>::type Vector;
    for_vectors<Real>(
        n,
        [=](int j) {
            const Vector u = load<Vector>(a + j);
            const Vector v = reversed(load<Vector>(b + n - kLanes<Real> - j));
            store(plus + j, u + v);
            store(minus + j, u - v);
        },
        [=](int j) {
            plus[j] = a[j] + b[n - 1 - j];
            minus[j] = a[j] - b[n - 1 - j];
        });
}

template <class Real>
void unfold_reversed(int n, const Real* even, const Real* odd, Real* front, Real* back) {
    typedef typename VectorOf<Real>::type Vector;
    for_vectors<Real>(
        n,
        [=](int j) {
            const Vector u = load<Vector>(even + j);
            const Vector v = load<Vector>(odd + j);
            store(front + j, u + v);
            store(back + n - kLanes<Real> - j, reversed(u - v));
        },
        [=](int j) {
            front[j] = even[j] + odd[j];
            back[n - 1 - j] = even[j] - odd[j];
        });
}

template <class Real>
void unfold(int n, const Real* even, const Real* odd, Real self, const Real* mf, const Real* mb,
            Real* front, Real* back) {
    typedef typename VectorOf<Real>::type Vector;
    for_vectors<Real>(
        n,
        [=](int j) {
            const Vector u = load<Vector>(even + j);
            const Vector v = load<Vector>(odd + j);
            store(front + j, u + v + self * load<Vector>(mf + j));
            store(back + j, u - v + self * load<Vector>(mb + j));
        },
        [=](int j) {
            front[j] = even[j] + odd[j] + self * mf[j];
            back[j] = even[j] - odd[j] + self * mb[j];
        });
}

template <class Real>
void add_scaled(int n, const Real* even, Real self, const Real* m, Real* out) {
    typedef typename VectorOf<Real>::type Vector;
    for_vectors<Real>(
        n, [=](int j) { store(out + j, load<Vector>(even + j) + self * load<Vector>(m + j)); },
        [=](int j) { out[j] = even[j] + self * m[j]; });
}

template <class Real>
void scale(int n, const Real* __restrict factor, Real* __restrict out) {
    for (int j = 0; j < n; ++j) out[j] *= factor[j];
}

template <class Real>
void interleave(int n, const Real* __restrict re, const Real* __restrict im, Real* __restrict out) {
    if (im) {
        for (int j = 0; j < n; ++j) {
            out[2 * j] = re[j];
            out[2 * j + 1] = im[j];
        }
    } else {
        for (int j = 0; j < n; ++j) {
            out[2 * j] = re[j];
            out[2 * j + 1] = 0;
        }
    }
}

template <class Real>
void split(int n, const Real* __restrict in, Real* __restrict re, Real* __restrict im) {
    if (im) {
        for (int j = 0; j < n; ++j) {
            re[j] = in[2 * j];
            im[j] = in[2 * j + 1];
        }
    } else {
        for (int j = 0; j < n; ++j) re[j] = in[2 * j];
    }
}

template <class Real>
void scale_pairs(int n, const Real* __restrict factor, Real* __restrict out) {
    for (int j = 0; j < n; ++j) {
        out[2 * j] *= factor[j];
        out[2 * j + 1] *= factor[j];
    }
}

template <class Real>
constexpr LatticeKernel<Real> make_table() {
    return {advance<Real>,         multiply<Real>, add_subtract<Real>, add_subtract_reversed<Real>,
            unfold_reversed<Real>, unfold<Real>,   add_scaled<Real>,   scale<Real>,
            interleave<Real>,      split<Real>,    scale_pairs<Real>};
}

}  // namespace

extern const LatticeKernel<float> kLatticeFloat;
extern const LatticeKernel<double> kLatticeDouble;
const LatticeKernel<float> kLatticeFloat = make_table<float>();
const LatticeKernel<double> kLatticeDouble = make_table<double>();

}  // namespace NMRSIM_ISA
}  // namespace nmrsim
