#include "nmrinverse/joint_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "fit/joint_likelihood.h"
#include "fit/linear_algebra.h"
#include "fit/search.h"
#include "nmrsim/random.h"

namespace nmrinverse {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// A curve's own unknowns are tried as at so many of its starts, those nearest to a proposal.
constexpr std::size_t kNearestStarts = 4;
/// From so many to so many standard deviations about the best fit, these as if the residual were
/// noise, starts are drawn anew where none fits.
constexpr double kLeastSpread = 3.0;
constexpr double kMostSpread = 100.0;
/// Index of the first widening's random numbers; those of curves alone begin at 0.
constexpr std::uint64_t kJointSearch = std::uint64_t{1} << 32;

/// What is known of one curve alone, on its unit box.
struct Alone {
    std::vector<VectorXd> minima;
    std::vector<MatrixXd> covariance;  ///< of each, scaled to the box
    std::vector<VectorXd> starts;
};

Alone on_the_box(const CurveLikelihood& likelihood, const Refinement& fit,
                 std::span<const double> starts) {
    Alone alone;
    const Eigen::Index k = static_cast<Eigen::Index>(likelihood.unknowns());
    const Eigen::Index n = static_cast<Eigen::Index>(likelihood.dimensions());
    const VectorXd inverse = likelihood.widths().head(k).cwiseInverse();
    const auto add = [&](const std::vector<double>& parameters, const MatrixXd& covariance) {
        alone.minima.push_back(likelihood.position(parameters, fit.time_zero_us));
        MatrixXd scaled = MatrixXd::Zero(n, n);
        scaled.topLeftCorner(k, k) = inverse.asDiagonal() * covariance * inverse.asDiagonal();
        alone.covariance.push_back(std::move(scaled));
    };
    add(fit.estimate, fit.covariance);
    for (const Minimum& rival : fit.rivals) add(rival.parameters, rival.covariance);
    for (const Minimum& point : fit.valleys) add(point.parameters, point.covariance);
    for (std::size_t i = 0; i < starts.size(); i += likelihood.unknowns()) {
        alone.starts.push_back(
            likelihood.position(starts.subspan(i, likelihood.unknowns()), fit.time_zero_us));
    }
    return alone;
}

/// Block of a curve's covariance between common unknowns and (rows) common or own ones.
MatrixXd block(const JointLikelihood& joint, const MatrixXd& covariance, bool own_rows) {
    const Eigen::Index rows = static_cast<Eigen::Index>(own_rows ? joint.own() : joint.common());
    const Eigen::Index columns = static_cast<Eigen::Index>(joint.common());
    MatrixXd result(rows, columns);
    for (Eigen::Index column = 0; column < columns; ++column) {
        // Which dimension of the curve is common unknown `column`: rows pick likewise.
        for (Eigen::Index a = 0; a < covariance.rows(); ++a) {
            if (joint.place(0, static_cast<std::size_t>(a)) != static_cast<std::size_t>(column)) {
                continue;
            }
            const VectorXd picked =
                own_rows ? joint.own_of(covariance.col(a)) : joint.shared_of(covariance.col(a));
            result.col(column) = picked;
        }
    }
    return result;
}

/// Proposals for the common unknowns, (common) each.
std::vector<VectorXd> proposals(const JointLikelihood& joint, const std::vector<Alone>& alone,
                                int drawn) {
    std::vector<VectorXd> result;
    const Eigen::Index k = static_cast<Eigen::Index>(joint.common());
    std::vector<MatrixXd> information;
    std::vector<VectorXd> middle;
    for (const Alone& one : alone) {
        const MatrixXd covariance = block(joint, one.covariance.front(), false);
        information.push_back(inverse_of(covariance));
        middle.push_back(joint.shared_of(one.minima.front()));
    }
    // All together, and each left out once: its minimum may be a wrong one.
    for (std::size_t left_out = 0; left_out <= alone.size(); ++left_out) {
        MatrixXd sum = MatrixXd::Zero(k, k);
        VectorXd weighted = VectorXd::Zero(k);
        for (std::size_t c = 0; c < alone.size(); ++c) {
            if (c == left_out) continue;
            sum += information[c];
            weighted += information[c] * middle[c];
        }
        result.push_back(solved(sum, weighted).cwiseMax(0.0).cwiseMin(1.0));
    }
    for (const Alone& one : alone) {
        for (const VectorXd& minimum : one.minima) result.push_back(joint.shared_of(minimum));
        const std::size_t some = std::min(one.starts.size(), static_cast<std::size_t>(drawn));
        for (std::size_t i = 0; i < some; ++i) result.push_back(joint.shared_of(one.starts[i]));
    }
    std::erase_if(result, [](const VectorXd& shared) { return !shared.allFinite(); });
    return result;
}

/// What a curve's own unknowns may be where the common ones are `shared`.
std::vector<VectorXd> own_candidates(const JointLikelihood& joint, const Alone& one,
                                     const VectorXd& shared) {
    std::vector<VectorXd> result;
    for (std::size_t m = 0; m < one.minima.size(); ++m) {
        const MatrixXd common = block(joint, one.covariance[m], false);
        const MatrixXd across = block(joint, one.covariance[m], true);
        const VectorXd own = joint.own_of(one.minima[m]);
        const VectorXd moved =
            own + across * solved(common, shared - joint.shared_of(one.minima[m]));
        if (moved.allFinite()) result.push_back(moved.cwiseMax(0.0).cwiseMin(1.0));
        result.push_back(own);
    }
    std::vector<std::size_t> order(one.starts.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::vector<double> distance;
    for (const VectorXd& start : one.starts) {
        distance.push_back((joint.shared_of(start) - shared).squaredNorm());
    }
    const std::size_t few = std::min(kNearestStarts, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(few), order.end(),
                      [&](std::size_t a, std::size_t b) { return distance[a] < distance[b]; });
    for (std::size_t i = 0; i < few; ++i) result.push_back(joint.own_of(one.starts[order[i]]));
    return result;
}

/// The proposals with each curve's best own unknowns, the best `kept` of them.
std::vector<Fit> screened(JointLikelihood& joint, const std::vector<Alone>& alone,
                          const std::vector<VectorXd>& shared, std::size_t kept, double tolerance) {
    const Eigen::Index common = static_cast<Eigen::Index>(joint.common());
    const Eigen::Index own = static_cast<Eigen::Index>(joint.own());
    std::vector<VectorXd> positions(shared.size());
    std::vector<double> total(shared.size(), 0.0);
    for (std::size_t p = 0; p < shared.size(); ++p) {
        positions[p].resize(static_cast<Eigen::Index>(joint.dimensions()));
        positions[p].head(common) = shared[p];
    }
    for (std::size_t c = 0; c < joint.curves(); ++c) {
        std::vector<VectorXd> trials, values;
        std::vector<std::size_t> of;
        for (std::size_t p = 0; p < shared.size(); ++p) {
            for (VectorXd& candidate : own_candidates(joint, alone[c], shared[p])) {
                trials.push_back(joint.position(shared[p], candidate));
                values.push_back(std::move(candidate));
                of.push_back(p);
            }
        }
        const std::vector<double> chi_square =
            joint.curve(c).chi_square(trials, tolerance, Freedom::phase);
        std::vector<double> best(shared.size(), std::numeric_limits<double>::infinity());
        for (std::size_t i = 0; i < trials.size(); ++i) {
            if (chi_square[i] >= best[of[i]]) continue;
            best[of[i]] = chi_square[i];
            positions[of[i]].segment(common + static_cast<Eigen::Index>(c) * own, own) = values[i];
        }
        for (std::size_t p = 0; p < shared.size(); ++p) total[p] += best[p];
    }
    std::vector<std::size_t> order(shared.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return total[a] < total[b]; });
    std::vector<Fit> fits;
    for (const std::size_t p : order) {
        if (fits.size() == kept || !std::isfinite(total[p])) break;
        fits.emplace_back();
        fits.back().position = positions[p];
        fits.back().freedom = Freedom::phase;
    }
    return fits;
}

/// Follows fits down, coarsely while far.
void follow(JointLikelihood& joint, std::vector<Fit>& fits, const RefineOptions& options) {
    bool far = true;
    const auto linearise = [&](std::span<const VectorXd> positions,
                               std::span<const Freedom> freedoms) {
        return joint.linearise(positions, far ? options.screening_tolerance : options.tolerance,
                               freedoms);
    };
    while (!fits.empty() && iterate(fits, linearise, kSmallFall, options.iterations)) {
        sort_by_chi_square(fits);
        far = fits.front().at.chi_square > kFar * joint.degrees();
    }
    for (Fit& fit : fits) {
        if (fit.freedom == Freedom::as_asked || !std::isfinite(fit.at.chi_square)) continue;
        fit.tighten();
        fit.trial = fit.position + damped_step(fit.position, fit.at, fit.damping);
    }
}

/// The last steps, with a fine simulation.
void settle(JointLikelihood& joint, std::vector<Fit>& fits, double tolerance, int iterations) {
    for (Fit& fit : fits) {
        fit.iterations = 0;
        fit.at.chi_square = std::numeric_limits<double>::infinity();
        fit.damping = 1e-3;
        fit.converged = fit.at_rest = false;
    }
    const auto linearise = [&](std::span<const VectorXd> positions,
                               std::span<const Freedom> freedoms) {
        return joint.linearise(positions, tolerance, freedoms);
    };
    while (iterate(fits, linearise, kSmallestFall, iterations)) {
    }
}

/// Common unknowns about the best fit, wider and wider, and from the prior.
std::vector<VectorXd> widened(const JointLikelihood& joint, const Fit& best, int count, int number,
                              std::uint64_t seed) {
    nmrsim::CounterRandom random(seed, kJointSearch + static_cast<std::uint64_t>(number),
                                 nmrsim::RandomStream::search);
    const Eigen::Index k = static_cast<Eigen::Index>(joint.common());
    const double excess = std::max(1.0, best.at.chi_square / joint.degrees());
    const MatrixXd root = inverse_root_of(bounded(best.at.information / excess)).topRows(k);
    std::vector<VectorXd> result;
    for (int i = 0; i < count; ++i) {
        VectorXd z(root.cols());
        for (double& value : z) value = random.normal();
        const double spread = kLeastSpread * std::pow(kMostSpread / kLeastSpread, random.uniform());
        VectorXd shared = best.position.head(k) + spread * (root * z);
        if (i % 2) {
            for (double& u : shared) u = random.uniform();
        }
        result.push_back(shared.cwiseMax(0.0).cwiseMin(1.0));
    }
    return result;
}

std::vector<bool> common_unknowns(const nmrsim::Experiment& experiment,
                                  const JointOptions& options) {
    std::vector<bool> shared;
    for (const nmrsim::PriorRange& range : experiment.prior) {
        shared.push_back(std::find(options.per_curve.begin(), options.per_curve.end(),
                                   range.name) == options.per_curve.end());
    }
    return shared;
}

/// (curves): the experiment as each was sampled. Throws: std::invalid_argument for other samples.
std::vector<nmrsim::Experiment> each_acquired(const nmrsim::Experiment& experiment,
                                              std::span<const float> signals,
                                              const JointOptions& options) {
    const std::size_t values = 2 * nmrsim::sample_count(experiment);
    std::vector<nmrsim::Experiment> result(
        options.windows.empty() ? signals.size() / values : options.windows.size(), experiment);
    std::size_t sum = 0;
    for (std::size_t c = 0; c < result.size(); ++c) {
        if (!options.windows.empty()) result[c].acquisition = options.windows[c];
        sum += 2 * static_cast<std::size_t>(result[c].acquisition.points);
    }
    if (result.size() < 2 || sum != signals.size()) {
        throw std::invalid_argument(
            options.windows.empty()
                ? fmt::format("fit_jointly: {} samples are not two or more curves of {} points",
                              signals.size(), experiment.acquisition.points)
                : fmt::format("fit_jointly: {} samples do not fit {} windows, two or more",
                              signals.size(), options.windows.size()));
    }
    return result;
}

void report(const JointLikelihood& joint, const nmrsim::Experiment& experiment,
            const std::vector<bool>& shared, const Fit& best, JointFit& result) {
    const VectorXd widths = joint.widths();
    const MatrixXd covariance =
        widths.asDiagonal() * inverse_of(bounded(best.at.information)) * widths.asDiagonal();
    std::vector<Eigen::Index> told;  // without time zeros
    for (std::size_t c = 0; c < joint.curves(); ++c) {
        for (const bool common : {true, false}) {
            if (common && c > 0) continue;
            for (std::size_t k = 0; k < result.unknowns; ++k) {
                if (shared[k] != common) continue;
                told.push_back(static_cast<Eigen::Index>(joint.place(c, k)));
                const std::string& name = experiment.prior[k].name;
                result.names.push_back(common ? name : fmt::format("{} of curve {}", name, c + 1));
            }
        }
        const VectorXd position = joint.part(best.position, c);
        const std::vector<double> parameters = joint.curve(c).parameters(position);
        result.estimate.insert(result.estimate.end(), parameters.begin(), parameters.end());
        result.time_zero_us.push_back(joint.curve(c).time_zero_us(position));
        for (std::size_t k = 0; k < result.unknowns; ++k) {
            const Eigen::Index i = static_cast<Eigen::Index>(joint.place(c, k));
            result.deviations.push_back(std::sqrt(covariance(i, i)));
        }
    }
    result.covariance = covariance(told, told);
    result.chi_square = best.at.chi_square;
    result.degrees = joint.degrees();
    result.converged = best.converged;
}

}  // namespace

