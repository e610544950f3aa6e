#include "fit/surrogate.h"

#include <Eigen/Cholesky>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <limits>

namespace nmrinverse {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr int kHighestDegree = 4;

/// Samples this far below the largest value count (18 is six standard deviations), with the weight
/// exp(-d / kFlat).
constexpr double kDepth = 18.0;
constexpr double kFlat = 3.0;

/// It may be this much above the largest value seen.
constexpr double kAbove = 0.5;

/// It is asked so many times as far out as the samples that count lie.
constexpr double kFarther = 6.0;

void append_exponents(std::vector<int>& one, std::size_t k, int left,
                      std::vector<std::vector<int>>& all) {
    if (k == one.size()) {
        all.push_back(one);
        return;
    }
    for (int e = 0; e <= left; ++e) {
        one[k] = e;
        append_exponents(one, k + 1, left - e, all);
    }
    one[k] = 0;
}

/// Of all monomials of so many unknowns up to a degree.
std::vector<std::vector<int>> exponents(std::size_t unknowns, int degree) {
    std::vector<std::vector<int>> all;
    std::vector<int> one(unknowns, 0);
    append_exponents(one, 0, degree, all);
    return all;
}

}  // namespace

Surrogate::Surrogate(const MatrixXd& positions, const VectorXd& values) {
    const Index k = positions.rows();
    largest_ = values.maxCoeff();
    std::vector<Index> counts;
    for (Index i = 0; i < values.size(); ++i) {
        if (values(i) >= largest_ - kDepth) counts.push_back(i);
    }
    const auto n = static_cast<Index>(counts.size());
    for (int degree = kHighestDegree; degree >= 2; --degree) {
        exponents_ = exponents(static_cast<std::size_t>(k), degree);
        if (2 * static_cast<Index>(exponents_.size()) <= n) break;
        exponents_.clear();
    }
    if (exponents_.empty()) return;
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
    const MatrixXd covariance = z * weight.asDiagonal() * z.transpose() / weight.sum();
    root_ = covariance.llt().matrixL();
    if (!root_.allFinite() || !(root_.diagonal().minCoeff() > 0.0)) return;
    root_.triangularView<Eigen::Lower>().solveInPlace(z);
    reach_ = kFarther * kFarther * z.colwise().squaredNorm().maxCoeff();
    const VectorXd by = weight.cwiseSqrt();
    coefficients_ =
        (by.asDiagonal() * monomials(z)).colPivHouseholderQr().solve(by.cwiseProduct(value));
    if (!coefficients_.allFinite()) coefficients_.resize(0);
}

MatrixXd Surrogate::monomials(const MatrixXd& z) const {
    // Powers of each unknown once; columns are products of them.
    std::vector<MatrixXd> powers;  // (n, k) of each exponent
    powers.push_back(MatrixXd::Ones(z.cols(), z.rows()));
    for (int e = 1; e <= kHighestDegree; ++e) {
        powers.push_back(powers.back().cwiseProduct(z.transpose()));
    }
    MatrixXd result = MatrixXd::Ones(z.cols(), static_cast<Index>(exponents_.size()));
    for (std::size_t c = 0; c < exponents_.size(); ++c) {
        auto column = result.col(static_cast<Index>(c));
        for (std::size_t a = 0; a < exponents_[c].size(); ++a) {
            const int e = exponents_[c][a];
            if (e == 0) continue;
            column =
                column.cwiseProduct(powers[static_cast<std::size_t>(e)].col(static_cast<Index>(a)));
        }
    }
    return result;
}

VectorXd Surrogate::operator()(const MatrixXd& positions) const {
    const MatrixXd z = root_.triangularView<Eigen::Lower>().solve(positions.colwise() - mean_);
    VectorXd result = (monomials(z) * coefficients_).cwiseMin(kAbove);
    for (Index i = 0; i < z.cols(); ++i) {
        if (z.col(i).squaredNorm() > reach_) {
            result(i) = -std::numeric_limits<double>::infinity();
        }
    }
    return result.array() + largest_;
}

}  // namespace nmrinverse
