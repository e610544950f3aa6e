#include "uniform/uniform_simulator.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/aligned_array.h"
#include "base/instruction_set.h"
#include "model/pulse_turn.h"
#include "nmrsim/stop.h"
#include "nmrsim/units.h"
#include "uniform/uniform_kernel.h"

namespace nmrsim {
namespace {

template <typename Real>
UniformKernels<Real> kernels() {
    if constexpr (sizeof(Real) == 4) {
        return NMRSIM_BEST(uniform_kernels_float)();
    } else {
        return NMRSIM_BEST(uniform_kernels_double)();
    }
}

/// A turn, and how it changes with each parameter.
struct TurnWithTangents {
    Matrix3 turn{1, 0, 0, 0, 1, 0, 0, 0, 1};
    std::vector<Matrix3> tangent;
};

/// tan(angle / 2), kept finite where a forced step turns an edge of the line by half a circle.
double half_tangent(double angle) {
    constexpr double kLargest = 1e3;
    return std::clamp(std::tan(0.5 * angle), -kLargest, kLargest);
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
        const double longitudinal_loss = -std::expm1(-h * r1);
        Real* turn_tan = &tables.values[3 * nodes * p];
        Real* turn_sin = turn_tan + nodes;
        Real* recovery = turn_sin + nodes;
        // The scheme is a palindrome: a pass whose twin has come already uses the twin's table.
        const std::size_t twin = passes - 1 - p;
        if (twin < p) {
            pass = tables.pass[twin];
        } else {
            double total = 0.0;
            for (std::size_t i = 0; i < nodes; ++i) {
                const double angle = kTwoPi * plan.nodes.offset_hz[i] * h;
                const double half = half_tangent(angle);
                turn_tan[i] = static_cast<Real>(half);
                turn_sin[i] = static_cast<Real>(2.0 * half / (1.0 + half * half));
                const double gain = plan.nodes.weight[i] * equilibrium * longitudinal_loss;
                recovery[i] = static_cast<Real>(gain);
                total += gain;
            }
            pass.turn_tan = turn_tan;
            pass.turn_sin = turn_sin;
            pass.recovery = relaxes ? recovery : nullptr;
            pass.transverse_loss = static_cast<Real>(-std::expm1(-h * r2));
            pass.longitudinal_loss = static_cast<Real>(longitudinal_loss);
            pass.total_recovery = static_cast<Real>(total);
        }
        pass.coupling = static_cast<Real>(scheme.coupling[p] * step_s);
    }
    return tables;
}

/// Buffers of one thread.
template <typename Real>
struct Workspace {
    AlignedArray<Real> state, stepped, saved, kept, record, stepped_record, reversed, lane_values,
        phasor, slope, signal;
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
          tangents_(curves.front().tangents.size()),
          rows_(1 + tangents_),
          work_(work) {
        state_ = work.state.at_least(nodes_ * 3 * rows_ * lanes_);
        saved_ = work.saved.at_least(nodes_ * 3 * rows_ * lanes_);
        result_.loud.assign(curves.size(), false);
        strength_ = work.lane_values.at_least(11 * rows_ * lanes_);
        total_z_ = strength_ + rows_ * lanes_;
        matrix_ = total_z_ + rows_ * lanes_;
        mz_.assign(rows_ * lanes_, 0.0);
        frame_phase_.assign(rows_ * lanes_, 0.0);
        for (std::size_t t = 0; t < rows_; ++t) {
            for (std::size_t lane = 0; lane < lanes_; ++lane) {
                double alpha = 0.0;
                if (lane < curves.size()) {
                    alpha = t == 0 ? curves[lane].alpha_plane_hz
                                   : curves[lane].tangents[t - 1].alpha_plane_hz;
                }
                strength_[t * lanes_ + lane] = static_cast<Real>(-kTwoPi * alpha);
            }
        }
        std::memset(state_, 0, state_bytes());
        for (std::size_t i = 0; i < nodes_; ++i) {
            for (std::size_t lane = 0; lane < lanes_; ++lane) {
                state_[(3 * rows_ * i + 2) * lanes_ + lane] =
                    static_cast<Real>(kSpinLength * plan_.nodes.weight[i]);
            }
        }
    }

