#include "nmrinverse/importance.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "curve_likelihood.h"
#include "nmrsim/random.h"
#include "nmrsim/stop.h"
#include "student_density.h"

namespace nmrinverse {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double kNever = -std::numeric_limits<double>::infinity();

/// Shares of the draws about a minimum that take its covariance, nine and a hundred times that: a
/// posterior that bends away from its Laplace approximation must not look like a good fit to it.
constexpr double kWider[][2] = {{0.7, 1.0}, {0.2, 9.0}, {0.1, 100.0}};

/// Effective samples for each unknown from which a further round learns where to draw.
constexpr double kSpeaking = 20.0;

/// Of a further round this share is drawn about the mean of the samples before with so many times
/// their covariance, the others about so many of these samples, chosen by their weights, with this
/// times it. Narrower ones find more effective samples, but few in the tails: on a posterior bent
/// by one width, intervals of 90% held 0.875 with 0.2 of the covariance and 0.896 with these.
constexpr double kAboutMean = 0.3;
constexpr double kWiderAboutMean = 6.0;
constexpr int kCentres = 15;
constexpr double kWiderAboutCentres = 1.5;

/// The box, as the densities see it: the unit cube.
class Box {
public:
    explicit Box(const nmrsim::Prior& prior) : prior_(prior) {}
    Eigen::Index size() const { return static_cast<Eigen::Index>(prior_.size()); }
    double width(Eigen::Index k) const {
        const nmrsim::PriorRange& range = prior_[static_cast<std::size_t>(k)];
        return range.high - range.low;
    }
    double log_volume() const {
        double sum = 0.0;
        for (Eigen::Index k = 0; k < size(); ++k) sum += std::log(width(k));
        return sum;
    }
    VectorXd to_unit(const double* parameters) const {
        VectorXd unit(size());
        for (Eigen::Index k = 0; k < size(); ++k) {
            unit(k) = (parameters[k] - prior_[static_cast<std::size_t>(k)].low) / width(k);
        }
        return unit;
    }
    void append(const VectorXd& unit, std::vector<double>& parameters) const {
        for (Eigen::Index k = 0; k < size(); ++k) {
            parameters.push_back(prior_[static_cast<std::size_t>(k)].low + width(k) * unit(k));
        }
    }

private:
    const nmrsim::Prior& prior_;
};

/// log(sum of exp), without overflow.
double log_sum(std::span<const double> logs) {
    const double most = *std::max_element(logs.begin(), logs.end());
    if (most == kNever) return kNever;
    double sum = 0.0;
    for (const double value : logs) sum += std::exp(value - most);
    return most + std::log(sum);
}

double effective(std::span<const double> weights) {
    double square = 0.0;
    for (const double w : weights) square += w * w;
    return 1.0 / square;
}

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

/// Samples drawn so far, on the unit cube, with what they were drawn from. Those outside the cube
/// have no weight and are not kept, but count among the drawn.
struct Sampler {
    const Box& box;
    const LogDensity& log_likelihood;
    const Proposal* proposal;
    const ImportanceOptions& options;
    nmrsim::CounterRandom random{options.seed, options.index, nmrsim::RandomStream::importance};

    std::vector<StudentDensity> students{};
    std::vector<double> log_drawn{};  ///< (students) how many samples, logarithms
    double proposed = 0.0;            ///< how many samples of the proposal
    double all = 0.0;                 ///< how many samples, those outside among them
    std::vector<VectorXd> samples{};
    std::vector<double> likelihood{};  ///< (samples), logarithms
    std::vector<double> density{};     ///< (samples), log of what they were drawn from, times `all`
    std::size_t counted = 0;           ///< students that are in `density`
    std::vector<double> log_weight{};  ///< (samples)

    void add_student(VectorXd centre, const MatrixXd& covariance, int draws,
                     std::vector<VectorXd>& fresh) {
        nmrsim::throw_if_stopped();
        StudentDensity student(std::move(centre), covariance, options.tail);
        if (!student.finite() || draws < 1) return;
        for (int i = 0; i < draws; ++i) {
            VectorXd position = student.draw(random);
            if (in_unit_box(position)) fresh.push_back(std::move(position));
        }
        students.push_back(std::move(student));
        log_drawn.push_back(std::log(draws));
        all += draws;
    }

