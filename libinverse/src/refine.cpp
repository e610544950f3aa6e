#include "nmrinverse/refine.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "curve_likelihood.h"
#include "levenberg_marquardt.h"
#include "nmrsim/random.h"

namespace nmrinverse {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Minima count as rivals within this of the best chi-square, and as the same within so many
/// squared standard deviations.
constexpr double kRivalRange = 12.0;
constexpr double kSameDistance = 25.0;

/// While fits are followed, what is left to gain is no news below this; the last steps go down to a
/// hundredth of a standard deviation.
constexpr double kSmallFall = 0.3;
constexpr double kSmallestFall = 1e-4;

/// After so many rounds the better half of the fits is followed on. Bad ones cost as much as good
/// ones and seldom catch up.
constexpr int kRoundsToHalving = 3;
constexpr std::size_t kFewestFollowed = 8;

/// Rounds for which others are followed after the best fit has come within the noise.
constexpr int kRivalRounds = 1;

/// Chi-square is consistent with the noise within so many of its standard deviations.
constexpr double kConsistent = 3.5;

/// Around each of so many minima starts are drawn anew, from so many to so many of its standard
/// deviations away, these as if the residual were noise.
constexpr std::size_t kSources = 3;
constexpr double kNearest = 3.0;
constexpr double kFarthest = 100.0;

/// Last steps of each minimum on one set of derivatives, and sets of derivatives.
constexpr int kLastSteps = 3;
constexpr int kLastLinearisations = 4;

void sort_by_chi_square(std::vector<Fit>& fits) {
    std::stable_sort(fits.begin(), fits.end(),
                     [](const Fit& a, const Fit& b) { return a.at.chi_square < b.at.chi_square; });
}

/// The information with a uniform density's variance as a bound: where a curve says nothing, the
/// box does.
MatrixXd bounded(const MatrixXd& information) {
    return information + 12.0 * MatrixXd::Identity(information.rows(), information.cols());
}

/// The best of each group of fits that lie within `distance` squared standard deviations; `fits`
/// must be sorted.
std::vector<Fit> distinct(const std::vector<Fit>& fits, double inflation, std::size_t most) {
    std::vector<Fit> kept;
    for (const Fit& fit : fits) {
        if (kept.size() == most || !std::isfinite(fit.at.chi_square)) break;
        const bool is_new = std::all_of(kept.begin(), kept.end(), [&](const Fit& other) {
            const VectorXd d = fit.position - other.position;
            return (d.transpose() * bounded(other.at.information) * d).value() >
                   kSameDistance * inflation;
        });
        if (is_new) kept.push_back(fit);
    }
    return kept;
}

/// The search for the best fits of one curve.
class Search {
public:
    Search(CurveLikelihood& likelihood, const RefineOptions& options, double consistent)
        : likelihood_(likelihood), options_(options), consistent_(consistent) {}

    const std::vector<Fit>& found() const { return found_; }  ///< best first
    bool fits() const { return !found_.empty() && found_.front().at.chi_square <= consistent_; }

    /// Screens the starts, follows the best `kept` of each group, and keeps what they lead to.
    void follow(std::vector<std::vector<VectorXd>> groups, std::size_t kept, Freedom freedom) {
        std::vector<Fit> fits = screened(std::move(groups), kept, freedom);
        const auto linearise = [&](std::span<const VectorXd> positions,
                                   std::span<const Freedom> freedoms) {
            return likelihood_.linearise(positions, options_.tolerance, freedoms);
        };
        int left = std::numeric_limits<int>::max();
        for (int round = 1; left > 0 && iterate(fits, linearise, kSmallFall, options_.iterations);
             ++round) {
            --left;
            sort_by_chi_square(fits);
            const Fit& best = fits.front();
            if (best.freedom == Freedom::as_asked && best.at.chi_square <= consistent_)
                left = std::min(left, kRivalRounds);
            if (round % kRoundsToHalving == 0 && fits.size() > kFewestFollowed) {
                fits.resize(std::max(kFewestFollowed, fits.size() / 2));
            }
        }
        for (Fit& fit : fits) {
            if (fit.freedom == Freedom::as_asked) continue;
            fit.tighten();
            fit.trial = fit.position + damped_step(fit.position, fit.at, fit.damping);
        }
        add(fits);
    }

    /// Keeps these fits too, where they are new.
    void add(const std::vector<Fit>& fits) {
        found_.insert(found_.end(), fits.begin(), fits.end());
        sort_by_chi_square(found_);
        found_ = distinct(found_, 1.0, 2 * static_cast<std::size_t>(options_.refined));
    }

private:
    std::vector<Fit> screened(std::vector<std::vector<VectorXd>> groups, std::size_t kept,
                              Freedom freedom) {
        std::vector<VectorXd> all;
        for (const auto& group : groups) all.insert(all.end(), group.begin(), group.end());
        std::vector<double> chi_square(all.size());
        if (all.size() > kept) {
            chi_square = likelihood_.chi_square(all, options_.screening_tolerance, freedom);
        }
        std::vector<Fit> fits;
        std::size_t first = 0;
        for (const auto& group : groups) {
            std::vector<std::size_t> order(group.size());
            std::iota(order.begin(), order.end(), first);
            first += group.size();
            std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
                return chi_square[a] < chi_square[b];
            });
            if (order.size() > kept) order.resize(kept);
            for (const std::size_t i : order) {
                fits.emplace_back();
                fits.back().position = all[i];
                fits.back().freedom = freedom;
            }
        }
        return fits;
    }

    CurveLikelihood& likelihood_;
    const RefineOptions& options_;
    double consistent_;
    std::vector<Fit> found_;
};

