#include "general/ensemble_steps.h"

#include <algorithm>
#include <cmath>

#include "general/bloch_kernel.h"
#include "general/cooper_verner.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

/// Ensembles of fewer spins are stepped by one thread.
constexpr std::size_t kParallelSpins = 4096;

/// Calls `use(i)` for each spin; no two depend on each other.
template <class Use>
void for_each_spin(int threads, std::size_t spins, Use&& use) {
    if (threads == 1 || spins < kParallelSpins) {
        for (std::size_t i = 0; i < spins; ++i) use(i);
        return;
    }
#pragma omp parallel for schedule(static) num_threads(threads)
    for (std::size_t i = 0; i < spins; ++i) use(i);
}

BlochKernels kernels() {
    return NMRSIM_BEST(bloch_kernels)();
}

template <class Scalar>
BlochKernel<Scalar> kernel() {
    if constexpr (kTangents<Scalar> == 0) return kernels().plain;
    if constexpr (kTangents<Scalar> == 1) return kernels().dual1;
    if constexpr (kTangents<Scalar> == 2) return kernels().dual2;
    if constexpr (kTangents<Scalar> == 3) return kernels().dual3;
}

/// Calls run(begin, count) for blocks of the spins.
template <class Run>
void for_each_block(int threads, std::size_t spins, const Run& run) {
    constexpr std::size_t kBlock = 512;
    const auto run_block = [&](std::size_t begin) {
        run(begin, static_cast<long>(std::min(kBlock, spins - begin)));
    };
    if (threads == 1 || spins < kParallelSpins) {
        for (std::size_t begin = 0; begin < spins; begin += kBlock) run_block(begin);
        return;
    }
#pragma omp parallel for schedule(static) num_threads(threads)
    for (std::size_t begin = 0; begin < spins; begin += kBlock) run_block(begin);
}

/// The job on all spins; its degree follows from the turns where it is 0.
template <class Scalar>
void act(int threads, BlochJob<Scalar> job, const SpinVectors<Scalar>& from,
         const SpinVectors<Scalar>& turn, SpinVectors<Scalar>& to) {
    const auto run = kernel<Scalar>().act;
    if (job.degree == 0) {
        job.degree = bloch_degree(largest_length(turn) + part(job.transverse_loss, 0) +
                                  part(job.longitudinal_loss, 0));
    }
    for_each_block(threads, from.size(), [&](std::size_t begin, long count) {
        BlochJob<Scalar> block = job;
        block.spins = count;
        block.from = from.data() + begin;
        block.turn = turn.data() + begin;
        block.to = to.data() + begin;
        run(block);
    });
}

/// to = from + the weighted slopes, which lie at the same places of the other spins' arrays.
template <class Scalar>
void add(int threads, const SumJob<Scalar>& job, const SpinVectors<Scalar>& from,
         SpinVectors<Scalar>& to) {
    const auto run = kernel<Scalar>().sum;
    for_each_block(threads, from.size(), [&](std::size_t begin, long count) {
        SumJob<Scalar> block = job;
        block.spins = count;
        block.from = from.data() + begin;
        for (int k = 0; k < job.count; ++k) block.slope[k] = job.slope[k] + begin;
        block.to = to.data() + begin;
        run(block);
    });
}

/// A linear coupling of the field to a spin: b = (xx wx + xy wy, yx wx + yy wy, zz wz).
template <class Scalar>
struct CouplingMap {
    Scalar xx = 0.0, xy = 0.0, yx = 0.0, yy = 0.0, zz = 0.0;

    Vec3<Scalar> operator()(const Vec3<Scalar>& w) const {
        return {xx * w.x + xy * w.y, yx * w.x + yy * w.y, zz * w.z};
    }
};

/// The part that stands still in the rotating frame, and those that turn as cos and sin of twice
/// the Larmor phase.
template <class Scalar>
CouplingMap<Scalar> steady_map(const EnsembleInputs<Scalar>& inputs) {
    return {inputs.plane, 0.0, 0.0, inputs.plane, inputs.z};
}
template <class Scalar>
CouplingMap<Scalar> cosine_map(const EnsembleInputs<Scalar>& inputs) {
    return {inputs.counter, 0.0, 0.0, -1.0 * inputs.counter, 0.0};
}
template <class Scalar>
CouplingMap<Scalar> sine_map(const EnsembleInputs<Scalar>& inputs) {
    return {0.0, inputs.counter, inputs.counter, 0.0, 0.0};
}

}  // namespace

