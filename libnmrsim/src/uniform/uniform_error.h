/// What the uniform kernel's nodes, steps and rounding cost, estimated before anything is run.
///
/// Two scales enter. Errors that the offsets alone make are shares of a whole spin: beside a small
/// echo they weigh as much more. Errors that the coupling amplifies grow with the echo, so they are
/// shares of it.
#pragma once

#include "nmrsim/experiment.h"
#include "uniform/splitting_scheme.h"

namespace nmrsim {

struct UniformNodes;

/// The longest a spin's vector may become, by its start or by relaxation; some 1e-4 at least.
double longest_spin(const Experiment& experiment);

/// The coupling's largest angular frequency kappa = 2 pi alpha |M|max over the line's half width.
double coupling_ratio(const Experiment& experiment, const UniformNodes& nodes);

/// line_half_width_khz() without the search that a table takes [kHz].
double half_width_khz(const Experiment& experiment, const UniformNodes& nodes);

/// How large the uncoupled |M| becomes over the window: free decays, the echoes of pairs of pulses
/// and stimulated echoes, over what relaxation leaves of all transverse
/// magnetization. An estimate that costs next to nothing; too small for trains of pulses.
double uncoupled_magnitude(const Experiment& experiment, const UniformNodes& nodes);

/// What relaxation leaves at the window's start of transverse magnetization that the last pulse
/// before its end made, or that was there.
double last_pulse_attenuation(const Experiment& experiment);

/// The same of what the last pulse before the window's start made.
double window_attenuation(const Experiment& experiment);

/// How much more than uncoupled spins' the nodes' error is: a strong coupling turns spins that lie
/// close to its mean, so M depends on the offset more sharply than the longest phase says.
double node_amplification(double coupling_ratio);

/// Mz after a pulse holds the nodes' error until then, and turns all spins about z: the error as a
/// share of |M|.
double node_error_of_frame(const Experiment& experiment, const UniformNodes& nodes);

/// Splitting error of M as a share of `magnitude`, at step^order = 1 (half width * step = 1).
/// Args: relaxation_ratio: the fastest relaxation rate over the line's half width.
double splitting_error(const SplittingScheme& scheme, double coupling_ratio, double magnitude,
                       double relaxation_ratio);

/// Phase that the frame turns by until the window ends, for Mz = 1 [rad].
double frame_turn(const Experiment& experiment);

/// Rounding of Mz turns the curve's frame: its error as a share of |M| at the window's end, beyond
/// what rounding_error() covers.
double phase_rounding(const Experiment& experiment, bool single);

/// Rounding error of M as a share of `magnitude` after so many passes.
double rounding_error(bool single, double passes, double coupling_ratio, double magnitude);

}  // namespace nmrsim
