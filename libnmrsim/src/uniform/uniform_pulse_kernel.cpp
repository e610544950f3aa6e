#include "uniform/uniform_pulse_kernel.h"

#include "base/kernel_vector.h"
#include "uniform/uniform_turns.h"

namespace nmrsim {
namespace NMRSIM_ISA {
namespace {

/// A 3 x 4 matrix: the motion m' = L m + c of one step's share, or its solution less the identity.
template <typename Real>
struct Affine {
    V<Real> m[3][4];
};

/// x + (l y), of l its first three columns.
template <typename Real>
inline Affine<Real> plus_product(const Affine<Real>& x, const Affine<Real>& l,
                                 const Affine<Real>& y) {
    Affine<Real> sum = x;
    for (int i = 0; i < 3; ++i) {
        for (int j = 0; j < 4; ++j) {
            sum.m[i][j] += l.m[i][0] * y.m[0][j] + l.m[i][1] * y.m[1][j] + l.m[i][2] * y.m[2][j];
        }
    }
    return sum;
}

template <typename Real>
inline Affine<Real> scaled(const Affine<Real>& x, Real factor) {
    Affine<Real> y;
    for (int i = 0; i < 3; ++i) {
        for (int j = 0; j < 4; ++j) y.m[i][j] = x.m[i][j] * factor;
    }
    return y;
}

/// dm/dt = m x B with relaxation, in shares of the angles of a step.
template <typename Real>
inline Affine<Real> motion(const V<Real>& x, const V<Real>& y, const V<Real>& z,
                           const V<Real>& across, const V<Real>& along, const V<Real>& gain,
                           Real share) {
    const V<Real> none{};
    return scaled<Real>({{{-across, z, -y, none}, {-z, -across, x, none}, {y, -x, -along, gain}}},
                        share);
}

/// exp(L) - 1 and the integral of exp(L s) c, by their series; the plan keeps |L| < 4.
///
/// Args: slope, result_slope: one tangent, or null.
template <typename Real>
inline void solve(const Affine<Real>& l, Affine<Real>& result, int tangents,
                  const Affine<Real>* slope, Affine<Real>* result_slope) {
    constexpr int kTerms = sizeof(Real) == 4 ? 20 : 34;
    result = l;
    for (int t = 0; t < tangents; ++t) result_slope[t] = slope[t];
    for (int k = kTerms; k >= 2; --k) {
        const Real factor = Real(1) / static_cast<Real>(k);
        const Affine<Real> before = scaled<Real>(result, factor);
        for (int t = 0; t < tangents; ++t) {
            result_slope[t] = plus_product<Real>(plus_product<Real>(slope[t], slope[t], before), l,
                                                 scaled<Real>(result_slope[t], factor));
        }
        result = plus_product<Real>(l, l, before);
    }
}

constexpr int kMostSlopes = 3;

template <typename Real>
void fill_turns(const UniformPulseSteps<Real>& job, int nodes) {
    const int rows = 1 + job.tangents;
    const V<Real>* common = vectors(job.common);
    const V<Real>* drive = vectors(job.drive);
    V<Real>* turns = vectors(job.turns);
    for (int p = 0; 2 * p < job.passes; ++p) {
        const Real share = job.share[p];
        for (int b = 0, i = 0; b < job.blocks; ++b) {
            for (; i < job.block_end[b]; ++i) {
                Affine<Real> l[1 + kMostSlopes], s[1 + kMostSlopes];
                for (int t = 0; t < rows; ++t) {
                    const V<Real>* c = common + 4 * (rows * b + t);
                    const V<Real>* d = drive + 2 * (rows * b + t);
                    V<Real> offset = c[0];
                    if (t == 0) {  // the nodes depend on nothing
                        offset = job.across ? vectors(job.offset)[i] + c[0] : job.offset[i] + c[0];
                    }
                    l[t] = motion<Real>(d[0], d[1], offset, c[1], c[2], c[3], share);
                }
                solve<Real>(l[0], s[0], job.tangents, l + 1, s + 1);
                for (int t = 0; t < rows; ++t) {
                    V<Real>* to = turns + kEffectiveTurn * (rows * (nodes * p + i) + t);
                    for (int r = 0; r < 3; ++r) {
                        for (int k = 0; k < 3; ++k) to[3 * r + k] = s[t].m[r][k];
                        to[9 + r] = s[t].m[r][3];
                    }
                }
            }
        }
    }
}

template <typename Real, int kTangents>
void run(const UniformPulseSteps<Real>& job) {
    constexpr int kRows = 1 + kTangents;
    const int nodes = job.block_end[job.blocks - 1];
    fill_turns<Real>(job, nodes);
    V<Real>* state = vectors(job.state);
    const V<Real>* strength = vectors(job.strength);
    const V<Real>* weight = job.weight ? vectors(job.weight) : nullptr;
    const V<Real>* turns = vectors(job.turns);
    V<Real> plane[kRows], beyond[kRows];
    for (int t = 0; t < kRows; ++t) {
        plane[t] = strength[2 * t];
        beyond[t] = strength[2 * t + 1] - strength[2 * t];
    }
    Means<Real, kTangents> mean{};
    for (int i = 0; i < nodes; ++i) {
        for (int t = 0; t < kRows; ++t) {
            const V<Real>* m = state + 3 * (kRows * i + t);
            mean.x[t] += m[0];
            mean.y[t] += m[1];
            mean.z[t] += m[2];
        }
    }
    const auto over_lanes = [&] {
        for (int t = 0; job.across && t < kRows; ++t) {
            mean.x[t] = sum_over_lanes<Real>(mean.x[t]);
            mean.y[t] = sum_over_lanes<Real>(mean.y[t]);
            mean.z[t] = sum_over_lanes<Real>(mean.z[t]);
        }
    };
    over_lanes();
    V<Real>* record = job.record ? vectors(job.record) : nullptr;
    const auto turn_of_rest = [&](Real coupling) {
        const V<Real> angle = beyond[0] * mean.z[0] * coupling;
        return turn_about<Real>({V<Real>{}, V<Real>{}, angle}, turn_series<Real>(angle * angle));
    };
    const auto rate_of_rest = [&](int t, Real coupling) {
        return (beyond[t] * mean.z[0] + beyond[0] * mean.z[t]) * coupling;
    };
    // M after a step, whose last turn is still to come.
    const auto keep_record = [&](int step, Real coupling) {
        if (!record) return;
        const Turn<Real> rest = turn_of_rest(coupling);
        const Vector3<Real> curve = apply<Real>(rest, {mean.x[0], mean.y[0], mean.z[0]});
        for (int t = 0; t < kRows; ++t) {
            Vector3<Real> v = curve;
            if (t > 0) {
                const V<Real> rate = rate_of_rest(t, coupling);
                v = apply<Real>(rest, {mean.x[t], mean.y[t], mean.z[t]});
                v = {v.x - rate * curve.y, v.y + rate * curve.x, v.z};
            }
            V<Real>* to = record + 3 * (kRows * step + t);
            to[0] = v.x;
            to[1] = v.y;
            to[2] = v.z;
        }
    };
    // About the mean: the isotropic part keeps M, the rest turns all about z by what Mz says.
    // Args: effective: (nodes, rows)[lanes] turns about the effective fields, or null.
    const auto pass = [&](Real coupling, const V<Real>* effective) {
        const Turns<Real, kTangents> about = coupling_turns<Real, kTangents>(mean, plane, coupling);
        const Turn<Real> rest = turn_of_rest(coupling);
        V<Real> rate[kRows];
        for (int t = 1; t < kRows; ++t) rate[t] = rate_of_rest(t, coupling);
        Means<Real, kTangents> sum{};
        for (int i = 0; i < nodes; ++i) {
            V<Real>* m = state + 3 * kRows * i;
            const Vector3<Real> first = apply<Real>(about.turn, {m[0], m[1], m[2]});
            const Vector3<Real> turned = apply<Real>(rest, first);
            Vector3<Real> v[kRows];
            v[0] = turned;
            for (int t = 1; t < kRows; ++t) {
                Vector3<Real> u = apply<Real>(about.turn, {m[3 * t], m[3 * t + 1], m[3 * t + 2]});
                const Vector3<Real> change = cross<Real>(about.rate[t - 1], first);
                u = apply<Real>(rest, {u.x + change.x, u.y + change.y, u.z + change.z});
                v[t] = {u.x - rate[t] * turned.y, u.y + rate[t] * turned.x, u.z};
            }
            if (effective) {
                const V<Real>* s = effective + kEffectiveTurn * kRows * i;
                for (int t = kTangents; t >= 0; --t) {
                    const Vector3<Real> own = times<Real>(s, v[t]);
                    v[t] = {v[t].x + own.x, v[t].y + own.y, v[t].z + own.z};
                    if (t > 0) {
                        const Vector3<Real> more = times<Real>(s + kEffectiveTurn * t, turned);
                        v[t] = {v[t].x + more.x, v[t].y + more.y, v[t].z + more.z};
                    }
                    if (!weight) continue;
                    const V<Real>* w = weight + kRows * i;
                    const V<Real>* g = s + 9;
                    v[t].x += g[0] * w[t];
                    v[t].y += g[1] * w[t];
                    v[t].z += g[2] * w[t];
                    if (t == 0) continue;
                    g = s + kEffectiveTurn * t + 9;
                    v[t].x += g[0] * w[0];
                    v[t].y += g[1] * w[0];
                    v[t].z += g[2] * w[0];
                }
            }
            for (int t = 0; t < kRows; ++t) {
                m[3 * t] = v[t].x;
                m[3 * t + 1] = v[t].y;
                m[3 * t + 2] = v[t].z;
                sum.x[t] += v[t].x;
                sum.y[t] += v[t].y;
                sum.z[t] += v[t].z;
            }
        }
        mean = sum;
        over_lanes();
    };
    keep_record(0, Real(0));
    Real carried = 0;
    for (int step = 0; step < job.steps; ++step) {
        for (int p = 0; p < job.passes; ++p) {
            const int half = p < job.passes - 1 - p ? p : job.passes - 1 - p;
            pass(job.coupling[p] + carried, turns + kEffectiveTurn * kRows * nodes * half);
            carried = 0;
        }
        carried = job.coupling[job.passes];
        keep_record(step + 1, carried);
    }
    pass(carried, nullptr);
}

template <typename Real>
void run_any(const UniformPulseSteps<Real>& job) {
    switch (job.tangents) {
        case 0:
            return run<Real, 0>(job);
        case 1:
            return run<Real, 1>(job);
        case 2:
            return run<Real, 2>(job);
        default:
            return run<Real, 3>(job);
    }
}

}  // namespace

void run_pulse_float(const UniformPulseSteps<float>& job) {
    run_any(job);
}
void run_pulse_double(const UniformPulseSteps<double>& job) {
    run_any(job);
}

}  // namespace NMRSIM_ISA
}  // namespace nmrsim
