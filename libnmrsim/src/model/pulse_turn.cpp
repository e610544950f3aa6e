#include "model/pulse_turn.h"

#include <cmath>

#include "nmrsim/units.h"

namespace nmrsim {

Matrix3 product(const Matrix3& a, const Matrix3& b) {
    Matrix3 c{};
    for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t j = 0; j < 3; ++j) {
            for (std::size_t k = 0; k < 3; ++k) c[3 * i + j] += a[3 * i + k] * b[3 * k + j];
        }
    }
    return c;
}

Matrix3 turn_z(double angle) {
    const double c = std::cos(angle), s = std::sin(angle);
    return {c, s, 0, -s, c, 0, 0, 0, 1};
}

Matrix3 sum(const Matrix3& a, const Matrix3& b) {
    Matrix3 c = a;
    for (std::size_t j = 0; j < 9; ++j) c[j] += b[j];
    return c;
}

Matrix3 turn_z_tangent(double angle, double slope) {
    const double c = slope * std::cos(angle), s = slope * std::sin(angle);
    return {-s, c, 0, -c, -s, 0, 0, 0, 0};
}

namespace {

Matrix3 turn_x(double angle) {
    const double c = std::cos(angle), s = std::sin(angle);
    return {1, 0, 0, 0, c, s, 0, -s, c};
}

Matrix3 turn_x_tangent(double angle, double slope) {
    const double c = slope * std::cos(angle), s = slope * std::sin(angle);
    return {0, 0, 0, 0, -s, c, 0, -c, -s};
}

}  // namespace

Matrix3 pulse_matrix(const Pulse& pulse) {
    const double theta = pulse.flip_deg * kRadiansPerDegree;
    const double phi = pulse.phase_deg * kRadiansPerDegree;
    return product(turn_z(-phi), product(turn_x(theta), turn_z(phi)));
}

Matrix3 pulse_tangent(const Pulse& pulse, const Pulse& slope) {
    const double theta = pulse.flip_deg * kRadiansPerDegree;
    const double phi = pulse.phase_deg * kRadiansPerDegree;
    const double dtheta = slope.flip_deg * kRadiansPerDegree;
    const double dphi = slope.phase_deg * kRadiansPerDegree;
    const Matrix3 x = turn_x(theta);
    return sum(product(turn_z_tangent(-phi, -dphi), product(x, turn_z(phi))),
               product(turn_z(-phi), sum(product(turn_x_tangent(theta, dtheta), turn_z(phi)),
                                         product(x, turn_z_tangent(phi, dphi)))));
}

}  // namespace nmrsim
