#include "nmrinverse/importance.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "fit/curve_likelihood.h"
#include "fit/importance_sampler.h"
#include "fit/linear_algebra.h"
#include "fit/log_sum.h"
#include "fit/student_density.h"

namespace nmrinverse {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Shares of the draws about a minimum that take its covariance, nine and a hundred times that: a
/// posterior that bends away from its Laplace approximation must not look like a good fit to it.
constexpr double kWider[][2] = {{0.7, 1.0}, {0.2, 9.0}, {0.1, 100.0}};

/// Simulations of this tolerance take a third of the time of finer ones, which double precision
/// makes. They serve for weights where they are corrected at this many places at most, if at about
/// so many others, all with chi-square within so much of the least, they have chi-square to this
/// root mean square, but for what is common to all.
constexpr double kCoarse = 1e-4;
constexpr std::size_t kReferences = 12;
constexpr std::size_t kLooks = 8;
constexpr double kNear = 9.0;
constexpr double kSmallError = 0.1;

/// One unknown's samples in rising order.
class Marginal {
public:
    Marginal(const VectorXd& values, std::span<const double> weights) {
        std::vector<std::size_t> order(weights.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::erase_if(order, [&](std::size_t i) { return weights[i] == 0.0; });
        const auto value = [&](std::size_t i) { return values(static_cast<Eigen::Index>(i)); };
        std::sort(order.begin(), order.end(),
                  [&](std::size_t i, std::size_t j) { return value(i) < value(j); });
        double below = 0.0;
        for (const std::size_t i : order) {
            steps_.push_back({value(i), weights[i], below + 0.5 * weights[i]});
            below += weights[i];
        }
    }

    /// Below it is this share of the density, in the mean over draws.
    ///
    /// Where the weighted steps reach `share`, a share of share + (1/2 - share) w is expected, w
    /// the mean weight of a sample there: to first order in the weights, for independent draws. It
    /// is asked for what makes up for that. For equal weights these are the positions i / (n + 1),
    /// which hold exactly.
    double quantile(double share) const {
        const double reach = 0.5 * std::min(share, 1.0 - share);
        double sum = 0.0, square = 0.0;
        for (const Step& step : steps_) {
            if (std::abs(step.at - share) > reach) continue;
            sum += step.weight;
            square += step.weight * step.weight;
        }
        if (sum == 0.0) return at(share);  // one sample is all that there is
        return at(0.5 + (share - 0.5) * (1.0 + square / sum));
    }

private:
    struct Step {
        double value;
        double weight;
        double at;  ///< weight below, its own by half
    };

    /// Linear between the middles of the steps.
    double at(double share) const {
        const auto above =
            std::lower_bound(steps_.begin(), steps_.end(), share,
                             [](const Step& step, double value) { return step.at < value; });
        if (above == steps_.begin()) return above->value;
        if (above == steps_.end()) return steps_.back().value;
        const Step& below = *(above - 1);
        return below.value +
               (above->value - below.value) * (share - below.at) / (above->at - below.at);
    }

    std::vector<Step> steps_;
};

/// Chi-square for weights: by coarse simulations that are corrected at some places, where these say
/// at others what fine ones do.
class FineEnough {
public:
    explicit FineEnough(CurveLikelihood& likelihood)
        : likelihood_(likelihood), tolerance_(likelihood.tolerances().fine) {}

    double tolerance() const { return tolerance_; }

    void try_coarse(std::span<const VectorXd> references) {
        likelihood_.correct(references, kCoarse, tolerance_);
        coarse_ = true;
    }

