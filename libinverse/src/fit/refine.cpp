#include "nmrinverse/refine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "fit/curve_likelihood.h"
#include "fit/fit_covariance.h"
#include "fit/levenberg_marquardt.h"
#include "fit/linear_algebra.h"
#include "fit/search.h"
#include "fit/valley.h"
#include "nmrsim/alpha_z_aliases.h"
#include "nmrsim/prior.h"
#include "nmrsim/random.h"

namespace nmrinverse {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Where a clock is fitted, which makes up for much, other minima lie near the best one: so many
/// starts about it are followed, each unknown off by itself, by so many to so many of its standard
/// deviations; and so many, by these shares of its range.
constexpr int kAbout = 16;
constexpr double kNearestAbout = 2.0;
constexpr double kFarthestAbout = 10.0;
constexpr int kAboutInBox = 16;
constexpr double kNearestInBox = 0.008;
constexpr double kFarthestInBox = 0.03;
/// Of the simulation that says where aliases are.
constexpr double kAliasTolerance = 1e-3;
/// Index of the first one's random numbers; those of widenings begin at 0.
constexpr std::uint64_t kAboutStarts = std::uint64_t{1} << 34;

/// Valleys are followed as far as chi-square is within this of their least, so many of them.
constexpr double kValleyRange = 16.0;
constexpr std::size_t kValleys = 4;

/// The last steps of some minima: full steps with the residual of a fine simulation on derivatives
/// of a coarser one, which are renewed where the steps do not come to rest.
void settle(CurveLikelihood& likelihood, std::vector<Fit>& fits, const RefineOptions& options,
            double fine) {
    // Those that only ran out of iterations go on.
    for (Fit& fit : fits) {
        fit.iterations = 1;
        fit.at_rest = fit.converged;
    }
    const auto linearise = [&](std::span<const VectorXd> positions,
                               std::span<const Freedom> freedoms) {
        return likelihood.linearise(positions, options.tolerance, freedoms);
    };
    while (iterate(fits, linearise, kSmallFall, 2 * options.iterations)) {
    }
    for (Fit& fit : fits) fit.converged = fit.at_rest = false;
    // Where chi-square falls no further although it is predicted to, the last steps go down to a
    // tenth of a standard deviation: the fine simulation's error may be as much.
    constexpr double kWithinError = 1e-2;
    // Last steps of each minimum on one set of derivatives, and sets of derivatives.
    constexpr int kLastSteps = 3;
    constexpr int kLastLinearisations = 6;
    for (int n = 0; n < kLastLinearisations; ++n) {
        std::vector<Fit*> active;
        std::vector<VectorXd> positions;
        for (Fit& fit : fits) {
            if (fit.at_rest) continue;
            active.push_back(&fit);
            positions.push_back(fit.position);
        }
        if (active.empty()) return;
        if (n > 0) {
            std::vector<Linearisations> at = likelihood.linearise(positions, options.tolerance);
            for (std::size_t i = 0; i < active.size(); ++i) {
                active[i]->at = std::move(at[i].as_asked);
            }
        }
        for (Fit* fit : active) {
            fit->at.chi_square = std::numeric_limits<double>::infinity();
            fit->trial = fit->position;
        }
        for (int step = 0; step < kLastSteps; ++step) {
            for (std::size_t i = 0; i < active.size(); ++i) positions[i] = active[i]->trial;
            std::vector<VectorXd> residuals = likelihood.residuals(positions, fine);
            bool moved = false;
            for (std::size_t i = 0; i < active.size(); ++i) {
                Fit& fit = *active[i];
                if (fit.at_rest) continue;
                const double chi_square = residuals[i].squaredNorm();
                const bool fell = chi_square < fit.at.chi_square;
                if (fell) {
                    fit.position = fit.trial;
                    fit.at.chi_square = chi_square;
                    fit.at.gradient = fit.at.slopes->transpose() * residuals[i];
                    fit.at.residual = std::move(residuals[i]);
                    fit.damping = 0.0;
                } else {
                    fit.damping = std::max(1.0, 10.0 * fit.damping);
                }
                const double left = predicted_fall(fit.at, damped_step(fit.position, fit.at, 0.0));
                fit.converged = fit.at_rest = left < (fell ? kSmallestFall : kWithinError);
                fit.trial = fit.position + damped_step(fit.position, fit.at, fit.damping);
                moved = moved || !fit.at_rest;
            }
            if (!moved) return;
        }
    }
}

/// Whether a position is on the floor of a valley, within five standard deviations.
bool on_floor(const std::vector<ValleyPoint>& floor, const VectorXd& position) {
    return std::any_of(floor.begin(), floor.end(), [&](const ValleyPoint& point) {
        const VectorXd d = position - point.position;
        return d.dot(solved(point.covariance, d)) < kSameDistance;
    });
}

/// Follows the valleys of the fits that may bend, puts the lowest point of each in its fits' place,
/// and sorts.
///
/// Steps of the second-order model make no way in a bent valley: a fit may end anywhere in it.
/// Returns: the points on the floors of all, and whether all are whole.
Valley follow_valleys(CurveLikelihood& likelihood, std::vector<Fit>& fits,
                      const RefineOptions& options, double fine) {
    Valley all;
    std::vector<ValleyPoint>& floors = all.floor;
    std::vector<Fit> kept;
    std::size_t valleys = 0;
    for (const Fit& fit : fits) {
        if (on_floor(floors, fit.position)) continue;
        kept.push_back(fit);
        if (fit.at.chi_square > fits.front().at.chi_square + 2.0 * kRivalRange) continue;
        if (valleys == kValleys || (fit.converged && !may_bend(likelihood, fit))) continue;
        ++valleys;
        const auto [floor, whole] = follow_valley(likelihood, fit, kValleyRange);
        all.whole = all.whole && whole;
        if (floor.empty()) continue;
        const auto lowest = std::min_element(floor.begin(), floor.end(),
                                             [](const ValleyPoint& a, const ValleyPoint& b) {
                                                 return a.at.chi_square < b.at.chi_square;
                                             });
        std::vector<Fit> end(1);
        end.front().position = end.front().trial = lowest->position;
        settle(likelihood, end, options, fine);
        if (end.front().at.chi_square < kept.back().at.chi_square) {
            kept.back() = std::move(end.front());
        }
        floors.insert(floors.end(), floor.begin(), floor.end());
    }
    sort_by_chi_square(kept);
    fits = std::move(kept);
    return all;
}

/// Starts about a fit, none of them along its valley: that leads back to it.
///
/// Args: scale: of each unknown, `nearest` to `farthest` times of which the starts are off by.
///       first: index of their random numbers.
std::vector<VectorXd> starts_about(const Fit& fit, const VectorXd& scale, double nearest,
                                   double farthest, int count, std::uint64_t seed,
                                   std::uint64_t first) {
    std::vector<VectorXd> starts;
    for (int i = 0; i < count; ++i) {
        nmrsim::CounterRandom random(seed, first + static_cast<std::uint64_t>(i),
                                     nmrsim::RandomStream::search);
        const double spread = nearest * std::pow(farthest / nearest, random.uniform());
        VectorXd start = fit.position;
        for (Eigen::Index k = 0; k < start.size(); ++k) {
            start(k) = std::clamp(start(k) + spread * scale(k) * random.normal(), 0.0, 1.0);
        }
        starts.push_back(std::move(start));
    }
    return starts;
}

/// Starts at the nearest aliases of alpha_z, whatever is predicted of them, the next ones first.
std::vector<VectorXd> next_aliases(const nmrsim::Experiment& experiment,
                                   const CurveLikelihood& likelihood, const Fit& fit) {
    std::vector<VectorXd> starts;
    if (!nmrsim::has_alpha_z_aliases(experiment)) return starts;
    const nmrsim::Prior& prior = experiment.prior;
    const auto range = std::find_if(prior.begin(), prior.end(), [](const nmrsim::PriorRange& one) {
        return one.name == "alpha_z_khz";
    });
    const nmrsim::AlphaZAlias alias = nmrsim::alpha_z_alias(
        nmrsim::with_parameters(experiment, likelihood.parameters(fit.position)), kAliasTolerance);
    for (const double turns : {-1.0, 1.0, -2.0, 2.0}) {
        VectorXd start = fit.position;
        double& u = start(range - prior.begin());
        u += turns * alias.period_khz / (range->high - range->low);
        if (u >= 0.0 && u <= 1.0) starts.push_back(std::move(start));
    }
    return starts;
}

void check_starts(std::span<const double> starts, std::size_t unknowns) {
    if (starts.empty() || starts.size() % unknowns != 0) {
        throw std::invalid_argument(fmt::format("refine: {} numbers are no starts of {} unknowns",
                                                starts.size(), unknowns));
    }
    if (!std::all_of(starts.begin(), starts.end(), [](double v) { return std::isfinite(v); })) {
        throw std::invalid_argument("refine: starts must be finite");
    }
}

}  // namespace

