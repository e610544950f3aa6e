#include "uniform/uniform_group.h"

#include <cstring>

namespace nmrsim {

template <typename Real>
UniformGroup<Real>::UniformGroup(const UniformTables<Real>& tables,
                                 std::span<const UniformCurve> curves, UniformLanes lanes,
                                 Workspace<Real>& work)
    : tables_(tables),
      plan_(tables.plan),
      curves_(curves),
      frames_(curves, tables.plan.nodes.total_weight),
      kernels_(uniform_kernels<Real>()),
      lanes_(static_cast<std::size_t>(kernels_.lanes)),
      nodes_(tables.plan.nodes.weight.size()),
      tangents_(curves.front().tangents.size()),
      rows_(1 + tangents_),
      own_steps_(!curves.front().spans.empty()),
      across_(lanes == UniformLanes::nodes && curves.size() == 1 && !own_steps_),
      vectors_(across_ ? (nodes_ + lanes_ - 1) / lanes_ : nodes_),
      relaxation_(relaxation_of(curves, own_steps_ || across_)),
      stretched_(std::ranges::any_of(curves, is_stretched)),
      work_(work) {
    state_ = work.state.at_least(vectors_ * 3 * rows_ * lanes_);
    saved_ = work.saved.at_least(vectors_ * 3 * rows_ * lanes_);
    result_.loud.assign(curves.size(), false);
    strength_ = work.lane_values.at_least(12 * rows_ * lanes_);
    total_z_ = strength_ + rows_ * lanes_;
    total_weight_ = total_z_ + rows_ * lanes_;
    matrix_ = total_weight_ + rows_ * lanes_;
    std::fill_n(strength_, 3 * rows_ * lanes_, Real(0));
    std::memset(state_, 0, state_bytes());
    if (relaxation_ != UniformRelaxation::none) {
        weight_ = work.weight.at_least(vectors_ * rows_ * lanes_);
        std::fill_n(weight_, vectors_ * rows_ * lanes_, Real(0));
    }
    for (std::size_t t = 0; t < rows_; ++t) {
        for (std::size_t lane = 0; lane < curves.size(); ++lane) set_out(t, lane);
    }
}

template <typename Real>
template <typename Out>
UniformRun UniformGroup<Real>::run(std::span<Out> signal) {
    for (std::size_t j = 0; j < plan_.segments.size(); ++j) {
        const UniformSegment& segment = plan_.segments[j];
        enter(j);
        pulses(segment);
        if (segment.driven) {
            drive(segment);
            continue;
        }
        if (segment.by_site) {
            follow_sites(segment, signal);
            continue;
        }
        evolve(segment, tables_.segments[j]);
        if (segment.end_sample > segment.first_sample) {
            if (own_steps_ && !segment.last) {
                own_samples(segment, signal);
            } else {
                samples(segment, tables_.segments[j], signal);
            }
        }
        if (relaxation_ != UniformRelaxation::none) right_mz(segment);
        leave();
    }
    return std::move(result_);
}

template <typename Real>
void UniformGroup<Real>::enter(std::size_t j) {
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

template <typename Real>
void UniformGroup<Real>::move(std::size_t row, std::size_t lane, double time_s, double slope_s) {
    const UniformNumbers& curve = frames_.numbers(0, lane);
    double mean[3] = {0.0, 0.0, 0.0};
    const auto at = [&](std::size_t node, std::size_t k) {
        return static_cast<double>(lane_of(state_, rows_, node, 0, lane)[k * lanes_]);
    };
    for (std::size_t i = 0; i < nodes_; ++i) {
        for (std::size_t k = 0; k < 3; ++k) mean[k] += at(i, k);
    }
    for (double& one : mean) one *= -kTwoPi * curve.alpha_plane_hz;
    const double transverse =
        curve.rates.transverse_per_s + stretched_rate(curve, since_start_s(lane, time_s));
    for (std::size_t i = 0; i < nodes_; ++i) {
        const double x = at(i, 0), y = at(i, 1), z = at(i, 2);
        const double offset = kTwoPi * plan_.nodes.offset_hz[i];
        const double rate[3] = {offset * y + mean[1] * z - mean[2] * y - transverse * x,
                                -offset * x + mean[2] * x - mean[0] * z - transverse * y,
                                mean[0] * y - mean[1] * x - curve.rates.longitudinal_per_s * z +
                                    curve.rates.recovery_per_s * weight_of(0, lane, i)};
        Real* m = lane_of(state_, rows_, i, row, lane);
        for (std::size_t k = 0; k < 3; ++k) {
            m[k * lanes_] =
                static_cast<Real>(static_cast<double>(m[k * lanes_]) + slope_s * rate[k]);
        }
    }
}

template <typename Real>
void UniformGroup<Real>::leave() {
    for (std::size_t t = 0; t < rows_; ++t) {
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            const double slope_s = end_slope_[t * curves_.size() + lane];
            const double end_s = spans_[lane].duration_us * kSecondsPerUs;
            double added = 0.0;
            if (slope_s != 0.0) {
                move(t, lane, end_s, slope_s);
                added = slope_s * frames_.phase_rate(lane, end_s);
            }
            frames_.end_segment(t, lane, end_s, added);
        }
    }
}

template <typename Real>
UniformRelaxation UniformGroup<Real>::relaxation_of(std::span<const UniformCurve> curves,
                                                    bool own_alone) {
    bool relaxes = false, own = false;
    for (const UniformCurve& curve : curves) {
        relaxes = relaxes || curve.numbers.rates.transverse_per_s != 0.0 ||
                  curve.numbers.rates.longitudinal_per_s != 0.0;
        relaxes = relaxes || is_stretched(curve);
        own = own || !curve.numbers.site_rates.empty();
        for (const UniformNumbers& tangent : curve.tangents) {
            own = own || (is_stretched(curve) && tangent.dephasing_per_s != 0.0) ||
                  tangent.stretching != 0.0 || tangent.rates.transverse_per_s != 0.0 ||
                  tangent.rates.longitudinal_per_s != 0.0 || tangent.rates.recovery_per_s != 0.0 ||
                  (tangent.line && curve.numbers.rates.recovery_per_s != 0.0);
        }
    }
    if (own || (own_alone && relaxes)) return UniformRelaxation::own;
    return relaxes ? UniformRelaxation::same : UniformRelaxation::none;
}

template <typename Real>
void UniformGroup<Real>::set_out(std::size_t row, std::size_t lane) {
    const UniformNumbers& curve = frames_.numbers(0, lane);
    const UniformNumbers& one = frames_.numbers(row, lane);
    put(strength_ + row * lanes_, lane, -kTwoPi * one.alpha_plane_hz);
    put(total_weight_ + row * lanes_, lane, frames_.total_weight(row, lane));
    for (std::size_t k = 0; k < 3; ++k) {
        if (curve.start[k] == 0.0 && (row == 0 || one.start[k] == 0.0)) continue;
        for (std::size_t i = 0; i < nodes_; ++i) {
            double value = weight_of(row, lane, i) * curve.start[k];
            if (row > 0) value += weight_of(0, lane, i) * one.start[k];
            lane_of(state_, rows_, i, row, lane)[k * lanes_] = static_cast<Real>(value);
        }
    }
    for (std::size_t i = 0; weight_ && i < nodes_; ++i) {
        weight_[place(rows_, 1, i, row, lane)] = static_cast<Real>(weight_of(row, lane, i));
    }
}

template <typename Real>
std::vector<double> UniformGroup<Real>::sum_of_z() const {
    std::vector<double> sum(rows_ * lanes_, 0.0);
    for (std::size_t i = 0; i < vectors_; ++i) {
        for (std::size_t t = 0; t < rows_; ++t) {
            const Real* z = state_ + (3 * (rows_ * i + t) + 2) * lanes_;
            for (std::size_t lane = 0; lane < lanes_; ++lane) {
                sum[t * lanes_ + (across_ ? 0 : lane)] += static_cast<double>(z[lane]);
            }
        }
    }
    return sum;
}

template <typename Real>
void UniformGroup<Real>::right_mz(const UniformSegment& segment) {
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

template <typename Real>
void UniformGroup<Real>::turn_block(const UniformSegment& segment, const UniformBlock& block) {
    std::fill_n(matrix_, 9 * rows_ * lanes_, Real(0));
    for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
        const TurnWithTangents turn =
            frames_.turn(lane, segment.first_event, segment.end_event, block);
        for (std::size_t j = 0; j < 9; ++j) {
            put(matrix_ + j * lanes_, lane, turn.turn[j]);
            for (std::size_t t = 1; t < rows_; ++t) {
                put(matrix_ + (9 * t + j) * lanes_, lane, turn.tangent[t - 1][j]);
            }
        }
    }
    const std::size_t begin = vector_of(block.begin), end = end_vector_of(block);
    kernels_.turn(static_cast<int>(end - begin), static_cast<int>(tangents_), matrix_,
                  state_ + 3 * rows_ * begin * lanes_);
}

template <typename Real>
void UniformGroup<Real>::pulses(const UniformSegment& segment) {
    for (const UniformBlock& block : plan_.nodes.blocks) turn_block(segment, block);
    for (std::size_t t = 1; t < rows_; ++t) {
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            // A pulse moves as a whole.
            const double slope_s = start_slope_[t * curves_.size() + lane];
            if (slope_s != 0.0 && !segment.driven) move(t, lane, 0.0, -slope_s);
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

template UniformGroup<float>::UniformGroup(const UniformTables<float>&,
                                           std::span<const UniformCurve>, UniformLanes,
                                           Workspace<float>&);
template UniformGroup<double>::UniformGroup(const UniformTables<double>&,
                                            std::span<const UniformCurve>, UniformLanes,
                                            Workspace<double>&);
template UniformRun UniformGroup<float>::run(std::span<float>);
template UniformRun UniformGroup<float>::run(std::span<double>);
template UniformRun UniformGroup<double>::run(std::span<float>);
template UniformRun UniformGroup<double>::run(std::span<double>);

}  // namespace nmrsim
