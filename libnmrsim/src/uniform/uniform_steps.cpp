#include "uniform/uniform_group.h"

#include <cstring>
#include <numeric>

#include "nmrsim/stop.h"

namespace nmrsim {

template <typename Real>
std::vector<std::size_t> UniformGroup<Real>::moving_rows() const {
    std::vector<std::size_t> moving{0};
    for (std::size_t t = 1; t < rows_; ++t) {
        const auto zero = [&](const Real* lanes) {
            return std::all_of(lanes, lanes + lanes_, [](Real v) { return v == Real(0); });
        };
        bool still = zero(strength_ + t * lanes_) && !relaxes_by(t);
        for (std::size_t i = 0; i < vectors_ && still; ++i) {
            for (std::size_t k = 0; k < 3; ++k) {
                still = still && zero(state_ + (3 * (rows_ * i + t) + k) * lanes_);
            }
        }
        if (!still) moving.push_back(t);
    }
    return moving;
}

template <typename Real>
bool UniformGroup<Real>::relaxes_by(std::size_t t) const {
    for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
        const UniformNumbers& one = frames_.numbers(t, lane);
        if (one.rates.transverse_per_s != 0.0 || one.rates.longitudinal_per_s != 0.0 ||
            one.rates.recovery_per_s != 0.0 || one.line ||
            (stretched_ && (one.dephasing_per_s != 0.0 || one.stretching != 0.0))) {
            return true;
        }
    }
    return false;
}

template <typename Real>
void UniformGroup<Real>::pack(const std::vector<std::size_t>& rows, std::size_t all_rows,
                              std::size_t outer, std::size_t size, const Real* all, Real* packed) {
    for (std::size_t i = 0; i < outer; ++i) {
        for (std::size_t r = 0; r < rows.size(); ++r) {
            std::copy_n(all + (i * all_rows + rows[r]) * size, size,
                        packed + (i * rows.size() + r) * size);
        }
    }
}

template <typename Real>
void UniformGroup<Real>::unpack(const std::vector<std::size_t>& rows, std::size_t all_rows,
                                std::size_t outer, std::size_t size, const Real* packed,
                                Real* all) {
    for (std::size_t i = 0; i < outer; ++i) {
        for (std::size_t r = 0; r < rows.size(); ++r) {
            std::copy_n(packed + (i * rows.size() + r) * size, size,
                        all + (i * all_rows + rows[r]) * size);
        }
    }
}

template <typename Real>
typename UniformGroup<Real>::Direction UniformGroup<Real>::direction_of(
    const UniformSegment& segment, const PassTables<Real>& tables,
    std::span<const std::size_t> moving, Real* loss) const {
    Direction direction{
        tables.pass, tables.last_coupling, false, segment.step_s, &tables.time_s, moving, loss};
    if (relaxation_ == UniformRelaxation::none) return direction;
    const std::size_t size = 3 * moving.size() * lanes_;
    for (std::size_t p = 0; p < direction.pass.size(); ++p) {
        direction.pass[p].loss = loss + p * size;
    }
    if (!stretched_) set_losses(direction, 0, 1);
    return direction;
}

template <typename Real>
void UniformGroup<Real>::set_losses(const Direction& direction, int first, int count) const {
    const std::vector<double>& time_s = *direction.time_s;
    const std::size_t rows = direction.moving.size(), size = 3 * rows * lanes_;
    std::fill_n(direction.loss, static_cast<std::size_t>(count) * time_s.size() * size, Real(0));
    const double whole_s = std::accumulate(time_s.begin(), time_s.end(), 0.0);
    for (int k = 0; k < count; ++k) {
        double passed_s = (first + k) * whole_s;
        for (std::size_t p = 0; p < time_s.size(); ++p) {
            Real* of_pass =
                direction.loss + (static_cast<std::size_t>(k) * time_s.size() + p) * size;
            for (std::size_t r = 0; r < rows; ++r) {
                for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
                    const double share = own_share(lane, direction.step_s), h = time_s[p] * share;
                    const double from_s = since_start_s(lane, passed_s * share), to_s = from_s + h;
                    const UniformNumbers& curve = frames_.numbers(0, lane);
                    const UniformNumbers& one = frames_.numbers(direction.moving[r], lane);
                    double x = h * curve.rates.transverse_per_s;
                    if (stretched_)
                        x += stretched_loss(curve, to_s) - stretched_loss(curve, from_s);
                    double across = -std::expm1(-x);
                    double along = -std::expm1(-h * curve.rates.longitudinal_per_s);
                    double gain = longitudinal_decay(curve, h).gain;
                    if (r > 0) {
                        double slope = h * one.rates.transverse_per_s;
                        if (stretched_) {
                            slope += stretched_loss(curve, one, to_s) -
                                     stretched_loss(curve, one, from_s);
                        }
                        const LongitudinalDecay change = longitudinal_decay(curve, one, h);
                        across = slope * std::exp(-x);
                        along = -change.kept;
                        gain = change.gain;
                    }
                    Real* values = of_pass + 3 * r * lanes_;
                    put(values, lane, across);
                    put(values + lanes_, lane, along);
                    put(values + 2 * lanes_, lane, gain);
                }
            }
            passed_s += time_s[p];
        }
    }
}