int bloch_degree(double x) {
    constexpr double kRounding = 1e-18;
    int degree = 2;
    double term = x * x * x / 6.0;
    while (term > kRounding * x && degree < 60) {
        ++degree;
        term *= x / (degree + 1);
    }
    return degree;
}

template <class Scalar>
EnsembleSteps<Scalar>::EnsembleSteps(const EnsembleInputs<Scalar>& inputs, const Lattice& lattice,
                                     CounterRotating treatment, int order, int threads)
    : spins(inputs.offset.size(), Vec3<Scalar>{inputs.start[0], inputs.start[1], inputs.start[2]}),
      inputs_(inputs),
      field_(inputs, lattice),
      treatment_(treatment),
      threads_(threads),
      // Where the strength is 0 but has a slope, the averages are linear in it.
      order_(treatment == CounterRotating::averaged &&
                     (part(inputs.counter, 0) != 0.0 || has_slope(inputs.counter))
                 ? order
                 : 1) {}

template <class Scalar>
void EnsembleSteps<Scalar>::pulse(const Scalar& flip, const Scalar& phase) {
    using std::cos;
    using std::sin;
    const Vec3<Scalar> axis{cos(phase), sin(phase), 0.0};
    const Scalar c = cos(flip), s = sin(flip);
    for_each_spin(threads_, spins.size(), [&](std::size_t i) {
        const Vec3<Scalar> m = spins[i];
        const Scalar along = (Scalar(1.0) - c) * (axis.x * m.x + axis.y * m.y);
        spins[i] = c * m + s * cross(m, axis) + along * axis;
    });
}

template <class Scalar>
void EnsembleSteps<Scalar>::set_drive(const Scalar& x, const Scalar& y) {
    drive_x_ = x;
    drive_y_ = y;
}

template <class Scalar>
void EnsembleSteps<Scalar>::field(const Scalar& time, const SpinVectors<Scalar>& m,
                                  SpinVectors<Scalar>& b) {
    using std::cos;
    using std::sin;
    field_.evaluate(m, w_);
    CouplingMap<Scalar> map = steady_map(inputs_);
    if (treatment_ == CounterRotating::stepped) {
        const Scalar c = inputs_.counter * cos(inputs_.carrier * time);
        const Scalar s = inputs_.counter * sin(inputs_.carrier * time);
        map.xx = map.xx + c;
        map.yy = map.yy - c;
        map.xy = s;
        map.yx = s;
    }
    b.resize(m.size());
    for_each_spin(threads_, m.size(), [&](std::size_t i) {
        b[i] = map(w_[i]);
        b[i].x = b[i].x + drive_x_;
        b[i].y = b[i].y + drive_y_;
        b[i].z = b[i].z + inputs_.offset[i];
    });
    if (order_ >= 3) add_third_order(m, b);  // wants the first-order field alone
    if (order_ >= 2) add_second_order(m, b);
}

/// [C, S] / (2 Omega) with the bracket of fields [B, C] = B x C + C'(m x B) - B'(m x C), C' the
/// linear part: the spins' own motion in the fast field, and the field of all others' motion.
template <class Scalar>
void EnsembleSteps<Scalar>::add_second_order(const SpinVectors<Scalar>& m, SpinVectors<Scalar>& b) {
    const CouplingMap<Scalar> cosine = cosine_map(inputs_), sine = sine_map(inputs_);
    const std::size_t n = m.size();
    SpinVectors<Scalar> motion(n), from_cosine, from_sine;
    for_each_spin(threads_, n, [&](std::size_t i) { motion[i] = cross(m[i], cosine(w_[i])); });
    field_.evaluate(motion, from_cosine);
    for_each_spin(threads_, n, [&](std::size_t i) { motion[i] = cross(m[i], sine(w_[i])); });
    field_.evaluate(motion, from_sine);
    const Scalar scale = Scalar(0.5) / inputs_.carrier;
    for_each_spin(threads_, n, [&](std::size_t i) {
        b[i] = b[i] + scale * (cross(cosine(w_[i]), sine(w_[i])) + sine(from_cosine[i]) -
                               cosine(from_sine[i]));
    });
}

