/// One group of curves of the uniform kernel, side by side in the lanes of a vector.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "base/aligned_array.h"
#include "nmrsim/units.h"
#include "uniform/uniform_frames.h"
#include "uniform/uniform_kernel.h"
#include "uniform/uniform_pulse_kernel.h"
#include "uniform/uniform_simulator.h"

namespace nmrsim {

/// The kernels of the machine's instruction set.
template <typename Real>
UniformKernels<Real> uniform_kernels();

/// tan(angle / 2), kept finite where a forced step turns an edge of the line by half a circle.
inline double half_tangent(double angle) {
    constexpr double kLargest = 1e3;
    return std::clamp(std::tan(0.5 * angle), -kLargest, kLargest);
}

/// Buffers of one thread.
template <typename Real>
struct Workspace {
    AlignedArray<Real> state, stepped, saved, kept, record, stepped_record, reversed, lane_values,
        weight, stepped_weight, loss, turns, own_strength, aligned, shift, phasor, slope, signal,
        pulse_values, pulse_turns;
};

/// One group of curves on its way through the sequence.
template <typename Real>
class UniformGroup {
public:
    UniformGroup(const UniformTables<Real>& tables, std::span<const UniformCurve> curves,
                 UniformLanes lanes, Workspace<Real>& work);

    template <typename Out>
    UniformRun run(std::span<Out> signal);

private:
    std::size_t state_bytes() const { return vectors_ * 3 * rows_ * lanes_ * sizeof(Real); }

    /// In which of the vectors a node is, and where a block's end.
    std::size_t vector_of(std::size_t node) const { return across_ ? node / lanes_ : node; }
    std::size_t end_vector_of(const UniformBlock& block) const {
        return across_ ? (block.end + lanes_ - 1) / lanes_ : block.end;
    }
    /// Where a node's value stands in (nodes, rows, components)[lanes].
    std::size_t place(std::size_t rows, std::size_t components, std::size_t node, std::size_t row,
                      std::size_t lane) const {
        return components * (rows * vector_of(node) + row) * lanes_ +
               (across_ ? node % lanes_ : lane);
    }
    /// Puts what is a curve's into its lane.
    void put(Real* lanes, std::size_t lane, double value) const {
        if (across_) {
            std::fill_n(lanes, lanes_, static_cast<Real>(value));
        } else {
            lanes[lane] = static_cast<Real>(value);
        }
    }

    /// The times of a segment, which may be the curves' own.
    void enter(std::size_t j);

    /// Duration of the segment, with what follows the steps.
    double duration_s(const UniformSegment& segment, std::size_t lane) const {
        return (spans_[lane].duration_us + segment.rest_us) * kSecondsPerUs;
    }

    /// A later moment of freely evolving spins, in a tangent's row: their motion at this time of
    /// the segment times `slope_s`.
    void move(std::size_t row, std::size_t lane, double time_s, double slope_s);

    void leave();

    /// Args: own_alone: whether the kernel knows none but the curves' own.
    static UniformRelaxation relaxation_of(std::span<const UniformCurve> curves, bool own_alone);

    /// Weight of a node in a curve, or how it changes.
    double weight_of(std::size_t row, std::size_t lane, std::size_t node) const {
        const auto& line = frames_.numbers(row, lane).line;
        if (line) return line->weight[node];
        return row == 0 ? plan_.nodes.weight[node] : 0.0;
    }

    /// The start state of a row, and what else it has of its own.
    void set_out(std::size_t row, std::size_t lane);

    /// (rows)[lanes] Mz as the nodes have it.
    std::vector<double> sum_of_z() const;

    /// Mz is known: what rounding made of it on the way, which the next pulse would turn into M and
    /// the frame into a phase, goes.
    void right_mz(const UniformSegment& segment);

    void pulses(const UniformSegment& segment);
    void turn_block(const UniformSegment& segment, const UniformBlock& block);

    /// Steps without a frame of the curves' own, and what they point to.
    struct BlockSteps {
        UniformPulseSteps<Real> job;
        std::vector<Real> share, coupling;
        AlignedArray<Real> offset;
        std::vector<int> ends;
    };
    /// Args: steps: receives steps of step_s through the segment.
    void set_block_steps(const UniformSegment& segment, double step_s, BlockSteps& steps);
    /// In parts that take some tenths of a second at most, so that a long segment can be stopped.
    void run_block_steps(BlockSteps& steps, int count, Real* record);

    /// A pulse that takes time.
    void drive(const UniformSegment& segment);

    /// Free evolution of sites that relax in their own ways, and its samples.
    template <typename Out>
    void follow_sites(const UniformSegment& segment, std::span<Out> out);

    /// The rows that a segment changes: a tangent that is zero and whose parameter does not drive
    /// it stays zero, as that of alpha_z does before the second pulse (the frame takes all of it).
    std::vector<std::size_t> moving_rows() const;