template <typename Real>
void UniformGroup<Real>::undo_stretched_loss(std::span<const std::size_t> moving,
                                             std::size_t before, std::size_t records,
                                             Real* record) const {
    // Where this is more, M is nothing.
    constexpr double kMost = sizeof(Real) == 4 ? 80.0 : 650.0;
    for (std::size_t j = 0; j < records; ++j) {
        const double steps = static_cast<double>(j) - static_cast<double>(before);
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            const UniformNumbers& curve = frames_.numbers(0, lane);
            const double time_s = since_start_s(lane, steps * step_s_[lane]);
            const double grown = std::exp(std::min(stretched_loss(curve, time_s), kMost));
            for (std::size_t k = 0; k < 2; ++k) {
                Real* of_curve = record + (2 * moving.size() * j + k) * lanes_;
                for (std::size_t r = moving.size(); r-- > 0;) {
                    Real* row = of_curve + 2 * r * lanes_;
                    double value = static_cast<double>(across_ ? row[0] : row[lane]);
                    if (r > 0) {
                        value += stretched_loss(curve, frames_.numbers(moving[r], lane), time_s) *
                                 static_cast<double>(across_ ? of_curve[0] : of_curve[lane]);
                    }
                    put(row, lane, grown * value);
                }
            }
        }
    }
}

