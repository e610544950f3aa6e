#include "fit/search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "fit/linear_algebra.h"
#include "nmrsim/random.h"

namespace nmrinverse {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// After so many rounds the better half of the fits is followed on. Bad ones cost as much as good
/// ones and seldom catch up.
constexpr int kRoundsToHalving = 3;
constexpr std::size_t kFewestFollowed = 8;

/// Rounds for which others are followed after the best fit has come within the noise.
constexpr int kRivalRounds = 1;

/// Into [0, 1] by reflection at its ends, so that no start is lost to an edge.
VectorXd reflected(VectorXd position) {
    for (double& u : position) {
        u = std::abs(std::fmod(u, 2.0));
        if (u > 1.0) u = 2.0 - u;
    }
    return position;
}

}  // namespace

void sort_by_chi_square(std::vector<Fit>& fits) {
    std::stable_sort(fits.begin(), fits.end(),
                     [](const Fit& a, const Fit& b) { return a.at.chi_square < b.at.chi_square; });
}

MatrixXd bounded(const MatrixXd& information) {
    return information + 12.0 * MatrixXd::Identity(information.rows(), information.cols());
}

bool is_among(const std::vector<Fit>& fits, const Fit& fit) {
    return std::any_of(fits.begin(), fits.end(), [&](const Fit& other) {
        const VectorXd d = fit.position - other.position;
        return (d.transpose() * bounded(other.at.information) * d).value() <= kSameDistance;
    });
}

std::vector<Fit> distinct(const std::vector<Fit>& fits, std::size_t most) {
    std::vector<Fit> kept;
    for (const Fit& fit : fits) {
        if (kept.size() == most || !std::isfinite(fit.at.chi_square)) break;
        if (!is_among(kept, fit)) kept.push_back(fit);
    }
    return kept;
}

Search::Search(CurveLikelihood& likelihood, const RefineOptions& options, double consistent)
    : likelihood_(likelihood), options_(options), consistent_(consistent) {}

void Search::follow(const StartGroups& groups, std::size_t kept, Freedom freedom, bool to_the_end) {
    std::vector<Fit> fits = screened(groups, kept, freedom);
    if (fits.empty()) return;
    bool far = true;  // so far that a coarse simulation's error does not matter
    const auto linearise = [&](std::span<const VectorXd> positions,
                               std::span<const Freedom> freedoms) {
        const double tolerance = far ? options_.screening_tolerance : options_.tolerance;
        return likelihood_.linearise(positions, tolerance, freedoms);
    };
    const Jump jump = [&](Fit& fit) { return likelihood_.jump_to_alias(fit); };
    int left = std::numeric_limits<int>::max();
    for (int round = 1; left > 0 && iterate(fits, linearise, kSmallFall, options_.iterations, jump);
         ++round) {
        --left;
        sort_by_chi_square(fits);
        const Fit& best = fits.front();
        far = best.at.chi_square > kFar * likelihood_.degrees();
        if (!to_the_end && best.freedom == Freedom::as_asked && best.at.chi_square <= consistent_) {
            left = std::min(left, kRivalRounds);
        }
        if (round % kRoundsToHalving == 0 && fits.size() > kFewestFollowed) {
            fits.resize(std::max(kFewestFollowed, fits.size() / 2));
        }
    }
    for (Fit& fit : fits) {
        if (fit.freedom == Freedom::as_asked || !std::isfinite(fit.at.chi_square)) continue;
        fit.tighten();
        fit.trial = fit.position + damped_step(fit.position, fit.at, fit.damping);
    }
    add(fits);
}

void Search::add(const std::vector<Fit>& fits) {
    found_.insert(found_.end(), fits.begin(), fits.end());
    sort_by_chi_square(found_);
    found_ = distinct(found_, 2 * static_cast<std::size_t>(options_.refined));
}

std::vector<Fit> Search::screened(const StartGroups& groups, std::size_t kept, Freedom freedom) {
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

StartGroups Search::widened(const std::vector<VectorXd>& given, int number) const {
    const Eigen::Index k = given.front().size();
    nmrsim::CounterRandom random(options_.seed, static_cast<std::uint64_t>(number),
                                 nmrsim::RandomStream::search);
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

    // Around each of so many minima starts are drawn anew, from so many to so many of its standard
    // deviations away, these as if the residual were noise.
    constexpr std::size_t kSources = 3;
    constexpr double kNearest = 3.0;
    constexpr double kFarthest = 100.0;
    const std::vector<Fit> sources = distinct(found_, kSources);
    std::vector<MatrixXd> roots;
    for (const Fit& source : sources) {
        const double excess = std::max(1.0, source.at.chi_square / likelihood_.degrees());
        roots.push_back(inverse_root_of(bounded(source.at.information / excess)));
    }
    StartGroups groups(static_cast<std::size_t>(k) + 3);
    for (int i = 0; i < options_.drawn; ++i) {
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

}  // namespace nmrinverse