    template <typename Out>
    UniformRun run(std::span<Out> signal) {
        for (std::size_t j = 0; j < plan_.segments.size(); ++j) {
            const UniformSegment& segment = plan_.segments[j];
            pulses(segment);
            evolve(segment, tables_.segments[j]);
            if (segment.end_sample > segment.first_sample) {
                samples(segment, tables_.segments[j], signal);
            }
            for (std::size_t t = 0; t < rows_; ++t) {
                for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                    frame_phase_[t * lanes_ + lane] =
                        frame_phase(t, lane, segment.duration_us * kSecondsPerUs);
                }
            }
        }
        return std::move(result_);
    }

private:
    std::size_t state_bytes() const { return nodes_ * 3 * rows_ * lanes_ * sizeof(Real); }

    // The curve's frame turns with the field along z that the spins make beyond an isotropic
    // coupling of the in-plane strength; Mz is known in closed form, since the coupling keeps it.
    // Row 0 is the curve itself, row t its derivative with respect to parameter t.
    double phase_rate(std::size_t t, std::size_t lane) const {
        const UniformCurve& curve = curves_[lane];
        if (t == 0) return kTwoPi * (curve.alpha_z_hz - curve.alpha_plane_hz);
        const UniformTangent& tangent = curve.tangents[t - 1];
        return kTwoPi * (tangent.alpha_z_hz - tangent.alpha_plane_hz);
    }
    double rest(std::size_t t) const {
        return t == 0 ? relaxation_.equilibrium_mz() * plan_.nodes.total_weight : 0.0;
    }
    double mz_at(std::size_t t, std::size_t lane, double time_s) const {
        const double rate = relaxation_.longitudinal_rate();
        return rest(t) + (mz_[t * lanes_ + lane] - rest(t)) * std::exp(-rate * time_s);
    }
    double mz_integral(std::size_t t, std::size_t lane, double time_s) const {
        const double rate = relaxation_.longitudinal_rate();
        const double start = mz_[t * lanes_ + lane];
        if (rate == 0.0) return start * time_s;
        return rest(t) * time_s + (start - rest(t)) * -std::expm1(-rate * time_s) / rate;
    }
    double frame_phase(std::size_t t, std::size_t lane, double time_s) const {
        double phase = phase_rate(0, lane) * mz_integral(t, lane, time_s);
        if (t > 0) phase += phase_rate(t, lane) * mz_integral(0, lane, time_s);
        return phase;
    }

    /// From a curve's frame to the laboratory's, then the pulses before the segment.
    TurnWithTangents pulse_turn(const UniformSegment& segment, std::size_t lane) const {
        const UniformCurve& curve = curves_[lane];
        TurnWithTangents result;
        result.turn = turn_z(frame_phase_[lane]);
        for (std::size_t t = 1; t < rows_; ++t) {
            result.tangent.push_back(
                turn_z_tangent(frame_phase_[lane], frame_phase_[t * lanes_ + lane]));
        }
        for (std::size_t e = segment.first_event; e < segment.end_event; ++e) {
            const Pulse& pulse = std::get<Pulse>(curve.events[e]);
            const Matrix3 matrix = pulse_matrix(pulse);
            for (std::size_t t = 0; t < tangents_; ++t) {
                result.tangent[t] =
                    sum(product(matrix, result.tangent[t]),
                        product(pulse_tangent(pulse, curve.tangents[t].pulse[e]), result.turn));
            }
            result.turn = product(matrix, result.turn);
        }
        return result;
    }

