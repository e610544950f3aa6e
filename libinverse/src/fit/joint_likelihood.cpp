#include "fit/joint_likelihood.h"

#include <algorithm>
#include <cmath>

namespace nmrinverse {

using Eigen::MatrixXd;
using Eigen::VectorXd;

JointLikelihood::JointLikelihood(std::vector<CurveLikelihood> curves,
                                 const std::vector<bool>& shared)
    : curves_(std::move(curves)) {
    for (std::size_t a = 0; a < curves_.front().dimensions(); ++a) {
        (a < shared.size() && shared[a] ? shared_ : own_).push_back(a);
    }
}

double JointLikelihood::degrees() const {
    double sum = 0.0;
    for (const CurveLikelihood& curve : curves_) sum += curve.degrees();
    return sum + static_cast<double>((curves() - 1) * common());
}

double JointLikelihood::chi_square_deviation() const {
    double sum = 0.0;
    for (const CurveLikelihood& curve : curves_) {
        sum += curve.chi_square_deviation() * curve.chi_square_deviation();
    }
    return std::sqrt(sum);
}

std::size_t JointLikelihood::place(std::size_t curve, std::size_t a) const {
    const auto common_at = std::find(shared_.begin(), shared_.end(), a);
    if (common_at != shared_.end()) return static_cast<std::size_t>(common_at - shared_.begin());
    const auto own_at = std::find(own_.begin(), own_.end(), a);
    return common() + curve * own() + static_cast<std::size_t>(own_at - own_.begin());
}

VectorXd JointLikelihood::part(const VectorXd& joint, std::size_t curve) const {
    VectorXd position(static_cast<Eigen::Index>(common() + own()));
    for (std::size_t a = 0; a < common() + own(); ++a) {
        position(static_cast<Eigen::Index>(a)) = joint(static_cast<Eigen::Index>(place(curve, a)));
    }
    return position;
}

namespace {

VectorXd chosen(const VectorXd& position, const std::vector<std::size_t>& dimensions) {
    VectorXd result(static_cast<Eigen::Index>(dimensions.size()));
    for (std::size_t i = 0; i < dimensions.size(); ++i) {
        result(static_cast<Eigen::Index>(i)) = position(static_cast<Eigen::Index>(dimensions[i]));
    }
    return result;
}

}  // namespace

VectorXd JointLikelihood::shared_of(const VectorXd& position) const {
    return chosen(position, shared_);
}

VectorXd JointLikelihood::own_of(const VectorXd& position) const {
    return chosen(position, own_);
}

VectorXd JointLikelihood::position(const VectorXd& shared, const VectorXd& own_values) const {
    VectorXd result(static_cast<Eigen::Index>(common() + own()));
    for (std::size_t i = 0; i < common(); ++i) {
        result(static_cast<Eigen::Index>(shared_[i])) = shared(static_cast<Eigen::Index>(i));
    }
    for (std::size_t i = 0; i < own(); ++i) {
        result(static_cast<Eigen::Index>(own_[i])) = own_values(static_cast<Eigen::Index>(i));
    }
    return result;
}

VectorXd JointLikelihood::widths() const {
    VectorXd result(static_cast<Eigen::Index>(dimensions()));
    for (std::size_t c = 0; c < curves(); ++c) {
        const VectorXd of_curve = curves_[c].widths();
        for (Eigen::Index a = 0; a < of_curve.size(); ++a) {
            result(static_cast<Eigen::Index>(place(c, static_cast<std::size_t>(a)))) = of_curve(a);
        }
    }
    return result;
}

void JointLikelihood::add(const Linearised& of_curve, std::size_t curve, Linearised& sum) const {
    const Eigen::Index n = of_curve.gradient.size();
    sum.chi_square += of_curve.chi_square;
    for (Eigen::Index a = 0; a < n; ++a) {
        const auto row = static_cast<Eigen::Index>(place(curve, static_cast<std::size_t>(a)));
        sum.gradient(row) += of_curve.gradient(a);
        for (Eigen::Index b = 0; b < n; ++b) {
            const auto column =
                static_cast<Eigen::Index>(place(curve, static_cast<std::size_t>(b)));
            sum.information(row, column) += of_curve.information(a, b);
        }
    }
}

std::vector<Linearisations> JointLikelihood::linearise(std::span<const VectorXd> positions,
                                                       double tolerance,
                                                       std::span<const Freedom> freedoms) {
    const Eigen::Index k = static_cast<Eigen::Index>(dimensions());
    Linearised zero;
    zero.chi_square = 0.0;
    zero.gradient = VectorXd::Zero(k);
    zero.information = MatrixXd::Zero(k, k);
    std::vector<Linearisations> sums(positions.size());
    for (Linearisations& sum : sums) {
        sum.free = sum.as_asked = zero;
        sum.same_minimum = true;
    }
    std::vector<VectorXd> parts(positions.size());
    for (std::size_t c = 0; c < curves(); ++c) {
        for (std::size_t p = 0; p < positions.size(); ++p) parts[p] = part(positions[p], c);
        const std::vector<Linearisations> of_curve =
            curves_[c].linearise(parts, tolerance, freedoms);
        for (std::size_t p = 0; p < positions.size(); ++p) {
            add(of_curve[p].free, c, sums[p].free);
            add(of_curve[p].as_asked, c, sums[p].as_asked);
            sums[p].same_minimum = sums[p].same_minimum && of_curve[p].same_minimum;
        }
    }
    return sums;
}

}  // namespace nmrinverse
