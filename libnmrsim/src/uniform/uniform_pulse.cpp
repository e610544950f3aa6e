#include "uniform/uniform_pulse_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/instruction_set.h"
#include "nmrsim/stop.h"
#include "uniform/uniform_group.h"

namespace nmrsim {
namespace {

void run_pulse(const UniformPulseSteps<float>& job) {
    NMRSIM_BEST(run_pulse_float)(job);
}
void run_pulse(const UniformPulseSteps<double>& job) {
    NMRSIM_BEST(run_pulse_double)(job);
}

}  // namespace

template <typename Real>
void UniformGroup<Real>::set_block_steps(const UniformSegment& segment, double step_s,
                                         BlockSteps& steps) {
    const SplittingScheme& scheme = *plan_.step.scheme;
    const std::size_t passes = scheme.offset.size();
    const std::vector<UniformBlock>& blocks = plan_.nodes.blocks;
    const double h = step_s;
    steps.share.assign(scheme.offset.begin(), scheme.offset.end());
    steps.coupling.assign(scheme.coupling.begin(), scheme.coupling.end());
    steps.offset.resize(padded(nodes_));
    for (std::size_t i = 0; i < nodes_; ++i) {
        steps.offset[i] = static_cast<Real>(kTwoPi * plan_.nodes.offset_hz[i] * h);
    }
    steps.ends.clear();
    for (const UniformBlock& block : blocks) {
        steps.ends.push_back(static_cast<int>(end_vector_of(block)));
    }
    // (blocks, rows, 4), (blocks, rows, 2) and (rows, 2)[lanes]
    const std::size_t values = (6 * blocks.size() + 2) * rows_ * lanes_;
    Real* common = work_.pulse_values.at_least(values);
    std::fill_n(common, values, Real(0));
    Real* field = common + 4 * blocks.size() * rows_ * lanes_;
    Real* strength = field + 2 * blocks.size() * rows_ * lanes_;
    const auto put_value = [&](Real* to, std::size_t entry, std::size_t lane, double value) {
        put(to + entry * lanes_, lane, value);
    };
    for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
        const UniformNumbers& curve = frames_.numbers(0, lane);
        for (std::size_t t = 0; t < rows_; ++t) {
            const UniformNumbers& one = frames_.numbers(t, lane);
            put_value(strength, 2 * t, lane, -kTwoPi * one.alpha_plane_hz * h);
            put_value(strength, 2 * t + 1, lane, -kTwoPi * one.alpha_z_hz * h);
            for (std::size_t b = 0; b < blocks.size(); ++b) {
                const UniformRates& rates = rates_of(blocks[b], one);
                const std::size_t row = rows_ * b + t;
                put_value(common, 4 * row, lane, kTwoPi * one.centre_hz * h);
                put_value(common, 4 * row + 1, lane, rates.transverse_per_s * h);
                put_value(common, 4 * row + 2, lane, rates.longitudinal_per_s * h);
                put_value(common, 4 * row + 3, lane, rates.recovery_per_s * h);
                if (!segment.driven) continue;
                const Pulse pulse = pulse_on(blocks[b], curve, segment.end_event);
                const double cosine = std::cos(pulse.phase_deg * kRadiansPerDegree);
                const double sine = std::sin(pulse.phase_deg * kRadiansPerDegree);
                double along = pulse.flip_deg, across = 0.0;
                if (t > 0) {
                    const Pulse slope = pulse_slope_on(blocks[b], curve, one, segment.end_event);
                    along = slope.flip_deg;
                    across = pulse.flip_deg * slope.phase_deg * kRadiansPerDegree;
                }
                const double step = kRadiansPerDegree / segment.steps;
                put_value(field, 2 * row, lane, step * (along * cosine - across * sine));
                put_value(field, 2 * row + 1, lane, step * (along * sine + across * cosine));
            }
        }
    }
    UniformPulseSteps<Real>& job = steps.job;
    job.tangents = static_cast<int>(tangents_);
    job.passes = static_cast<int>(passes);
    job.blocks = static_cast<int>(blocks.size());
    job.block_end = steps.ends.data();
    job.offset = steps.offset.data();
    job.share = steps.share.data();
    job.coupling = steps.coupling.data();
    job.common = common;
    job.drive = field;
    job.strength = strength;
    job.weight = weight_;
    job.state = state_;
    job.across = across_;
    job.turns = work_.pulse_turns.at_least((passes + 1) / 2 * vectors_ * rows_ *
                                           std::size_t{kEffectiveTurn} * lanes_);
}

