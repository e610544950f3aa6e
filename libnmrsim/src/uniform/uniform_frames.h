/// What of a group of curves needs no nodes: Mz, the frames that the curves turn in, and pulses.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "model/pulse_turn.h"
#include "uniform/uniform_curve.h"

namespace nmrsim {

/// What longitudinal relaxation makes of mz in a time: mz kept + weight gain.
struct LongitudinalDecay {
    double kept = 1.0;
    double gain = 0.0;
};

/// Of a curve over `time_s`; of a tangent, the change of that.
LongitudinalDecay longitudinal_decay(const UniformNumbers& curve, double time_s);
LongitudinalDecay longitudinal_decay(const UniformNumbers& curve, const UniformNumbers& tangent,
                                     double time_s);

/// A turn, and how it changes with each parameter.
struct TurnWithTangents {
    Matrix3 turn{1, 0, 0, 0, 1, 0, 0, 0, 1};
    std::vector<Matrix3> tangent;
};

/// A curve's frame turns with the line's centre, and with the field along z that the spins make
/// beyond an isotropic coupling of the in-plane strength; Mz is known in closed form, since the
/// coupling keeps it. Row 0 is the curve itself, row t its derivative with respect to parameter t.
class UniformFrames {
public:
    /// Args: total_weight: of the plan's nodes.
    UniformFrames(std::span<const UniformCurve> curves, double total_weight);

    std::size_t rows() const { return rows_; }
    const UniformNumbers& numbers(std::size_t row, std::size_t lane) const {
        return row == 0 ? curves_[lane].numbers : curves_[lane].tangents[row - 1];
    }
    double total_weight(std::size_t row, std::size_t lane) const;

    /// At the segment's start, from where times count.
    double& mz(std::size_t row, std::size_t lane) { return mz_[row * curves_.size() + lane]; }
    double mz(std::size_t row, std::size_t lane) const { return mz_[row * curves_.size() + lane]; }
    double mz_at(std::size_t row, std::size_t lane, double time_s) const;
    double mz_integral(std::size_t row, std::size_t lane, double time_s) const;
    /// Of the frame [rad].
    double phase(std::size_t row, std::size_t lane, double time_s) const;
    /// Whether neither Mz nor its tangents change within a segment.
    bool steady(std::size_t lane) const;

    /// Of the phase at the segment's start; 0 in a new one.
    double& start_phase(std::size_t row, std::size_t lane) {
        return start_phase_[row * curves_.size() + lane];
    }
    /// How fast a curve's frame turns [rad/s].
    double phase_rate(std::size_t lane, double time_s) const;

    /// Keeps the phase of a row at the end of a segment, with what is added to it, for turn().
    void end_segment(std::size_t row, std::size_t lane, double duration_s, double added);
    /// All frames are the laboratory's at the end of a segment.
    void stand();
    /// From the frame at the end of the last segment to the laboratory's, then these pulses, as
    /// strong as they are for a block's spins.
    TurnWithTangents turn(std::size_t lane, std::size_t first_event, std::size_t end_event,
                          const UniformBlock& block) const;

private:
    std::span<const UniformCurve> curves_;
    double plan_weight_;
    std::size_t rows_;
    std::vector<double> mz_;           // (rows, curves)
    std::vector<double> start_phase_;  // (rows, curves) [rad]
    std::vector<double> end_phase_;    // (rows, curves) [rad]
};

}  // namespace nmrsim
