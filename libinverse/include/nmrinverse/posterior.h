/// What a model knows after it has seen curves. No Torch in sight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "nmrinverse/prediction.h"

namespace nmrinverse {

/// The posterior of n curves: a joint density on the prior's box, none of it outside, and the
/// marginal density of each unknown.
///
/// The marginals are closed forms, so their quantiles and cumulatives cost no samples. The joint
/// density is autoregressive: each unknown given those before it in the prior's order. Both are
/// learnt, so they agree as far as the training went.
class Posterior {
public:
    struct State;
    explicit Posterior(std::shared_ptr<const State> state);

    std::size_t count() const;
    std::size_t unknowns() const;

    /// Mean, standard deviation and quantiles of the marginals.
    Predictions summary() const;

    /// Quantiles of the marginals.
    ///
    /// Args: levels: (m), each in [0, 1]. Returns: (count, unknowns, m), in the unknowns' units.
    std::vector<double> quantiles(std::span<const double> levels) const;

    /// How much of each marginal lies below the given values, (count, unknowns).
    ///
    /// Args: parameters: (count, unknowns), in their units; outside the prior 0 or 1.
    std::vector<double> cdf(std::span<const double> parameters) const;

    /// Draws from the joint posterior, (count, draws, unknowns), in the unknowns' units. Draw i of
    /// curve c is made from random numbers of (seed, first_index + c, i) alone: curves that are
    /// asked for one by one need indices of their own, or their draws err alike.
    std::vector<double> sample(std::size_t draws, std::uint64_t seed,
                               std::uint64_t first_index = 0) const;

    /// Logarithm of the joint density, by the unknowns' units; minus infinity outside the prior.
    ///
    /// Args: parameters: (count, m, unknowns), any m. Returns: (count, m).
    std::vector<double> log_prob(std::span<const double> parameters) const;

    /// How unlike the training's curves each one looks to the network: the share of curves held out
    /// of the training that lie nearer to their middle (Mahalanobis distance of the embedding),
    /// (count). 1 is farther than all of them.
    std::vector<double> distance() const;

    const State& state() const { return *state_; }

private:
    std::shared_ptr<const State> state_;
};

}  // namespace nmrinverse
