/// A posterior by importance sampling: what corrects a network's answer, and says how good it was.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "nmrinverse/refine.h"
#include "nmrsim/experiment.h"
#include "nmrsim/prior.h"

namespace nmrinverse {

/// Logarithms of a density or a likelihood at parameters (count, unknowns), row-major; (count).
using LogDensity = std::function<std::vector<double>(std::span<const double> parameters)>;

/// Samples of a density that is known up to no factor, such as a network's posterior.
struct Proposal {
    std::vector<double> samples;  ///< (count, unknowns), in their units
    LogDensity log_density;       ///< per unit of the unknowns' units
};

struct ImportanceOptions {
    int draws = 256;  ///< about the minima, in all (rounded up), >= 1
    int least = 16;   ///< about each minimum at the least, >= 1
    /// Rounds at most, >= 1: each further one adds draws where the weights of those before were, as
    /// many as the first, or as many as are missing where a polynomial stands for the likelihood.
    int rounds = 20;
    double enough = 512.0;  ///< no further round above so many effective samples, > 0
    double tail = 5.0;      ///< degrees of freedom of the Student densities about minima, > 0
    std::uint64_t seed = 0;
    std::uint64_t index = 0;  ///< of the curve: curves of one seed share no numbers

    void validate() const;
};

/// A density by weighted samples.
struct WeightedPosterior {
    std::size_t unknowns = 0;
    std::vector<double> samples;             ///< (count, unknowns), in their units
    std::vector<double> weights;             ///< (count), >= 0, their sum 1
    std::vector<double> mean;                ///< (unknowns)
    Eigen::MatrixXd covariance;              ///< (unknowns, unknowns)
    std::vector<double> q05, q25, q75, q95;  ///< (unknowns), quantiles
    double log_evidence = 0.0;               ///< log of the likelihood's mean over the prior
    double effective_size = 0.0;             ///< of the sample: (sum w)^2 / sum w^2
    double effective_share() const;          ///< of the samples inside the box, in (0, 1]
    std::size_t count() const { return weights.size(); }
    std::vector<double> deviations() const { return deviations_of(covariance); }  ///< (unknowns)
};

/// The posterior under a uniform prior and this likelihood.
///
/// Samples come from the proposal, where there is one, and from a Student density about each
/// minimum with its covariance; each is weighted against the mixture of all (the balance
/// heuristic), so that one bad proposal does no harm beside a good one. Further rounds draw from a
/// polynomial in the likelihood's place, fitted to the samples before, where one of degree four or
/// less follows it, otherwise about samples of large weight. What is drawn outside the
/// prior's box has no weight and costs no likelihood. Quantiles are where as much of the density is
/// below as they say in the mean over draws, so that their intervals hold what they should at any
/// effective size.
///
/// Args: minima: may be empty where there is a proposal. proposal: nullptr for none.
/// Throws: std::invalid_argument where there is nothing to draw from, for sizes that do not fit, or
/// where the likelihood vanishes at every sample.
/// Source: E. Veach and L. J. Guibas, SIGGRAPH 95, 419 (1995); further rounds, O. Cappe et al.,
/// Statistics and Computing 18, 447 (2008).
WeightedPosterior importance_posterior(const nmrsim::Prior& prior, const LogDensity& log_likelihood,
                                       std::span<const Minimum> minima,
                                       const Proposal* proposal = nullptr,
                                       const ImportanceOptions& options = {});

/// The same for a curve and what refine() made of it with these options. Gain, phase and time zero,
/// where fitted, take their best values at each sample, time zero to first order about its fit. The
/// noise is the refinement's effective one.
WeightedPosterior importance_posterior(const nmrsim::Experiment& experiment,
                                       std::span<const float> signal, const Refinement& refinement,
                                       const RefineOptions& refine_options,
                                       const Proposal* proposal = nullptr,
                                       const ImportanceOptions& options = {});

/// The same where the curve is a polynomial in the unknowns, of the fifth degree or less, as far as
/// its noise leaves them open: one is fitted to some dozens of simulations about each minimum, and
/// weighted samples are drawn by what they say of chi-square. Other simulations say how far that is
/// right.
///
/// Args: options: seed and index alone count. Returns: nothing where polynomials misplace more than
/// two hundredths of the posterior or there are too many minima, and for fits with a time zero or
/// with noise that is correlated or not of the size it was said to be.
std::optional<WeightedPosterior> polynomial_posterior(const nmrsim::Experiment& experiment,
                                                      std::span<const float> signal,
                                                      const Refinement& refinement,
                                                      const RefineOptions& refine_options,
                                                      const ImportanceOptions& options = {});

}  // namespace nmrinverse
