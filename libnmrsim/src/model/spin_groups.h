/// Kinds of spins: sites, and strengths of their pulses. All see one mean field.
#pragma once

#include <cstddef>
#include <vector>

#include "nmrsim/experiment.h"

namespace nmrsim {

/// Whether spins' pulses are of several strengths.
bool has_strengths(const Sequence& sequence);

/// Whether spins differ in more than their offset.
bool has_spin_groups(const Experiment& experiment);

/// Whether relaxation is the same for all.
bool relaxes_alike(const Experiment& experiment);

/// The sites, each with what it has of its own filled in; one where none is given.
struct SiteSpins {
    double share = 1.0;      ///< of the spins
    double shift_khz = 0.0;  ///< of its line's centre from the experiment's [kHz]
    double pulse_scale = 1.0;
    Line line;  ///< centre_khz: the experiment's
    Relaxation relaxation;
};
std::vector<SiteSpins> site_spins(const Experiment& experiment);

/// Strengths of the pulses, a quadrature of their distribution: `strength` + pulse_spread `slope`.
struct StrengthNode {
    double strength = 1.0;
    double slope = 0.0;
    double weight = 1.0;  ///< sums to 1
};

/// So many that the mean of exp(i angle strength) is right to `tolerance` for all angles up to that
/// of all pulses together.
///
/// Throws: std::invalid_argument where that takes more than some hundreds.
std::vector<StrengthNode> strength_rule(const Sequence& sequence, double tolerance);

/// The strengths of sequence.strengths, or of a Gaussian rule with so many nodes (Gauss-Hermite).
std::vector<StrengthNode> strength_rule(const Sequence& sequence, int nodes);

/// Relaxation of the site whose transverse magnetization lasts longest, which is that of all where
/// relaxes_alike().
Relaxation slowest_relaxation(const Experiment& experiment);

/// The larger of 1/T1 and 1/T2 of any site [1/s]; where dephasing is stretched, as fast as it takes
/// what is not yet lost.
double fastest_rate(const Experiment& experiment);

/// Largest |mz| of any site in equilibrium.
double largest_equilibrium_mz(const Experiment& experiment);

/// Half width of the narrowest line [kHz].
double narrowest_half_width_khz(const Experiment& experiment);

/// Largest |offset| from line.centre_khz at which any site can have spins [kHz].
double largest_site_offset_khz(const Experiment& experiment);

/// The most that pulses, the line's centre and the coupling to M of 1/2 turn any spins by, whatever
/// the unknowns are.
struct LargestTurns {
    std::vector<double> pulse_rad = {};  ///< (events) 0 for delays
    double centre_rad_per_us = 0.0;
    double coupling_rad_per_us = 0.0;
};
LargestTurns largest_turns(const Experiment& experiment);

/// The experiment with those ends of its prior's ranges under which the pulses' spread and angles
/// are largest.
Experiment with_widest_pulses(const Experiment& experiment);

/// Whether dephasing is stretched, or may be as an unknown of the prior.
bool may_be_stretched(const Experiment& experiment);

/// Throws std::invalid_argument.
void validate_spin_groups(const Experiment& experiment);

}  // namespace nmrsim
