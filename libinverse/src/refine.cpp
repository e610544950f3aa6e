#include "nmrinverse/refine.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"

namespace nmrinverse {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double kFirstDamping = 1e-2;
constexpr double kLessDamping = 0.2;
constexpr double kMoreDamping = 5.0;
constexpr double kMostDamping = 1e8;

/// A predicted fall of chi-square below this is no news: a hundredth of a standard deviation.
constexpr double kSmallFall = 1e-4;

/// Minima count as rivals within this of the best chi-square, and as the same within so many
/// squared standard deviations.
constexpr double kRivalRange = 12.0;
constexpr double kSameDistance = 25.0;

/// A candidate that has come to rest or is this much worse than the best after some iterations has
/// nothing to add.
constexpr int kPatience = 8;

/// The curve to be met, and the box of the unknowns.
struct Problem {
    nmrsim::Experiment experiment;
    std::span<const float> signal;  ///< (2, points)
    RefineOptions options;
    std::size_t unknowns;
    std::size_t points;

    double low(std::size_t k) const { return experiment.prior[k].low; }
    double width(std::size_t k) const { return experiment.prior[k].high - experiment.prior[k].low; }
};

/// Where a start has got to. Positions are on the unit box.
struct Candidate {
    VectorXd position;
    double chi_square = std::numeric_limits<double>::infinity();
    std::complex<double> factor = 1.0;
    MatrixXd information;  ///< J^T J / noise^2, by the unit box
    VectorXd gradient;     ///< of chi-square / 2
    VectorXd trial;
    double damping = kFirstDamping;
    bool at_rest = false;
    bool converged = false;
};

std::vector<double> in_units(const Problem& problem, const std::vector<VectorXd>& positions) {
    std::vector<double> parameters;
    for (const VectorXd& position : positions) {
        for (std::size_t k = 0; k < problem.unknowns; ++k) {
            parameters.push_back(problem.low(k) +
                                 problem.width(k) * position(static_cast<Eigen::Index>(k)));
        }
    }
    return parameters;
}

/// What the receiver did to the model's curve: by least squares, as far as it is unknown.
std::complex<double> receiver_factor(const Problem& problem, const float* mx, const float* my) {
    const RefineOptions& options = problem.options;
    if (!options.fit_gain && !options.fit_phase) return 1.0;
    const float* dx = problem.signal.data();
    const float* dy = dx + problem.points;
    std::complex<double> product = 0.0;
    double square = 0.0;
    for (std::size_t i = 0; i < problem.points; ++i) {
        const std::complex<double> m(mx[i], my[i]);
        product += std::conj(m) * std::complex<double>(dx[i], dy[i]);
        square += std::norm(m);
    }
    if (square == 0.0 || product == 0.0) return 1.0;
    if (!options.fit_phase) return product.real() / square;
    if (!options.fit_gain) return product / std::abs(product);
    return product / square;
}

/// chi-square of a model's curve.
double chi_square_of(const Problem& problem, const float* mx, const float* my,
                     std::complex<double> factor) {
    const float* dx = problem.signal.data();
    const float* dy = dx + problem.points;
    double sum = 0.0;
    for (std::size_t i = 0; i < problem.points; ++i) {
        sum += std::norm(factor * std::complex<double>(mx[i], my[i]) -
                         std::complex<double>(dx[i], dy[i]));
    }
    return sum / (problem.options.noise * problem.options.noise);
}

/// A candidate's model at its trial: chi-square, and gradient and information with what the
/// receiver's freedom explains projected out.
struct Linearised {
    double chi_square;
    std::complex<double> factor;
    MatrixXd information;
    VectorXd gradient;
};

Linearised linearise(const Problem& problem, const float* curve, const float* slopes) {
    const std::size_t points = problem.points;
    const Eigen::Index rows = static_cast<Eigen::Index>(2 * points);
    const Eigen::Index k = static_cast<Eigen::Index>(problem.unknowns);
    Linearised result;
    result.factor = receiver_factor(problem, curve, curve + points);
    const auto turned = [&](const float* m, auto&& into) {
        for (std::size_t i = 0; i < points; ++i) {
            const std::complex<double> one =
                result.factor * std::complex<double>(m[i], m[points + i]);
            into(static_cast<Eigen::Index>(i)) = one.real();
            into(static_cast<Eigen::Index>(points + i)) = one.imag();
        }
    };
    VectorXd model(rows);
    turned(curve, model);
    VectorXd residual(rows);
    for (Eigen::Index i = 0; i < rows; ++i) {
        residual(i) = model(i) - static_cast<double>(problem.signal[static_cast<std::size_t>(i)]);
    }
    MatrixXd jacobian(rows, k);
    for (Eigen::Index a = 0; a < k; ++a) {
        auto column = jacobian.col(a);
        turned(slopes + 2 * points * static_cast<std::size_t>(a), column);
        column *= problem.width(static_cast<std::size_t>(a));
    }
    std::vector<VectorXd> free;  // directions that the receiver's unknowns span, orthogonal
    if (problem.options.fit_gain) free.push_back(model);
    if (problem.options.fit_phase) {
        VectorXd turn(rows);
        turn << -model.tail(rows / 2), model.head(rows / 2);
        free.push_back(std::move(turn));
    }
    for (const VectorXd& direction : free) {
        const double square = direction.squaredNorm();
        if (square == 0.0) continue;
        const Eigen::RowVectorXd share = direction.transpose() * jacobian / square;
        jacobian -= direction * share;
    }
    const double variance = problem.options.noise * problem.options.noise;
    result.chi_square = residual.squaredNorm() / variance;
    result.information = jacobian.transpose() * jacobian / variance;
    result.gradient = jacobian.transpose() * residual / variance;
    return result;
}

/// The damped step, unknowns that it would push out of the box held at its edge.
VectorXd damped_step(const Candidate& c) {
    const Eigen::Index k = c.position.size();
    std::vector<bool> held(static_cast<std::size_t>(k), false);
    for (;;) {
        MatrixXd matrix = c.information;
        VectorXd gradient = c.gradient;
        for (Eigen::Index a = 0; a < k; ++a) {
            matrix(a, a) *= 1.0 + c.damping;
            matrix(a, a) += 1e-30;
            if (!held[static_cast<std::size_t>(a)]) continue;
            matrix.row(a).setZero();
            matrix.col(a).setZero();
            matrix(a, a) = 1.0;
            gradient(a) = 0.0;
        }
        const VectorXd step = -matrix.ldlt().solve(gradient);
        bool again = false;
        for (Eigen::Index a = 0; a < k; ++a) {
            const bool outward =
                (c.position(a) <= 0.0 && step(a) < 0.0) || (c.position(a) >= 1.0 && step(a) > 0.0);
            if (outward && !held[static_cast<std::size_t>(a)]) {
                held[static_cast<std::size_t>(a)] = true;
                again = true;
            }
        }
        if (!again) return (c.position + step).cwiseMax(0.0).cwiseMin(1.0) - c.position;
    }
}

/// Simulates all trials with their derivatives and moves those that got better.
void evaluate_trials(const Problem& problem, std::vector<Candidate*>& active, double tolerance) {
    nmrsim::Experiment experiment = problem.experiment;
    experiment.accuracy.tolerance = tolerance;
    std::vector<VectorXd> positions;
    for (const Candidate* c : active) positions.push_back(c->trial);
    const std::vector<double> parameters = in_units(problem, positions);
    const std::size_t curve = 2 * problem.points;
    std::vector<float> signal(active.size() * curve);
    std::vector<float> jacobian(active.size() * problem.unknowns * curve);
    nmrsim::simulate_batch_with_jacobian(experiment, parameters, signal, jacobian,
                                         problem.options.threads);
    for (std::size_t i = 0; i < active.size(); ++i) {
        Candidate& c = *active[i];
        Linearised now =
            linearise(problem, &signal[i * curve], &jacobian[i * problem.unknowns * curve]);
        if (now.chi_square < c.chi_square) {
            c.position = c.trial;
            c.chi_square = now.chi_square;
            c.factor = now.factor;
            c.information = std::move(now.information);
            c.gradient = std::move(now.gradient);
            c.damping *= kLessDamping;
        } else {
            c.damping *= kMoreDamping;
        }
    }
}

void follow(const Problem& problem, std::vector<Candidate>& candidates, double tolerance,
            int iterations) {
    for (int n = 0; n <= iterations; ++n) {
        double best = std::numeric_limits<double>::infinity();
        for (const Candidate& c : candidates) best = std::min(best, c.chi_square);
        std::vector<Candidate*> active;
        for (Candidate& c : candidates) {
            if (c.at_rest) continue;
            if (std::isfinite(c.chi_square)) {
                const VectorXd step = damped_step(c);
                const double fall =
                    -c.gradient.dot(step) - 0.5 * (step.transpose() * c.information * step).value();
                c.converged = 2.0 * fall < kSmallFall;
                const bool hopeless =
                    n > kPatience && c.chi_square - 2.0 * fall > best + 10.0 * kRivalRange;
                c.at_rest = c.converged || hopeless || c.damping > kMostDamping;
                if (c.at_rest) continue;
                c.trial = c.position + step;
            } else {
                c.trial = c.position;
            }
            active.push_back(&c);
        }
        if (active.empty() || n == iterations) return;
        evaluate_trials(problem, active, tolerance);
    }
}

/// The starts on the unit box, the best of them by a coarse simulation.
std::vector<Candidate> screened(const Problem& problem, std::span<const double> starts) {
    const std::size_t count = starts.size() / problem.unknowns;
    std::vector<VectorXd> positions;
    for (std::size_t i = 0; i < count; ++i) {
        VectorXd position(static_cast<Eigen::Index>(problem.unknowns));
        for (std::size_t k = 0; k < problem.unknowns; ++k) {
            const double u = (starts[i * problem.unknowns + k] - problem.low(k)) / problem.width(k);
            position(static_cast<Eigen::Index>(k)) = std::clamp(u, 0.0, 1.0);
        }
        positions.push_back(std::move(position));
    }
    const std::size_t kept = std::min(count, static_cast<std::size_t>(problem.options.refined));
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (kept < count) {
        nmrsim::Experiment experiment = problem.experiment;
        experiment.accuracy.tolerance = problem.options.screening_tolerance;
        const std::size_t curve = 2 * problem.points;
        std::vector<float> signal(count * curve);
        nmrsim::simulate_batch(experiment, in_units(problem, positions), {}, signal,
                               problem.options.threads);
        std::vector<double> chi_square(count);
        for (std::size_t i = 0; i < count; ++i) {
            const float* m = &signal[i * curve];
            chi_square[i] = chi_square_of(problem, m, m + problem.points,
                                          receiver_factor(problem, m, m + problem.points));
        }
        std::partial_sort(
            order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
            [&](std::size_t a, std::size_t b) { return chi_square[a] < chi_square[b]; });
    }
    std::vector<Candidate> candidates(kept);
    for (std::size_t i = 0; i < kept; ++i) candidates[i].position = positions[order[i]];
    return candidates;
}

void check(const nmrsim::Experiment& experiment, std::span<const float> signal,
           std::span<const double> starts) {
    experiment.validate();
    if (!nmrsim::is_uniform(experiment)) {
        throw std::invalid_argument(
            "refine: an echo of a finite-range kernel depends on its unknown draw of offsets too");
    }
    const std::size_t unknowns = experiment.prior.size();
    const std::size_t points = static_cast<std::size_t>(experiment.acquisition.points);
    if (unknowns == 0 || signal.size() != 2 * points || starts.empty() ||
        starts.size() % unknowns != 0) {
        throw std::invalid_argument(
            fmt::format("refine: {} samples and {} numbers of starts do not fit {} points and {} "
                        "unknowns",
                        signal.size(), starts.size(), points, unknowns));
    }
    const auto finite = [](auto value) { return std::isfinite(value); };
    if (!std::all_of(signal.begin(), signal.end(), finite) ||
        !std::all_of(starts.begin(), starts.end(), finite)) {
        throw std::invalid_argument("refine: samples and starts must be finite");
    }
}

}  // namespace