void JointOptions::validate(const nmrsim::Experiment& experiment, std::size_t curves) const {
    refine.validate();
    for (const std::string& name : per_curve) {
        const bool known = std::any_of(experiment.prior.begin(), experiment.prior.end(),
                                       [&](const auto& range) { return range.name == name; });
        if (!known) {
            throw std::invalid_argument(
                fmt::format("per_curve must name unknowns of the prior, got {}", name));
        }
    }
    const std::vector<bool> shared = common_unknowns(experiment, *this);
    if (std::none_of(shared.begin(), shared.end(), [](bool common) { return common; })) {
        throw std::invalid_argument("per_curve must leave an unknown that the curves share");
    }
    if (!noise.empty() && noise.size() != curves) {
        throw std::invalid_argument(
            fmt::format("noise must be given for {} curves, got {}", curves, noise.size()));
    }
    for (const double sigma : noise) {
        if (!(sigma > 0.0) || !std::isfinite(sigma)) {
            throw std::invalid_argument(fmt::format("noise must be > 0, got {}", sigma));
        }
    }
    if ((!noise_correlation.empty() && noise_correlation.size() != curves) ||
        (!noise_uncertainty.empty() && noise_uncertainty.size() != curves)) {
        throw std::invalid_argument(fmt::format(
            "noise_correlation and noise_uncertainty must be given for {} curves", curves));
    }
    if (drawn < 0) throw std::invalid_argument(fmt::format("drawn must be >= 0, got {}", drawn));
}

