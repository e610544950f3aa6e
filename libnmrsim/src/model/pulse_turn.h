/// Turns of Bloch vectors as 3 x 3 matrices, and how they change with their angles.
#pragma once

#include <array>

#include "nmrsim/sequence.h"

namespace nmrsim {

using Matrix3 = std::array<double, 9>;  ///< row-major

Matrix3 product(const Matrix3& a, const Matrix3& b);
Matrix3 sum(const Matrix3& a, const Matrix3& b);

/// Turn by `angle` about z that multiplies M+ by exp(-i angle).
Matrix3 turn_z(double angle);

/// Its change as the angle changes by `slope`.
Matrix3 turn_z_tangent(double angle, double slope);

/// The turn that a pulse makes: by -theta about its axis.
Matrix3 pulse_matrix(const Pulse& pulse);

/// Its change as flip angle and phase change by those of `slope`.
Matrix3 pulse_tangent(const Pulse& pulse, const Pulse& slope);

}  // namespace nmrsim