/// Into [0, 1] by reflection at its ends, so that no start is lost to an edge.
VectorXd reflected(VectorXd position) {
    for (double& u : position) {
        u = std::abs(std::fmod(u, 2.0));
        if (u > 1.0) u = 2.0 - u;
    }
    return position;
}

/// Starts of widening `number`, in groups, so that those which fall back to a known minimum do not
/// crowd out the others: around the best fits; there with one unknown anywhere, since a phase that
/// has wrapped once more is another minimum far along one unknown; as the given ones but wider;
/// from the prior.
std::vector<std::vector<VectorXd>> widened(const Search& search, const std::vector<VectorXd>& given,
                                           const RefineOptions& options, double degrees,
                                           int number) {
    const Eigen::Index k = given.front().size();
    nmrsim::CounterRandom random(options.seed, static_cast<std::uint64_t>(number),
                                 nmrsim::RandomStream::noise);
    const auto normals = [&] {
        VectorXd z(k);
        for (double& value : z) value = random.normal();
        return z;
    };
    VectorXd mean = VectorXd::Zero(k);
    for (const VectorXd& start : given) mean += start / static_cast<double>(given.size());
    VectorXd variance = VectorXd::Zero(k);
    for (const VectorXd& start : given) {
        variance += (start - mean).cwiseAbs2() / static_cast<double>(given.size());
    }
    const VectorXd deviation = variance.cwiseSqrt().cwiseMax(1e-4);

    const std::vector<Fit> sources = distinct(search.found(), 1.0, kSources);
    std::vector<MatrixXd> roots;
    for (const Fit& source : sources) {
        const double excess = std::max(1.0, source.at.chi_square / degrees);
        const Eigen::SelfAdjointEigenSolver<MatrixXd> modes(
            bounded(source.at.information / excess));
        roots.push_back(modes.operatorInverseSqrt());
    }
    std::vector<std::vector<VectorXd>> groups(static_cast<std::size_t>(k) + 3);
    for (int i = 0; i < options.drawn; ++i) {
        const std::size_t g = static_cast<std::size_t>(i) % groups.size();
        const std::size_t s = static_cast<std::size_t>(i) / groups.size() % sources.size();
        const double spread = kNearest * std::pow(kFarthest / kNearest, random.uniform());
        VectorXd start(k);
        if (g == 0) {
            start = mean + (1.0 + 0.5 * number) * deviation.cwiseProduct(normals());
        } else if (g == 1) {
            for (double& u : start) u = random.uniform();
        } else {
            start = sources[s].position + spread * (roots[s] * normals());
            if (g > 2) start(static_cast<Eigen::Index>(g) - 3) = random.uniform();
        }
        groups[g].push_back(reflected(std::move(start)));
    }
    return groups;
}

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
    for (Fit& fit : fits) fit.at_rest = false;
    for (int n = 0; n < kLastLinearisations; ++n) {
        std::vector<Fit*> active;
        std::vector<VectorXd> positions;
        for (Fit& fit : fits) {
            if (fit.at_rest) continue;
            active.push_back(&fit);
            positions.push_back(fit.position);
        }
        if (active.empty()) return;
        std::vector<MatrixXd> slopes;
        const std::vector<Evaluation> at =
            likelihood.linearise(positions, options.tolerance, {}, &slopes);
        for (std::size_t i = 0; i < active.size(); ++i) {
            active[i]->at = at[i].as_asked;
            active[i]->at.chi_square = std::numeric_limits<double>::infinity();
            active[i]->trial = active[i]->position;
        }
        for (int step = 0; step < kLastSteps; ++step) {
            for (std::size_t i = 0; i < active.size(); ++i) positions[i] = active[i]->trial;
            const std::vector<VectorXd> residuals = likelihood.residuals(positions, fine);
            bool moved = false;
            for (std::size_t i = 0; i < active.size(); ++i) {
                Fit& fit = *active[i];
                if (fit.at_rest) continue;
                const double chi_square = residuals[i].squaredNorm();
                if (chi_square < fit.at.chi_square) {
                    fit.position = fit.trial;
                    fit.at.chi_square = chi_square;
                    fit.at.gradient = slopes[i].transpose() * residuals[i];
                    fit.damping = 0.0;
                } else {
                    fit.damping = std::max(1.0, 10.0 * fit.damping);
                }
                const VectorXd next = damped_step(fit.position, fit.at, fit.damping);
                fit.at_rest =
                    predicted_fall(fit.at, damped_step(fit.position, fit.at, 0.0)) < kSmallestFall;
                fit.trial = fit.position + next;
                moved = moved || !fit.at_rest;
            }
            if (!moved) return;
        }
    }
}

