/// When the lattice simulator steps, and how samples come from its steps.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "nmrsim/experiment.h"
#include "nmrsim/simulation_cost.h"

namespace nmrsim {

/// Past fields that a step extrapolates from, the present one included: errors fall as step^5.
///
/// Largest error of M over its largest value, 100 x 100, one step of 0.3 us a sample, gaussian
/// kernels with xi 5 to 25 and summed couplings 68 to 200 kHz (measured, 9 cases): symmetric split
/// with the field frozen 2.6e-4 to 4.4e-2; the same with a midpoint field, at two fields a step,
/// 2.6e-4 to 4.1e-3; this scheme with 2 fields 7.5e-4 to 7e-3, 3: 1.1e-4 to 1.3e-3, 4: 3.1e-5 to
/// 9e-4, 5: 7.9e-6 to 9.5e-5, 6: 3.6e-6 to 1.3e-4, 7: 1.1e-6 to 4.7e-4 (near instability).
inline constexpr int kOrder = 5;

/// After a pulse the first step is cut into pieces of 2^-kRampLevels, 2^-kRampLevels, twice that,
/// and so on, while the number of past fields grows from one: the first piece is of first order
/// only.
inline constexpr int kRampLevels = 8;

/// Curves are compared with those of so many times the steps. Not twice: the pieces after a pulse
/// would be the same but for the shortest.
inline constexpr double kFiner = 1.5;
/// Steps of two such curves over those of the first.
inline constexpr double kComparedRuns = 1.0 + kFiner;

/// Times closer than this fraction of the whole are the same.
inline constexpr double kSameTime = 1e-9;

/// Pulses, then free evolution; times from the start of the sequence.
struct Span {
    std::vector<Pulse> pulses;
    double start_us = 0.0;
    double end_us = 0.0;
};

/// The sequence up to `last_us`, what comes after it left out.
std::vector<Span> sequence_spans(const Sequence& sequence, double last_us);

/// How fast the field changes: as the spins turn about it, and as the line's offsets come back
/// through it.
struct FieldRates {
    double field_khz = 0.0;  ///< bound of the field
    /// Root mean fourth power of the line's offsets, the fourth derivative being what matters.
    double line_khz = 0.0;

    double per_us() const;
};

/// `kernel_norm` is the sum of |f|.
FieldRates field_rates(const Experiment& experiment, double kernel_norm);

/// Longest step [us] for the tolerance, or as accuracy.steps_per_point asks, but never so long that
/// the extrapolation is unstable.
double longest_step_us(const Experiment& experiment, const FieldRates& rates);

/// Whether float keeps the tolerance, or accuracy.precision asks for it.
bool lattice_in_single(const Experiment& experiment);

/// Whether the experiment is of the kind that longest_step_us() was measured on: many sites, a
/// coupling not far above the line's width and not for long, little relaxation in a step, spans of
/// many steps. Of all others the error must be found by comparing two curves.
bool steps_are_measured(const Experiment& experiment, const FieldRates& rates);

/// Largest error of M to expect of steps of `step_us`, as a share of the largest |M|, where
/// steps_are_measured(). `single`: computed in float.
double estimated_lattice_error(const Experiment& experiment, const FieldRates& rates,
                               double step_us, bool single);

/// Steps of equal length that cover `span_us`, none longer than `longest_us`, and `finer` times as
/// many; where samples are interpolated from them, not too few for that.
///
/// Throws: std::invalid_argument for more than can be counted.
long steps_in(double span_us, double longest_us, bool sampled, double finer = 1.0);

/// Sites, steps and operations of one curve with steps of at most `longest_us`, compared with none.
SimulationCost lattice_run_cost(const Experiment& experiment, double longest_us);

/// Mean magnetization at the ends of the steps since the last pulse.
struct MagnetizationTrack {
    std::vector<double> time_us;
    std::vector<std::array<double, 3>> mean;

    void start(double at_us, const std::array<double, 3>& m);
    void add(double at_us, const std::array<double, 3>& m);
    /// At any time between, by the polynomial through the nearest steps.
    std::array<double, 3> at(double us) const;
};

}  // namespace nmrsim
