#include "uniform_simulator.h"

#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "instruction_set.h"
#include "nmrsim/units.h"
#include "uniform_kernel.h"

namespace nmrsim {
namespace {

// Float keeps 1e-5 of M over the 2021 task's 99 hardest draws in 100 (docs/validation.md).
constexpr double kLeastSingleTolerance = 5e-5;

template <typename Real>
UniformKernels<Real> kernels() {
    constexpr bool kSingle = sizeof(Real) == 4;
    const auto pick = [](auto single, auto other) {
        if constexpr (kSingle) {
            return single();
        } else {
            return other();
        }
    };
#if defined(__x86_64__)
    switch (instruction_set()) {
        case InstructionSet::avx512:
            return pick(avx512::uniform_kernels_float, avx512::uniform_kernels_double);
        case InstructionSet::avx2:
            return pick(avx2::uniform_kernels_float, avx2::uniform_kernels_double);
        case InstructionSet::baseline:
            break;
    }
#endif
    return pick(baseline::uniform_kernels_float, baseline::uniform_kernels_double);
}

/// Memory aligned for any vector, kept from curve to curve.
template <typename T>
class AlignedBuffer {
public:
    T* get(std::size_t count) {
        if (count > size_) {
            const std::size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
            data_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
            if (!data_) throw std::bad_alloc();
            size_ = count;
        }
        return data_.get();
    }

private:
    struct Free {
        void operator()(T* p) const { std::free(p); }
    };
    std::unique_ptr<T, Free> data_;
    std::size_t size_ = 0;
};

using Matrix3 = std::array<double, 9>;

Matrix3 product(const Matrix3& a, const Matrix3& b) {
    Matrix3 c{};
    for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t j = 0; j < 3; ++j) {
            for (std::size_t k = 0; k < 3; ++k) c[3 * i + j] += a[3 * i + k] * b[3 * k + j];
        }
    }
    return c;
}

/// Turn by `angle` about z that multiplies M+ by exp(-i angle).
Matrix3 turn_z(double angle) {
    const double c = std::cos(angle), s = std::sin(angle);
    return {c, s, 0, -s, c, 0, 0, 0, 1};
}

/// The turn that a pulse makes: by -theta about its axis.
Matrix3 pulse_matrix(const Pulse& pulse) {
    const double theta = pulse.flip_deg * kRadiansPerDegree;
    const double phi = pulse.phase_deg * kRadiansPerDegree;
    const double c = std::cos(theta), s = std::sin(theta);
    const Matrix3 about_x{1, 0, 0, 0, c, s, 0, -s, c};
    return product(turn_z(-phi), product(about_x, turn_z(phi)));
}

template <typename Real>
PassTables<Real> make_tables(const UniformPlan& plan, double step_s, const Relaxation& relaxation) {
    const SplittingScheme& scheme = *plan.step.scheme;
    const std::size_t nodes = plan.nodes.weight.size();
    const std::size_t passes = scheme.offset.size();
    const double r1 = relaxation.longitudinal_rate(), r2 = relaxation.transverse_rate();
    const double equilibrium = relaxation.equilibrium_mz();
    const bool relaxes = r1 != 0.0 || r2 != 0.0;
    PassTables<Real> tables;
    tables.pass.resize(passes);
    tables.values.resize(3 * nodes * passes);
    tables.last_coupling = static_cast<Real>(scheme.coupling[passes] * step_s);
    for (std::size_t p = 0; p < passes; ++p) {
        UniformPass<Real>& pass = tables.pass[p];
        const double h = scheme.offset[p] * step_s;
        const double decay = std::exp(-h * r2), longitudinal = std::exp(-h * r1);
        Real* turn_cos = &tables.values[3 * nodes * p];
        Real* turn_sin = turn_cos + nodes;
        Real* recovery = turn_sin + nodes;
        // The scheme is a palindrome: a pass whose twin has come already uses the twin's table.
        const std::size_t twin = passes - 1 - p;
        if (twin < p) {
            pass = tables.pass[twin];
        } else {
            double total = 0.0;
            for (std::size_t i = 0; i < nodes; ++i) {
                const double angle = kTwoPi * plan.nodes.offset_hz[i] * h;
                turn_cos[i] = static_cast<Real>(decay * std::cos(angle));
                turn_sin[i] = static_cast<Real>(decay * std::sin(angle));
                const double gain = plan.nodes.weight[i] * equilibrium * (1.0 - longitudinal);
                recovery[i] = static_cast<Real>(gain);
                total += gain;
            }
            pass.turn_cos = turn_cos;
            pass.turn_sin = turn_sin;
            pass.recovery = relaxes ? recovery : nullptr;
            pass.longitudinal_decay = static_cast<Real>(longitudinal);
            pass.total_recovery = static_cast<Real>(total);
        }
        pass.coupling = static_cast<Real>(scheme.coupling[p] * step_s);
    }
    return tables;
}

