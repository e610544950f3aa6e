#include "uniform/uniform_kernel.h"

#include <array>

#include "base/kernel_vector.h"
#include "uniform/uniform_turns.h"

namespace nmrsim {
namespace NMRSIM_ISA {
namespace {

/// The coupling turn, then each node's own offset turn, and the sums after it: 11 fused
/// multiply-adds a node without relaxation, and 15 more a tangent.
template <typename Real, UniformRelaxation kRelaxation, bool kOwnSteps, int kTangents>
inline void pass_over_nodes(const UniformPass<Real>& pass, const UniformSteps<Real>& job, int step,
                            const Swing<Real, kTangents>& swing, Means<Real, kTangents>& mean) {
    constexpr bool kRelaxes = kRelaxation != UniformRelaxation::none;
    constexpr bool kOwn = kRelaxation == UniformRelaxation::own;
    const int nodes = job.nodes;
    V<Real>* __restrict state = vectors(job.state);
    const Real* __restrict turn_tan = pass.turn_tan;
    const Real* __restrict turn_sin = pass.turn_sin;
    const V<Real>* __restrict weight = vectors(job.weight);
    V<Real> across[1 + kTangents] = {}, along[1 + kTangents] = {}, gain[1 + kTangents] = {};
    if constexpr (kRelaxes) {
        const V<Real>* loss = vectors(pass.loss + job.loss_stride * step);
        for (int t = 0; t <= (kOwn ? kTangents : 0); ++t) {
            across[t] = loss[3 * t];
            along[t] = loss[3 * t + 1];
            gain[t] = loss[3 * t + 2];
        }
    }
    V<Real> sum_x[1 + kTangents] = {}, sum_y[1 + kTangents] = {};
    for (int i = 0; i < nodes; ++i) {
        V<Real> tan, sin;
        if constexpr (kOwnSteps) {
            tan = vectors(turn_tan)[i];
            sin = vectors(turn_sin)[i];
        } else {
            tan = turn_tan[i] - V<Real>{};
            sin = turn_sin[i] - V<Real>{};
        }
        V<Real>* __restrict m = state + 3 * (1 + kTangents) * i;
        const V<Real>* __restrict w = weight + (kOwn ? 1 + kTangents : 1) * i;
        const auto swung = [&](Vector3<Real> v) {
            v.y = v.y - swing.tan_x * v.z;
            v.z = v.z + swing.sin_x * v.y;
            v.y = v.y - swing.tan_x * v.z;
            v.z = v.z - swing.tan_y * v.x;
            v.x = v.x + swing.sin_y * v.z;
            v.z = v.z - swing.tan_y * v.x;
            return v;
        };
        Vector3<Real> before{};  // the curve's vector, turned, before it relaxes
        const auto finish = [&](int t, Vector3<Real> v) {
            v.x = v.x + tan * v.y;
            v.y = v.y - sin * v.x;
            v.x = v.x + tan * v.y;
            if constexpr (kRelaxes) {
                if (kOwn && t == 0) before = v;
                v.x = v.x - across[0] * v.x;
                v.y = v.y - across[0] * v.y;
                v.z = v.z - along[0] * v.z;
                if (t == 0) {
                    v.z = v.z + gain[0] * w[0];
                } else if constexpr (kOwn) {
                    v.x = v.x - across[t] * before.x;
                    v.y = v.y - across[t] * before.y;
                    v.z = v.z - along[t] * before.z + gain[t] * w[0] + gain[0] * w[t];
                }
            }
            m[3 * t] = v.x;
            m[3 * t + 1] = v.y;
            m[3 * t + 2] = v.z;
            sum_x[t] += v.x;
            sum_y[t] += v.y;
        };
        const Vector3<Real> turned = swung({m[0], m[1], m[2]});
        finish(0, turned);
#pragma GCC unroll 4
        for (int t = 1; t <= kTangents; ++t) {
            const Vector3<Real> v = swung({m[3 * t], m[3 * t + 1], m[3 * t + 2]});
            const V<Real> qx = swing.rate_x[t - 1], qy = swing.rate_y[t - 1];
            finish(t,
                   {v.x + qy * turned.z, v.y - qx * turned.z, v.z + qx * turned.y - qy * turned.x});
        }
    }
    if constexpr (kOwnSteps) {
        for (int t = 0; job.across && t <= kTangents; ++t) {
            sum_x[t] = sum_over_lanes<Real>(sum_x[t]);
            sum_y[t] = sum_over_lanes<Real>(sum_y[t]);
        }
    }
    const V<Real>* total = vectors(job.total_weight);
    const V<Real> curve_z = mean.z[0];
    for (int t = 0; t <= kTangents; ++t) {
        mean.x[t] = sum_x[t];
        mean.y[t] = sum_y[t];
        if constexpr (kRelaxes) {
            V<Real> change = mean.z_low[t] - mean.z[t] * along[0];
            if (t == 0) {
                change = change + gain[0] * total[0];
            } else if constexpr (kOwn) {
                change = change - along[t] * curve_z + gain[t] * total[0] + gain[0] * total[t];
            }
            const V<Real> z = mean.z[t] + change;
            mean.z_low[t] = change - (z - mean.z[t]);
            mean.z[t] = z;
        }
    }
}

/// Row t of a vector in the frame, as seen from outside it.
template <typename Real, int kTangents>
inline Vector3<Real> out_of_frame(const Frame<Real, kTangents>& frame, int t,
                                  const Vector3<Real>& curve, Vector3<Real> v) {
    if (t > 0) {
        v.x = v.x - frame.slope[t - 1] * curve.y;
        v.y = v.y + frame.slope[t - 1] * curve.x;
    }
    return {frame.x * v.x - frame.y * v.y, frame.y * v.x + frame.x * v.y, v.z};
}

template <typename Real, UniformRelaxation kRelaxation, bool kOwnSteps, int kTangents>
void run_steps_with(const UniformSteps<Real>& job) {
    V<Real>* state = vectors(job.state);
    const V<Real>* strength = vectors(job.strength);
    V<Real>* total_z = vectors(job.total_z);
    V<Real>* record = job.record ? vectors(job.record) : nullptr;
    Means<Real, kTangents> mean{};
    for (int t = 0; t <= kTangents; ++t) {
        mean.z[t] = total_z[t];
        for (int i = 0; i < job.nodes; ++i) {
            mean.x[t] += state[3 * ((1 + kTangents) * i + t)];
            mean.y[t] += state[3 * ((1 + kTangents) * i + t) + 1];
        }
    }
    for (int t = 0; job.across && t <= kTangents; ++t) {
        mean.x[t] = sum_over_lanes<Real>(mean.x[t]);
        mean.y[t] = sum_over_lanes<Real>(mean.y[t]);
    }
    Frame<Real, kTangents> frame;
    const auto keep_record = [&](int step) {
        if (!record) return;
        const Vector3<Real> curve{mean.x[0], mean.y[0], mean.z[0]};
        for (int t = 0; t <= kTangents; ++t) {
            const Vector3<Real> v =
                out_of_frame<Real, kTangents>(frame, t, curve, {mean.x[t], mean.y[t], mean.z[t]});
            record[2 * ((1 + kTangents) * step + t)] = v.x;
            record[2 * ((1 + kTangents) * step + t) + 1] = v.y;
        }
    };
    keep_record(0);
    // The coupling turn that ends a step and the one that starts the next are about the same
    // vector.
    Real carried = 0;
    for (int step = 0; step < job.steps; ++step) {
        for (int p = 0; p < job.passes; ++p) {
            const UniformPass<Real>& pass = job.pass[p];
            const Swing<Real, kTangents> swing = swing_of<Real, kTangents>(
                coupling_turns<Real, kTangents>(mean, strength, pass.coupling + carried), frame);
            carried = 0;
            pass_over_nodes<Real, kRelaxation, kOwnSteps, kTangents>(pass, job, step, swing, mean);
        }
        carried = job.last_coupling;
        keep_record(step + 1);
    }
    const Turns<Real, kTangents> turns = coupling_turns<Real, kTangents>(mean, strength, carried);
    for (int i = 0; i < job.nodes; ++i) {
        V<Real>* m = state + 3 * (1 + kTangents) * i;
        const Vector3<Real> turned = apply<Real>(turns.turn, {m[0], m[1], m[2]});
        for (int t = kTangents; t >= 0; --t) {
            Vector3<Real> v = turned;
            if (t > 0) {
                v = apply<Real>(turns.turn, {m[3 * t], m[3 * t + 1], m[3 * t + 2]});
                const Vector3<Real> change = cross<Real>(turns.rate[t - 1], turned);
                v = {v.x + change.x, v.y + change.y, v.z + change.z};
            }
            v = out_of_frame<Real, kTangents>(frame, t, turned, v);
            m[3 * t] = v.x;
            m[3 * t + 1] = v.y;
            m[3 * t + 2] = v.z;
        }
    }
    for (int t = 0; t <= kTangents; ++t) total_z[t] = mean.z[t];
}

template <typename Real, int kTangents>
void run_steps_for(const UniformSteps<Real>& job) {
    if (job.own_steps) {
        return job.relaxation == UniformRelaxation::none
                   ? run_steps_with<Real, UniformRelaxation::none, true, kTangents>(job)
                   : run_steps_with<Real, UniformRelaxation::own, true, kTangents>(job);
    }
    switch (job.relaxation) {
        case UniformRelaxation::none:
            return run_steps_with<Real, UniformRelaxation::none, false, kTangents>(job);
        case UniformRelaxation::same:
            return run_steps_with<Real, UniformRelaxation::same, false, kTangents>(job);
        case UniformRelaxation::own:
            return run_steps_with<Real, UniformRelaxation::own, false, kTangents>(job);
    }
}

template <typename Real>
void run_steps(const UniformSteps<Real>& job) {
    switch (job.tangents) {
        case 0:
            return run_steps_for<Real, 0>(job);
        case 1:
            return run_steps_for<Real, 1>(job);
        case 2:
            return run_steps_for<Real, 2>(job);
        default:
            return run_steps_for<Real, 3>(job);
    }
}

/// Lagrange's weights of records at 0 ... order - 1 for a position of each lane: (order)[lanes].
template <typename Real, int kOrder>
inline void lagrange_weights(V<Real> at, V<Real>* weight) {
    // 1 / ((-1)^(order - 1 - j) j! (order - 1 - j)!)
    static const auto scale = [] {
        std::array<Real, kOrder> values{};
        for (int a = 0; a < kOrder; ++a) {
            double product = 1.0;
            for (int b = 0; b < kOrder; ++b) {
                if (b != a) product *= static_cast<double>(a - b);
            }
            values[static_cast<std::size_t>(a)] = static_cast<Real>(1.0 / product);
        }
        return values;
    }();
    V<Real> product = V<Real>{} + Real(1);
    for (int j = kOrder - 1; j >= 0; --j) {
        weight[j] = product * scale[static_cast<std::size_t>(j)];
        product = product * (at - static_cast<Real>(j));
    }
    product = V<Real>{} + Real(1);
    for (int j = 0; j < kOrder; ++j) {
        weight[j] = weight[j] * product;
        product = product * (at - static_cast<Real>(j));
    }
}

template <typename Real>
void sample(const UniformSamples<Real>& job) {
    V<Real> own[kInterpolationOrder];
    const int rows = 1 + job.tangents;
    const V<Real>* record = vectors(job.record);
    const V<Real>* phasor = vectors(job.phasor);
    V<Real>* signal = vectors(job.signal);
    for (int k = 0; k < job.points; ++k) {
        if (job.position) {
            lagrange_weights<Real, kInterpolationOrder>(job.position[k] - *vectors(job.shift), own);
        } else {
            for (int j = 0; j < job.order; ++j) {
                own[j] = job.weight[k * job.order + j] - V<Real>{};
            }
        }
        const V<Real> c = phasor[2 * k], s = phasor[2 * k + 1];
        V<Real> frame_x{}, frame_y{};
        for (int t = 0; t < rows; ++t) {
            const V<Real>* from = record + 2 * (rows * job.first[k] + t);
            V<Real> x{}, y{};
            for (int j = 0; j < job.order; ++j) {
                x += own[j] * from[2 * rows * j];
                y += own[j] * from[2 * rows * j + 1];
            }
            if (t == 0) {
                frame_x = x;
                frame_y = y;
            } else {
                // d(M exp(-i phase)) = (dM - i dphase M) exp(-i phase)
                const V<Real> slope = vectors(job.phase_slope)[k * job.tangents + t - 1];
                x += slope * frame_y;
                y -= slope * frame_x;
            }
            signal[2 * (rows * k + t)] = c * x + s * y;
            signal[2 * (rows * k + t) + 1] = c * y - s * x;
        }
    }
}

template <typename Real>
void turn(int nodes, int tangents, const Real* matrix, Real* state_pointer) {
    const V<Real>* r = vectors(matrix);
    V<Real>* state = vectors(state_pointer);
    const int rows = 1 + tangents;
    for (int i = 0; i < nodes; ++i) {
        V<Real>* m = state + 3 * rows * i;
        const Vector3<Real> before{m[0], m[1], m[2]};
        for (int t = tangents; t >= 0; --t) {
            Vector3<Real> v = times<Real>(r, {m[3 * t], m[3 * t + 1], m[3 * t + 2]});
            if (t > 0) {
                const Vector3<Real> change = times<Real>(r + 9 * t, before);
                v = {v.x + change.x, v.y + change.y, v.z + change.z};
            }
            m[3 * t] = v.x;
            m[3 * t + 1] = v.y;
            m[3 * t + 2] = v.z;
        }
    }
}

}  // namespace

UniformKernels<float> uniform_kernels_float() {
    return {kLanes<float>, run_steps<float>, sample<float>, turn<float>};
}
UniformKernels<double> uniform_kernels_double() {
    return {kLanes<double>, run_steps<double>, sample<double>, turn<double>};
}

}  // namespace NMRSIM_ISA
}  // namespace nmrsim