bool JointFit::within_noise(double deviations_allowed) const {
    return std::abs(chi_square - degrees) <= deviations_allowed * chi_square_deviation;
}

JointFit fit_jointly(const nmrsim::Experiment& experiment, std::span<const float> signals,
                     std::span<const double> starts, const JointOptions& options) {
    const std::vector<nmrsim::Experiment> acquired = each_acquired(experiment, signals, options);
    const std::size_t curves = acquired.size();
    const std::size_t unknowns = experiment.prior.size();
    if (unknowns == 0 || starts.empty() || starts.size() % (curves * unknowns) != 0) {
        throw std::invalid_argument(fmt::format(
            "fit_jointly: {} numbers are no starts of {} unknowns for each of {} curves",
            starts.size(), unknowns, curves));
    }
    options.validate(experiment, curves);
    const std::size_t of_curve = starts.size() / curves;

    JointFit result;
    result.curves = curves;
    result.unknowns = unknowns;
    std::vector<CurveLikelihood> likelihoods;
    std::vector<Alone> alone;
    double more = 1.0;  // noise that the caller does not know of
    std::size_t taken = 0;
    RefineOptions used = options.refine;
    for (std::size_t c = 0; c < curves; ++c) {
        RefineOptions single = options.refine;
        if (!options.noise.empty()) single.noise = options.noise[c];
        if (!options.noise_correlation.empty()) {
            single.noise_correlation = options.noise_correlation[c];
        }
        if (!options.noise_uncertainty.empty()) {
            single.noise_uncertainty = options.noise_uncertainty[c];
        }
        const auto values = 2 * static_cast<std::size_t>(acquired[c].acquisition.points);
        const auto signal = signals.subspan(taken, values);
        taken += values;
        const auto given = starts.subspan(c * of_curve, of_curve);
        result.alone.push_back(refine(acquired[c], signal, given, single));
        likelihoods.emplace_back(acquired[c], signal, single);
        alone.push_back(on_the_box(likelihoods.back(), result.alone.back(), given));
        if (values >= 32) more = std::max(more, estimated_noise(signal) / single.noise);
        const Tolerances tolerances = likelihoods.back().tolerances();
        used.tolerance = c ? std::min(used.tolerance, tolerances.follow) : tolerances.follow;
        used.screening_tolerance =
            c ? std::min(used.screening_tolerance, tolerances.screening) : tolerances.screening;
        used.final_tolerance =
            c ? std::min(used.final_tolerance, tolerances.fine) : tolerances.fine;
    }
    const std::vector<bool> shared = common_unknowns(experiment, options);
    JointLikelihood joint(std::move(likelihoods), shared);
    result.chi_square_deviation = joint.chi_square_deviation();
    const double consistent =
        more * more * (joint.degrees() + kConsistent * result.chi_square_deviation);

    const std::size_t kept = static_cast<std::size_t>(options.refine.refined);
    std::vector<Fit> found;
    for (int widening = 0;; ++widening) {
        const std::vector<VectorXd> tried =
            widening == 0 ? proposals(joint, alone, options.drawn)
                          : widened(joint, found.front(), options.refine.drawn / 4, widening,
                                    options.refine.seed);
        std::vector<Fit> fits = screened(joint, alone, tried, kept, used.screening_tolerance);
        follow(joint, fits, used);
        found.insert(found.end(), fits.begin(), fits.end());
        sort_by_chi_square(found);
        found = distinct(found, kept);
        if (found.empty())
            throw std::runtime_error("fit_jointly: no start has a finite chi-square");
        if (found.front().at.chi_square <= consistent || widening >= options.refine.widenings)
            break;
    }
    std::erase_if(found, [best = found.front().at.chi_square](const Fit& fit) {
        return fit.at.chi_square > best + 10.0 * kRivalRange;
    });
    settle(joint, found, used.final_tolerance, used.iterations);
    sort_by_chi_square(found);
    found = distinct(found, found.size());
    const Fit& best = found.front();
    report(joint, experiment, shared, best, result);
    for (std::size_t i = 1; i < found.size(); ++i) {
        if (found[i].at.chi_square <= best.at.chi_square + kRivalRange) ++result.rivals;
    }
    for (std::size_t c = 0; c < curves; ++c) {
        const std::vector<VectorXd> there = {joint.part(best.position, c)};
        const Linearisations at = joint.curve(c).linearise(there, used.final_tolerance).front();
        result.factor.push_back(at.as_asked.factor);
        result.chi_square_of.push_back(at.as_asked.chi_square);
    }
    return result;
}

}  // namespace nmrinverse
