/// What curves of the uniform kernel share: nodes, steps, tables, interpolation.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "nmrsim/experiment.h"
#include "uniform/splitting_scheme.h"
#include "uniform/uniform_kernel.h"

namespace nmrsim {

/// Below this the tolerance is rounding's.
inline constexpr double kLeastTolerance = 1e-13;

/// Cuts at so many half widths leave a line as it is, with few spins at its edge; nearer ones make
/// nearly a box of it.
inline constexpr double kFarCut = 4.0;

/// Nodes are made for a time, however early the last sample [us].
inline constexpr double kLeastTimeUs = 1e-3;

/// Share of the tolerance that the line's nodes may use.
inline constexpr double kNodeShare = 0.1;

/// When there is free evolution between two (groups of) pulses, and which samples lie in it.
struct UniformSpan {
    double start_us = 0.0;        ///< [us]
    double duration_us = 0.0;     ///< to the next pulse or the last sample [us]
    std::size_t first_event = 0;  ///< events [first_event, end_event) precede it
    std::size_t end_event = 0;
    int first_sample = 0;  ///< samples [first_sample, end_sample) lie in it
    int end_sample = 0;
    bool last = false;          ///< nothing needs the state at its end
    bool long_stretch = false;  ///< may be followed in closed form
    bool driven = false;        ///< during a pulse, the event `end_event`
    bool by_site = false;       ///< no pulse, but each site's spins relax in their own way
    /// Of those two, how fast the pulse and the line's centre turn spins, and M of 1/2 does: the
    /// most that the experiment's unknowns allow [rad/us].
    double turn_rad_per_us = 0.0;
    double coupling_rad_per_us = 0.0;
};

/// Free evolution in steps.
struct UniformSegment : UniformSpan {
    double step_s = 0.0;  ///< time step [s]
    int steps = 0;        ///< steps within the segment
    /// The magnetization between steps is interpolated; where a sample lies near an end of the
    /// segment, steps beyond it (backward before the start) keep the interpolation centred.
    int steps_before = 0;
    int steps_after = 0;
    /// Steps after which it is asked whether M is still to be heard of; where not, the rest is
    /// turned in closed form. 0: never.
    int steps_between_looks = 0;
    /// What follows the steps: of it Mz alone is kept (StoredExperiment), if M stays quiet for so
    /// long after them [us].
    double rest_us = 0.0;
    double quiet_us = 0.0;
    std::vector<int> first_record;  ///< (samples), from the record `steps_before` before the start
    std::vector<double> weight;     ///< (samples, order)
};

/// Nodes [begin, end): spins of one site whose pulses are of one strength. Of several blocks each
/// fills whole vectors, the last one with nodes of no weight.
struct UniformBlock {
    std::size_t begin = 0, end = 0;
    std::size_t site = 0;
    double share = 1.0;           ///< of the spins
    double shift_hz = 0.0;        ///< of their line [Hz]
    double strength = 1.0;        ///< of their pulses where sequence.pulse_spread is 0
    double strength_slope = 0.0;  ///< and how it changes with that

    double strength_at(double spread) const { return strength + strength_slope * spread; }
};

/// The nodes of all lines, and how many of them the tolerance needs.
struct UniformNodes {
    std::vector<double> offset_hz;  ///< (nodes) from line.centre_khz
    std::vector<double> weight;     ///< (nodes)
    std::vector<double> length_hz;  ///< (nodes) as LineQuadrature's
    std::vector<UniformBlock> blocks;
    double total_weight = 0.0;
    double half_width_khz = 0.0;  ///< of the narrowest line [kHz]
    double reach_hz = 0.0;        ///< largest |offset| [Hz]
    double longest_us = 0.0;      ///< time in which spins' phases may go apart [us]
    /// (sites, panels) Of the panels where a site's rule is composite (line_quadrature()); empty:
    /// one rule over the cut.
    std::vector<std::vector<int>> pieces;
    double longest_step_s = 0.0;  ///< that the interpolation of samples bears [s]
    double error = 0.0;           ///< of M for uncoupled spins, |M| <= 1/2
    /// The same of each time looked at, ascending [us].
    std::vector<std::pair<double, double>> error_at;
    std::vector<double> decay;  ///< |M| of a free decay over its start, at multiples of:
    double decay_spacing_us = 1.0;

    /// Largest error up to a time.
    double error_until(double time_us) const;
};

/// A time step as chosen for one curve; curves with equal choices share a plan.
struct UniformStep {
    const SplittingScheme* scheme = nullptr;
    double step_s = 0.0;  ///< largest step [s]
    int level = 0;        ///< of the nodes: chosen for the tolerance times 10^-level
    bool single = false;  ///< whether float is exact enough
    /// Whether experiments like this one are those that the choice was calibrated on: without a
    /// second run, it keeps the tolerance.
    bool calibrated = false;