/// ([C, [C, A]] + [S, [S, A]]) / (4 Omega^2), A the steady field.
template <class Scalar>
void EnsembleSteps<Scalar>::add_third_order(const SpinVectors<Scalar>& m, SpinVectors<Scalar>& b) {
    const CouplingMap<Scalar> steady = steady_map(inputs_);
    const std::size_t n = m.size();
    const SpinVectors<Scalar> a = b;
    SpinVectors<Scalar> v(n), w_motion, w_steady_motion, w_p, w_q, w_r;
    const Scalar scale = Scalar(0.25) / (inputs_.carrier * inputs_.carrier);
    for_each_spin(threads_, n, [&](std::size_t i) { v[i] = cross(m[i], a[i]); });
    field_.evaluate(v, w_steady_motion);
    for (const CouplingMap<Scalar>& fast : {cosine_map(inputs_), sine_map(inputs_)}) {
        SpinVectors<Scalar> once(n), p(n), q(n);
        for_each_spin(threads_, n, [&](std::size_t i) { v[i] = cross(m[i], fast(w_[i])); });
        field_.evaluate(v, w_motion);
        for_each_spin(threads_, n, [&](std::size_t i) {
            const Vec3<Scalar> x = fast(w_[i]);
            once[i] = cross(x, a[i]) + steady(w_motion[i]) - fast(w_steady_motion[i]);
            p[i] = cross(v[i], x) + cross(m[i], fast(w_motion[i]));
            q[i] = cross(v[i], a[i]) + cross(m[i], steady(w_motion[i]));
        });
        field_.evaluate(p, w_p);
        field_.evaluate(q, w_q);
        for_each_spin(threads_, n, [&](std::size_t i) { v[i] = cross(m[i], once[i]); });
        field_.evaluate(v, w_r);
        for_each_spin(threads_, n, [&](std::size_t i) {
            const Vec3<Scalar> x = fast(w_[i]);
            const Vec3<Scalar> slope = cross(fast(w_motion[i]), a[i]) +
                                       cross(x, steady(w_motion[i])) + steady(w_p[i]) -
                                       fast(w_q[i]);
            b[i] = b[i] + scale * (cross(x, once[i]) + slope - fast(w_r[i]));
        });
    }
}

/// The generator of the fast motion at `time`: (C sin - S cos) / Omega, and in third order
/// - [C cos + S sin, A] / Omega^2.
template <class Scalar>
void EnsembleSteps<Scalar>::kick_field(const Scalar& time, double sign,
                                       const SpinVectors<Scalar>& m, SpinVectors<Scalar>& g) {
    using std::cos;
    using std::sin;
    const std::size_t n = m.size();
    const Scalar c = cos(inputs_.carrier * time), s = sin(inputs_.carrier * time);
    const Scalar strength = inputs_.counter;
    const Scalar first = Scalar(sign) / inputs_.carrier;
    const CouplingMap<Scalar> integral{strength * s, -1.0 * (strength * c), -1.0 * (strength * c),
                                       -1.0 * (strength * s), 0.0};
    field_.evaluate(m, w_);
    g.resize(n);
    for_each_spin(threads_, n, [&](std::size_t i) { g[i] = first * integral(w_[i]); });
    if (order_ < 3) return;
    const CouplingMap<Scalar> steady = steady_map(inputs_);
    const CouplingMap<Scalar> fast{strength * c, strength * s, strength * s, -1.0 * (strength * c),
                                   0.0};
    SpinVectors<Scalar> a(n), v(n), w_fast, w_steady;
    for_each_spin(threads_, n, [&](std::size_t i) {
        a[i] = steady(w_[i]);
        a[i].x = a[i].x + drive_x_;
        a[i].y = a[i].y + drive_y_;
        a[i].z = a[i].z + inputs_.offset[i];
        v[i] = cross(m[i], fast(w_[i]));
    });
    field_.evaluate(v, w_fast);
    for_each_spin(threads_, n, [&](std::size_t i) { v[i] = cross(m[i], a[i]); });
    field_.evaluate(v, w_steady);
    const Scalar second = first / inputs_.carrier;
    for_each_spin(threads_, n, [&](std::size_t i) {
        g[i] = g[i] - second * (cross(fast(w_[i]), a[i]) + steady(w_fast[i]) - fast(w_steady[i]));
    });
}

