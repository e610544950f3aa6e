#include "valley.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "search.h"

namespace nmrinverse {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Beyond this share of the box along its valley, a fit's valley is followed without a question.
constexpr double kLong = 0.03;

/// Chi-square at two standard deviations along the valley is 4 above the fit's, within this.
constexpr double kStraight = 1.0;

/// A step along the valley whose correction lowers chi-square by more than this was too long, by
/// less than that too short.
constexpr double kTooBent = 4.0;
constexpr double kAlmostStraight = 1.0;

/// On the unit box.
constexpr double kLongestStep = 0.1;
constexpr double kShortestStep = 1e-6;

/// Steps to each side, of which some may have been too long.
constexpr int kSteps = 80;

/// Corrections after a step; one less than this is left.
constexpr int kCorrections = 3;
constexpr double kCorrected = 0.05;

/// The weakest direction and the standard deviation along it.
std::pair<VectorXd, double> weakest(const Linearised& at) {
    const Eigen::SelfAdjointEigenSolver<MatrixXd> modes(bounded(at.information));
    return {modes.eigenvectors().col(0), 1.0 / std::sqrt(modes.eigenvalues()(0))};
}

/// The same where no step along a direction is wanted.
Linearised across(const Linearised& at, const VectorXd& along) {
    Linearised result;
    result.chi_square = at.chi_square;
    const double stiff = at.information.trace() + 12.0;
    result.gradient = at.gradient - along * along.dot(at.gradient);
    const MatrixXd project =
        MatrixXd::Identity(along.size(), along.size()) - along * along.transpose();
    result.information = project * at.information * project + stiff * along * along.transpose();
    return result;
}

class Follower {
public:
    Follower(CurveLikelihood& likelihood, const Tolerances& tolerances, double range)
        : likelihood_(likelihood), tolerances_(tolerances), range_(range) {}

    std::vector<ValleyPoint> follow(const VectorXd& start) {
        Linearised at = linearise(start);
        const VectorXd along = weakest(at).first;
        const std::optional<ValleyPoint> first = corrected(start, std::move(at), along, nullptr);
        if (!first) return {};
        least_ = first->at.chi_square;
        std::vector<ValleyPoint> back = side(*first, -along), points{back.rbegin(), back.rend()};
        points.push_back(*first);
        const std::vector<ValleyPoint> forth = side(*first, along);
        points.insert(points.end(), forth.begin(), forth.end());
        std::erase_if(points, [&](const ValleyPoint& point) {
            return point.at.chi_square > least_ + range_;
        });
        return points;
    }

private:
    /// Derivatives of a coarser simulation serve.
    Linearised linearise(const VectorXd& position) {
        const std::span<const VectorXd> one{&position, 1};
        Linearised at = std::move(likelihood_.linearise(one, tolerances_.follow).front().as_asked);
        at.residual = std::move(likelihood_.residuals(one, tolerances_.fine).front());
        at.chi_square = at.residual.squaredNorm();
        at.gradient = at.slopes->transpose() * at.residual;
        return at;
    }

    /// Brought to the floor of the valley. Args: fall: what the first correction was predicted to
    /// lower chi-square by; nullptr: not asked.
    std::optional<ValleyPoint> corrected(VectorXd position, Linearised at, const VectorXd& along,
                                         double* fall) {
        for (int i = 0; i < kCorrections; ++i) {
            if (!std::isfinite(at.chi_square)) return std::nullopt;
            const Linearised rest = across(at, along);
            const VectorXd step = damped_step(position, rest, 0.0);
            const double left = predicted_fall(rest, step);
            if (i == 0 && fall) {
                *fall = left;
                if (left > kTooBent) return std::nullopt;
            }
            if (left < kCorrected) break;
            position += step;
            at = linearise(position);
        }
        if (!std::isfinite(at.chi_square)) return std::nullopt;
        return ValleyPoint{std::move(position), std::move(at), {}};
    }

    /// From a point on, with the first step along this direction.
    std::vector<ValleyPoint> side(ValleyPoint from, VectorXd along) {
        std::vector<ValleyPoint> points;
        double step = std::min(kLongestStep, weakest(from.at).second);
        for (int i = 0; i < kSteps && step > kShortestStep; ++i) {
            const VectorXd trial = (from.position + step * along).cwiseMax(0.0).cwiseMin(1.0);
            const double moved = (trial - from.position).norm();
            if (moved < 0.02 * step) break;  // at the edge
            double fall = 0.0;
            std::optional<ValleyPoint> to =
                corrected(trial, linearise(trial), (trial - from.position) / moved, &fall);
            if (!to) {
                step *= 0.5;
                continue;
            }
            if (to->at.chi_square > least_ + range_) break;
            least_ = std::min(least_, to->at.chi_square);
            const VectorXd went = to->position - from.position;
            auto [weak, deviation] = weakest(to->at);
            along = weak.dot(went) < 0.0 ? VectorXd(-weak) : weak;
            from = std::move(*to);
            points.push_back(from);
            step = std::min({fall < kAlmostStraight ? 1.5 * step : step, kLongestStep, deviation});
        }
        return points;
    }

    CurveLikelihood& likelihood_;
    Tolerances tolerances_;
    double range_;
    double least_ = 0.0;
};

/// Across the valley by the information, along it so wide that neighbours overlap.
void set_covariances(std::vector<ValleyPoint>& points) {
    for (std::size_t i = 0; i < points.size(); ++i) {
        ValleyPoint& point = points[i];
        const MatrixXd information = bounded(point.at.information);
        if (points.size() == 1) {
            point.covariance = information.inverse();
            return;
        }
        const VectorXd& before = points[i > 0 ? i - 1 : i].position;
        const VectorXd& after = points[std::min(i + 1, points.size() - 1)].position;
        const double neighbours = i > 0 && i + 1 < points.size() ? 2.0 : 1.0;
        const double spacing = (after - before).norm() / neighbours;
        const VectorXd along = (after - before).normalized();
        const MatrixXd project =
            MatrixXd::Identity(along.size(), along.size()) - along * along.transpose();
        point.covariance =
            (project * information * project + along * along.transpose() / (spacing * spacing))
                .inverse();
    }
}

}  // namespace

bool may_bend(CurveLikelihood& likelihood, const Fit& fit) {
    const auto [along, deviation] = weakest(fit.at);
    if (deviation > kLong) return true;
    std::vector<VectorXd> positions{fit.position};
    for (const double side : {-2.0, 2.0}) {
        const VectorXd at = fit.position + side * deviation * along;
        if (at.minCoeff() >= 0.0 && at.maxCoeff() <= 1.0) positions.push_back(at);
    }
    const std::vector<double> chi_square =
        likelihood.chi_square(positions, likelihood.tolerances().fine);
    return std::any_of(chi_square.begin() + 1, chi_square.end(), [&](double value) {
        return !(std::abs(value - chi_square.front() - 4.0) < kStraight);
    });
}

std::vector<ValleyPoint> follow_valley(CurveLikelihood& likelihood, const Fit& fit, double range) {
    std::vector<ValleyPoint> points =
        Follower(likelihood, likelihood.tolerances(), range).follow(fit.position);
    set_covariances(points);
    return points;
}

}  // namespace nmrinverse