/// Buffers of one thread.
template <typename Real>
struct Workspace {
    AlignedBuffer<Real> state, saved, record, reversed, lane_values, phasor, signal;
};

/// One group of curves on its way through the sequence.
template <typename Real>
class Group {
public:
    Group(const UniformTables<Real>& tables, std::span<const UniformCurve> curves,
          Workspace<Real>& work)
        : tables_(tables),
          plan_(tables.plan),
          relaxation_(tables.relaxation),
          curves_(curves),
          kernels_(kernels<Real>()),
          lanes_(static_cast<std::size_t>(kernels_.lanes)),
          nodes_(tables.plan.nodes.weight.size()),
          work_(work) {
        state_ = work.state.get(nodes_ * 3 * lanes_);
        saved_ = work.saved.get(nodes_ * 3 * lanes_);
        strength_ = work.lane_values.get(11 * lanes_);
        total_z_ = strength_ + lanes_;
        matrix_ = total_z_ + lanes_;
        mz_.assign(lanes_, 0.0);
        frame_phase_.assign(lanes_, 0.0);
        for (std::size_t lane = 0; lane < lanes_; ++lane) {
            const double alpha = lane < curves.size() ? curves[lane].alpha_plane_hz : 0.0;
            strength_[lane] = static_cast<Real>(-kTwoPi * alpha);
        }
        for (std::size_t i = 0; i < nodes_; ++i) {
            for (std::size_t lane = 0; lane < lanes_; ++lane) {
                state_[(3 * i + 0) * lanes_ + lane] = 0;
                state_[(3 * i + 1) * lanes_ + lane] = 0;
                state_[(3 * i + 2) * lanes_ + lane] =
                    static_cast<Real>(kSpinLength * plan_.nodes.weight[i]);
            }
        }
    }

    template <typename Out>
    void run(std::span<Out> signal) {
        for (std::size_t j = 0; j < plan_.segments.size(); ++j) {
            const UniformSegment& segment = plan_.segments[j];
            pulses(segment);
            evolve(segment, tables_.segments[j]);
            if (segment.end_sample > segment.first_sample) {
                samples(segment, tables_.segments[j], signal);
            }
            for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                frame_phase_[lane] =
                    phase_rate(lane) * mz_integral(lane, segment.duration_us * kSecondsPerUs);
            }
        }
    }

