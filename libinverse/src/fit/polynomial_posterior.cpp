#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "fit/curve_likelihood.h"
#include "fit/importance_sampler.h"
#include "fit/linear_algebra.h"
#include "fit/monomials.h"
#include "fit/student_density.h"
#include "nmrinverse/importance.h"
#include "nmrsim/stop.h"

namespace nmrinverse {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Chi-square of a curve whose every sample is a polynomial: by the residuals' products alone.
class ChiSquarePolynomial {
public:
    /// Args: places: (k, n) on the unit cube. products: (n, n) of the residuals there.
    ChiSquarePolynomial(const Monomials& monomials, const MatrixXd& places,
                        const MatrixXd& products)
        : monomials_(monomials), mean_(places.rowwise().mean()) {
        MatrixXd z = places.colwise() - mean_;
        root_ = root_of(product_transposed(z, z) / static_cast<double>(z.cols()));
        z = divided_by(root_, std::move(z));
        // A polynomial is not asked so many times as far out as its places lie.
        constexpr double kFarther = 1.2;
        reach_ = kFarther * kFarther * z.colwise().squaredNorm().maxCoeff();
        // Of n residuals r by least squares the coefficients are r P^T, P the design's inverse.
        const MatrixXd inverse = pseudo_inverse(monomials_(z));
        products_ = product_transposed(product(inverse, products), inverse);
    }

    /// (n): infinite beyond the places.
    VectorXd operator()(const MatrixXd& positions) const {
        const MatrixXd z = divided_by(root_, positions.colwise() - mean_);
        const MatrixXd at = monomials_(z);
        VectorXd result = product(at, products_).cwiseProduct(at).rowwise().sum();
        for (Index i = 0; i < z.cols(); ++i) {
            if (!(z.col(i).squaredNorm() <= reach_)) {
                result(i) = std::numeric_limits<double>::infinity();
            }
        }
        return result;
    }

private:
    Monomials monomials_;
    VectorXd mean_;
    MatrixXd root_;      ///< of the places' covariance
    MatrixXd products_;  ///< (count, count), of the samples' coefficients
    double reach_ = 0.0;
};

/// A minimum with the floor of its valley, and the curves about it.
class Basin {
public:
    explicit Basin(const Minimum& minimum, const Box& box) { extend(minimum, box); }

    void extend(const Minimum& minimum, const Box& box) {
        VectorXd width(box.size());
        for (Index k = 0; k < box.size(); ++k) width(k) = box.width(k);
        centres_.push_back(box.to_unit(minimum.parameters.data()));
        roots_.push_back(width.cwiseInverse().asDiagonal() * root_of(minimum.covariance));
    }

    /// (n): squares of the distance from the nearest centre, in its deviations.
    VectorXd distances(const MatrixXd& positions) const {
        VectorXd result = VectorXd::Constant(positions.cols(), kFar);
        for (std::size_t m = 0; m < centres_.size(); ++m) {
            const MatrixXd z = divided_by(roots_[m], positions.colwise() - centres_[m]);
            result = result.cwiseMin(z.colwise().squaredNorm().transpose());
        }
        return result;
    }

    /// A place about its centres in turn.
    VectorXd draw(nmrsim::CounterRandom& random) {
        const std::size_t m = turn_++ % centres_.size();
        VectorXd z(centres_[m].size());
        // The first places lie about the minimum so many times as far as its covariance says.
        constexpr double kSpread = 1.5;
        for (double& value : z) value = kSpread * random.normal();
        return centres_[m] + roots_[m] * z;
    }

    void add(VectorXd place, VectorXd residual) {
        places_.push_back(std::move(place));
        residuals_.push_back(std::move(residual));
    }

    Index count() const { return std::ssize(places_); }

    void fit(const Monomials& monomials) {
        MatrixXd at(places_.front().size(), count());
        MatrixXd residuals(residuals_.front().size(), count());
        for (Index i = 0; i < count(); ++i) {
            at.col(i) = places_[static_cast<std::size_t>(i)];
            residuals.col(i) = residuals_[static_cast<std::size_t>(i)];
        }
        polynomial_.emplace(monomials, at, transposed_product(residuals, residuals));
    }

    /// By the polynomial.
    VectorXd chi_square(const MatrixXd& positions) const { return (*polynomial_)(positions); }

private:
    static constexpr double kFar = std::numeric_limits<double>::infinity();

    std::vector<VectorXd> centres_;
    std::vector<MatrixXd> roots_;  ///< of their covariances
    std::size_t turn_ = 0;
    std::vector<VectorXd> places_;
    std::vector<VectorXd> residuals_;  ///< there
    std::optional<ChiSquarePolynomial> polynomial_;
};

/// All basins of a fit.
class Basins {
public:
    Basins(CurveLikelihood& likelihood, const Box& box, const Refinement& fit)
        : likelihood_(likelihood), tolerance_(likelihood.tolerances().fine) {
        all_.emplace_back(Minimum{fit.estimate, fit.chi_square, fit.covariance}, box);
        for (const Minimum& rival : fit.rivals) all_.emplace_back(rival, box);
        const std::vector<Basin> minima = all_;
        for (const Minimum& floor : fit.valleys) {
            all_[nearest(minima, box.to_unit(floor.parameters.data())).front()].extend(floor, box);
        }
    }

