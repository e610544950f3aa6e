/// Units and signs, said once.
///
/// A name carries its unit: `_khz` [kHz], `_hz` [Hz], `_us` [us], `_deg` [degree], `_per_s` [1/s];
/// a name without one is dimensionless. Couplings and offsets are frequencies, not angular ones.
///
/// Signs: H = -2 pi [delta Iz + alpha_x w_x Ix + alpha_y w_y Iy + alpha_z w_z Iz], so that a Bloch
/// vector m = (<Ix>, <Iy>, <Iz>) obeys dm/dt = m x B with B = 2 pi (alpha_x w_x, alpha_y w_y,
/// delta + alpha_z w_z): it turns about B by the angle -|B| t. With M+ = Mx + i My a positive
/// offset turns M+ as exp(-2 pi i delta t). A pulse of flip angle theta and phase phi is U = exp(+i
/// theta (Ix cos phi + Iy sin phi)), the turn that a field along that axis makes: a 90 degree x
/// pulse takes (0, 0, 1/2) to (0, 1/2, 0).
#pragma once

namespace nmrsim {

inline constexpr double kPi = 3.14159265358979323846;
inline constexpr double kTwoPi = 2.0 * kPi;

inline constexpr double kHzPerKhz = 1e3;
inline constexpr double kSecondsPerUs = 1e-6;
inline constexpr double kRadiansPerDegree = kPi / 180.0;

/// Length of the Bloch vector of a fully polarised spin 1/2.
inline constexpr double kSpinLength = 0.5;

/// The NMR Spin Challenges give rates in units of 2 pi 1 MHz [1/s].
inline constexpr double kChallengeRatePerS = kTwoPi * 1e6;

}  // namespace nmrsim