private:
    // The curve's frame turns with the field along z that the spins make beyond an isotropic
    // coupling of the in-plane strength; Mz is known in closed form, since the coupling keeps it.
    double phase_rate(std::size_t lane) const {
        return kTwoPi * (curves_[lane].alpha_z_hz - curves_[lane].alpha_plane_hz);
    }
    double mz_at(std::size_t lane, double t) const {
        const double rest = relaxation_.equilibrium_mz() * plan_.nodes.total_weight;
        const double rate = relaxation_.longitudinal_rate();
        return rest + (mz_[lane] - rest) * std::exp(-rate * t);
    }
    double mz_integral(std::size_t lane, double t) const {
        const double rest = relaxation_.equilibrium_mz() * plan_.nodes.total_weight;
        const double rate = relaxation_.longitudinal_rate();
        if (rate == 0.0) return mz_[lane] * t;
        return rest * t + (mz_[lane] - rest) * -std::expm1(-rate * t) / rate;
    }

    void pulses(const UniformSegment& segment) {
        for (std::size_t lane = 0; lane < lanes_; ++lane) {
            Matrix3 turn{1, 0, 0, 0, 1, 0, 0, 0, 1};
            if (lane < curves_.size()) {
                turn = turn_z(frame_phase_[lane]);
                for (std::size_t e = segment.first_event; e < segment.end_event; ++e) {
                    turn = product(pulse_matrix(std::get<Pulse>(curves_[lane].events[e])), turn);
                }
            }
            for (std::size_t j = 0; j < 9; ++j) {
                matrix_[j * lanes_ + lane] = static_cast<Real>(turn[j]);
            }
        }
        kernels_.turn(static_cast<int>(nodes_), matrix_, state_);
        std::fill(mz_.begin(), mz_.end(), 0.0);
        for (std::size_t i = 0; i < nodes_; ++i) {
            for (std::size_t lane = 0; lane < lanes_; ++lane) {
                mz_[lane] += static_cast<double>(state_[(3 * i + 2) * lanes_ + lane]);
            }
        }
    }

    void steps(const PassTables<Real>& tables, int count, Real* record) {
        UniformSteps<Real> job;
        job.nodes = static_cast<int>(nodes_);
        job.passes = static_cast<int>(tables.pass.size());
        job.steps = count;
        job.pass = tables.pass.data();
        job.last_coupling = tables.last_coupling;
        job.strength = strength_;
        job.state = state_;
        job.total_z = total_z_;
        job.record = record;
        kernels_.run_steps(job);
    }

    void restart() {
        for (std::size_t lane = 0; lane < lanes_; ++lane) {
            total_z_[lane] = static_cast<Real>(mz_[lane]);
        }
    }

    void evolve(const UniformSegment& segment, const SegmentTables<Real>& tables) {
        const bool sampled = segment.end_sample > segment.first_sample;
        const std::size_t record_size = 2 * lanes_;
        const std::size_t before = static_cast<std::size_t>(segment.steps_before);
        record_ = sampled
                      ? work_.record.get(record_size * static_cast<std::size_t>(
                                                           segment.steps_before + segment.steps +
                                                           segment.steps_after + 1))
                      : nullptr;
        const std::size_t state_bytes = nodes_ * 3 * lanes_ * sizeof(Real);
        if (before > 0) {
            std::memcpy(saved_, state_, state_bytes);
            restart();
            Real* reversed = work_.reversed.get(record_size * (before + 1));
            steps(tables.backward, segment.steps_before, reversed);
            for (std::size_t j = 1; j <= before; ++j) {
                std::memcpy(record_ + (before - j) * record_size, reversed + j * record_size,
                            record_size * sizeof(Real));
            }
            std::memcpy(state_, saved_, state_bytes);
        }
        restart();
        steps(tables.forward, segment.steps, sampled ? record_ + before * record_size : nullptr);
        if (segment.steps_after > 0) {
            std::memcpy(saved_, state_, state_bytes);
            steps(tables.forward, segment.steps_after,
                  record_ + (before + static_cast<std::size_t>(segment.steps)) * record_size);
            std::memcpy(state_, saved_, state_bytes);
        }
    }

    template <typename Out>
    void samples(const UniformSegment& segment, const SegmentTables<Real>& tables,
                 std::span<Out> out) {
        const std::size_t points =
            static_cast<std::size_t>(segment.end_sample - segment.first_sample);
        const std::size_t all = plan_.time_us.size();
        const std::size_t start = static_cast<std::size_t>(segment.first_sample);
        Real* phasor = work_.phasor.get(points * 2 * lanes_);
        Real* signal = work_.signal.get(points * 2 * lanes_);
        std::memset(phasor, 0, points * 2 * lanes_ * sizeof(Real));
        const auto time_s = [&](std::size_t k) {
            return (plan_.time_us[start + k] - segment.start_us) * kSecondsPerUs;
        };
        // Even samples of a steady Mz turn by the same angle each: a product instead of a sine and
        // a cosine, started anew now and then so that rounding does not gather.
        const bool steady = relaxation_.longitudinal_rate() == 0.0 && points > 1;
        const double spacing_s =
            points > 1 ? (time_s(points - 1) - time_s(0)) / static_cast<double>(points - 1) : 0.0;
        constexpr std::size_t kRestart = 128;
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            const double rate = phase_rate(lane);
            const double turn = rate * mz_[lane] * spacing_s;
            const double turn_cos = std::cos(turn), turn_sin = std::sin(turn);
            double c = 1.0, s = 0.0;
            for (std::size_t k = 0; k < points; ++k) {
                if (!steady || k % kRestart == 0) {
                    const double phase = rate * mz_integral(lane, time_s(k));
                    c = std::cos(phase);
                    s = std::sin(phase);
                } else {
                    const double next = c * turn_cos - s * turn_sin;
                    s = s * turn_cos + c * turn_sin;
                    c = next;
                }
                phasor[2 * k * lanes_ + lane] = static_cast<Real>(c);
                phasor[(2 * k + 1) * lanes_ + lane] = static_cast<Real>(s);
            }
        }
        UniformSamples<Real> job;
        job.points = static_cast<int>(points);
        job.order = plan_.order;
        job.first = segment.first_record.data();
        job.weight = tables.weight.data();
        job.record = record_;
        job.phasor = phasor;
        job.signal = signal;
        kernels_.sample(job);
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            Out* mx = &out[(lane * 3 + 0) * all + start];
            Out* my = &out[(lane * 3 + 1) * all + start];
            Out* mz = &out[(lane * 3 + 2) * all + start];
            for (std::size_t k = 0; k < points; ++k) {
                mx[k] = static_cast<Out>(signal[2 * k * lanes_ + lane]);
                my[k] = static_cast<Out>(signal[(2 * k + 1) * lanes_ + lane]);
                mz[k] = static_cast<Out>(steady ? mz_[lane] : mz_at(lane, time_s(k)));
            }
        }
    }

    const UniformTables<Real>& tables_;
    const UniformPlan& plan_;
    const Relaxation& relaxation_;
    std::span<const UniformCurve> curves_;
    UniformKernels<Real> kernels_;
    std::size_t lanes_;
    std::size_t nodes_;
    Workspace<Real>& work_;
    Real* state_ = nullptr;            // (nodes, 3)[lanes]
    Real* saved_ = nullptr;            // the same, of a moment to come back to
    Real* strength_ = nullptr;         // [lanes]
    Real* total_z_ = nullptr;          // [lanes]
    Real* matrix_ = nullptr;           // (9)[lanes]
    Real* record_ = nullptr;           // (records, 2)[lanes] of the current segment
    std::vector<double> mz_;           // (lanes) at the segment's start
    std::vector<double> frame_phase_;  // (lanes) of the curve's frame at the segment's end [rad]
};

}  // namespace