    std::size_t count() const { return all_.size(); }

    /// Returns: chi-square there.
    VectorXd add(const std::vector<VectorXd>& places) {
        std::vector<VectorXd> residuals = likelihood_.residuals(places, tolerance_);
        VectorXd result(std::ssize(places));
        const std::vector<std::size_t> basin = nearest(all_, matrix(places));
        for (std::size_t i = 0; i < places.size(); ++i) {
            result(static_cast<Index>(i)) = residuals[i].squaredNorm();
            all_[basin[i]].add(places[i], std::move(residuals[i]));
        }
        return result;
    }

    /// Fits polynomials, each to so many places at the least.
    /// Returns: whether so many are inside the cube.
    bool fit(const Monomials& monomials, Index least, nmrsim::CounterRandom& random) {
        std::vector<VectorXd> more;
        for (Basin& basin : all_) {
            Index missing = least - basin.count();
            for (Index trial = 0; trial < 20 * least && missing > 0; ++trial) {
                VectorXd place = basin.draw(random);
                if (!in_unit_box(place)) continue;
                more.push_back(std::move(place));
                --missing;
            }
            if (missing > 0) return false;
        }
        add(more);
        for (Basin& basin : all_) {
            // Some may have been nearer to another.
            if (basin.count() < monomials.count() + 1) return false;
            basin.fit(monomials);
        }
        return true;
    }

    /// Each position by its own basin's polynomial.
    VectorXd chi_square(const MatrixXd& positions) const {
        if (all_.size() == 1) return all_.front().chi_square(positions);
        const std::vector<std::size_t> basin = nearest(all_, positions);
        VectorXd result(positions.cols());
        for (std::size_t b = 0; b < all_.size(); ++b) {
            const VectorXd by = all_[b].chi_square(positions);
            for (Index i = 0; i < by.size(); ++i) {
                if (basin[static_cast<std::size_t>(i)] == b) result(i) = by(i);
            }
        }
        return result;
    }

    static MatrixXd matrix(const std::vector<VectorXd>& places) {
        MatrixXd result(places.empty() ? 0 : places.front().size(), std::ssize(places));
        for (Index i = 0; i < result.cols(); ++i) {
            result.col(i) = places[static_cast<std::size_t>(i)];
        }
        return result;
    }

private:
    static std::vector<std::size_t> nearest(const std::vector<Basin>& basins,
                                            const MatrixXd& positions) {
        std::vector<std::size_t> result(static_cast<std::size_t>(positions.cols()), 0);
        if (basins.size() == 1) return result;
        VectorXd least = basins.front().distances(positions);
        for (std::size_t b = 1; b < basins.size(); ++b) {
            const VectorXd distance = basins[b].distances(positions);
            for (Index i = 0; i < distance.size(); ++i) {
                if (!(distance(i) < least(i))) continue;
                least(i) = distance(i);
                result[static_cast<std::size_t>(i)] = b;
            }
        }
        return result;
    }

    CurveLikelihood& likelihood_;
    double tolerance_;
    std::vector<Basin> all_;
};

/// Samples by the root of a likelihood, of samples that are weighted by the likelihood.
std::vector<VectorXd> by_root(const WeightedPosterior& posterior, const VectorXd& chi_square,
                              const Box& box, std::size_t number, nmrsim::CounterRandom& random) {
    const double least = chi_square.minCoeff();
    std::vector<double> reached;
    double sum = 0.0;
    // Chi-square so far above the least counts for nothing.
    constexpr double kDepth = 100.0;
    for (std::size_t i = 0; i < posterior.count(); ++i) {
        const double above = chi_square(static_cast<Index>(i)) - least;
        if (above < kDepth) sum += posterior.weights[i] * std::exp(0.25 * above);
        reached.push_back(sum);
    }
    std::vector<VectorXd> result;
    const double offset = random.uniform();
    for (std::size_t j = 0; j < number; ++j) {
        const double at = sum * (static_cast<double>(j) + offset) / static_cast<double>(number);
        const auto i =
            std::min(posterior.count() - 1,
                     static_cast<std::size_t>(std::upper_bound(reached.begin(), reached.end(), at) -
                                              reached.begin()));
        result.push_back(box.to_unit(&posterior.samples[i * posterior.unknowns]));
    }
    return result;
}

/// Half the sum of what two densities, given by logarithms at the same places, differ by there.
double difference(const VectorXd& a, const VectorXd& b) {
    const auto shares = [](const VectorXd& log_weight) {
        const VectorXd weight = (log_weight.array() - log_weight.maxCoeff()).exp();
        return VectorXd(weight / weight.sum());
    };
    return 0.5 * (shares(a) - shares(b)).cwiseAbs().sum();
}

/// Share of the posterior that a polynomial puts where it does not belong, by places that were
/// drawn by the root of its likelihood.
double misplaced(const VectorXd& by_polynomial, const VectorXd& chi_square) {
    return difference(-0.25 * by_polynomial, 0.25 * by_polynomial - 0.5 * chi_square);
}

/// The same, by minima and points on floors, each for as much room as its covariance has.
double misplaced(const VectorXd& by_polynomial, const std::vector<Minimum>& minima) {
    VectorXd room(std::ssize(minima)), chi_square(room.size());
    for (Index m = 0; m < room.size(); ++m) {
        const Minimum& minimum = minima[static_cast<std::size_t>(m)];
        room(m) = 0.5 * log_determinant(minimum.covariance);
        chi_square(m) = minimum.chi_square;
    }
    return difference(room - 0.5 * by_polynomial, room - 0.5 * chi_square);
}

}  // namespace