    bool operator==(const UniformStep&) const = default;
};

struct UniformPlan {
    UniformNodes nodes;
    UniformStep step;
    int order = 0;  ///< of the interpolation: records used for each sample
    /// Angle by which M may turn spins while they are followed in closed form [rad].
    double quiet_rad = 0.0;
    double line_rate = 0.0;  ///< half width of the line [rad/s]
    std::vector<double> time_us;
    std::vector<UniformSegment> segments;

    /// Passes over the nodes that one curve costs.
    long passes() const;
};

/// Nodes for the experiment's line, longest time and tolerance (or accuracy.nodes), for echoes of
/// 10^-level of the full magnetization: the tolerance is a share of the echo.
///
/// Args, here and below: longest_us: time in which spins' phases may go apart; 0: until the last
/// sample [us]. spare: as few nodes as will do, which take longer to find, for many curves of one
/// line: line_weights() cannot give them another one's weights.
UniformNodes uniform_nodes(const Experiment& experiment, int level = 0, double longest_us = 0.0,
                           bool spare = false);

/// More nodes for the plan's line, `factor` times as many, of which none is where one of the plan's
/// is.
UniformNodes finer_nodes(const Experiment& experiment, const UniformPlan& plan, double factor);

/// Error of M that the interpolation of samples makes of uncoupled spins at this step.
///
/// Args: near_nyquist: count how much more it is toward the Nyquist limit, as a curve's estimate
/// does.
double interpolation_error(const UniformNodes& nodes, double step_s, bool near_nyquist);

/// Whether there are more pulses than the choice of steps is calibrated for.
bool is_train(const Experiment& experiment);

/// The level of nodes that the experiment's echo needs, 0 to kMostLevels - 1. `nodes` are those of
/// level 0.
///
/// Args, here and below: magnitude: the curve's largest |M|; 0: what uncoupled spins would give.
int uniform_level(const Experiment& experiment, const UniformNodes& nodes, double magnitude = 0.0);

inline constexpr int kMostLevels = 5;

/// The level of nodes on which a line's weights may be differentiated, where those of `level` do
/// for the curve: a slope's weights sum to less than they are, and miss more of it.
inline int level_of_slopes(int level) {
    return level + 1 < kMostLevels ? level + 1 : level;
}

/// The cheapest scheme and step that keep the tolerance for this experiment's coupling (or
/// accuracy.steps_per_point), on nodes of `level`. Steps come in a few sizes only, so that curves
/// can share a plan.
///
/// Args: hope: share of the splitting's bound to count with, <= 1.
UniformStep uniform_step(const Experiment& experiment, const UniformNodes& nodes, int level = 0,
                         double magnitude = 0.0, double hope = 1.0);

/// Time in which a free decay of the line falls to the angle that UniformPlan::quiet_rad allows
/// [us].
double settling_us(const Experiment& experiment, int level = 0);

/// The times of a valid experiment's segments.
std::vector<UniformSpan> uniform_spans(const Experiment& experiment, int level = 0);

/// The first record of a sample at this position, in steps from where records count.
int first_record(double position);

/// Where a sample's records begin, counted from the segment's start, and their weights.
///
/// Args: position: of the sample, in steps. weight: (kInterpolationOrder).
int sample_weights(double position, double* weight);

/// Whether curves with these times can be followed side by side: with as many steps, each as long
/// as the curve's own delay asks.
bool alike(const std::vector<UniformSpan>& a, const std::vector<UniformSpan>& b, double step_s);

/// A plan for curves whose delays are their own. In the last segment all steps are as long, and as
/// many as the latest sample takes. What a curve gives does not depend on the others.
///
/// Args: curves: (curves, segments), alike, none with a long stretch or a pulse that takes time.
UniformPlan uniform_plan(const std::vector<double>& time_us, UniformNodes nodes, UniformStep step,
                         std::span<const std::vector<UniformSpan>> curves);

/// Lays the segments, samples and interpolation out.
UniformPlan uniform_plan(const Experiment& experiment, UniformNodes nodes, UniformStep step);

/// The plan of one experiment alone, with its own nodes and step.
UniformPlan uniform_plan(const Experiment& experiment, double magnitude = 0.0, double hope = 1.0,
                         double longest_us = 0.0);

/// A plan in double precision with other nodes, some `more_nodes` times as many, and in each
/// segment at least `more_steps` times as many steps: what it gives tells how exact the coarser one
/// is.
UniformPlan finer_plan(const Experiment& experiment, const UniformPlan& coarse, double more_steps,
                       double more_nodes);

/// Largest error of M to expect of the plan, as a share of `largest`, the curve's largest |M| over
/// the window: an upper bound for 99% of random draws.
double estimated_error(const Experiment& experiment, const UniformPlan& plan, double largest);

}  // namespace nmrsim