void RefineOptions::validate() const {
    const auto positive = [](const char* name, double value) {
        if (!(value > 0.0) || !std::isfinite(value)) {
            throw std::invalid_argument(fmt::format("{} must be > 0, got {}", name, value));
        }
    };
    const auto at_least = [](const char* name, int least, int value) {
        if (value < least) {
            throw std::invalid_argument(
                fmt::format("{} must be >= {}, got {}", name, least, value));
        }
    };
    positive("noise", noise);
    if (!(noise_uncertainty >= 0.0) || !std::isfinite(noise_uncertainty)) {
        throw std::invalid_argument(
            fmt::format("noise_uncertainty must be >= 0, got {}", noise_uncertainty));
    }
    for (const double r : noise_correlation) {
        if (!(std::abs(r) <= 1.0)) {
            throw std::invalid_argument(
                fmt::format("noise_correlation must be within -1 and 1, got {}", r));
        }
    }
    for (const double relative : relative_noise) {
        if (!(relative > 0.0)) {
            throw std::invalid_argument(
                fmt::format("relative_noise must be > 0, got {}", relative));
        }
    }
    positive("time_zero_range_us", time_zero_range_us);
    at_least("screened", 1, screened);
    at_least("refined", 1, refined);
    at_least("iterations", 1, iterations);
    at_least("widenings", 0, widenings);
    at_least("drawn", 1, drawn);
}