std::optional<WeightedPosterior> polynomial_posterior(const nmrsim::Experiment& experiment,
                                                      std::span<const float> signal,
                                                      const Refinement& refinement,
                                                      const RefineOptions& refine_options,
                                                      const ImportanceOptions& options) {
    refine_options.validate();
    options.validate();
    check_curve(experiment, signal, refine_options);
    CurveLikelihood likelihood(experiment, signal, refine_options);
    // A time zero is no unknown here; the likelihood of noise that is not as it was said, or
    // correlated, is not by chi-square alone.
    if (refine_options.fit_time_zero || !refine_options.noise_correlation.empty() ||
        std::abs(refinement.effective_noise / refine_options.noise - 1.0) > 1e-6) {
        return {};
    }
    const Box box(experiment.prior);
    std::vector<Minimum> minima{
        {refinement.estimate, refinement.chi_square, refinement.covariance}};
    minima.insert(minima.end(), refinement.rivals.begin(), refinement.rivals.end());
    minima.insert(minima.end(), refinement.valleys.begin(), refinement.valleys.end());
    // The points of a floor share the room that a minimum on it has alone.
    const std::vector<Minimum>& known = refinement.valleys.empty() ? minima : refinement.valleys;
    std::vector<double> known_places;
    for (const Minimum& one : known) {
        known_places.insert(known_places.end(), one.parameters.begin(), one.parameters.end());
    }
    // Weighted draws have the curve's index: no curve has this one.
    nmrsim::CounterRandom random(options.seed, ~options.index, nmrsim::RandomStream::importance);
    Basins basins(likelihood, box, refinement);
    const auto unknowns = static_cast<std::size_t>(box.size());
    const auto at = [&](std::span<const double> parameters) {
        MatrixXd positions(box.size(), static_cast<Index>(parameters.size() / unknowns));
        for (Index i = 0; i < positions.cols(); ++i) {
            positions.col(i) = box.to_unit(&parameters[static_cast<std::size_t>(i) * unknowns]);
        }
        return basins.chi_square(positions);
    };
    const LogDensity log_likelihood = [&](std::span<const double> parameters) {
        const VectorXd log = -0.5 * at(parameters);
        return std::vector<double>(log.begin(), log.end());
    };
    // Degrees that are tried, each with so many places for each coefficient.
    constexpr int kLowestDegree = 3;
    constexpr int kHighestDegree = 5;
    constexpr Index kPlacesEach = 2;
    constexpr Index kMostPlaces = 400;
    // Weighted samples by a polynomial cost no simulation: so many a round, until so many are
    // effective; fewer than the least do not do.
    constexpr int kDraws = 3072;
    constexpr double kEnough = 1536.0;
    constexpr double kLeast = 512.0;
    constexpr int kRounds = 12;
    // So many other places for each minimum, drawn by the root of the polynomial's likelihood, must
    // say that it puts no more than this share of the posterior where it does not belong; and so
    // must the minima and the floors of their valleys, for no place is drawn where a polynomial has
    // a valley end too soon.
    constexpr std::size_t kChecks = 16;
    constexpr double kMisplaced = 0.02;
    for (int degree = kLowestDegree; degree <= kHighestDegree; ++degree) {
        nmrsim::throw_if_stopped();
        const Monomials monomials(unknowns, degree);
        const Index wanted = kPlacesEach * monomials.count();
        if (wanted * static_cast<Index>(basins.count()) > kMostPlaces) return {};
        if (!basins.fit(monomials, wanted, random)) return {};
        if (!std::isfinite(at(refinement.estimate)(0))) return {};
        if (!(misplaced(at(known_places), known) <= kMisplaced)) continue;
        WeightedPosterior posterior =
            importance_posterior(experiment.prior, log_likelihood, minima, nullptr,
                                 {.draws = kDraws,
                                  .rounds = kRounds,
                                  .enough = kEnough,
                                  .seed = options.seed,
                                  .index = options.index});
        const std::vector<VectorXd> checks =
            by_root(posterior, at(posterior.samples), box, kChecks * basins.count(), random);
        const VectorXd by_polynomial = basins.chi_square(Basins::matrix(checks));
        if (misplaced(by_polynomial, basins.add(checks)) <= kMisplaced) {
            if (posterior.effective_size < kLeast) return {};
            return posterior;
        }
    }
    return {};
}

}  // namespace nmrinverse