void RefineOptions::validate() const {
    if (!(noise > 0.0) || !std::isfinite(noise)) {
        throw std::invalid_argument(fmt::format("noise must be > 0, got {}", noise));
    }
    if (refined < 1)
        throw std::invalid_argument(fmt::format("refined must be >= 1, got {}", refined));
    if (iterations < 1) {
        throw std::invalid_argument(fmt::format("iterations must be >= 1, got {}", iterations));
    }
}

std::vector<double> Refinement::deviations() const {
    std::vector<double> result;
    for (Eigen::Index a = 0; a < covariance.rows(); ++a) {
        result.push_back(std::sqrt(covariance(a, a)));
    }
    return result;
}

Refinement refine(const nmrsim::Experiment& experiment, std::span<const float> signal,
                  std::span<const double> starts, const RefineOptions& options) {
    options.validate();
    check(experiment, signal, starts);
    const Problem problem{experiment, signal, options, experiment.prior.size(),
                          static_cast<std::size_t>(experiment.acquisition.points)};
    std::vector<Candidate> candidates = screened(problem, starts);
    follow(problem, candidates, options.tolerance, options.iterations);
    std::sort(candidates.begin(), candidates.end(),
              [](const Candidate& a, const Candidate& b) { return a.chi_square < b.chi_square; });

    // The last steps at full accuracy: the simulator's error must not move the minimum.
    std::vector<Candidate> best(1);
    best[0].position = candidates.front().position;
    follow(problem, best, options.final_tolerance, 4);
    const Candidate& end = best.front();

    Refinement result;
    result.estimate = in_units(problem, {end.position});
    result.factor = end.factor;
    result.chi_square = end.chi_square;
    const double fitted = static_cast<double>(problem.unknowns) + (options.fit_gain ? 1.0 : 0.0) +
                          (options.fit_phase ? 1.0 : 0.0);
    result.degrees = 2.0 * static_cast<double>(problem.points) - fitted;
    result.converged = end.converged;
    const Eigen::Index k = end.position.size();
    VectorXd width(k);
    for (Eigen::Index a = 0; a < k; ++a) width(a) = problem.width(static_cast<std::size_t>(a));
    // Where a curve says nothing, the box does: a uniform density's variance bounds it.
    const MatrixXd information = end.information + 12.0 * MatrixXd::Identity(k, k);
    result.covariance = width.asDiagonal() * information.ldlt().solve(MatrixXd::Identity(k, k)) *
                        width.asDiagonal();
    std::vector<VectorXd> known{end.position};
    for (const Candidate& c : candidates) {
        if (!c.converged || c.chi_square > candidates.front().chi_square + kRivalRange) continue;
        const bool is_new = std::all_of(known.begin(), known.end(), [&](const VectorXd& other) {
            const VectorXd d = c.position - other;
            return (d.transpose() * information * d).value() > kSameDistance;
        });
        if (!is_new) continue;
        known.push_back(c.position);
        result.rivals.push_back({in_units(problem, {c.position}), c.chi_square});
    }
    return result;
}

}  // namespace nmrinverse