    void take(const std::vector<VectorXd>& fresh) {
        nmrsim::throw_if_stopped();
        std::vector<double> parameters;
        for (const VectorXd& unit : fresh) box.append(unit, parameters);
        const std::vector<double> found = log_likelihood(parameters);
        if (found.size() != fresh.size()) {
            throw std::invalid_argument("importance_posterior: a likelihood of the wrong size");
        }
        const std::size_t before = samples.size();
        likelihood.insert(likelihood.end(), found.begin(), found.end());
        samples.insert(samples.end(), fresh.begin(), fresh.end());
        density.resize(samples.size(), kNever);
        if (proposed > 0.0) {
            const std::vector<double> by_proposal = proposal->log_density(parameters);
            for (std::size_t i = before; i < samples.size(); ++i) {
                density[i] = std::log(proposed) + by_proposal[i - before] + box.log_volume();
            }
        }
        log_weight.resize(samples.size());
        std::vector<double> parts;
        for (std::size_t i = 0; i < samples.size(); ++i) {
            parts.assign(1, density[i]);
            for (std::size_t s = i < before ? counted : 0; s < students.size(); ++s) {
                parts.push_back(log_drawn[s] + students[s].log_density(samples[i]));
            }
            density[i] = log_sum(parts);
            log_weight[i] = likelihood[i] - density[i];
            if (std::isnan(log_weight[i])) log_weight[i] = kNever;
        }
        counted = students.size();
    }

    std::vector<double> weights() const {
        const double total = log_sum(log_weight);
        if (!std::isfinite(total)) {
            throw std::invalid_argument(
                "importance_posterior: the likelihood is 0 at every sample");
        }
        std::vector<double> result;
        for (const double value : log_weight) result.push_back(std::exp(value - total));
        return result;
    }

    /// The weights to the largest power at most 1 that leaves so many effective samples: a few
    /// large ones say little about where the others should be.
    std::vector<double> tempered(double effective_size) const {
        const double size = std::min(effective_size, 0.25 * static_cast<double>(samples.size()));
        std::vector<double> result = weights();
        if (effective(result) >= size) return result;
        const double most = *std::max_element(log_weight.begin(), log_weight.end());
        double low = 0.0, high = 1.0;
        for (int i = 0; i < 40; ++i) {
            const double power = 0.5 * (low + high);
            double sum = 0.0;
            for (std::size_t j = 0; j < samples.size(); ++j) {
                result[j] = std::exp(power * (log_weight[j] - most));
                sum += result[j];
            }
            for (double& w : result) w /= sum;
            (effective(result) >= size ? low : high) = power;
        }
        return result;
    }

    /// Draws where the weights are.
    void further(int draws) {
        const Eigen::Index k = box.size();
        const std::vector<double> weight = tempered(kSpeaking * static_cast<double>(k));
        VectorXd mean = VectorXd::Zero(k);
        for (std::size_t i = 0; i < samples.size(); ++i) mean += weight[i] * samples[i];
        MatrixXd covariance = MatrixXd::Zero(k, k);
        for (std::size_t i = 0; i < samples.size(); ++i) {
            covariance += weight[i] * (samples[i] - mean) * (samples[i] - mean).transpose();
        }
        const int each = static_cast<int>((1.0 - kAboutMean) * draws) / kCentres;
        std::vector<VectorXd> fresh;
        add_student(mean, kWiderAboutMean * covariance, draws - kCentres * each, fresh);
        const double offset = random.uniform();
        double sum = 0.0;
        int centre = 0;
        for (std::size_t i = 0; i < samples.size() && centre < kCentres; ++i) {
            sum += weight[i];
            while (centre < kCentres && sum > (centre + offset) / kCentres) {
                add_student(samples[i], kWiderAboutCentres * covariance, each, fresh);
                ++centre;
            }
        }
        take(fresh);
    }
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
        if (effective(sampler.weights()) >= options.enough) break;
        sampler.further(options.draws);
    }

    WeightedPosterior result;
    result.unknowns = unknowns;
    result.weights = sampler.weights();
    for (const VectorXd& unit : sampler.samples) box.append(unit, result.samples);
    result.effective_size = effective(result.weights);
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
    result.covariance = off.transpose() * weight.asDiagonal() * off;
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
    const double tolerance = likelihood.tolerances().fine;
    const LogDensity log_likelihood = [&](std::span<const double> parameters) {
        std::vector<VectorXd> positions;
        for (std::size_t i = 0; i < parameters.size(); i += likelihood.unknowns()) {
            positions.push_back(likelihood.position(parameters.subspan(i, likelihood.unknowns()),
                                                    refinement.time_zero_us));
        }
        std::vector<double> result = likelihood.profile(positions, tolerance);
        for (double& value : result) value *= -0.5;
        return result;
    };
    std::vector<Minimum> minima{
        {refinement.estimate, refinement.chi_square, refinement.covariance}};
    minima.insert(minima.end(), refinement.rivals.begin(), refinement.rivals.end());
    minima.insert(minima.end(), refinement.valleys.begin(), refinement.valleys.end());
    return importance_posterior(experiment.prior, log_likelihood, minima, proposal, options);
}

}  // namespace nmrinverse