std::vector<double> deviations_of(const MatrixXd& covariance) {
    std::vector<double> result;
    for (Eigen::Index a = 0; a < covariance.rows(); ++a) {
        result.push_back(std::sqrt(covariance(a, a)));
    }
    return result;
}

bool Refinement::within_noise(double deviations) const {
    return std::abs(chi_square - degrees) <= deviations * chi_square_deviation;
}

Refinement refine(const nmrsim::Experiment& experiment, std::span<const float> signal,
                  std::span<const double> starts, const RefineOptions& options,
                  std::span<const double> time_zeros_us) {
    options.validate();
    check_curve(experiment, signal, options);
    check_starts(starts, experiment.prior.size());
    if (!time_zeros_us.empty() && time_zeros_us.size() != starts.size() / experiment.prior.size()) {
        throw std::invalid_argument(fmt::format("refine: {} time zeros for {} starts",
                                                time_zeros_us.size(),
                                                starts.size() / experiment.prior.size()));
    }
    CurveLikelihood likelihood(experiment, signal, options);
    const double degrees = likelihood.degrees();
    if (degrees < 1.0) {
        throw std::invalid_argument(
            fmt::format("refine: {} samples that count are too few for {} unknowns",
                        likelihood.samples(), likelihood.dimensions()));
    }
    const Tolerances tolerances = likelihood.tolerances();
    RefineOptions used = options;
    used.tolerance = tolerances.follow;
    used.screening_tolerance = tolerances.screening;
    const double fine = tolerances.fine;
    // Noise may be more than the caller thinks: to widen the search is of no use then.
    const bool alike = options.relative_noise.empty() && experiment.series.empty();
    const double more =
        alike && signal.size() >= 32 ? estimated_noise(signal) / options.noise : 1.0;
    const auto limit = [&](double deviations) {
        return std::max(1.0, more * more) *
               (degrees + deviations * likelihood.chi_square_deviation());
    };
    const double consistent = limit(kConsistent);

    std::vector<VectorXd> given;
    for (std::size_t i = 0; i < starts.size(); i += likelihood.unknowns()) {
        const double zero = time_zeros_us.empty() ? 0.0 : time_zeros_us[given.size()];
        given.push_back(likelihood.position(starts.subspan(i, likelihood.unknowns()), zero));
    }
    Search search(likelihood, used, consistent);
    const std::size_t kept = static_cast<std::size_t>(used.refined);
    // A first portion is enough for most curves.
    const std::size_t first = std::min(given.size(), static_cast<std::size_t>(used.screened));
    const auto portion = given.begin() + static_cast<std::ptrdiff_t>(first);
    search.follow({{given.begin(), portion}}, kept,
                  used.turning ? Freedom::frequency : Freedom::phase);
    Refinement result;
    std::vector<Fit> ends;
    // Fits whose aliases and surroundings have been looked at, at most so many.
    std::vector<Fit> looked_about;
    constexpr std::size_t kLooks = 4;
    // Where chi-square is so many of its standard deviations above the noise's, though consistent
    // with it, widenings are tried all the same, so many: where a curve says much, a wrong minimum
    // may have a chi-square that is only one or two of these too large.
    constexpr double kSure = 1.0;
    constexpr int kDoubts = 2;
    // Aliases of alpha_z that are predicted to come within so many times the degrees of freedom of
    // the best chi-square are followed too, so many at most. The prediction is linear: where a
    // curve tells much, one that fits is foretold some seven times the degrees of freedom.
    constexpr double kAliasMargin = 20.0;
    constexpr std::size_t kAliases = 8;
    // A fit with a standard deviation above this share of the prior's range lies in a valley that
    // may hold other minima: all starts are followed to their ends there.
    constexpr double kBroad = 0.005;
    for (;;) {
        ends = search.found();
        std::erase_if(ends, [&](const Fit& fit) {
            return fit.at.chi_square > search.found().front().at.chi_square + 10.0 * kRivalRange;
        });
        if (search.fits() || result.widenings == options.widenings) {
            if (options.brief && !search.fits() && ends.size() > 1) ends.resize(1);
            settle(likelihood, ends, used, fine);
            sort_by_chi_square(ends);
            ends = distinct(ends, ends.size());
            if (ends.empty()) throw std::runtime_error("refine: no start has a finite chi-square");
            const Fit& end = ends.front();
            const double chi_square = end.at.chi_square;
            const bool done = chi_square <= consistent &&
                              (chi_square <= limit(kSure) || result.widenings >= kDoubts);
            if (done || result.widenings == options.widenings) {
                // A look may find a better one, whose own are others.
                if (looked_about.size() == kLooks || is_among(looked_about, end) ||
                    (options.brief && chi_square > consistent)) {
                    break;
                }
                looked_about.push_back(end);
                const AliasStarts aliases =
                    likelihood.alias_starts(end, chi_square + kAliasMargin * degrees, kAliases);
                const VectorXd deviation = box_covariance(end.at).diagonal().cwiseSqrt();
                const bool broad = deviation.maxCoeff() > kBroad;
                const std::vector<VectorXd> near = next_aliases(experiment, likelihood, end);
                if (aliases.empty() && near.empty() && !options.fit_time_zero && !broad) break;
                search.add(ends);
                // Each by itself: aliases begin far above the others, and of many the worse half is
                // soon dropped.
                search.follow({aliases.fast}, kept, Freedom::as_asked, true);
                search.follow({aliases.slow}, kept, Freedom::as_asked, true);
                search.follow({aliases.edge}, kept, Freedom::phase, true);
                // Where they may turn, those beside it lead to the alias that fits best, be it many
                // turns off: the prediction, which is linear, misses aliases whose alpha_x and
                // angle are others.
                if (!near.empty()) {
                    const auto next = near.begin() + std::min<std::ptrdiff_t>(2, std::ssize(near));
                    search.follow({{near.begin(), next}}, kept, Freedom::frequency, true);
                }
                if (options.fit_time_zero) {
                    if (!near.empty()) {
                        search.follow({near}, near.size(), Freedom::as_asked, true);
                    }
                    const std::vector<VectorXd> about =
                        starts_about(end, deviation, kNearestAbout, kFarthestAbout, kAbout,
                                     options.seed, kAboutStarts);
                    const std::vector<VectorXd> in_box = starts_about(
                        end, VectorXd::Ones(deviation.size()), kNearestInBox, kFarthestInBox,
                        kAboutInBox, options.seed, kAboutStarts + kAbout);
                    search.follow({about}, about.size(), Freedom::as_asked, true);
                    // So few at a time that none is dropped.
                    const auto half = in_box.begin() + kAboutInBox / 2;
                    search.follow({{in_box.begin(), half}}, kept, Freedom::as_asked, true);
                    search.follow({{half, in_box.end()}}, kept, Freedom::as_asked, true);
                }
                if (broad) search.follow({{given.begin(), portion}}, kept, Freedom::as_asked, true);
                continue;
            }
            search.add(ends);
        }
        ++result.widenings;
        const Freedom freedom = result.widenings % 2 == 1 ? Freedom::frequency : Freedom::phase;
        if (result.widenings == 1 && portion != given.end()) {
            search.follow({{portion, given.end()}}, 2 * kept, freedom);
        } else {
            search.follow(search.widened(given, result.widenings), kept / 2 + 1, freedom);
        }
    }

    Valley valleys;
    if (!options.brief || ends.front().at.chi_square <= consistent) {
        valleys = follow_valleys(likelihood, ends, used, fine);
    }
    const Fit& end = ends.front();
    result.estimate = likelihood.parameters(end.position);
    // The last steps went on from where end.at.factor was the best.
    result.factor = likelihood.factor_at(end.position, fine);
    result.time_zero_us = likelihood.time_zero_us(end.position);
    result.chi_square = end.at.chi_square;
    result.degrees = degrees;
    result.chi_square_deviation = likelihood.chi_square_deviation();
    result.converged = end.converged && valleys.whole;
    correlate(end.at.residual, result);
    const MatrixXd white = box_covariance(end.at);
    const double of_sample = likelihood.noise() / options.noise;
    const MatrixXd covariance = best_covariance(end, options, result, of_sample * of_sample);
    result.covariance = covariance_of(likelihood, covariance);
    // In the mean over all directions; exact where nothing is correlated.
    const double wider = std::exp((log_determinant(covariance) - log_determinant(white)) /
                                  static_cast<double>(white.rows()));
    result.effective_noise = likelihood.noise() * std::sqrt(wider);
    for (std::size_t i = 1; i < ends.size(); ++i) {
        if (ends[i].at.chi_square > end.at.chi_square + wider * kRivalRange) continue;
        // One that has not come to rest fits the curve as it is; a valley's floor tells of it.
        if (!ends[i].converged && on_floor(valleys.floor, ends[i].position)) continue;
        result.rivals.push_back({likelihood.parameters(ends[i].position), ends[i].at.chi_square,
                                 wider * covariance_of(likelihood, box_covariance(ends[i].at))});
    }
    for (const ValleyPoint& point : valleys.floor) {
        if (point.at.chi_square > end.at.chi_square + wider * kValleyRange) continue;
        result.valleys.push_back({likelihood.parameters(point.position), point.at.chi_square,
                                  wider * covariance_of(likelihood, point.covariance)});
    }
    result.simulations = likelihood.simulations();
    return result;
}

}  // namespace nmrinverse
