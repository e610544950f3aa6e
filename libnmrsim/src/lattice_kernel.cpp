#include "lattice_kernel.h"

#include "kernel_vector.h"

// Compiled three times: see nmrsim_add_kernel in cmake/NmrsimTargets.cmake. No standard headers.

namespace nmrsim {
namespace NMRSIM_ISA {
namespace {

// 6 x 4 sums stay in 32 registers, 6 x 2 in 16.
constexpr int kPanelVectors = kVectorBytes == 64 ? 4 : 2;
constexpr int kPanelRows = 6;

typedef float FloatVector __attribute__((vector_size(kVectorBytes)));
typedef double DoubleVector __attribute__((vector_size(kVectorBytes)));

template <class Real>
struct VectorOf;
template <>
struct VectorOf<float> {
    typedef FloatVector type;
};
template <>
struct VectorOf<double> {
    typedef DoubleVector type;
};

template <class Real>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(Real));

template <class Vector, class Real>
inline Vector load(const Real* p) {
    Vector v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

template <class Vector, class Real>
inline void store(Real* p, Vector v) {
    __builtin_memcpy(p, &v, sizeof v);
}

/// cos(phi) and sin(phi)/phi from x = phi^2 <= 1, by Taylor series to rounding.
inline void half_turn(FloatVector x, FloatVector& cosine, FloatVector& sinc) {
    cosine = 1.0f +
             x * (-1.0f / 2 +
                  x * (1.0f / 24 + x * (-1.0f / 720 + x * (1.0f / 40320 - x * (1.0f / 3628800)))));
    sinc = 1.0f +
           x * (-1.0f / 6 + x * (1.0f / 120 +
                                 x * (-1.0f / 5040 + x * (1.0f / 362880 - x * (1.0f / 39916800)))));
}

inline void half_turn(DoubleVector x, DoubleVector& cosine, DoubleVector& sinc) {
    // Coefficients (-1)^n / (2 n)! and (-1)^n / (2 n + 1)!, n from 9 down.
    constexpr double kCosine[] = {-1.0 / 6402373705728000.0,
                                  1.0 / 20922789888000.0,
                                  -1.0 / 87178291200.0,
                                  1.0 / 479001600.0,
                                  -1.0 / 3628800.0,
                                  1.0 / 40320.0,
                                  -1.0 / 720.0,
                                  1.0 / 24.0,
                                  -1.0 / 2.0,
                                  1.0};
    constexpr double kSinc[] = {-1.0 / 121645100408832000.0,
                                1.0 / 355687428096000.0,
                                -1.0 / 1307674368000.0,
                                1.0 / 6227020800.0,
                                -1.0 / 39916800.0,
                                1.0 / 362880.0,
                                -1.0 / 5040.0,
                                1.0 / 120.0,
                                -1.0 / 6.0,
                                1.0};
    DoubleVector c = kCosine[0] + x * 0.0;
    DoubleVector s = kSinc[0] + x * 0.0;
    for (int n = 1; n < 10; ++n) {
        c = kCosine[n] + x * c;
        s = kSinc[n] + x * s;
    }
    cosine = c;
    sinc = s;
}

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
    Real scale = Real(0.5);
    for (int i = 0; i < doublings; ++i) scale *= Real(0.5);
    const Real scale2 = scale * scale;
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
            const Vector turn = load<Vector>(step.offset + i) * step.offset_time;
            Vector mean_x[kParts];
            Vector mean_y[kParts];
            Vector mean_z[kParts];
            Vector moment_x[kParts];
            Vector moment_y[kParts];
            Vector moment_z[kParts];
            for (int part = 0; part < kParts; ++part) {
                mean_x[part] = mean_y[part] = zero;
                moment_x[part] = moment_y[part] = moment_z[part] = zero;
                mean_z[part] = turn;
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
                const Vector ax = mean_x[part];
                const Vector ay = mean_y[part];
                const Vector az = mean_z[part];
                const Vector bx = moment_x[part];
                const Vector by = moment_y[part];
                Vector ox = ax - by * az;
                Vector oy = ay + bx * az;
                const Vector oz = az - (bx * ay - by * ax);
                if constexpr (kCouplesZ) {
                    const Vector bz = moment_z[part];
                    ox += bz * ay;
                    oy -= bz * ax;
                }
                Vector c;
                Vector s;
                half_turn((ox * ox + oy * oy + oz * oz) * scale2, c, s);
                // The quaternion (c, q) of the turn: m' = m + 2 (c t + t x q), t = m x q.
                s *= scale;
                for (int k = 0; k < doublings; ++k) {
                    s *= 2 * c;
                    c = 2 * c * c - 1;
                }
                const Vector qx = ox * s;
                const Vector qy = oy * s;
                const Vector qz = oz * s;
                const Vector tx = y * qz - z * qy;
                const Vector ty = z * qx - x * qz;
                const Vector tz = x * qy - y * qx;
                x += 2 * (c * tx + (ty * qz - tz * qy));
                y += 2 * (c * ty + (tz * qx - tx * qz));
                z += 2 * (c * tz + (tx * qy - ty * qx));
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
void multiply_conjugate(int n, const Real* __restrict re, const Real* __restrict im,
                        Real* __restrict out) {
    if (im) {
        for (int j = 0; j < n; ++j) {
            const Real a = out[2 * j];
            const Real b = out[2 * j + 1];
            out[2 * j] = a * re[j] + b * im[j];
            out[2 * j + 1] = b * re[j] - a * im[j];
        }
    } else {
        for (int j = 0; j < n; ++j) {
            out[2 * j] *= re[j];
            out[2 * j + 1] *= re[j];
        }
    }
}

template <class Real>
constexpr LatticeKernel<Real> make_table() {
    return {
        advance<Real>,         multiply<Real>, add_subtract<Real>,      add_subtract_reversed<Real>,
        unfold_reversed<Real>, unfold<Real>,   add_scaled<Real>,        scale<Real>,
        interleave<Real>,      split<Real>,    multiply_conjugate<Real>};
}

}  // namespace

extern const LatticeKernel<float> kLatticeFloat;
extern const LatticeKernel<double> kLatticeDouble;
const LatticeKernel<float> kLatticeFloat = make_table<float>();
const LatticeKernel<double> kLatticeDouble = make_table<double>();

}  // namespace NMRSIM_ISA
}  // namespace nmrsim
