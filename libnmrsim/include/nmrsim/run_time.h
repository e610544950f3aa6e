/// How long one curve may take.
#pragma once

namespace nmrsim {

/// A curve that would take longer on one core, by an estimate made before it is begun, is refused
/// [s]: the environment's NMRSIM_LONGEST_S, or else an hour.
double longest_curve_s();

/// The same for this process from now on, whatever the environment says.
///
/// Throws: std::invalid_argument unless seconds > 0; infinity is allowed.
void set_longest_curve_s(double seconds);

}  // namespace nmrsim