MatrixXd covariance_of(const CurveLikelihood& likelihood, const Fit& fit) {
    const Eigen::Index k = fit.position.size();
    const VectorXd width = likelihood.widths();
    const MatrixXd covariance = width.asDiagonal() *
                                bounded(fit.at.information).ldlt().solve(MatrixXd::Identity(k, k)) *
                                width.asDiagonal();
    const Eigen::Index unknowns = static_cast<Eigen::Index>(likelihood.unknowns());
    return covariance.topLeftCorner(unknowns, unknowns);
}

/// Correlation of neighbours in the real and in the imaginary parts of a residual, and the standard
/// deviation that white noise gives it.
void correlate(const VectorXd& residual, Refinement& result) {
    const Eigen::Index n = residual.size() / 2;
    if (n < 3) return;
    double product = 0.0;
    for (const VectorXd& half : {VectorXd(residual.head(n)), VectorXd(residual.tail(n))}) {
        product += half.head(n - 1).dot(half.tail(n - 1));
    }
    const double square = residual.squaredNorm();
    if (square > 0.0) result.residual_correlation = product / square;
    result.residual_correlation_deviation = 1.0 / std::sqrt(2.0 * static_cast<double>(n - 1));
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
    positive("time_zero_range_us", time_zero_range_us);
    at_least("screened", 1, screened);
    at_least("refined", 1, refined);
    at_least("iterations", 1, iterations);
    at_least("widenings", 0, widenings);
    at_least("drawn", 1, drawn);
}

std::vector<double> Refinement::deviations() const {
    std::vector<double> result;
    for (Eigen::Index a = 0; a < covariance.rows(); ++a) {
        result.push_back(std::sqrt(covariance(a, a)));
    }
    return result;
}

bool Refinement::within_noise(double deviations) const {
    return std::abs(chi_square - degrees) <= deviations * std::sqrt(2.0 * degrees);
}

Refinement refine(const nmrsim::Experiment& experiment, std::span<const float> signal,
                  std::span<const double> starts, const RefineOptions& options) {
    options.validate();
    check_curve(experiment, signal, options);
    check_starts(starts, experiment.prior.size());
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
    const double more = signal.size() >= 32 ? estimated_noise(signal) / options.noise : 1.0;
    const double consistent =
        std::max(1.0, more * more) * (degrees + kConsistent * std::sqrt(2.0 * degrees));

    std::vector<VectorXd> given;
    for (std::size_t i = 0; i < starts.size(); i += likelihood.unknowns()) {
        given.push_back(likelihood.position(starts.subspan(i, likelihood.unknowns())));
    }
    Search search(likelihood, used, consistent);
    const std::size_t kept = static_cast<std::size_t>(used.refined);
    // A first portion is enough for most curves.
    const std::size_t first = std::min(given.size(), static_cast<std::size_t>(used.screened));
    const auto portion = given.begin() + static_cast<std::ptrdiff_t>(first);
    search.follow({{given.begin(), portion}}, kept, Freedom::phase);
    Refinement result;
    std::vector<Fit> ends;
    for (;;) {
        ends = search.found();
        std::erase_if(ends, [&](const Fit& fit) {
            return fit.at.chi_square > search.found().front().at.chi_square + 10.0 * kRivalRange;
        });
        if (search.fits() || result.widenings == options.widenings) {
            settle(likelihood, ends, used, fine);
            sort_by_chi_square(ends);
            ends = distinct(ends, 1.0, ends.size());
            const Fit& end = ends.front();
            const bool done = end.converged && end.at.chi_square <= consistent;
            if (done || result.widenings == options.widenings) break;
            search.add(ends);
        }
        ++result.widenings;
        const Freedom freedom = result.widenings % 2 == 1 ? Freedom::frequency : Freedom::phase;
        if (result.widenings == 1 && portion != given.end()) {
            search.follow({{portion, given.end()}}, 2 * kept, freedom);
        } else {
            search.follow(widened(search, given, used, degrees, result.widenings), kept / 2 + 1,
                          freedom);
        }
    }

    const Fit& end = ends.front();
    result.estimate = likelihood.parameters(end.position);
    result.factor = end.at.factor;
    result.time_zero_us = likelihood.time_zero_us(end.position);
    result.chi_square = end.at.chi_square;
    result.degrees = degrees;
    result.converged = end.converged;
    result.covariance = covariance_of(likelihood, end);
    for (std::size_t i = 1; i < ends.size(); ++i) {
        if (!ends[i].converged || ends[i].at.chi_square > end.at.chi_square + kRivalRange) continue;
        result.rivals.push_back({likelihood.parameters(ends[i].position), ends[i].at.chi_square,
                                 covariance_of(likelihood, ends[i])});
    }
    correlate(likelihood.residuals({&end.position, 1}, fine).front(), result);
    result.simulations = likelihood.simulations();
    return result;
}

}  // namespace nmrinverse
