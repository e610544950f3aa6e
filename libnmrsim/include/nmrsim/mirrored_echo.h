/// Echoes whose mirror images are as likely: a symmetry of drawn ensembles.
///
/// A Hahn echo that starts along z, its first pulse 90 degrees, its second along an axis
/// perpendicular to the first's: turn all spins by 180 degrees about the second pulse's axis and
/// negate all offsets, and the evolution is the same. An even line draws the negated offsets as
/// likely, so M+ mirrored in that axis is as likely a curve of the same parameters; the mean over
/// draws lies on the axis. See docs/theory.md.
#pragma once

#include <optional>

#include "nmrsim/experiment.h"

namespace nmrsim {

/// The axis, as the receiver reads it [degree]; M+ mirrored in it is exp(2 i axis) conj(M+).
///
/// Empty where the symmetry does not hold for all curves of the experiment, or where nothing is
/// drawn, so that each curve is its own mirror image. It needs ideal pulses, alpha_x = alpha_y, an
/// even line about 0, Gamma_1 = Gamma_2, no phase cycle, and none of that among the unknowns.
std::optional<double> mirror_axis_deg(const Experiment& experiment);

}  // namespace nmrsim
