#include "uniform/uniform_simulator.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/aligned_array.h"
#include "base/instruction_set.h"
#include "nmrsim/stop.h"
#include "nmrsim/units.h"
#include "uniform/uniform_frames.h"
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

/// tan(angle / 2), kept finite where a forced step turns an edge of the line by half a circle.
double half_tangent(double angle) {
    constexpr double kLargest = 1e3;
    return std::clamp(std::tan(0.5 * angle), -kLargest, kLargest);
}

template <typename Real>
PassTables<Real> make_tables(const UniformPlan& plan, double step_s) {
    const SplittingScheme& scheme = *plan.step.scheme;
    const std::size_t nodes = plan.nodes.weight.size();
    const std::size_t passes = scheme.offset.size();
    PassTables<Real> tables;
    tables.pass.resize(passes);
    tables.values.resize(2 * nodes * passes);
    tables.last_coupling = static_cast<Real>(scheme.coupling[passes] * step_s);
    for (std::size_t p = 0; p < passes; ++p) {
        UniformPass<Real>& pass = tables.pass[p];
        const double h = scheme.offset[p] * step_s;
        tables.time_s.push_back(h);
        Real* turn_tan = &tables.values[2 * nodes * p];
        Real* turn_sin = turn_tan + nodes;
        // The scheme is a palindrome: a pass whose twin has come already uses the twin's table.
        const std::size_t twin = passes - 1 - p;
        if (twin < p) {
            pass = tables.pass[twin];
        } else {
            for (std::size_t i = 0; i < nodes; ++i) {
                const double angle = kTwoPi * plan.nodes.offset_hz[i] * h;
                const double half = half_tangent(angle);
                turn_tan[i] = static_cast<Real>(half);
                turn_sin[i] = static_cast<Real>(2.0 * half / (1.0 + half * half));
            }
            pass.turn_tan = turn_tan;
            pass.turn_sin = turn_sin;
            pass.loss = nullptr;
        }
        pass.coupling = static_cast<Real>(scheme.coupling[p] * step_s);
    }
    return tables;
}

/// Buffers of one thread.
template <typename Real>
struct Workspace {
    AlignedArray<Real> state, stepped, saved, kept, record, stepped_record, reversed, lane_values,
        weight, stepped_weight, loss, turns, own_strength, aligned, shift, phasor, slope, signal;
};

/// One group of curves on its way through the sequence.
template <typename Real>
class Group {
public:
    Group(const UniformTables<Real>& tables, std::span<const UniformCurve> curves,
          Workspace<Real>& work)
        : tables_(tables),
          plan_(tables.plan),
          curves_(curves),
          frames_(curves, tables.plan.nodes.total_weight),
          kernels_(kernels<Real>()),
          lanes_(static_cast<std::size_t>(kernels_.lanes)),
          nodes_(tables.plan.nodes.weight.size()),
          tangents_(curves.front().tangents.size()),
          rows_(1 + tangents_),
          own_steps_(!curves.front().spans.empty()),
          relaxation_(relaxation_of(curves, own_steps_)),
          work_(work) {
        state_ = work.state.at_least(nodes_ * 3 * rows_ * lanes_);
        saved_ = work.saved.at_least(nodes_ * 3 * rows_ * lanes_);
        result_.loud.assign(curves.size(), false);
        strength_ = work.lane_values.at_least(12 * rows_ * lanes_);
        total_z_ = strength_ + rows_ * lanes_;
        total_weight_ = total_z_ + rows_ * lanes_;
        matrix_ = total_weight_ + rows_ * lanes_;
        std::fill_n(strength_, 3 * rows_ * lanes_, Real(0));
        std::memset(state_, 0, state_bytes());
        if (relaxation_ != UniformRelaxation::none) {
            weight_ = work.weight.at_least(nodes_ * rows_ * lanes_);
            std::fill_n(weight_, nodes_ * rows_ * lanes_, Real(0));
        }
        for (std::size_t t = 0; t < rows_; ++t) {
            for (std::size_t lane = 0; lane < curves.size(); ++lane) set_out(t, lane);
        }
    }

    template <typename Out>
    UniformRun run(std::span<Out> signal) {
        for (std::size_t j = 0; j < plan_.segments.size(); ++j) {
            const UniformSegment& segment = plan_.segments[j];
            enter(j);
            pulses(segment);
            evolve(segment, tables_.segments[j]);
            if (segment.end_sample > segment.first_sample) {
                if (own_steps_ && !segment.last) {
                    own_samples(segment, signal);
                } else {
                    samples(segment, tables_.segments[j], signal);
                }
            }
            if (relaxation_ != UniformRelaxation::none) right_mz(segment);
            leave(segment);
        }
        return std::move(result_);
    }

private:
    std::size_t state_bytes() const { return nodes_ * 3 * rows_ * lanes_ * sizeof(Real); }