template <typename Real>
void UniformGroup<Real>::run_block_steps(BlockSteps& steps, int count, Real* record) {
    UniformPulseSteps<Real>& job = steps.job;
    constexpr double kMostWork = 1e7;  // nodes and passes of all rows
    const double work =
        static_cast<double>(vectors_ * rows_) * static_cast<double>(steps.share.size());
    const int most = std::max(1, static_cast<int>(kMostWork / work));
    result_.passes += static_cast<long>(count) * static_cast<long>(job.passes);
    do {
        throw_if_stopped();
        job.steps = std::min(count, most);
        job.record = record;
        run_pulse(job);
        if (record) record += 3 * rows_ * lanes_ * static_cast<std::size_t>(job.steps);
        count -= job.steps;
    } while (count > 0);
}

template <typename Real>
void UniformGroup<Real>::drive(const UniformSegment& segment) {
    BlockSteps steps;
    set_block_steps(segment, segment.step_s, steps);
    run_block_steps(steps, segment.steps, nullptr);
    frames_.stand();
}

template <typename Real>
template <typename Out>
void UniformGroup<Real>::follow_sites(const UniformSegment& segment, std::span<Out> out) {
    const bool sampled = segment.end_sample > segment.first_sample;
    const std::size_t size = 3 * rows_ * lanes_;
    const auto before = static_cast<std::size_t>(segment.steps_before);
    const auto until = before + static_cast<std::size_t>(segment.steps);
    Real* record = nullptr;
    if (sampled) {
        record = work_.record.at_least(size *
                                       (until + static_cast<std::size_t>(segment.steps_after) + 1));
    }
    BlockSteps steps;
    if (before > 0) {
        std::memcpy(saved_, state_, state_bytes());
        set_block_steps(segment, -segment.step_s, steps);
        Real* reversed = work_.reversed.at_least(size * (before + 1));
        run_block_steps(steps, segment.steps_before, reversed);
        for (std::size_t j = 1; j <= before; ++j) {
            std::copy_n(reversed + j * size, size, record + (before - j) * size);
        }
        std::memcpy(state_, saved_, state_bytes());
    }
    set_block_steps(segment, segment.step_s, steps);
    run_block_steps(steps, segment.steps, sampled ? record + before * size : nullptr);
    if (segment.steps_after > 0) {
        std::memcpy(saved_, state_, state_bytes());
        run_block_steps(steps, segment.steps_after, record + until * size);
        std::memcpy(state_, saved_, state_bytes());
    }
    frames_.stand();
    const std::size_t all = plan_.time_us.size();
    const auto order = static_cast<std::size_t>(plan_.order);
    for (int k = 0; k < segment.end_sample - segment.first_sample; ++k) {
        const auto sample = static_cast<std::size_t>(k);
        const Real* from = record + size * static_cast<std::size_t>(segment.first_record[sample]);
        const double* weight = &segment.weight[order * sample];
        const std::size_t at = static_cast<std::size_t>(segment.first_sample) + sample;
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
            for (std::size_t row = 0; row < 3 * rows_; ++row) {
                double sum = 0.0;
                for (std::size_t j = 0; j < order; ++j) {
                    sum += weight[j] * static_cast<double>(from[j * size + row * lanes_ + lane]);
                }
                out[(3 * rows_ * lane + row) * all + at] = static_cast<Out>(sum);
            }
        }
    }
}

template void UniformGroup<float>::drive(const UniformSegment&);
template void UniformGroup<double>::drive(const UniformSegment&);
template void UniformGroup<float>::follow_sites(const UniformSegment&, std::span<float>);
template void UniformGroup<float>::follow_sites(const UniformSegment&, std::span<double>);
template void UniformGroup<double>::follow_sites(const UniformSegment&, std::span<float>);
template void UniformGroup<double>::follow_sites(const UniformSegment&, std::span<double>);

}  // namespace nmrsim
