#include "fit/candidates.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>

#include "fit/linear_algebra.h"
#include "fit/log_sum.h"
#include "fit/student_density.h"
#include "nmrsim/stop.h"

namespace nmrinverse {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// At most.
constexpr std::size_t kMostCandidates = 65536;

/// Candidates come from Student densities about so many places of a walk by a power of the
/// polynomial, each with this times the covariance of the places near it, of which there are so
/// many times their share.
constexpr Eigen::Index kHalf = 32;
constexpr int kSteps = 100;
constexpr Eigen::Index kLocal = 16;
constexpr Eigen::Index kNeighbours = 3;
constexpr double kWiderLocally = 1.5;

/// Positions (k, n) where a walk by a power of the polynomial's likelihood comes: a company of
/// walkers, each moved along the line to another one (J. Goodman and J. Weare, Communications
/// in Applied Mathematics and Computational Science 5, 65 (2010)).
MatrixXd walked(const Surrogate& surrogate, const MatrixXd& samples, std::span<const double> weight,
                nmrsim::CounterRandom& random) {
    const Eigen::Index k = samples.rows(), count = samples.cols();
    MatrixXd at(k, 2 * kHalf);
    double sum = 0.0;
    Eigen::Index walker = 0;
    for (Eigen::Index i = 0; i < count; ++i) {
        sum += weight[static_cast<std::size_t>(i)] * static_cast<double>(at.cols());
        while (walker < at.cols() && (sum > static_cast<double>(walker) + 0.5 || i + 1 == count)) {
            at.col(walker++) = samples.col(i);
        }
    }
    // In no order, so that both halves are everywhere.
    for (Eigen::Index w = at.cols() - 1; w > 0; --w) {
        const auto other = static_cast<Eigen::Index>(random.uniform() * static_cast<double>(w + 1));
        at.col(w).swap(at.col(std::min(other, w)));
    }
    VectorXd value = surrogate(at);
    MatrixXd result(k, at.cols() * kSteps);
    for (int step = -kSteps / 2; step < kSteps; ++step) {
        for (const Eigen::Index half : {Eigen::Index{0}, Eigen::Index{kHalf}}) {
            MatrixXd trial(k, kHalf);
            VectorXd stretch(kHalf);
            for (Eigen::Index w = 0; w < kHalf; ++w) {
                const auto other = static_cast<Eigen::Index>(random.uniform() * kHalf);
                const double root = (1.0 + random.uniform()) / std::numbers::sqrt2;
                stretch(w) = root * root;  // 1/2 ... 2, its density as 1 / root
                const auto from = at.col(kHalf - half + std::min<Eigen::Index>(other, kHalf - 1));
                trial.col(w) = from + stretch(w) * (at.col(half + w) - from);
            }
            const VectorXd there = surrogate(trial);
            for (Eigen::Index w = 0; w < kHalf; ++w) {
                const double gain = kCandidatesPower * (there(w) - value(half + w)) +
                                    static_cast<double>(k - 1) * std::log(stretch(w));
                if (!in_unit_box(trial.col(w)) || !(std::log(random.uniform()) < gain)) {
                    if (std::isfinite(value(half + w))) continue;
                    if (!in_unit_box(trial.col(w)) || !std::isfinite(there(w))) continue;
                }
                at.col(half + w) = trial.col(w);
                value(half + w) = there(w);
            }
        }
        if (step >= 0) result.middleCols(step * at.cols(), at.cols()) = at;
    }
    return result;
}

/// Student densities about some of these positions, each as wide as those near it lie.
std::vector<StudentDensity> local_densities(const MatrixXd& positions, double tail) {
    const Eigen::Index k = positions.rows(), n = positions.cols();
    const VectorXd mean = positions.rowwise().mean();
    const MatrixXd off = positions.colwise() - mean;
    const MatrixXd covariance = product_transposed(off, off) / static_cast<double>(n);
    const MatrixXd z = divided_by(root_of(covariance), off);
    const Eigen::Index near = std::min<Eigen::Index>(n, kNeighbours * n / kLocal);
    std::vector<StudentDensity> result{{mean, covariance, tail}};
    std::vector<std::pair<double, Eigen::Index>> distance(static_cast<std::size_t>(n));
    for (Eigen::Index m = 0; m < kLocal; ++m) {
        const Eigen::Index centre = m * n / kLocal + m % (n / kLocal);
        const VectorXd squares = (z.colwise() - z.col(centre)).colwise().squaredNorm();
        for (Eigen::Index i = 0; i < n; ++i) {
            distance[static_cast<std::size_t>(i)] = {squares(i), i};
        }
        std::nth_element(distance.begin(), distance.begin() + near - 1, distance.end());
        MatrixXd neighbours(k, near);
        for (Eigen::Index i = 0; i < near; ++i) {
            neighbours.col(i) = positions.col(distance[static_cast<std::size_t>(i)].second);
        }
        const VectorXd middle = neighbours.rowwise().mean();
        neighbours.colwise() -= middle;
        StudentDensity student(
            middle,
            kWiderLocally / static_cast<double>(near) * product_transposed(neighbours, neighbours),
            tail);
        if (student.finite()) result.push_back(std::move(student));
    }
    return result;
}

}  // namespace

std::vector<double> Candidates::shares(double power, double& log_total) const {
    std::vector<double> result;
    for (std::size_t i = 0; i < positions.size(); ++i) {
        result.push_back(power * log_likelihood[i] - log_mixture[i]);
    }
    log_total = result.empty() ? kNever : log_sum(result);
    if (!std::isfinite(log_total)) return {};
    for (double& value : result) value = std::exp(value - log_total);
    return result;
}

Candidates candidates_of(const Surrogate& surrogate, const MatrixXd& samples,
                         std::span<const double> weights, double enough, double tail,
                         nmrsim::CounterRandom& random) {
    nmrsim::throw_if_stopped();
    Candidates result;
    const std::vector<StudentDensity> mixture =
        local_densities(walked(surrogate, samples, weights, random), tail);
    const double share = 1.0 / static_cast<double>(mixture.size());
    for (auto count = static_cast<std::size_t>(2.0 * enough * share + 1.0);
         count * mixture.size() <= kMostCandidates; count *= 2) {
        const std::size_t before = result.positions.size();
        for (const StudentDensity& student : mixture) {
            for (std::size_t i = 0; i < count; ++i) {
                VectorXd position = student.draw(random);
                result.tried += 1.0;
                if (in_unit_box(position)) result.positions.push_back(std::move(position));
            }
        }
        MatrixXd at(samples.rows(), static_cast<Eigen::Index>(result.positions.size() - before));
        for (Eigen::Index i = 0; i < at.cols(); ++i) {
            at.col(i) = result.positions[before + static_cast<std::size_t>(i)];
        }
        VectorXd density_there = VectorXd::Zero(at.cols());
        for (const StudentDensity& student : mixture) {
            density_there.array() += share * student.log_densities(at).array().exp();
        }
        const VectorXd log_mixture = density_there.array().log(), by = surrogate(at);
        result.log_mixture.insert(result.log_mixture.end(), log_mixture.begin(), log_mixture.end());
        result.log_likelihood.insert(result.log_likelihood.end(), by.begin(), by.end());
        double log_total = 0.0;
        const std::vector<double> weight = result.shares(1.0, log_total);
        if (!weight.empty()) result.effective = effective_of(weight);
        if (result.effective >= enough) break;
    }
    return result;
}

}  // namespace nmrinverse
