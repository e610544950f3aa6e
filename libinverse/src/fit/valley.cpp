#include "fit/valley.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "fit/linear_algebra.h"
#include "fit/search.h"

namespace nmrinverse {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// A step along the valley whose correction lowers chi-square by more than this was too long, by
/// less than that too short.
constexpr double kTooBent = 4.0;
constexpr double kAlmostStraight = 1.0;

/// The weakest direction and the standard deviation along it.
std::pair<VectorXd, double> weakest(const Linearised& at) {
    const Modes modes = modes_of(bounded(at.information));
    return {modes.vectors.col(0), 1.0 / std::sqrt(modes.values(0))};
}

/// P matrix P, P = 1 - along along^T.
MatrixXd projected(const MatrixXd& matrix, const VectorXd& along) {
    const MatrixXd project =
        MatrixXd::Identity(along.size(), along.size()) - along * along.transpose();
    return product(product(project, matrix), project);
}

/// The same where no step along a direction is wanted.
Linearised across(const Linearised& at, const VectorXd& along) {
    Linearised result;
    result.chi_square = at.chi_square;
    const double stiff = at.information.trace() + 12.0;
    result.gradient = at.gradient - along * along.dot(at.gradient);
    result.information = projected(at.information, along) + stiff * along * along.transpose();
    return result;
}

/// Brings a point to the floor of the valley, one linearisation after the other.
class Correction {
public:
    Correction(VectorXd position, VectorXd along)
        : position_(std::move(position)), along_(std::move(along)) {}

    enum class State { going_on, there, failed };

    /// Where to linearise next.
    const VectorXd& position() const { return position_; }

    /// What the first step was predicted to lower chi-square by.
    double fall() const { return fall_; }

    /// Args: at: of position(). too_much: a fall() above which the point is given up.
    State advance(Linearised at, double too_much) {
        if (!std::isfinite(at.chi_square)) return State::failed;
        at_ = std::move(at);
        // Corrections after a step; one less than this is left.
        constexpr int kCorrections = 3;
        constexpr double kCorrected = 0.05;
        if (steps_ == kCorrections) return State::there;
        const Linearised rest = across(at_, along_);
        const VectorXd step = damped_step(position_, rest, 0.0);
        const double left = predicted_fall(rest, step);
        if (steps_ == 0) {
            fall_ = left;
            if (left > too_much) return State::failed;
        }
        if (left < kCorrected) return State::there;
        position_ += step;
        ++steps_;
        return State::going_on;
    }

    /// Once it is there.
    ValleyPoint point() { return {std::move(position_), std::move(at_), {}}; }

private:
    VectorXd position_;
    VectorXd along_;
    Linearised at_;
    double fall_ = 0.0;
    int steps_ = 0;
};

/// Of steps on the unit box.
constexpr double kLongestStep = 0.1;
constexpr double kShortestStep = 1e-6;

/// The floor to one side of a point.
class Side {
public:
    /// Args: along: direction of the first step. least: chi-square of the lowest point so far, of
    /// both sides.
    Side(ValleyPoint from, VectorXd along, double range, double& least)
        : from_(std::move(from)), along_(std::move(along)), range_(range), least_(least) {
        step_ = std::min(kLongestStep, weakest(from_.at).second);
        try_step();
    }

    bool ended() const { return !trial_; }
    bool gave_out() const { return gave_out_; }  ///< though the valley goes on
    const VectorXd& position() const { return trial_->position(); }
    const std::vector<ValleyPoint>& points() const { return points_; }

    /// Args: at: of position().
    void advance(Linearised at) {
        switch (trial_->advance(std::move(at), kTooBent)) {
            case Correction::State::going_on:
                return;
            case Correction::State::failed:
                step_ *= 0.5;
                break;
            case Correction::State::there:
                if (!take(trial_->point(), trial_->fall())) {
                    trial_.reset();
                    return;
                }
        }
        try_step();
    }

private:
    void try_step() {
        trial_.reset();
        // Steps to each side, of which some may have been too long.
        constexpr int kMostSteps = 200;
        gave_out_ = steps_++ == kMostSteps || !(step_ > kShortestStep);
        if (gave_out_) return;
        const VectorXd to = (from_.position + step_ * along_).cwiseMax(0.0).cwiseMin(1.0);
        const double moved = (to - from_.position).norm();
        if (moved < 0.02 * step_) return;  // at the edge
        trial_.emplace(to, (to - from_.position) / moved);
    }

    /// Returns: whether the valley goes on.
    bool take(ValleyPoint to, double fall) {
        if (to.at.chi_square > least_ + range_) return false;
        least_ = std::min(least_, to.at.chi_square);
        const VectorXd went = to.position - from_.position;
        const auto [weak, deviation] = weakest(to.at);
        along_ = weak.dot(went) < 0.0 ? VectorXd(-weak) : weak;
        from_ = std::move(to);
        points_.push_back(from_);
        step_ = std::min({fall < kAlmostStraight ? 1.5 * step_ : step_, kLongestStep, deviation});
        return true;
    }