    /// The times of a segment, which may be the curves' own.
    void enter(std::size_t j) {
        const UniformSegment& segment = plan_.segments[j];
        spans_.assign(curves_.size(), segment);
        step_s_.assign(curves_.size(), segment.step_s);
        for (std::size_t lane = 0; own_steps_ && lane < curves_.size(); ++lane) {
            spans_[lane] = curves_[lane].spans[j];
            if (segment.last) continue;
            const double duration_s = spans_[lane].duration_us * kSecondsPerUs;
            step_s_[lane] = segment.steps > 0 ? duration_s / segment.steps : 0.0;
        }
        // How the segment's start and end move with each parameter.
        start_slope_.resize(rows_ * curves_.size());
        end_slope_.resize(rows_ * curves_.size());
        if (j == 0) std::fill(end_slope_.begin(), end_slope_.end(), 0.0);
        start_slope_ = end_slope_;
        const std::size_t end =
            j + 1 < plan_.segments.size() ? plan_.segments[j + 1].first_event : segment.end_event;
        for (std::size_t t = 1; t < rows_; ++t) {
            for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                for (std::size_t e = segment.end_event; e < end; ++e) {
                    end_slope_[t * curves_.size() + lane] +=
                        frames_.numbers(t, lane).delay_us[e] * kSecondsPerUs;
                }
            }
        }
    }

    /// Duration of the segment, with what follows the steps.
    double duration_s(const UniformSegment& segment, std::size_t lane) const {
        return (spans_[lane].duration_us + segment.rest_us) * kSecondsPerUs;
    }

    /// A later moment of freely evolving spins, in a tangent's row: their motion times `slope_s`.
    void move(std::size_t row, std::size_t lane, double slope_s) {
        const UniformNumbers& curve = frames_.numbers(0, lane);
        double mean[3] = {0.0, 0.0, 0.0};
        const auto at = [&](std::size_t node, std::size_t k) {
            return static_cast<double>(lane_of(state_, rows_, node, 0, lane)[k * lanes_]);
        };
        for (std::size_t i = 0; i < nodes_; ++i) {
            for (std::size_t k = 0; k < 3; ++k) mean[k] += at(i, k);
        }
        for (double& one : mean) one *= -kTwoPi * curve.alpha_plane_hz;
        for (std::size_t i = 0; i < nodes_; ++i) {
            const double x = at(i, 0), y = at(i, 1), z = at(i, 2);
            const double offset = kTwoPi * plan_.nodes.offset_hz[i];
            const double rate[3] = {
                offset * y + mean[1] * z - mean[2] * y - curve.transverse_per_s * x,
                -offset * x + mean[2] * x - mean[0] * z - curve.transverse_per_s * y,
                mean[0] * y - mean[1] * x - curve.longitudinal_per_s * z +
                    curve.recovery_per_s * weight_of(0, lane, i)};
            Real* m = lane_of(state_, rows_, i, row, lane);
            for (std::size_t k = 0; k < 3; ++k) {
                m[k * lanes_] =
                    static_cast<Real>(static_cast<double>(m[k * lanes_]) + slope_s * rate[k]);
            }
        }
    }

    void leave(const UniformSegment& segment) {
        for (std::size_t t = 0; t < rows_; ++t) {
            for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                const double slope_s = end_slope_[t * curves_.size() + lane];
                const double end_s = spans_[lane].duration_us * kSecondsPerUs;
                double added = 0.0;
                if (slope_s != 0.0) {
                    move(t, lane, slope_s);
                    added = slope_s * frames_.phase_rate(lane, end_s);
                }
                frames_.end_segment(t, lane, end_s, added);
            }
        }
    }

    static UniformRelaxation relaxation_of(std::span<const UniformCurve> curves, bool own_steps) {
        bool relaxes = false, own = false;
        for (const UniformCurve& curve : curves) {
            relaxes = relaxes || curve.numbers.transverse_per_s != 0.0 ||
                      curve.numbers.longitudinal_per_s != 0.0;
            for (const UniformNumbers& tangent : curve.tangents) {
                own = own || tangent.transverse_per_s != 0.0 || tangent.longitudinal_per_s != 0.0 ||
                      tangent.recovery_per_s != 0.0 ||
                      (tangent.line && curve.numbers.recovery_per_s != 0.0);
            }
        }
        if (own || (own_steps && relaxes)) return UniformRelaxation::own;
        return relaxes ? UniformRelaxation::same : UniformRelaxation::none;
    }

    /// Weight of a node in a curve, or how it changes.
    double weight_of(std::size_t row, std::size_t lane, std::size_t node) const {
        const auto& line = frames_.numbers(row, lane).line;
        if (line) return line->weight[node];
        return row == 0 ? plan_.nodes.weight[node] : 0.0;
    }

    /// The start state of a row, and what else it has of its own.
    void set_out(std::size_t row, std::size_t lane) {
        const UniformNumbers& curve = frames_.numbers(0, lane);
        const UniformNumbers& one = frames_.numbers(row, lane);
        strength_[row * lanes_ + lane] = static_cast<Real>(-kTwoPi * one.alpha_plane_hz);
        total_weight_[row * lanes_ + lane] = static_cast<Real>(frames_.total_weight(row, lane));
        for (std::size_t k = 0; k < 3; ++k) {
            if (curve.start[k] == 0.0 && (row == 0 || one.start[k] == 0.0)) continue;
            for (std::size_t i = 0; i < nodes_; ++i) {
                double value = weight_of(row, lane, i) * curve.start[k];
                if (row > 0) value += weight_of(0, lane, i) * one.start[k];
                lane_of(state_, rows_, i, row, lane)[k * lanes_] = static_cast<Real>(value);
            }
        }
        for (std::size_t i = 0; weight_ && i < nodes_; ++i) {
            weight_[(rows_ * i + row) * lanes_ + lane] = static_cast<Real>(weight_of(row, lane, i));
        }
    }

    /// (rows)[lanes] Mz as the nodes have it.
    std::vector<double> sum_of_z() const {
        std::vector<double> sum(rows_ * lanes_, 0.0);
        for (std::size_t i = 0; i < nodes_; ++i) {
            for (std::size_t t = 0; t < rows_; ++t) {
                const Real* z = state_ + (3 * (rows_ * i + t) + 2) * lanes_;
                for (std::size_t lane = 0; lane < lanes_; ++lane) {
                    sum[t * lanes_ + lane] += static_cast<double>(z[lane]);
                }
            }
        }
        return sum;
    }

    /// Mz is known: what rounding made of it on the way, which the next pulse would turn into M and
    /// the frame into a phase, goes.
    void right_mz(const UniformSegment& segment) {
        const std::vector<double> sum = sum_of_z();
        for (std::size_t t = 0; t < rows_; ++t) {
            for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                if (frames_.steady(lane)) continue;
                const double end = frames_.mz_at(t, lane, duration_s(segment, lane));
                const double off = (end - sum[t * lanes_ + lane]) / frames_.total_weight(0, lane);
                for (std::size_t i = 0; i < nodes_; ++i) {
                    Real& z = lane_of(state_, rows_, i, t, lane)[2 * lanes_];
                    z = static_cast<Real>(static_cast<double>(z) + off * weight_of(0, lane, i));
                }
            }
        }
    }

    void pulses(const UniformSegment& segment) {
        std::fill_n(matrix_, 9 * rows_ * lanes_, Real(0));
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            const TurnWithTangents turn =
                frames_.turn(lane, segment.first_event, segment.end_event);
            for (std::size_t j = 0; j < 9; ++j) {
                matrix_[j * lanes_ + lane] = static_cast<Real>(turn.turn[j]);
                for (std::size_t t = 1; t < rows_; ++t) {
                    matrix_[(9 * t + j) * lanes_ + lane] =
                        static_cast<Real>(turn.tangent[t - 1][j]);
                }
            }
        }
        kernels_.turn(static_cast<int>(nodes_), static_cast<int>(tangents_), matrix_, state_);
        for (std::size_t t = 1; t < rows_; ++t) {
            for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                const double slope_s = start_slope_[t * curves_.size() + lane];
                if (slope_s != 0.0) move(t, lane, -slope_s);
            }
        }
        const std::vector<double> sum = sum_of_z();
        for (std::size_t t = 0; t < rows_; ++t) {
            for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                frames_.mz(t, lane) = sum[t * lanes_ + lane];
            }
        }
        for (std::size_t t = 1; t < rows_; ++t) {
            for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                const double slope_s = start_slope_[t * curves_.size() + lane];
                frames_.start_phase(t, lane) = -slope_s * frames_.phase_rate(lane, 0.0);
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
            bool still = zero(strength_ + t * lanes_) && !relaxes_by(t);
            for (std::size_t i = 0; i < nodes_ && still; ++i) {
                for (std::size_t k = 0; k < 3; ++k) {
                    still = still && zero(state_ + (3 * (rows_ * i + t) + k) * lanes_);
                }
            }
            if (!still) moving.push_back(t);
        }
        return moving;
    }

    /// Whether the parameter of row t changes how a curve relaxes.
    bool relaxes_by(std::size_t t) const {
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            const UniformNumbers& one = frames_.numbers(t, lane);
            if (one.transverse_per_s != 0.0 || one.longitudinal_per_s != 0.0 ||
                one.recovery_per_s != 0.0 || one.line) {
                return true;
            }
        }
        return false;
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
        const Real* weight;
        const Real* total_weight;
        std::vector<Real> mz;  ///< (rows)[lanes] at the segment's start
    };

    /// A segment's passes with the losses of these curves.
    std::vector<UniformPass<Real>> passes_of(const UniformSegment& segment,
                                             const PassTables<Real>& tables,
                                             const std::vector<std::size_t>& moving, Real* loss) {
        std::vector<UniformPass<Real>> passes = tables.pass;
        if (relaxation_ == UniformRelaxation::none) return passes;
        const std::size_t size = 3 * moving.size() * lanes_;
        std::fill_n(loss, passes.size() * size, Real(0));
        for (std::size_t p = 0; p < passes.size(); ++p) {
            Real* of_pass = loss + p * size;
            passes[p].loss = of_pass;
            for (std::size_t r = 0; r < moving.size(); ++r) {
                for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                    const double h = tables.time_s[p] * (step_s_[lane] / segment.step_s);
                    const UniformNumbers& curve = frames_.numbers(0, lane);
                    const UniformNumbers& one = frames_.numbers(moving[r], lane);
                    const double x = h * curve.transverse_per_s;
                    double across = -std::expm1(-x);
                    double along = -std::expm1(-h * curve.longitudinal_per_s);
                    double gain = longitudinal_decay(curve, h).gain;
                    if (r > 0) {
                        const LongitudinalDecay change = longitudinal_decay(curve, one, h);
                        across = h * one.transverse_per_s * std::exp(-x);
                        along = -change.kept;
                        gain = change.gain;
                    }
                    Real* values = of_pass + 3 * r * lanes_ + lane;
                    values[0] = static_cast<Real>(across);
                    values[lanes_] = static_cast<Real>(along);
                    values[2 * lanes_] = static_cast<Real>(gain);
                }
            }
        }
        return passes;
    }

    /// Passes, and the last coupling turn.
    struct Direction {
        std::vector<UniformPass<Real>> pass;
        Real last_coupling;
        bool own_steps = false;
    };

    /// Offset turns of steps that are the curves' own.
    void turn_by_own_steps(const UniformSegment& segment, const PassTables<Real>& tables,
                           Direction& direction, Real* turns) const {
        const std::size_t passes = direction.pass.size();
        for (std::size_t p = 0; p < passes; ++p) {
            const std::size_t twin = passes - 1 - p;
            UniformPass<Real>& pass = direction.pass[p];
            if (twin < p) {
                pass.turn_tan = direction.pass[twin].turn_tan;
                pass.turn_sin = direction.pass[twin].turn_sin;
                continue;
            }
            Real* tangents = turns + 2 * p * nodes_ * lanes_;
            Real* sines = tangents + nodes_ * lanes_;
            std::fill_n(tangents, 2 * nodes_ * lanes_, Real(0));
            for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                const double h = tables.time_s[p] * (step_s_[lane] / segment.step_s);
                for (std::size_t i = 0; i < nodes_; ++i) {
                    const double half = half_tangent(kTwoPi * plan_.nodes.offset_hz[i] * h);
                    tangents[i * lanes_ + lane] = static_cast<Real>(half);
                    sines[i * lanes_ + lane] = static_cast<Real>(2.0 * half / (1.0 + half * half));
                }
            }
            pass.turn_tan = tangents;
            pass.turn_sin = sines;
        }
        direction.own_steps = true;
    }

    /// In parts that take some tenths of a second at most, so that a long segment can be stopped.
    void steps(const Stepped& stepped, const Direction& tables, int count, Real* record) {
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

    void part_of_steps(const Stepped& stepped, const Direction& tables, int count, Real* record) {
        UniformSteps<Real> job;
        job.nodes = static_cast<int>(nodes_);
        job.tangents = static_cast<int>(stepped.rows - 1);
        job.passes = static_cast<int>(tables.pass.size());
        job.steps = count;
        job.pass = tables.pass.data();
        job.last_coupling = tables.last_coupling;
        job.relaxation = relaxation_;
        job.own_steps = tables.own_steps;
        job.weight = stepped.weight;
        job.total_weight = stepped.total_weight;
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
    /// turns others by quiet_rad. The ringing of the cut's edges turns none but the spins there,
    /// and counts as their share.
    int quiet_stretches(const Stepped& stepped, std::size_t lane, double stretch_s, int most) {
        const UniformCurve& curve = curves_[lane];
        double strength = kTwoPi * std::abs(curve.numbers.alpha_plane_hz);
        // A derivative feels M however weak the coupling is, as a share of what a decay makes of
        // it.
        for (const UniformNumbers& tangent : curve.tangents) {
            if (tangent.alpha_plane_hz != 0.0) strength = std::max(strength, plan_.line_rate);
        }
        if (strength == 0.0) return most;
        const std::vector<double>& offset = plan_.nodes.offset_hz;
        const double edge = std::max(std::abs(offset.front()), std::abs(offset.back()));
        const int looks = std::max(1, static_cast<int>(std::ceil(edge * stretch_s)));
        const double spacing_s = stretch_s / looks;
        const double decay = std::exp(-curve.numbers.transverse_per_s * spacing_s);
        free_.resize(5 * nodes_);
        double *x = free_.data(), *y = x + nodes_, *cosine = y + nodes_, *sine = cosine + nodes_,
               *inside = sine + nodes_;
        double at_edge = 0.0, everywhere = 0.0;
        for (std::size_t i = 0; i < nodes_; ++i) {
            const double share = offset[i] / edge;
            inside[i] = std::pow(1.0 - share * share, 4);
            const double weight = std::abs(weight_of(0, lane, i));
            everywhere += weight;
            if (std::abs(share) > kNearEdge) at_edge += weight;
            const Real* m = lane_of(stepped.state, stepped.rows, i, 0, lane);
            x[i] = static_cast<double>(m[0]);
            y[i] = static_cast<double>(m[lanes_]);
            const double angle = kTwoPi * offset[i] * spacing_s;
            cosine[i] = decay * std::cos(angle);
            sine[i] = decay * std::sin(angle);
        }
        const double noise = kSpinLength * plan_.nodes.total_weight * kNoise;
        double turned = 0.0;
        for (int stretch = 0; stretch < most; ++stretch) {
            throw_if_stopped();
            for (int look = 0; look < looks; ++look) {
                double sum_x = 0.0, sum_y = 0.0, all_x = 0.0, all_y = 0.0;
                for (std::size_t i = 0; i < nodes_; ++i) {
                    sum_x += inside[i] * x[i];
                    sum_y += inside[i] * y[i];
                    all_x += x[i];
                    all_y += y[i];
                    const double next = cosine[i] * x[i] + sine[i] * y[i];
                    y[i] = cosine[i] * y[i] - sine[i] * x[i];
                    x[i] = next;
                }
                const double magnitude =
                    std::hypot(sum_x, sum_y) + at_edge / everywhere * std::hypot(all_x, all_y);
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
        const UniformNumbers& curve = frames_.numbers(0, lane);
        const double kept = store ? 0.0 : std::exp(-curve.transverse_per_s * time_s);
        const auto mz_between = [&](std::size_t t) {
            return frames_.mz_integral(t, lane, to_s) - frames_.mz_integral(t, lane, from_s);
        };
        const double common = kTwoPi * curve.alpha_plane_hz * mz_between(0);
        std::vector<double> slope(moving.size(), 0.0), shrinks(moving.size(), 0.0);
        std::vector<LongitudinalDecay> along(moving.size(), longitudinal_decay(curve, time_s));
        for (std::size_t r = 1; r < moving.size(); ++r) {
            const UniformNumbers& tangent = frames_.numbers(moving[r], lane);
            slope[r] = kTwoPi * (tangent.alpha_plane_hz * mz_between(0) +
                                 curve.alpha_plane_hz * mz_between(moving[r]));
            shrinks[r] = tangent.transverse_per_s * time_s;
            along[r] = longitudinal_decay(curve, tangent, time_s);
        }
        for (std::size_t i = 0; i < nodes_; ++i) {
            const double angle = kTwoPi * plan_.nodes.offset_hz[i] * time_s + common;
            const double c = kept * std::cos(angle), s = kept * std::sin(angle);
            const Real* of_curve = lane_of(stepped.state, stepped.rows, i, 0, lane);
            for (std::size_t r = moving.size(); r-- > 0;) {
                Real* m = lane_of(stepped.state, stepped.rows, i, r, lane);
                double x = static_cast<double>(m[0]), y = static_cast<double>(m[lanes_]);
                double z = static_cast<double>(m[2 * lanes_]) * along[0].kept +
                           weight_of(moving[r], lane, i) * along[0].gain;
                if (r > 0) {
                    const double cx = static_cast<double>(of_curve[0]);
                    const double cy = static_cast<double>(of_curve[lanes_]);
                    x += slope[r] * cy - shrinks[r] * cx;
                    y -= slope[r] * cx + shrinks[r] * cy;
                    z += static_cast<double>(of_curve[2 * lanes_]) * along[r].kept +
                         weight_of(0, lane, i) * along[r].gain;
                }
                m[0] = static_cast<Real>(c * x + s * y);
                m[lanes_] = static_cast<Real>(c * y - s * x);
                m[2 * lanes_] = static_cast<Real>(z);
            }
        }
        for (std::size_t r = 0; r < moving.size(); ++r) {
            stepped.total_z[r * lanes_ + lane] =
                static_cast<Real>(frames_.mz_at(moving[r], lane, to_s));
        }
    }

    /// A segment without samples. Every so many steps each curve is asked whether M is still to be
    /// heard of; it then goes on at once to where it is, however its neighbours fare.
    void steps_with_looks(const Stepped& stepped, const std::vector<std::size_t>& moving,
                          const UniformSegment& segment, const Direction& tables) {
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
        const std::size_t before = static_cast<std::size_t>(segment.steps_before);
        Stepped stepped{rows, state_, strength_, total_z_, weight_, total_weight_, {}};
        stepped.mz.resize(rows * lanes_);
        for (std::size_t r = 0; r < rows; ++r) {
            for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                stepped.mz[r * lanes_ + lane] = static_cast<Real>(frames_.mz(moving[r], lane));
            }
        }
        if (rows < rows_) {
            stepped.state = work_.stepped.at_least((nodes_ * 3 + 2) * rows * lanes_);
            stepped.strength = stepped.state + nodes_ * 3 * rows * lanes_;
            Real* total_weight = stepped.strength + rows * lanes_;
            pack(moving, rows_, nodes_, 3 * lanes_, state_, stepped.state);
            pack(moving, rows_, 1, lanes_, strength_, stepped.strength);
            pack(moving, rows_, 1, lanes_, total_weight_, total_weight);
            stepped.total_weight = total_weight;
        }
        // Where weights have no tangents they are the curve's alone.
        const std::vector<std::size_t> weighted =
            relaxation_ == UniformRelaxation::own ? moving : std::vector<std::size_t>{0};
        if (weight_ && weighted.size() < rows_) {
            Real* packed = work_.stepped_weight.at_least(nodes_ * weighted.size() * lanes_);
            pack(weighted, rows_, nodes_, lanes_, weight_, packed);
            stepped.weight = packed;
        }
        const std::size_t losses = 3 * rows * lanes_ * tables.forward.pass.size();
        Real* loss = work_.loss.at_least(2 * losses);
        Direction forward{passes_of(segment, tables.forward, moving, loss),
                          tables.forward.last_coupling};
        Direction backward{{}, tables.backward.last_coupling};
        if (before > 0) {
            backward.pass = passes_of(segment, tables.backward, moving, loss + losses);
        }
        if (own_steps_ && !segment.last) {
            const std::size_t turns = 2 * nodes_ * lanes_ * tables.forward.pass.size();
            Real* values = work_.turns.at_least(2 * turns);
            turn_by_own_steps(segment, tables.forward, forward, values);
            if (before > 0) turn_by_own_steps(segment, tables.backward, backward, values + turns);
            // A curve's coupling turns are as long as its steps.
            stepped.strength = work_.own_strength.at_least(rows * lanes_);
            std::fill_n(stepped.strength, rows * lanes_, Real(0));
            for (std::size_t r = 0; r < rows; ++r) {
                for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                    stepped.strength[r * lanes_ + lane] = static_cast<Real>(
                        -kTwoPi * frames_.numbers(moving[r], lane).alpha_plane_hz *
                        (step_s_[lane] / segment.step_s));
                }
            }
        }
        const std::size_t state_bytes = nodes_ * 3 * rows * lanes_ * sizeof(Real);
        const auto restart = [&] {
            std::copy(stepped.mz.begin(), stepped.mz.end(), stepped.total_z);
        };
        const bool sampled = segment.end_sample > segment.first_sample;
        const std::size_t record_size = 2 * rows * lanes_;
        const std::size_t records = before + static_cast<std::size_t>(segment.steps) +
                                    static_cast<std::size_t>(segment.steps_after) + 1;
        Real* record = sampled ? work_.stepped_record.at_least(record_size * records) : nullptr;
        if (before > 0) {
            std::memcpy(saved_, stepped.state, state_bytes);
            restart();
            Real* reversed = work_.reversed.at_least(record_size * (before + 1));
            steps(stepped, backward, segment.steps_before, reversed);
            for (std::size_t j = 1; j <= before; ++j) {
                std::memcpy(record + (before - j) * record_size, reversed + j * record_size,
                            record_size * sizeof(Real));
            }
            std::memcpy(stepped.state, saved_, state_bytes);
        }
        restart();
        if (segment.steps_between_looks > 0) {
            steps_with_looks(stepped, moving, segment, forward);
        } else {
            steps(stepped, forward, segment.steps,
                  sampled ? record + before * record_size : nullptr);
        }
        if (segment.steps_after > 0) {
            std::memcpy(saved_, stepped.state, state_bytes);
            steps(stepped, forward, segment.steps_after,
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
        const auto time_s = [&](std::size_t k, std::size_t lane) {
            return (plan_.time_us[start + k] - spans_[lane].start_us) * kSecondsPerUs;
        };
        // Even samples of a steady Mz turn by the same angle each: a product instead of a sine and
        // a cosine, started anew now and then so that rounding does not gather.
        const double spacing_s =
            points > 1 ? (time_s(points - 1, 0) - time_s(0, 0)) / static_cast<double>(points - 1)
                       : 0.0;
        constexpr std::size_t kRestart = 128;
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            const bool steady = points > 1 && frames_.steady(lane);
            const double turn = frames_.phase(0, lane, spacing_s);
            const double turn_cos = std::cos(turn), turn_sin = std::sin(turn);
            double c = 1.0, s = 0.0;
            for (std::size_t k = 0; k < points; ++k) {
                if (!steady || k % kRestart == 0) {
                    const double phase = frames_.phase(0, lane, time_s(k, lane));
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
                    row[lane] = static_cast<Real>(frames_.phase(t, lane, time_s(k, lane)));
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
        if (own_steps_) {
            align(segment);
            job.first = first_.data();
            job.weight = nullptr;
            job.position = position_.data();
            job.shift = work_.shift.data();
            job.record = work_.aligned.data();
        }
        job.phasor = phasor;
        job.signal = signal;
        kernels_.sample(job);
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            const bool steady = frames_.steady(lane);
            const std::size_t first =
                static_cast<std::size_t>(std::max(spans_[lane].first_sample, segment.first_sample));
            const std::size_t end =
                static_cast<std::size_t>(std::max(spans_[lane].end_sample, segment.first_sample));
            for (std::size_t t = 0; t < rows_; ++t) {
                Out* mx = &out[((lane * rows_ + t) * 3 + 0) * all + start];
                Out* my = mx + all;
                Out* mz = my + all;
                for (std::size_t k = first - start; k < end - start; ++k) {
                    mx[k] = static_cast<Out>(signal[2 * (rows_ * k + t) * lanes_ + lane]);
                    my[k] = static_cast<Out>(signal[(2 * (rows_ * k + t) + 1) * lanes_ + lane]);
                    mz[k] = static_cast<Out>(steady ? frames_.mz(t, lane)
                                                    : frames_.mz_at(t, lane, time_s(k, lane)));
                }
            }
        }
    }

    /// Offsets beyond this share of the largest are the edge of the cut.
    static constexpr double kNearEdge = 0.8;

    /// Puts records of the last segment, where the curves' steps are as long but begin at times of
    /// their own, side by side: each curve's are moved by whole steps.
    void align(const UniformSegment& segment) {
        const double step_us = segment.step_s / kSecondsPerUs;
        const auto points = static_cast<std::size_t>(segment.end_sample - segment.first_sample);
        first_.resize(points);
        position_.resize(points);
        std::vector<double> position(points);
        int lowest = std::numeric_limits<int>::max(), highest = 0;
        for (std::size_t k = 0; k < points; ++k) {
            const std::size_t at = static_cast<std::size_t>(segment.first_sample) + k;
            position[k] = plan_.time_us[at] / step_us;
            first_[k] =
                static_cast<int>(std::floor(position[k] + 1e-9)) - kInterpolationOrder / 2 + 1;
            position_[k] = static_cast<Real>(position[k] - first_[k]);
            lowest = std::min(lowest, first_[k]);
            highest = std::max(highest, first_[k]);
        }
        for (int& first : first_) first -= lowest;
        const int count = highest - lowest + kInterpolationOrder;
        const int records = segment.steps_before + segment.steps + segment.steps_after + 1;
        const std::size_t size = 2 * rows_ * lanes_;
        Real* aligned = work_.aligned.at_least(static_cast<std::size_t>(count) * size);
        Real* shift = work_.shift.at_least(lanes_);
        std::fill_n(aligned, static_cast<std::size_t>(count) * size, Real(0));
        std::fill_n(shift, lanes_, Real(0));
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            const double later = spans_[lane].start_us / step_us;
            const int whole = static_cast<int>(std::lround(later));
            shift[lane] = static_cast<Real>(later - whole);
            for (int i = 0; i < count; ++i) {
                const int from = lowest + i - whole + segment.steps_before;
                if (from < 0 || from >= records) continue;  // of samples that others have
                for (std::size_t k = lane; k < size; k += lanes_) {
                    aligned[static_cast<std::size_t>(i) * size + k] =
                        record_[static_cast<std::size_t>(from) * size + k];
                }
            }
        }
    }

    /// Samples of curves whose times are their own, curve by curve.
    template <typename Out>
    void own_samples(const UniformSegment& segment, std::span<Out> out) const {
        const std::size_t all = plan_.time_us.size();
        const std::size_t order = static_cast<std::size_t>(plan_.order);
        double weight[kInterpolationOrder];
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            const UniformSpan& span = spans_[lane];
            for (int k = span.first_sample; k < span.end_sample; ++k) {
                const std::size_t at = static_cast<std::size_t>(k);
                const double time_s = (plan_.time_us[at] - span.start_us) * kSecondsPerUs;
                const std::size_t first = static_cast<std::size_t>(
                    segment.steps_before + sample_weights(time_s / step_s_[lane], weight));
                const double phase = frames_.phase(0, lane, time_s);
                const double c = std::cos(phase), s = std::sin(phase);
                double curve_x = 0.0, curve_y = 0.0;
                for (std::size_t t = 0; t < rows_; ++t) {
                    double x = 0.0, y = 0.0;
                    for (std::size_t j = 0; j < order; ++j) {
                        const Real* record =
                            record_ + 2 * (rows_ * (first + j) + t) * lanes_ + lane;
                        x += weight[j] * static_cast<double>(record[0]);
                        y += weight[j] * static_cast<double>(record[lanes_]);
                    }
                    if (t == 0) {
                        curve_x = x;
                        curve_y = y;
                    } else {
                        const double slope = frames_.phase(t, lane, time_s);
                        x += slope * curve_y;
                        y -= slope * curve_x;
                    }
                    Out* mx = &out[(lane * rows_ + t) * 3 * all + at];
                    mx[0] = static_cast<Out>(c * x + s * y);
                    mx[all] = static_cast<Out>(c * y - s * x);
                    mx[2 * all] = static_cast<Out>(frames_.mz_at(t, lane, time_s));
                }
            }
        }
    }

    /// A shorter stretch is stepped through, however quiet.
    static constexpr int kLeastStretches = 4;

    /// Rounding of M, as a share of all M.
    static constexpr double kNoise = sizeof(Real) == 4 ? 1e-6 : 1e-13;

    const UniformTables<Real>& tables_;
    const UniformPlan& plan_;
    std::span<const UniformCurve> curves_;
    UniformFrames frames_;
    UniformKernels<Real> kernels_;
    std::size_t lanes_;
    std::size_t nodes_;
    std::size_t tangents_;
    std::size_t rows_;  // 1 + tangents: the curve, then its tangents
    bool own_steps_;    // the curves' times are their own
    UniformRelaxation relaxation_;
    Workspace<Real>& work_;
    Real* state_ = nullptr;           // (nodes, rows, 3)[lanes]
    Real* saved_ = nullptr;           // the same, of a moment to come back to
    Real* strength_ = nullptr;        // (rows)[lanes]
    Real* total_z_ = nullptr;         // (rows)[lanes]
    Real* total_weight_ = nullptr;    // (rows)[lanes]
    Real* weight_ = nullptr;          // (nodes, rows)[lanes], where a curve relaxes
    Real* matrix_ = nullptr;          // (rows, 9)[lanes]
    Real* record_ = nullptr;          // (records, rows, 2)[lanes] of the current segment
    std::vector<int> first_;          // (samples) of align()
    std::vector<Real> position_;      // (samples) of align()
    std::vector<UniformSpan> spans_;  // (curves) of the current segment
    std::vector<double> step_s_;      // (curves) of the current segment [s]
    std::vector<double> start_slope_, end_slope_;  // (rows, curves) of its times [s]
    std::vector<double> free_;                     // (5, nodes) of quiet_stretches()
    UniformRun result_;
};

}  // namespace

int uniform_lanes(bool single_precision) {
    return single_precision ? kernels<float>().lanes : kernels<double>().lanes;
}

template <typename Real>
UniformTables<Real> uniform_tables(UniformPlan plan) {
    UniformTables<Real> tables;
    for (const UniformSegment& segment : plan.segments) {
        SegmentTables<Real> entry;
        entry.forward = make_tables<Real>(plan, segment.step_s);
        if (segment.steps_before > 0) {
            entry.backward = make_tables<Real>(plan, -segment.step_s);
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

template UniformTables<float> uniform_tables(UniformPlan);
template UniformTables<double> uniform_tables(UniformPlan);
template UniformRun run_uniform(const UniformTables<float>&, std::span<const UniformCurve>,
                                std::span<float>);
template UniformRun run_uniform(const UniformTables<float>&, std::span<const UniformCurve>,
                                std::span<double>);
template UniformRun run_uniform(const UniformTables<double>&, std::span<const UniformCurve>,
                                std::span<float>);
template UniformRun run_uniform(const UniformTables<double>&, std::span<const UniformCurve>,
                                std::span<double>);

}  // namespace nmrsim