template <class Scalar>
void EnsembleSteps<Scalar>::kick(const Scalar& time, double sign) {
    if (order_ < 2) return;
    // A field of 1e-2 at most: five terms are exact to 1e-12, far below the expansion's error.
    BlochJob<Scalar> job;
    job.degree = 5;
    kick_field(time, sign, spins, b1_);
    turn_.resize(spins.size());
    m2_.resize(spins.size());
    for_each_spin(threads_, spins.size(), [&](std::size_t i) { turn_[i] = Scalar(0.5) * b1_[i]; });
    act(threads_, job, spins, turn_, m2_);
    kick_field(time, sign, m2_, b1_);
    act(threads_, job, spins, b1_, spins);
}

template <class Scalar>
void EnsembleSteps<Scalar>::advance(const Scalar& time, const Scalar& length) {
    const std::size_t n = spins.size();
    const Scalar half = 0.5 * length;
    BlochJob<Scalar> job;
    job.transverse_loss = half * inputs_.transverse;
    job.longitudinal_loss = half * inputs_.longitudinal;
    job.recovery = half * inputs_.recovery;
    job.degree = 0;
    turn_.resize(n);
    m2_.resize(n);
    m3_.resize(n);
    field(time, spins, b1_);
    for_each_spin(threads_, n, [&](std::size_t i) { turn_[i] = half * b1_[i]; });
    act(threads_, job, spins, turn_, m2_);
    field(time + half, m2_, b2_);
    for_each_spin(threads_, n, [&](std::size_t i) { turn_[i] = half * b2_[i]; });
    act(threads_, job, spins, turn_, m3_);
    field(time + half, m3_, b3_);
    for_each_spin(threads_, n, [&](std::size_t i) { turn_[i] = length * b3_[i] - half * b1_[i]; });
    act(threads_, job, m2_, turn_, m3_);
    field(time + length, m3_, b4_);
    // The early half of the step, then the late one.
    for_each_spin(threads_, n, [&](std::size_t i) {
        const Vec3<Scalar> middle = Scalar(1.0 / 6.0) * (b2_[i] + b3_[i]);
        turn_[i] = length * (Scalar(0.25) * b1_[i] + middle - Scalar(1.0 / 12.0) * b4_[i]);
        b1_[i] = length * (Scalar(0.25) * b4_[i] + middle - Scalar(1.0 / 12.0) * b1_[i]);
    });
    act(threads_, job, spins, turn_, spins);
    act(threads_, job, spins, b1_, spins);
}

template <class Scalar>
void EnsembleSteps<Scalar>::advance_eighth(const Scalar& time, const Scalar& length) {
    using Method = CooperVerner;
    static_assert(Method::kStages <= kMostSlopes);
    const std::size_t n = spins.size();
    slopes_.resize(Method::kStages);
    m2_.resize(n);
    const auto sum_of = [&](const double(&weight)[Method::kStages], int stages) {
        SumJob<Scalar> job;
        for (int j = 0; j < stages; ++j) {
            if (weight[j] == 0.0) continue;
            job.slope[job.count] = slopes_[static_cast<std::size_t>(j)].data();
            job.weight[job.count++] = weight[j] * length;
        }
        return job;
    };
    const auto slope = kernel<Scalar>().slope;
    for (int stage = 0; stage < Method::kStages; ++stage) {
        if (stage > 0) add(threads_, sum_of(Method::kStage[stage], stage), spins, m2_);
        const SpinVectors<Scalar>& m = stage > 0 ? m2_ : spins;
        field(time + Method::kTime[stage] * length, m, b1_);
        SpinVectors<Scalar>& to = slopes_[static_cast<std::size_t>(stage)];
        to.resize(n);
        for_each_block(threads_, n, [&](std::size_t begin, long count) {
            SlopeJob<Scalar> job;
            job.spins = count;
            job.m = m.data() + begin;
            job.field = b1_.data() + begin;
            job.slope = to.data() + begin;
            job.transverse = inputs_.transverse;
            job.longitudinal = inputs_.longitudinal;
            job.recovery = inputs_.recovery;
            slope(job);
        });
    }
    add(threads_, sum_of(Method::kWeight, Method::kStages), spins, spins);
}

template class EnsembleSteps<double>;
template class EnsembleSteps<Dual<1>>;
template class EnsembleSteps<Dual<2>>;
template class EnsembleSteps<Dual<3>>;

}  // namespace nmrsim
