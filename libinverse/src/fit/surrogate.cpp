#include "fit/surrogate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "fit/linear_algebra.h"

namespace nmrinverse {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Samples this far below the largest value count (18 is six standard deviations), with the weight
/// exp(-d / kFlat).
constexpr double kDeepest = 18.0;
constexpr double kFlat = 3.0;

}  // namespace

Surrogate::Surrogate(const MatrixXd& positions, const VectorXd& values) {
    const Index k = positions.rows();
    largest_ = values.maxCoeff();
    std::vector<Index> counts;
    for (Index i = 0; i < values.size(); ++i) {
        if (values(i) >= largest_ - kDeepest) counts.push_back(i);
    }
    const auto n = static_cast<Index>(counts.size());
    constexpr int kFirstDegree = 4;
    for (int degree = kFirstDegree; degree >= 2; --degree) {
        monomials_ = Monomials(static_cast<std::size_t>(k), degree);
        if (2 * monomials_.count() <= n) break;
        monomials_ = {};
    }
    if (monomials_.count() == 0) return;
    MatrixXd z(k, n);
    VectorXd weight(n), value(n);
    for (Index i = 0; i < n; ++i) {
        const Index from = counts[static_cast<std::size_t>(i)];
        z.col(i) = positions.col(from);
        value(i) = values(from) - largest_;
        weight(i) = std::exp(value(i) / kFlat);
    }
    mean_ = z * weight / weight.sum();
    z.colwise() -= mean_;
    root_ = root_of(product_transposed(z * weight.asDiagonal(), z) / weight.sum());
    if (!root_.allFinite() || !(root_.diagonal().minCoeff() > 0.0)) return;
    z = divided_by(root_, std::move(z));
    // It is asked so many times as far out as the samples that count lie.
    constexpr double kReach = 6.0;
    reach_ = kReach * kReach * z.colwise().squaredNorm().maxCoeff();
    const VectorXd by = weight.cwiseSqrt();
    coefficients_ = least_squares(by.asDiagonal() * monomials_(z), by.cwiseProduct(value));
    if (!coefficients_.allFinite()) coefficients_.resize(0);
}

VectorXd Surrogate::operator()(const MatrixXd& positions) const {
    const MatrixXd z = divided_by(root_, positions.colwise() - mean_);
    // It may be this much above the largest value seen.
    constexpr double kAbove = 0.5;
    VectorXd result = (monomials_(z) * coefficients_).cwiseMin(kAbove);
    for (Index i = 0; i < z.cols(); ++i) {
        if (z.col(i).squaredNorm() > reach_) {
            result(i) = -std::numeric_limits<double>::infinity();
        }
    }
    return result.array() + largest_;
}

}  // namespace nmrinverse