    ValleyPoint from_;
    VectorXd along_;
    double range_;
    double& least_;
    double step_ = 0.0;
    int steps_ = 0;
    bool gave_out_ = false;
    std::optional<Correction> trial_;
    std::vector<ValleyPoint> points_;
};

class Follower {
public:
    Follower(CurveLikelihood& likelihood, double range)
        : likelihood_(likelihood), tolerances_(likelihood.tolerances()), range_(range) {}

    Valley follow(const VectorXd& start) {
        Linearised at = std::move(linearise({start}).front());
        const VectorXd along = weakest(at).first;
        Correction correction(start, along);
        const double any = std::numeric_limits<double>::infinity();
        Correction::State state = correction.advance(std::move(at), any);
        while (state == Correction::State::going_on) {
            state = correction.advance(std::move(linearise({correction.position()}).front()), any);
        }
        if (state == Correction::State::failed) return {{}, false};
        const ValleyPoint first = correction.point();
        double least = first.at.chi_square;
        Side back(first, -along, range_, least), forth(first, along, range_, least);
        // Side by side: a batch of two costs little more than one.
        for (;;) {
            std::vector<Side*> going;
            std::vector<VectorXd> positions;
            for (Side* side : {&back, &forth}) {
                if (side->ended()) continue;
                going.push_back(side);
                positions.push_back(side->position());
            }
            if (going.empty()) break;
            std::vector<Linearised> found = linearise(positions);
            for (std::size_t i = 0; i < going.size(); ++i) going[i]->advance(std::move(found[i]));
        }
        std::vector<ValleyPoint> points(back.points().rbegin(), back.points().rend());
        points.push_back(first);
        points.insert(points.end(), forth.points().begin(), forth.points().end());
        std::erase_if(
            points, [&](const ValleyPoint& point) { return point.at.chi_square > least + range_; });
        return {std::move(points), !back.gave_out() && !forth.gave_out()};
    }

private:
    /// Derivatives of a coarser simulation serve.
    std::vector<Linearised> linearise(const std::vector<VectorXd>& positions) {
        std::vector<Linearisations> slopes = likelihood_.linearise(positions, tolerances_.follow);
        std::vector<VectorXd> residuals = likelihood_.residuals(positions, tolerances_.fine);
        std::vector<Linearised> result;
        for (std::size_t i = 0; i < positions.size(); ++i) {
            Linearised& at = result.emplace_back(std::move(slopes[i].as_asked));
            at.residual = std::move(residuals[i]);
            at.chi_square = at.residual.squaredNorm();
            at.gradient = at.slopes->transpose() * at.residual;
        }
        return result;
    }

    CurveLikelihood& likelihood_;
    Tolerances tolerances_;
    double range_;
};

/// Across the valley by the information, along it so wide that neighbours overlap.
void set_covariances(std::vector<ValleyPoint>& points) {
    for (std::size_t i = 0; i < points.size(); ++i) {
        ValleyPoint& point = points[i];
        const MatrixXd information = bounded(point.at.information);
        if (points.size() == 1) {
            point.covariance = inverse_of(information);
            return;
        }
        const VectorXd& before = points[i > 0 ? i - 1 : i].position;
        const VectorXd& after = points[std::min(i + 1, points.size() - 1)].position;
        const double neighbours = i > 0 && i + 1 < points.size() ? 2.0 : 1.0;
        const double spacing = (after - before).norm() / neighbours;
        const VectorXd along = (after - before).normalized();
        point.covariance = inverse_of(projected(information, along) +
                                      along * along.transpose() / (spacing * spacing));
    }
}

}  // namespace

bool may_bend(CurveLikelihood& likelihood, const Fit& fit) {
    const auto [along, deviation] = weakest(fit.at);
    // Beyond this share of the box along its valley, a fit's valley is followed without a question.
    constexpr double kLong = 0.03;
    if (deviation > kLong) return true;
    std::vector<VectorXd> positions{fit.position};
    for (const double side : {-2.0, 2.0}) {
        const VectorXd at = fit.position + side * deviation * along;
        if (at.minCoeff() >= 0.0 && at.maxCoeff() <= 1.0) positions.push_back(at);
    }
    const std::vector<double> chi_square =
        likelihood.chi_square(positions, likelihood.tolerances().fine);
    // Chi-square at two standard deviations along the valley is 4 above the fit's, within this.
    constexpr double kStraight = 1.0;
    return std::any_of(chi_square.begin() + 1, chi_square.end(), [&](double value) {
        return !(std::abs(value - chi_square.front() - 4.0) < kStraight);
    });
}

Valley follow_valley(CurveLikelihood& likelihood, const Fit& fit, double range) {
    Valley valley = Follower(likelihood, range).follow(fit.position);
    set_covariances(valley.floor);
    return valley;
}

}  // namespace nmrinverse