    /// Whether the parameter of row t changes how a curve relaxes.
    bool relaxes_by(std::size_t t) const;

    /// Copies the rows' blocks of `size` values between (outer, rows) and (outer, rows_).
    static void pack(const std::vector<std::size_t>& rows, std::size_t all_rows, std::size_t outer,
                     std::size_t size, const Real* all, Real* packed);
    static void unpack(const std::vector<std::size_t>& rows, std::size_t all_rows,
                       std::size_t outer, std::size_t size, const Real* packed, Real* all);

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

    /// Passes with the losses of these curves, and the last coupling turn.
    struct Direction {
        std::vector<UniformPass<Real>> pass;
        Real last_coupling;
        bool own_steps = false;
        double step_s;                      ///< of the segment's tables [s]
        const std::vector<double>* time_s;  ///< (passes) as PassTables'
        std::span<const std::size_t> moving;
        Real* loss;  ///< of kStretchedSteps where dephasing is stretched
    };

    /// Losses of so many steps are worked out at once.
    static constexpr int kStretchedSteps = 128;

    Direction direction_of(const UniformSegment& segment, const PassTables<Real>& tables,
                           std::span<const std::size_t> moving, Real* loss) const;

    /// Losses in steps [first, first + count) of a segment, a pass after the other.
    void set_losses(const Direction& direction, int first, int count) const;

    /// How far a step of the segment's tables goes in a lane, over what they say.
    double own_share(std::size_t lane, double step_s) const { return step_s_[lane] / step_s; }

    /// From the sequence's start to a time of the segment [s].
    double since_start_s(std::size_t lane, double time_s) const {
        return spans_[lane].start_us * kSecondsPerUs + time_s;
    }

    /// Takes what stretched dephasing has lost, which begins with a kink, out of the records before
    /// they are interpolated.
    ///
    /// Args: record: (records, moving, 2)[lanes], of which so many come before the segment's start.
    void undo_stretched_loss(std::span<const std::size_t> moving, std::size_t before,
                             std::size_t records, Real* record) const;

    /// Offset turns of steps that are the curves' own.
    void turn_by_own_steps(const UniformSegment& segment, const PassTables<Real>& tables,
                           Direction& direction, Real* turns) const;

    /// In parts that take some tenths of a second at most, so that a long segment can be stopped.
    ///
    /// Args: first: number of the first step in the segment.
    void steps(const Stepped& stepped, const Direction& tables, int first, int count, Real* record);

    void part_of_steps(const Stepped& stepped, const Direction& tables, int count, Real* record);

    /// Of the curve in one lane, the nodes' states at one moment.
    Real* lane_of(Real* state, std::size_t rows, std::size_t node, std::size_t row,
                  std::size_t lane) const {
        return state + place(rows, 3, node, row, lane);
    }

    /// How many of the next `most` stretches of `stretch_s` pass before M of freely turning spins
    /// turns others by quiet_rad. The ringing of the cut's edges turns none but the spins there,
    /// and counts as their share.
    int quiet_stretches(const Stepped& stepped, std::size_t lane, double stretch_s, int most);

    /// Turns the nodes of one lane from one time of the segment to another without in-plane field.
    ///
    /// Args: moving: the rows that are stepped. store: keep the z components alone.
    void turn_freely(const Stepped& stepped, const std::vector<std::size_t>& moving,
                     std::size_t lane, double from_s, double to_s, bool store);

    /// A segment without samples. Every so many steps each curve is asked whether M is still to be
    /// heard of; it then goes on at once to where it is, however its neighbours fare.
    void steps_with_looks(const Stepped& stepped, const std::vector<std::size_t>& moving,
                          const UniformSegment& segment, const Direction& tables);

    void evolve(const UniformSegment& segment, const SegmentTables<Real>& tables);

    template <typename Out>
    void samples(const UniformSegment& segment, const SegmentTables<Real>& tables,
                 std::span<Out> out);

    /// Offsets beyond this share of the largest are the edge of the cut.
    static constexpr double kNearEdge = 0.8;

    /// Puts records of the last segment, where the curves' steps are as long but begin at times of
    /// their own, side by side: each curve's are moved by whole steps.
    void align(const UniformSegment& segment);

    /// Samples of curves whose times are their own, curve by curve.
    template <typename Out>
    void own_samples(const UniformSegment& segment, std::span<Out> out) const;

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
    std::size_t rows_;     // 1 + tangents: the curve, then its tangents
    bool own_steps_;       // the curves' times are their own
    bool across_;          // one curve, its nodes side by side
    std::size_t vectors_;  // of each component of the nodes
    UniformRelaxation relaxation_;
    bool stretched_;  // dephasing takes another share in each step
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
    double free_spacing_s_ = 0.0;                  // of what in it is no curve's own
    UniformRun result_;
};

}  // namespace nmrsim
