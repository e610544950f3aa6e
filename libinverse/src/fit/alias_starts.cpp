// Where the other minima are that differ by whole turns before the second pulse.

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "fit/curve_likelihood.h"
#include "fit/search.h"
#include "nmrsim/alpha_z_aliases.h"
#include "nmrsim/prior.h"
#include "nmrsim/sequence.h"
#include "nmrsim/units.h"

namespace nmrinverse {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Real parts above imaginary ones, each sample turned by its own phase.
void turn_each(const VectorXd& cosine, const VectorXd& sine, Eigen::Ref<VectorXd> values) {
    const Eigen::Index n = cosine.size();
    const VectorXd x = values.head(n), y = values.tail(n);
    values.head(n) = cosine.cwiseProduct(x) - sine.cwiseProduct(y);
    values.tail(n) = sine.cwiseProduct(x) + cosine.cwiseProduct(y);
}

/// Standard deviation of these times by the squares of a curve, real parts above imaginary ones.
double duration(const VectorXd& time, const VectorXd& curve) {
    const Eigen::Index n = time.size();
    const VectorXd square = curve.head(n).cwiseAbs2() + curve.tail(n).cwiseAbs2();
    const double sum = square.sum(), mean = square.dot(time) / sum;
    return std::sqrt(square.dot((time.array() - mean).square().matrix()) / sum);
}

}  // namespace

bool CurveLikelihood::jump_to_alias(Fit& fit) {
    if (fit.at.turns == 0.0 || !nmrsim::has_alpha_z_aliases(experiment_)) return false;
    const nmrsim::Prior& prior = experiment_.prior;
    const auto found =
        std::find_if(prior.begin(), prior.end(),
                     [](const nmrsim::PriorRange& range) { return range.name == "alpha_z_khz"; });
    const auto column = static_cast<Eigen::Index>(found - prior.begin());
    const nmrsim::Experiment own = nmrsim::with_parameters(experiment_, parameters(fit.position));
    // Good enough for a start.
    constexpr double kTolerance = 1e-3;
    const nmrsim::AlphaZAlias alias = nmrsim::alpha_z_alias(own, kTolerance);
    ++simulations_;
    const double length_us = time_us_.back() - time_us_.front();
    if (!std::isfinite(alias.period_khz) || alias.turn_rad_per_us == 0.0) return false;
    const double steps =
        std::round(nmrsim::kTwoPi * fit.at.turns / (length_us * alias.turn_rad_per_us));
    const double moved =
        fit.position(column) + steps * alias.period_khz / (found->high - found->low);
    if (steps == 0.0 || moved < 0.0 || moved > 1.0) return false;
    fit.position(column) = moved;
    return true;
}

AliasStarts CurveLikelihood::alias_starts(const Fit& fit, double most, std::size_t kept) {
    if (!nmrsim::has_alpha_z_aliases(experiment_)) return {};
    const nmrsim::Prior& prior = experiment_.prior;
    const nmrsim::Experiment own = nmrsim::with_parameters(experiment_, parameters(fit.position));
    const auto column = static_cast<Eigen::Index>(
        std::find_if(prior.begin(), prior.end(),
                     [](const nmrsim::PriorRange& range) { return range.name == "alpha_z_khz"; }) -
        prior.begin());
    // Of the simulation that says how fast an alias turns: good enough for a start.
    constexpr double kTolerance = 1e-3;
    const nmrsim::AlphaZAlias alias = nmrsim::alpha_z_alias(own, kTolerance);
    ++simulations_;
    const nmrsim::PriorRange& range = prior[static_cast<std::size_t>(column)];
    const double period = alias.period_khz / (range.high - range.low);  // in the box
    const double tau_us = std::get<nmrsim::HahnEcho>(own.sequence.program).tau_us;

    const Eigen::Index n = x_.size();
    VectorXd time_us = Eigen::Map<const VectorXd>(time_us_.data(), n);
    time_us.array() -= tau_us;
    VectorXd data(2 * n);
    data << x_, y_;
    // A turn is slow whose phase over the curve, by its squared magnitude, has at most this
    // standard deviation [rad]: the other unknowns can make up for it, and what a linear prediction
    // says of that is off by so much (measured on the 2021 task: 160 times the degrees of freedom
    // are foretold where one is reached).
    constexpr double kSlowTurn = 0.6;
    constexpr double kSlowMargin = 10.0;
    // An alias beyond the prior by at most this share of a period begins at its edge: where alpha_x
    // and theta make up for a turn, alpha_z moves by somewhat more or less than a period.
    constexpr double kBeyond = 0.5;
    const VectorXd best = fit.at.residual * options_.noise + data;  // the model's curve
    const double slow = kSlowTurn / duration(time_us, best);
    AliasStarts starts;
    struct Candidate {
        double chi_square;
        VectorXd position;
        std::vector<VectorXd>* group;
    };
    std::vector<Candidate> candidates;
    const double u = fit.position(column);
    const double down = std::floor(u / period), up = std::floor((1.0 - u) / period);
    for (double turns = -down - 1.0; turns <= up + 1.0; ++turns) {
        if (turns == 0.0) continue;
        VectorXd position = fit.position;
        position(column) = std::clamp(u + turns * period, 0.0, 1.0);
        const double inwards = position(column) - (u + turns * period);
        if (std::abs(inwards) > kBeyond * period) continue;
        const VectorXd phase = turns * alias.turn_rad_per_us * time_us;
        const VectorXd cosine = phase.array().cos(), sine = phase.array().sin();
        VectorXd model = best;
        turn_each(cosine, sine, model);
        take_offset(model.head(n), model.tail(n));
        MatrixXd slopes = *fit.at.slopes;
        for (Eigen::Index a = 0; a < slopes.cols(); ++a) {
            auto slope = slopes.col(a);
            turn_each(cosine, sine, slope);
            take_offset(slope.head(n), slope.tail(n));
        }
        model += options_.noise * inwards * slopes.col(column);
        const Linearised there =
            linearised(Freedom::as_asked, std::move(model), std::move(slopes), nullptr);
        const VectorXd step = damped_step(position, there, 0.0);
        const double reached = there.chi_square - predicted_fall(there, step);
        const bool turns_slowly = std::abs(turns * alias.turn_rad_per_us) <= slow;
        std::vector<VectorXd>& group = inwards != 0.0 ? starts.edge
                                       : turns_slowly ? starts.slow
                                                      : starts.fast;
        const bool moved = &group == &starts.fast;
        if (reached <= (moved ? 1.0 : kSlowMargin) * most) {
            if (moved) position += step;
            candidates.push_back({reached, std::move(position), &group});
        }
    }
    std::sort(candidates.begin(), candidates.end(),
              [](const Candidate& a, const Candidate& b) { return a.chi_square < b.chi_square; });
    if (candidates.size() > kept) candidates.resize(kept);
    for (Candidate& candidate : candidates) {
        candidate.group->push_back(std::move(candidate.position));
    }
    return starts;
}

}  // namespace nmrinverse