    void pulses(const UniformSegment& segment) {
        std::fill_n(matrix_, 9 * rows_ * lanes_, Real(0));
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            const TurnWithTangents turn = pulse_turn(segment, lane);
            for (std::size_t j = 0; j < 9; ++j) {
                matrix_[j * lanes_ + lane] = static_cast<Real>(turn.turn[j]);
                for (std::size_t t = 1; t < rows_; ++t) {
                    matrix_[(9 * t + j) * lanes_ + lane] =
                        static_cast<Real>(turn.tangent[t - 1][j]);
                }
            }
        }
        kernels_.turn(static_cast<int>(nodes_), static_cast<int>(tangents_), matrix_, state_);
        std::fill(mz_.begin(), mz_.end(), 0.0);
        for (std::size_t i = 0; i < nodes_; ++i) {
            for (std::size_t t = 0; t < rows_; ++t) {
                for (std::size_t lane = 0; lane < lanes_; ++lane) {
                    mz_[t * lanes_ + lane] +=
                        static_cast<double>(state_[(3 * (rows_ * i + t) + 2) * lanes_ + lane]);
                }
            }
        }
    }

    /// The rows that a segment changes: a tangent that is zero and whose parameter does not drive
    /// it stays zero, as that of alpha_z does before the second pulse (the frame takes all of it).
    std::vector<std::size_t> moving_rows() const {
        std::vector<std::size_t> moving{0};
        for (std::size_t t = 1; t < rows_; ++t) {
            const auto zero = [&](const Real* lanes) {
                return std::all_of(lanes, lanes + lanes_, [](Real v) { return v == Real(0); });
            };
            bool still = zero(strength_ + t * lanes_);
            for (std::size_t i = 0; i < nodes_ && still; ++i) {
                for (std::size_t k = 0; k < 3; ++k) {
                    still = still && zero(state_ + (3 * (rows_ * i + t) + k) * lanes_);
                }
            }
            if (!still) moving.push_back(t);
        }
        return moving;
    }

    /// Copies the rows' blocks of `size` values between (outer, rows) and (outer, rows_).
    static void pack(const std::vector<std::size_t>& rows, std::size_t all_rows, std::size_t outer,
                     std::size_t size, const Real* all, Real* packed) {
        for (std::size_t i = 0; i < outer; ++i) {
            for (std::size_t r = 0; r < rows.size(); ++r) {
                std::copy_n(all + (i * all_rows + rows[r]) * size, size,
                            packed + (i * rows.size() + r) * size);
            }
        }
    }
    static void unpack(const std::vector<std::size_t>& rows, std::size_t all_rows,
                       std::size_t outer, std::size_t size, const Real* packed, Real* all) {
        for (std::size_t i = 0; i < outer; ++i) {
            for (std::size_t r = 0; r < rows.size(); ++r) {
                std::copy_n(packed + (i * rows.size() + r) * size, size,
                            all + (i * all_rows + rows[r]) * size);
            }
        }
    }

    /// What the kernel steps: the moving rows alone.
    struct Stepped {
        std::size_t rows;
        Real* state;
        Real* strength;
        Real* total_z;
        std::vector<Real> mz;  ///< (rows)[lanes] at the segment's start
    };

    /// In parts that take some tenths of a second at most, so that a long segment can be stopped.
    void steps(const Stepped& stepped, const PassTables<Real>& tables, int count, Real* record) {
        constexpr double kMostWork = 3e7;  // nodes and passes of all rows
        const double work =
            static_cast<double>(nodes_ * tables.pass.size()) * static_cast<double>(stepped.rows);
        const int most = std::max(1, static_cast<int>(kMostWork / work));
        const std::size_t record_size = 2 * stepped.rows * lanes_;
        do {
            throw_if_stopped();
            const int some = std::min(count, most);
            part_of_steps(stepped, tables, some, record);
            if (record) record += static_cast<std::size_t>(some) * record_size;
            count -= some;
        } while (count > 0);
    }

    void part_of_steps(const Stepped& stepped, const PassTables<Real>& tables, int count,
                       Real* record) {
        UniformSteps<Real> job;
        job.nodes = static_cast<int>(nodes_);
        job.tangents = static_cast<int>(stepped.rows - 1);
        job.passes = static_cast<int>(tables.pass.size());
        job.steps = count;
        job.pass = tables.pass.data();
        job.last_coupling = tables.last_coupling;
        job.strength = stepped.strength;
        job.state = stepped.state;
        job.total_z = stepped.total_z;
        job.record = record;
        kernels_.run_steps(job);
        result_.passes += static_cast<long>(count) * static_cast<long>(job.passes);
    }

    /// Of the curve in one lane, the nodes' states at one moment.
    Real* lane_of(Real* state, std::size_t rows, std::size_t node, std::size_t row,
                  std::size_t lane) const {
        return state + (3 * (rows * node + row)) * lanes_ + lane;
    }

    /// How many of the next `most` stretches of `stretch_s` pass before M of freely turning spins
    /// turns others by quiet_rad. The edges of a cut far out are left out: their ringing turns none
    /// but the few spins there.
    int quiet_stretches(const Stepped& stepped, std::size_t lane, double stretch_s, int most) {
        const UniformCurve& curve = curves_[lane];
        double strength = kTwoPi * std::abs(curve.alpha_plane_hz);
        // A derivative feels M however weak the coupling is, as a share of what a decay makes of
        // it.
        for (const UniformTangent& tangent : curve.tangents) {
            if (tangent.alpha_plane_hz != 0.0) strength = std::max(strength, plan_.line_rate);
        }
        if (strength == 0.0) return most;
        const std::vector<double>& offset = plan_.nodes.offset_hz;
        const double edge = std::max(std::abs(offset.front()), std::abs(offset.back()));
        const bool few_at_edge = kTwoPi * edge >= kFarCut * plan_.line_rate;
        const int looks = std::max(1, static_cast<int>(std::ceil(edge * stretch_s)));
        const double spacing_s = stretch_s / looks;
        const double decay = std::exp(-relaxation_.transverse_rate() * spacing_s);
        free_.resize(4 * nodes_);
        double *x = free_.data(), *y = x + nodes_, *cosine = y + nodes_, *sine = cosine + nodes_;
        for (std::size_t i = 0; i < nodes_; ++i) {
            const double share = offset[i] / edge;
            const double taper = few_at_edge ? std::pow(1.0 - share * share, 4) : 1.0;
            const Real* m = lane_of(stepped.state, stepped.rows, i, 0, lane);
            x[i] = taper * static_cast<double>(m[0]);
            y[i] = taper * static_cast<double>(m[lanes_]);
            const double angle = kTwoPi * offset[i] * spacing_s;
            cosine[i] = decay * std::cos(angle);
            sine[i] = decay * std::sin(angle);
        }
        const double noise = kSpinLength * plan_.nodes.total_weight * kNoise;
        double turned = 0.0;
        for (int stretch = 0; stretch < most; ++stretch) {
            throw_if_stopped();
            for (int look = 0; look < looks; ++look) {
                double sum_x = 0.0, sum_y = 0.0;
                for (std::size_t i = 0; i < nodes_; ++i) {
                    sum_x += x[i];
                    sum_y += y[i];
                    const double next = cosine[i] * x[i] + sine[i] * y[i];
                    y[i] = cosine[i] * y[i] - sine[i] * x[i];
                    x[i] = next;
                }
                const double magnitude = std::hypot(sum_x, sum_y);
                if (magnitude > noise) turned += strength * magnitude * spacing_s;
                if (turned > plan_.quiet_rad) return stretch;
            }
        }
        return most;
    }

    /// Turns the nodes of one lane from one time of the segment to another without in-plane field.
    ///
    /// Args: moving: the rows that are stepped. store: keep the z components alone.
    void turn_freely(const Stepped& stepped, const std::vector<std::size_t>& moving,
                     std::size_t lane, double from_s, double to_s, bool store) {
        const double time_s = to_s - from_s;
        const double r1 = relaxation_.longitudinal_rate(), r2 = relaxation_.transverse_rate();
        const double kept_z = std::exp(-r1 * time_s);
        const double kept = store ? 0.0 : std::exp(-r2 * time_s);
        const UniformCurve& curve = curves_[lane];
        const auto mz_between = [&](std::size_t t) {
            return mz_integral(t, lane, to_s) - mz_integral(t, lane, from_s);
        };
        const double common = kTwoPi * curve.alpha_plane_hz * mz_between(0);
        std::vector<double> slope(moving.size(), 0.0);
        for (std::size_t r = 1; r < moving.size(); ++r) {
            const double alpha_slope = curve.tangents[moving[r] - 1].alpha_plane_hz;
            slope[r] = kTwoPi *
                       (alpha_slope * mz_between(0) + curve.alpha_plane_hz * mz_between(moving[r]));
        }
        for (std::size_t i = 0; i < nodes_; ++i) {
            const double angle = kTwoPi * plan_.nodes.offset_hz[i] * time_s + common;
            const double c = kept * std::cos(angle), s = kept * std::sin(angle);
            const double rest_z = plan_.nodes.weight[i] * relaxation_.equilibrium_mz();
            const Real* of_curve = lane_of(stepped.state, stepped.rows, i, 0, lane);
            for (std::size_t r = moving.size(); r-- > 0;) {
                Real* m = lane_of(stepped.state, stepped.rows, i, r, lane);
                double x = static_cast<double>(m[0]), y = static_cast<double>(m[lanes_]);
                if (r > 0) {
                    x += slope[r] * static_cast<double>(of_curve[lanes_]);
                    y -= slope[r] * static_cast<double>(of_curve[0]);
                }
                const double rest = r == 0 ? rest_z : 0.0;
                const double z = static_cast<double>(m[2 * lanes_]) - rest;
                m[0] = static_cast<Real>(c * x + s * y);
                m[lanes_] = static_cast<Real>(c * y - s * x);
                m[2 * lanes_] = static_cast<Real>(rest + kept_z * z);
            }
        }
        for (std::size_t r = 0; r < moving.size(); ++r) {
            stepped.total_z[r * lanes_ + lane] = static_cast<Real>(mz_at(moving[r], lane, to_s));
        }
    }

    /// A segment without samples. Every so many steps each curve is asked whether M is still to be
    /// heard of; it then goes on at once to where it is, however its neighbours fare.
    void steps_with_looks(const Stepped& stepped, const std::vector<std::size_t>& moving,
                          const UniformSegment& segment, const PassTables<Real>& tables) {
        const int between = segment.steps_between_looks;
        const int stretches = segment.steps / between, first = segment.steps % between;
        const double stretch_s = between * segment.step_s;
        const double end_s = segment.duration_us * kSecondsPerUs;
        const double after_s = plan_.time_us.back() * kSecondsPerUs -
                               (segment.start_us + segment.duration_us) * kSecondsPerUs;
        const bool stores = segment.rest_us > 0.0;
        // What the nodes are made for is the time until the last sample.
        const int beyond = stores ? static_cast<int>(std::ceil(after_s / stretch_s)) : 0;
        const std::size_t entries = nodes_ * 3 * stepped.rows;
        Real* kept = work_.kept.at_least(entries * lanes_);
        std::vector<int> left(curves_.size(), stretches);
        const auto copy_lane = [&](const Real* from, Real* to, std::size_t lane) {
            for (std::size_t k = 0; k < entries; ++k)
                to[k * lanes_ + lane] = from[k * lanes_ + lane];
        };
        steps(stepped, tables, first, nullptr);
        for (;;) {
            bool more = false;
            for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                int& n = left[lane];
                if (n < 0) continue;
                const int quiet = quiet_stretches(stepped, lane, stretch_s, n + beyond);
                const bool to_end = quiet == n + beyond;
                const double now_s = end_s - n * stretch_s;
                if (to_end) {
                    turn_freely(stepped, moving, lane, now_s,
                                end_s + segment.rest_us * kSecondsPerUs, stores);
                    n = 0;
                } else if (std::min(quiet, n) > kLeastStretches) {
                    const int skipped = std::min(quiet, n) - 1;
                    turn_freely(stepped, moving, lane, now_s, now_s + skipped * stretch_s, false);
                    n -= skipped;
                }
                if (n == 0) {
                    if (stores && !to_end) result_.loud[lane] = true;
                    copy_lane(stepped.state, kept, lane);
                    n = -1;
                } else {
                    more = true;
                }
            }
            if (!more) break;
            steps(stepped, tables, between, nullptr);
            for (int& n : left) n = std::max(n - 1, -1);
        }
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            copy_lane(kept, stepped.state, lane);
        }
    }

    void evolve(const UniformSegment& segment, const SegmentTables<Real>& tables) {
        const std::vector<std::size_t> moving = moving_rows();
        const std::size_t rows = moving.size();
        Stepped stepped{rows, state_, strength_, total_z_, {}};
        stepped.mz.resize(rows * lanes_);
        for (std::size_t r = 0; r < rows; ++r) {
            for (std::size_t lane = 0; lane < lanes_; ++lane) {
                stepped.mz[r * lanes_ + lane] = static_cast<Real>(mz_[moving[r] * lanes_ + lane]);
            }
        }
        if (rows < rows_) {
            stepped.state = work_.stepped.at_least((nodes_ * 3 + 1) * rows * lanes_);
            stepped.strength = stepped.state + nodes_ * 3 * rows * lanes_;
            pack(moving, rows_, nodes_, 3 * lanes_, state_, stepped.state);
            pack(moving, rows_, 1, lanes_, strength_, stepped.strength);
        }
        const std::size_t state_bytes = nodes_ * 3 * rows * lanes_ * sizeof(Real);
        const auto restart = [&] {
            std::copy(stepped.mz.begin(), stepped.mz.end(), stepped.total_z);
        };
        const bool sampled = segment.end_sample > segment.first_sample;
        const std::size_t record_size = 2 * rows * lanes_;
        const std::size_t before = static_cast<std::size_t>(segment.steps_before);
        const std::size_t records = before + static_cast<std::size_t>(segment.steps) +
                                    static_cast<std::size_t>(segment.steps_after) + 1;
        Real* record = sampled ? work_.stepped_record.at_least(record_size * records) : nullptr;
        if (before > 0) {
            std::memcpy(saved_, stepped.state, state_bytes);
            restart();
            Real* reversed = work_.reversed.at_least(record_size * (before + 1));
            steps(stepped, tables.backward, segment.steps_before, reversed);
            for (std::size_t j = 1; j <= before; ++j) {
                std::memcpy(record + (before - j) * record_size, reversed + j * record_size,
                            record_size * sizeof(Real));
            }
            std::memcpy(stepped.state, saved_, state_bytes);
        }
        restart();
        if (segment.steps_between_looks > 0) {
            steps_with_looks(stepped, moving, segment, tables.forward);
        } else {
            steps(stepped, tables.forward, segment.steps,
                  sampled ? record + before * record_size : nullptr);
        }
        if (segment.steps_after > 0) {
            std::memcpy(saved_, stepped.state, state_bytes);
            steps(stepped, tables.forward, segment.steps_after,
                  record + (before + static_cast<std::size_t>(segment.steps)) * record_size);
            std::memcpy(stepped.state, saved_, state_bytes);
        }
        record_ = record;
        if (rows == rows_) return;
        unpack(moving, rows_, nodes_, 3 * lanes_, stepped.state, state_);
        if (!sampled) return;
        record_ = work_.record.at_least(records * 2 * rows_ * lanes_);
        std::fill_n(record_, records * 2 * rows_ * lanes_, Real(0));
        unpack(moving, rows_, records, 2 * lanes_, record, record_);
    }

    template <typename Out>
    void samples(const UniformSegment& segment, const SegmentTables<Real>& tables,
                 std::span<Out> out) {
        const std::size_t points =
            static_cast<std::size_t>(segment.end_sample - segment.first_sample);
        const std::size_t all = plan_.time_us.size();
        const std::size_t start = static_cast<std::size_t>(segment.first_sample);
        Real* phasor = work_.phasor.at_least(points * 2 * lanes_);
        Real* slope = work_.slope.at_least(points * tangents_ * lanes_);
        Real* signal = work_.signal.at_least(points * 2 * rows_ * lanes_);
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
            const double turn = phase_rate(0, lane) * mz_[lane] * spacing_s;
            const double turn_cos = std::cos(turn), turn_sin = std::sin(turn);
            double c = 1.0, s = 0.0;
            for (std::size_t k = 0; k < points; ++k) {
                if (!steady || k % kRestart == 0) {
                    const double phase = frame_phase(0, lane, time_s(k));
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
        for (std::size_t k = 0; k < points; ++k) {
            for (std::size_t t = 1; t < rows_; ++t) {
                Real* row = slope + (k * tangents_ + t - 1) * lanes_;
                std::fill_n(row, lanes_, Real(0));
                for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                    row[lane] = static_cast<Real>(frame_phase(t, lane, time_s(k)));
                }
            }
        }
        UniformSamples<Real> job;
        job.points = static_cast<int>(points);
        job.tangents = static_cast<int>(tangents_);
        job.phase_slope = slope;
        job.order = plan_.order;
        job.first = segment.first_record.data();
        job.weight = tables.weight.data();
        job.record = record_;
        job.phasor = phasor;
        job.signal = signal;
        kernels_.sample(job);
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            for (std::size_t t = 0; t < rows_; ++t) {
                Out* mx = &out[((lane * rows_ + t) * 3 + 0) * all + start];
                Out* my = mx + all;
                Out* mz = my + all;
                for (std::size_t k = 0; k < points; ++k) {
                    mx[k] = static_cast<Out>(signal[2 * (rows_ * k + t) * lanes_ + lane]);
                    my[k] = static_cast<Out>(signal[(2 * (rows_ * k + t) + 1) * lanes_ + lane]);
                    mz[k] = static_cast<Out>(steady ? mz_[t * lanes_ + lane]
                                                    : mz_at(t, lane, time_s(k)));
                }
            }
        }
    }

    /// At so many half widths a cut leaves few spins at its edge.
    static constexpr double kFarCut = 4.0;

    /// A shorter stretch is stepped through, however quiet.
    static constexpr int kLeastStretches = 4;

    /// Rounding of M, as a share of all M.
    static constexpr double kNoise = sizeof(Real) == 4 ? 1e-6 : 1e-13;

    const UniformTables<Real>& tables_;
    const UniformPlan& plan_;
    const Relaxation& relaxation_;
    std::span<const UniformCurve> curves_;
    UniformKernels<Real> kernels_;
    std::size_t lanes_;
    std::size_t nodes_;
    std::size_t tangents_;
    std::size_t rows_;  // 1 + tangents: the curve, then its tangents
    Workspace<Real>& work_;
    Real* state_ = nullptr;     // (nodes, rows, 3)[lanes]
    Real* saved_ = nullptr;     // the same, of a moment to come back to
    Real* strength_ = nullptr;  // [lanes]
    Real* total_z_ = nullptr;   // [lanes]
    Real* matrix_ = nullptr;    // (9)[lanes]
    Real* record_ = nullptr;    // (records, rows, 2)[lanes] of the current segment
    std::vector<double> mz_;    // (rows, lanes) at the segment's start
    std::vector<double>
        frame_phase_;           // (rows, lanes) of the curve's frame at the segment's end [rad]
    std::vector<double> free_;  // (4, nodes) of quiet_stretches()
    UniformRun result_;
};

}  // namespace

int uniform_lanes(bool single_precision) {
    return single_precision ? kernels<float>().lanes : kernels<double>().lanes;
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
UniformRun run_uniform(const UniformTables<Real>& tables, std::span<const UniformCurve> curves,
                       std::span<Out> signal) {
    thread_local Workspace<Real> work;
    Group<Real> group(tables, curves, work);
    return group.run(signal);
}

template UniformTables<float> uniform_tables(UniformPlan, const Relaxation&);
template UniformTables<double> uniform_tables(UniformPlan, const Relaxation&);
template UniformRun run_uniform(const UniformTables<float>&, std::span<const UniformCurve>,
                                std::span<float>);
template UniformRun run_uniform(const UniformTables<float>&, std::span<const UniformCurve>,
                                std::span<double>);
template UniformRun run_uniform(const UniformTables<double>&, std::span<const UniformCurve>,
                                std::span<float>);
template UniformRun run_uniform(const UniformTables<double>&, std::span<const UniformCurve>,
                                std::span<double>);

}  // namespace nmrsim
