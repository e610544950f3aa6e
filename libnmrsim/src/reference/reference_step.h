/// One spin as a 2 x 2 density matrix, for the reference simulator and its tests.
#pragma once

#include <Eigen/Core>

#include "nmrsim/relaxation.h"
#include "nmrsim/sequence.h"

namespace nmrsim {

/// rho = 1/2 + 2 m . I, the state whose mean spin is m.
Eigen::Matrix2cd density_matrix(const Eigen::Vector3d& m);

/// m = Tr(rho I).
Eigen::Vector3d mean_spin(const Eigen::Matrix2cd& rho);

/// Generator of d vec(rho) / dt [1/s], columns of rho stacked: -i [H, rho] with H = -B . I, and the
/// Lindblad terms of sqrt(Gamma_1) I+, sqrt(Gamma_2) I- and sqrt(Gamma_3) Iz.
///
/// Args: field_rad_per_s: B [rad/s].
Eigen::Matrix4cd liouville_generator(const Eigen::Vector3d& field_rad_per_s,
                                     const Relaxation& relaxation);

/// rho after `seconds` in a constant field, by the exponential of the generator.
Eigen::Matrix2cd liouville_step(const Eigen::Matrix2cd& rho, const Eigen::Vector3d& field_rad_per_s,
                                const Relaxation& relaxation, double seconds);

/// U rho U^+ with U = exp(+i theta (Ix cos phi + Iy sin phi)).
Eigen::Matrix2cd pulse_step(const Eigen::Matrix2cd& rho, const Pulse& pulse);

}  // namespace nmrsim