UniformCurve uniform_curve(const Experiment& experiment) {
    const Interaction& interaction = experiment.interaction;
    return {interaction.alpha_plane_khz() * kHzPerKhz, interaction.alpha_z_khz * kHzPerKhz,
            sequence_events(experiment.sequence)};
}

bool shares_plan(const char* parameter_name) {
    const std::string_view name(parameter_name);
    for (std::string_view shared :
         {"alpha_x_khz", "alpha_y_khz", "alpha_z_khz", "summed_khz", "flip_deg", "refocus_ratio",
          "flip_phase_deg", "refocus_phase_deg", "noise"}) {
        if (name == shared) return true;
    }
    return false;
}

int uniform_lanes(bool single_precision) {
    return single_precision ? kernels<float>().lanes : kernels<double>().lanes;
}

bool uniform_in_single(const Accuracy& accuracy) {
    if (accuracy.precision == Precision::automatic) {
        return accuracy.tolerance >= kLeastSingleTolerance;
    }
    return accuracy.precision == Precision::single;
}

template <typename Real>
UniformTables<Real> uniform_tables(UniformPlan plan, const Relaxation& relaxation) {
    UniformTables<Real> tables;
    tables.relaxation = relaxation;
    for (const UniformSegment& segment : plan.segments) {
        SegmentTables<Real> entry;
        entry.forward = make_tables<Real>(plan, segment.step_s, relaxation);
        if (segment.steps_before > 0) {
            entry.backward = make_tables<Real>(plan, -segment.step_s, relaxation);
        }
        entry.weight.assign(segment.weight.begin(), segment.weight.end());
        tables.segments.push_back(std::move(entry));
    }
    tables.plan = std::move(plan);
    return tables;
}

template <typename Real, typename Out>
void run_uniform(const UniformTables<Real>& tables, std::span<const UniformCurve> curves,
                 std::span<Out> signal) {
    thread_local Workspace<Real> work;
    Group<Real> group(tables, curves, work);
    group.run(signal);
}

template UniformTables<float> uniform_tables(UniformPlan, const Relaxation&);
template UniformTables<double> uniform_tables(UniformPlan, const Relaxation&);
template void run_uniform(const UniformTables<float>&, std::span<const UniformCurve>,
                          std::span<float>);
template void run_uniform(const UniformTables<float>&, std::span<const UniformCurve>,
                          std::span<double>);
template void run_uniform(const UniformTables<double>&, std::span<const UniformCurve>,
                          std::span<float>);
template void run_uniform(const UniformTables<double>&, std::span<const UniformCurve>,
                          std::span<double>);

}  // namespace nmrsim