    std::vector<double> chi_square(std::span<const VectorXd> positions) {
        if (!coarse_) return likelihood_.profile(positions, tolerance_);
        const std::vector<double> roughly = likelihood_.profile(positions, kCoarse);
        if (checked_) return roughly;
        checked_ = true;
        // Where the density is, at as many places as there are.
        const double least = *std::min_element(roughly.begin(), roughly.end());
        std::vector<std::size_t> near;
        for (std::size_t i = 0; i < roughly.size(); ++i) {
            if (roughly[i] < least + kNear) near.push_back(i);
        }
        std::vector<VectorXd> some;
        std::vector<double> off;
        const std::size_t each = 1 + near.size() / kLooks;
        for (std::size_t i = 0; i < near.size(); i += each) {
            some.push_back(positions[near[i]]);
            off.push_back(roughly[near[i]]);
        }
        const std::vector<double> finely = likelihood_.profile(some, tolerance_);
        double mean = 0.0, square = 0.0;
        for (std::size_t i = 0; i < off.size(); ++i) {
            off[i] -= finely[i];
            mean += off[i] / static_cast<double>(off.size());
        }
        for (const double d : off) square += (d - mean) * (d - mean);
        if (square <= kSmallError * kSmallError * static_cast<double>(off.size())) return roughly;
        coarse_ = false;
        return likelihood_.profile(positions, tolerance_);
    }

private:
    CurveLikelihood& likelihood_;
    double tolerance_;
    bool coarse_ = false;
    bool checked_ = false;
};

}  // namespace

void ImportanceOptions::validate() const {
    if (draws < 1) throw std::invalid_argument(fmt::format("draws must be >= 1, got {}", draws));
    if (least < 1) throw std::invalid_argument(fmt::format("least must be >= 1, got {}", least));
    if (rounds < 1) throw std::invalid_argument(fmt::format("rounds must be >= 1, got {}", rounds));
    if (!(enough > 0.0)) {
        throw std::invalid_argument(fmt::format("enough must be > 0, got {}", enough));
    }
    if (!(tail > 0.0) || !std::isfinite(tail)) {
        throw std::invalid_argument(fmt::format("tail must be > 0, got {}", tail));
    }
}

double WeightedPosterior::effective_share() const {
    return weights.empty() ? 0.0 : effective_size / static_cast<double>(weights.size());
}

WeightedPosterior importance_posterior(const nmrsim::Prior& prior, const LogDensity& log_likelihood,
                                       std::span<const Minimum> minima, const Proposal* proposal,
                                       const ImportanceOptions& options) {
    options.validate();
    nmrsim::validate_prior(prior);
    const Box box(prior);
    const std::size_t unknowns = prior.size();
    if (unknowns == 0) throw std::invalid_argument("prior must name at least one unknown");
    const bool proposes = proposal && !proposal->samples.empty();
    if (proposes && (proposal->samples.size() % unknowns != 0 || !proposal->log_density)) {
        throw std::invalid_argument(
            fmt::format("importance_posterior: {} numbers are no samples of {} unknowns, or their "
                        "density is missing",
                        proposal->samples.size(), unknowns));
    }
    if (!proposes && minima.empty()) {
        throw std::invalid_argument("importance_posterior: neither minima nor samples are given");
    }
    Sampler sampler{box, log_likelihood, proposal, options};
    std::vector<VectorXd> fresh;
    if (proposes) {
        for (std::size_t i = 0; i < proposal->samples.size(); i += unknowns) {
            const VectorXd unit = box.to_unit(&proposal->samples[i]);
            if (!in_unit_box(unit)) {
                throw std::invalid_argument(
                    "importance_posterior: a sample of the proposal is outside the prior");
            }
            fresh.push_back(unit);
        }
        sampler.proposed = sampler.all = static_cast<double>(fresh.size());
    }
    const int minima_count = static_cast<int>(minima.size());
    for (int m = 0; m < minima_count; ++m) {
        const Minimum& minimum = minima[static_cast<std::size_t>(m)];
        const Eigen::Index k = box.size();
        if (minimum.parameters.size() != unknowns || minimum.covariance.rows() != k ||
            minimum.covariance.cols() != k) {
            throw std::invalid_argument(
                fmt::format("importance_posterior: a minimum must have {} unknowns and their "
                            "covariance",
                            unknowns));
        }
        MatrixXd covariance = minimum.covariance;
        for (Eigen::Index a = 0; a < k; ++a) {
            for (Eigen::Index b = 0; b < k; ++b) covariance(a, b) /= box.width(a) * box.width(b);
        }
        const int draws = std::max(options.least, (options.draws * (m + 1)) / minima_count -
                                                      (options.draws * m) / minima_count);
        for (const auto& [share, wider] : kWider) {
            sampler.add_student(box.to_unit(minimum.parameters.data()), wider * covariance,
                                static_cast<int>(std::ceil(share * draws)), fresh);
        }
    }
    if (fresh.empty()) {
        throw std::invalid_argument("importance_posterior: no minimum is near the prior's box");
    }
    sampler.take(fresh);
    for (int round = 1; round < options.rounds; ++round) {
        if (effective_of(sampler.weights()) >= options.enough) break;
        sampler.further();
    }

    WeightedPosterior result;
    result.unknowns = unknowns;
    result.weights = sampler.weights();
    for (const VectorXd& unit : sampler.samples) box.append(unit, result.samples);
    result.effective_size = effective_of(result.weights);
    // Densities are too large by a factor `all`, of which their mean is taken.
    result.log_evidence = log_sum(sampler.log_weight);
    const Eigen::Index k = box.size();
    VectorXd mean = VectorXd::Zero(k);
    const Eigen::Map<const Eigen::Matrix<double, -1, -1, Eigen::RowMajor>> rows(
        result.samples.data(), static_cast<Eigen::Index>(result.count()), k);
    const Eigen::Map<const VectorXd> weight(result.weights.data(), rows.rows());
    mean = rows.transpose() * weight;
    result.mean.assign(mean.begin(), mean.end());
    const MatrixXd off = rows.rowwise() - mean.transpose();
    result.covariance = transposed_product(off, weight.asDiagonal() * off);
    for (Eigen::Index a = 0; a < k; ++a) {
        const Marginal marginal(rows.col(a), result.weights);
        result.q05.push_back(marginal.quantile(0.05));
        result.q25.push_back(marginal.quantile(0.25));
        result.q75.push_back(marginal.quantile(0.75));
        result.q95.push_back(marginal.quantile(0.95));
    }
    return result;
}

WeightedPosterior importance_posterior(const nmrsim::Experiment& experiment,
                                       std::span<const float> signal, const Refinement& refinement,
                                       const RefineOptions& refine_options,
                                       const Proposal* proposal, const ImportanceOptions& options) {
    refine_options.validate();
    check_curve(experiment, signal, refine_options);
    // As wide as the fit's own covariance: by correlated noise, or a residual that is not noise.
    RefineOptions used = refine_options;
    if (refinement.effective_noise > 0.0) {
        used.noise = refinement.effective_noise;
        used.noise_correlation.clear();
    }
    CurveLikelihood likelihood(experiment, signal, used);
    std::vector<Minimum> minima{
        {refinement.estimate, refinement.chi_square, refinement.covariance}};
    minima.insert(minima.end(), refinement.rivals.begin(), refinement.rivals.end());
    minima.insert(minima.end(), refinement.valleys.begin(), refinement.valleys.end());
    const auto position_of = [&](std::span<const double> parameters) {
        return likelihood.position(parameters, refinement.time_zero_us);
    };
    FineEnough simulated(likelihood);
    if (simulated.tolerance() < kCoarse) {
        std::vector<VectorXd> references;
        const std::size_t each = 1 + minima.size() / kReferences;
        for (std::size_t m = 0; m < minima.size(); m += each) {
            references.push_back(position_of(minima[m].parameters));
        }
        simulated.try_coarse(references);
    }
    const LogDensity log_likelihood = [&](std::span<const double> parameters) {
        std::vector<VectorXd> positions;
        for (std::size_t i = 0; i < parameters.size(); i += likelihood.unknowns()) {
            positions.push_back(position_of(parameters.subspan(i, likelihood.unknowns())));
        }
        std::vector<double> result = simulated.chi_square(positions);
        for (double& value : result) value *= -0.5;
        return result;
    };
    return importance_posterior(experiment.prior, log_likelihood, minima, proposal, options);
}

}  // namespace nmrinverse