template <typename Real>
void UniformGroup<Real>::turn_by_own_steps(const UniformSegment& segment,
                                           const PassTables<Real>& tables, Direction& direction,
                                           Real* turns) const {
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
            const double h = tables.time_s[p] * own_share(lane, segment.step_s);
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

template <typename Real>
void UniformGroup<Real>::steps(const Stepped& stepped, const Direction& tables, int first,
                               int count, Real* record) {
    constexpr double kMostWork = 3e7;  // nodes and passes of all rows
    const double work =
        static_cast<double>(vectors_ * tables.pass.size()) * static_cast<double>(stepped.rows);
    const int bearable = std::max(1, static_cast<int>(kMostWork / work));
    const int most = stretched_ ? std::min(bearable, kStretchedSteps) : bearable;
    const std::size_t record_size = 2 * stepped.rows * lanes_;
    do {
        throw_if_stopped();
        const int some = std::min(count, most);
        if (stretched_) set_losses(tables, first, some);
        part_of_steps(stepped, tables, some, record);
        if (record) record += static_cast<std::size_t>(some) * record_size;
        first += some;
        count -= some;
    } while (count > 0);
}

template <typename Real>
void UniformGroup<Real>::part_of_steps(const Stepped& stepped, const Direction& tables, int count,
                                       Real* record) {
    UniformSteps<Real> job;
    job.nodes = static_cast<int>(vectors_);
    job.tangents = static_cast<int>(stepped.rows - 1);
    job.passes = static_cast<int>(tables.pass.size());
    job.steps = count;
    job.pass = tables.pass.data();
    job.last_coupling = tables.last_coupling;
    job.relaxation = relaxation_;
    if (stretched_) {
        job.loss_stride =
            static_cast<std::ptrdiff_t>(3 * stepped.rows * lanes_ * tables.pass.size());
    }
    job.own_steps = tables.own_steps || across_;
    job.across = across_;
    job.weight = stepped.weight;
    job.total_weight = stepped.total_weight;
    job.strength = stepped.strength;
    job.state = stepped.state;
    job.total_z = stepped.total_z;
    job.record = record;
    kernels_.run_steps(job);
    result_.passes += static_cast<long>(count) * static_cast<long>(job.passes);
}

template <typename Real>
void UniformGroup<Real>::evolve(const UniformSegment& segment, const SegmentTables<Real>& tables) {
    const std::vector<std::size_t> moving = moving_rows();
    const std::size_t rows = moving.size();
    const std::size_t before = static_cast<std::size_t>(segment.steps_before);
    Stepped stepped{rows, state_, strength_, total_z_, weight_, total_weight_, {}};
    stepped.mz.resize(rows * lanes_);
    for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            put(&stepped.mz[r * lanes_], lane, frames_.mz(moving[r], lane));
        }
    }
    if (rows < rows_) {
        stepped.state = work_.stepped.at_least((vectors_ * 3 + 2) * rows * lanes_);
        stepped.strength = stepped.state + vectors_ * 3 * rows * lanes_;
        Real* total_weight = stepped.strength + rows * lanes_;
        pack(moving, rows_, vectors_, 3 * lanes_, state_, stepped.state);
        pack(moving, rows_, 1, lanes_, strength_, stepped.strength);
        pack(moving, rows_, 1, lanes_, total_weight_, total_weight);
        stepped.total_weight = total_weight;
    }
    // Where weights have no tangents they are the curve's alone.
    const std::vector<std::size_t> weighted =
        relaxation_ == UniformRelaxation::own ? moving : std::vector<std::size_t>{0};
    if (weight_ && weighted.size() < rows_) {
        Real* packed = work_.stepped_weight.at_least(vectors_ * weighted.size() * lanes_);
        pack(weighted, rows_, vectors_, lanes_, weight_, packed);
        stepped.weight = packed;
    }
    const std::size_t losses = (stretched_ ? std::size_t{kStretchedSteps} : 1) * 3 * rows * lanes_ *
                               tables.forward.pass.size();
    Real* loss = work_.loss.at_least(2 * losses);
    Direction forward = direction_of(segment, tables.forward, moving, loss);
    Direction backward{};
    if (before > 0) backward = direction_of(segment, tables.backward, moving, loss + losses);
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
                stepped.strength[r * lanes_ + lane] =
                    static_cast<Real>(-kTwoPi * frames_.numbers(moving[r], lane).alpha_plane_hz *
                                      (step_s_[lane] / segment.step_s));
            }
        }
    }
    const std::size_t state_bytes = vectors_ * 3 * rows * lanes_ * sizeof(Real);
    const auto restart = [&] { std::copy(stepped.mz.begin(), stepped.mz.end(), stepped.total_z); };
    const bool sampled = segment.end_sample > segment.first_sample;
    const std::size_t record_size = 2 * rows * lanes_;
    const std::size_t records = before + static_cast<std::size_t>(segment.steps) +
                                static_cast<std::size_t>(segment.steps_after) + 1;
    Real* record = sampled ? work_.stepped_record.at_least(record_size * records) : nullptr;
    if (before > 0) {
        std::memcpy(saved_, stepped.state, state_bytes);
        restart();
        Real* reversed = work_.reversed.at_least(record_size * (before + 1));
        steps(stepped, backward, 0, segment.steps_before, reversed);
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
        steps(stepped, forward, 0, segment.steps,
              sampled ? record + before * record_size : nullptr);
    }
    if (segment.steps_after > 0) {
        std::memcpy(saved_, stepped.state, state_bytes);
        steps(stepped, forward, segment.steps, segment.steps_after,
              record + (before + static_cast<std::size_t>(segment.steps)) * record_size);
        std::memcpy(stepped.state, saved_, state_bytes);
    }
    if (stretched_ && sampled) undo_stretched_loss(moving, before, records, record);
    record_ = record;
    if (rows == rows_) return;
    unpack(moving, rows_, vectors_, 3 * lanes_, stepped.state, state_);
    if (!sampled) return;
    record_ = work_.record.at_least(records * 2 * rows_ * lanes_);
    std::fill_n(record_, records * 2 * rows_ * lanes_, Real(0));
    unpack(moving, rows_, records, 2 * lanes_, record, record_);
}

template void UniformGroup<float>::steps(const Stepped&, const Direction&, int, int, float*);
template void UniformGroup<double>::steps(const Stepped&, const Direction&, int, int, double*);
template void UniformGroup<float>::evolve(const UniformSegment&, const SegmentTables<float>&);
template void UniformGroup<double>::evolve(const UniformSegment&, const SegmentTables<double>&);

}  // namespace nmrsim
