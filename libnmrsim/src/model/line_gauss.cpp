#include "model/line_gauss.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

#include "model/line_distribution.h"
#include "model/line_shape.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

/// Panels of the rule that stands for the integral, and how far a polynomial of the highest degree
/// may turn within a piece of them [rad].
constexpr int kPanels = 24;
constexpr double kPhase = 24.0;

}  // namespace

LineGauss::LineGauss(const Line& line, int most, double stretch)
    : stretch_(stretch), even_(shape_of(line).even) {
    const OffsetRange range = offset_range(line);
    middle_hz_ = 0.5 * (range.low + range.high);
    half_hz_ = 0.5 * (range.high - range.low);
    // A polynomial's square has so many waves over the range, all of them or near its ends more.
    const double longest_s = 2.0 * most / (2.0 * half_hz_);
    const LineQuadrature fine =
        line_quadrature(line, panel_pieces(line, kPanels, longest_s, kPhase));
    const auto size = static_cast<Eigen::Index>(fine.weight.size());
    const Eigen::Map<const Eigen::ArrayXd> mass(fine.weight.data(), size);
    Eigen::ArrayXd y(size), last = Eigen::ArrayXd::Zero(size), next(size);
    for (Eigen::Index k = 0; k < size; ++k) {
        const double position =
            (fine.offset_hz[static_cast<std::size_t>(k)] - middle_hz_) / half_hz_;
        y[k] = std::sin(std::asin(stretch) * position) / stretch;
    }
    total_ = mass.sum();
    Eigen::ArrayXd now = Eigen::ArrayXd::Constant(size, 1.0 / std::sqrt(total_));
    across_.push_back(0.0);
    for (int k = 0; k < most; ++k) {
        next = y * now;
        diagonal_.push_back(even_ ? 0.0 : (mass * next * now).sum());
        next -= diagonal_.back() * now + across_.back() * last;
        across_.push_back(std::sqrt((mass * next.square()).sum()));
        std::swap(last, now);
        now = next / across_.back();
    }
}

LineQuadrature LineGauss::rule(int nodes) const {
    const Eigen::Map<const Eigen::VectorXd> diagonal(diagonal_.data(), nodes);
    const Eigen::Map<const Eigen::VectorXd> across(across_.data() + 1, nodes - 1);
    Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
    solver.computeFromTridiagonal(diagonal, across, Eigen::EigenvaluesOnly);
    const auto n = static_cast<std::size_t>(nodes);
    LineQuadrature result;
    result.offset_hz.resize(n);
    result.weight.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
        const auto at = static_cast<Eigen::Index>(i);
        double y = solver.eigenvalues()[at];
        if (even_) y = 0.5 * (y - solver.eigenvalues()[nodes - 1 - at]);
        // The weight is 1 over the sum of the orthonormal polynomials' squares.
        double before = 0.0, value = 1.0 / std::sqrt(total_), squares = 0.0;
        for (std::size_t k = 0; k < n; ++k) {
            squares += value * value;
            const double following =
                ((y - diagonal_[k]) * value - across_[k] * before) / across_[k + 1];
            before = value;
            value = following;
        }
        result.weight[i] = 1.0 / squares;
        const double position =
            std::asin(std::clamp(stretch_ * y, -stretch_, stretch_)) / std::asin(stretch_);
        result.offset_hz[i] = middle_hz_ + half_hz_ * position;
    }
    return result;
}

}  // namespace nmrsim
