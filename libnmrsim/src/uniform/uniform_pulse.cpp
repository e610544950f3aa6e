#include "uniform/uniform_pulse_kernel.h"

#include <algorithm>
#include <cmath>
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
void UniformGroup<Real>::drive(const UniformSegment& segment) {
    const SplittingScheme& scheme = *plan_.step.scheme;
    const std::size_t passes = scheme.offset.size();
    const std::vector<UniformBlock>& blocks = plan_.nodes.blocks;
    const double h = segment.step_s;
    std::vector<Real> share(scheme.offset.begin(), scheme.offset.end());
    std::vector<Real> coupling(scheme.coupling.begin(), scheme.coupling.end());
    std::vector<Real> offset(nodes_);
    for (std::size_t i = 0; i < nodes_; ++i) {
        offset[i] = static_cast<Real>(kTwoPi * plan_.nodes.offset_hz[i] * h);
    }
    std::vector<int> ends;
    for (const UniformBlock& block : blocks) ends.push_back(static_cast<int>(block.end));
    // (rows, 4), (rows, 2) and (blocks, rows, 2)[lanes]
    const std::size_t values = (6 + 2 * blocks.size()) * rows_ * lanes_;
    Real* common = work_.pulse_values.at_least(values);
    std::fill_n(common, values, Real(0));
    Real* strength = common + 4 * rows_ * lanes_;
    Real* field = strength + 2 * rows_ * lanes_;
    const auto put = [&](Real* to, std::size_t entry, std::size_t lane, double value) {
        to[entry * lanes_ + lane] = static_cast<Real>(value);
    };
    for (std::size_t lane = 0; lane < curves_.size(); ++lane) {
        const UniformNumbers& curve = frames_.numbers(0, lane);
        for (std::size_t t = 0; t < rows_; ++t) {
            const UniformNumbers& one = frames_.numbers(t, lane);
            put(common, 4 * t, lane, kTwoPi * one.centre_hz * h);
            put(common, 4 * t + 1, lane, one.transverse_per_s * h);
            put(common, 4 * t + 2, lane, one.longitudinal_per_s * h);
            put(common, 4 * t + 3, lane, one.recovery_per_s * h);
            put(strength, 2 * t, lane, -kTwoPi * one.alpha_plane_hz * h);
            put(strength, 2 * t + 1, lane, -kTwoPi * one.alpha_z_hz * h);
            for (std::size_t b = 0; b < blocks.size(); ++b) {
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
                put(field, 2 * (rows_ * b + t), lane, step * (along * cosine - across * sine));
                put(field, 2 * (rows_ * b + t) + 1, lane, step * (along * sine + across * cosine));
            }
        }
    }
    UniformPulseSteps<Real> job;
    job.tangents = static_cast<int>(tangents_);
    job.passes = static_cast<int>(passes);
    job.blocks = static_cast<int>(blocks.size());
    job.block_end = ends.data();
    job.offset = offset.data();
    job.share = share.data();
    job.coupling = coupling.data();
    job.common = common;
    job.drive = field;
    job.strength = strength;
    job.weight = weight_;
    job.state = state_;
    job.turns = work_.pulse_turns.at_least((passes + 1) / 2 * nodes_ * rows_ *
                                           std::size_t{kEffectiveTurn} * lanes_);
    // In parts that take some tenths of a second at most, so that a long pulse can be stopped.
    constexpr double kMostWork = 1e7;  // nodes and passes of all rows
    const double work = static_cast<double>(nodes_ * passes * rows_);
    const int most = std::max(1, static_cast<int>(kMostWork / work));
    for (int left = segment.steps; left > 0; left -= job.steps) {
        throw_if_stopped();
        job.steps = std::min(left, most);
        run_pulse(job);
    }
    result_.passes += static_cast<long>(segment.steps) * static_cast<long>(passes);
    for (std::size_t t = 0; t < rows_; ++t) {
        for (std::size_t lane = 0; lane < curves_.size(); ++lane) frames_.stand(t, lane);
    }
}

template void UniformGroup<float>::drive(const UniformSegment&);
template void UniformGroup<double>::drive(const UniformSegment&);

}  // namespace nmrsim
