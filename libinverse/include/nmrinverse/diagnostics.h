/// Whether a posterior can be believed: checks on curves whose parameters are known. Arrays in,
/// numbers out; what made the posterior does not matter. No Torch.
///
/// None of these checks sees everything, so they are read together:
/// - Ranks and coverage look at one unknown at a time: a wrong correlation passes.
/// - All but the log density pass a posterior that is the prior, whatever the curve: it is
///   calibrated, and useless. So does TARP, unless its reference points follow the curve.
/// - The log density is highest for the true posterior, but no number says how high that is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace nmrinverse {

/// Rank of each true value among its posterior's draws: how many are smaller, 0 ... draws. Ties
/// (draws that lie on the prior's bound) are broken at random.
///
/// Args: samples: (count, draws, unknowns). truth: (count, unknowns). seed: of the ties.
/// Returns: (count, unknowns). Throws: std::invalid_argument for sizes that do not fit or values
/// that are not finite.
/// Source: S. Talts et al., arXiv 1804.06788.
std::vector<std::uint32_t> calibration_ranks(std::span<const double> samples,
                                             std::span<const double> truth, std::size_t unknowns,
                                             std::uint64_t seed = 0);

/// (rank + U) / (draws + 1) with U uniform in (0, 1): uniform in (0, 1) without steps where the
/// ranks are uniform on 0 ... draws. The shape stays.
std::vector<double> transforms_of_ranks(std::span<const std::uint32_t> ranks, std::size_t draws,
                                        std::uint64_t seed = 0);

/// How well values that should be uniform in [0, 1] are.
struct Uniformity {
    std::vector<std::size_t> histogram;  ///< (bins) of equal width
    double chi_square = 0.0;             ///< of the histogram, bins - 1 degrees of freedom
    /// Chance of a larger one where they are uniform; good from 5 values a bin.
    double chi_square_p = 0.0;
    double largest_deviation = 0.0;  ///< of the empirical distribution function (Kolmogorov)
    double deviation_p = 0.0;        ///< chance of a larger one where they are uniform
    double mean_offset = 0.0;        ///< mean - 1/2, in standard errors: a bias of the posterior
};

/// Args: values: in [0, 1]. bins: >= 2. Throws: std::invalid_argument for none, or one outside.
/// Source of deviation_p: M. A. Stephens, J. R. Stat. Soc. B 32, 115 (1970).
Uniformity uniformity_of(std::span<const double> values, std::size_t bins = 20);

/// Largest deviation of the empirical distribution function that `count` uniform values stay under
/// with probability `level`, in (0, 1).
double deviation_band(std::size_t count, double level = 0.99);

/// A range of counts.
struct CountBand {
    std::size_t low = 0;
    std::size_t high = 0;
};

/// Range in which the counts of all `bins` equal bins of `count` uniform values lie together with
/// probability >= level (exact binomial quantiles of each bin at (1 - level) / bins).
CountBand histogram_band(std::size_t count, std::size_t bins, double level = 0.99);

/// Share of true values inside their intervals.
struct Coverage {
    std::size_t count = 0;  ///< curves
    double nominal = 0.0;   ///< what it should be
    double observed = 0.0;
    double error = 0.0;  ///< binomial standard error of `observed` where nominal is true
};

/// Coverage of the central interval of probability `nominal`: share of values within nominal / 2 of
/// 1/2.
///
/// Args: transforms: the marginal's distribution function at each true value, (count).
Coverage coverage_of(std::span<const double> transforms, double nominal);

/// The same at 5%, 10% ... 95%.
std::vector<Coverage> coverage_curve(std::span<const double> transforms);

/// The third of `by` that each value lies in, 0, 1 or 2: thirds of the values, not of their range.
///
/// Coverage in thirds of what the curve tells (an estimate) is nominal for a true posterior. In
/// thirds of a true value it is so only where the curves tell that value well: of an unknown that
/// no curve tells, the 50% interval misses three quarters of the lowest third.
std::vector<int> thirds_of(std::span<const double> by);

/// `values` (count) of those with third[i] == which.
std::vector<double> in_third(std::span<const double> values, std::span<const int> third, int which);

/// Expected coverage by distances to random points; sees the joint posterior, not only marginals.
struct Tarp {
    std::vector<double> level;     ///< 0, 0.02 ... 1: credibility
    std::vector<double> coverage;  ///< share of curves whose truth lies in the region of that level
    /// Area between coverage and level for levels above 1/2: below 0 too sure, above 0 too wide.
    double atc = 0.0;
    double largest_deviation = 0.0;  ///< of coverage from level
    double p_value = 0.0;            ///< chance of a larger one where the posterior is true
};

/// Where the reference points of TARP lie, and in which units distances are taken.
enum class TarpReference {
    /// Anywhere in the box of the true values, distances in units of the box's sides: as published.
    box,
    /// About the first quarter of each posterior's draws (>= 8 in all), normal with twice their
    /// standard deviations, distances of the other draws in units of these. Every unknown counts
    /// alike: in units of the box the one whose posterior is the widest makes the distances alone.
    local
};

/// Tests of accuracy with random points. `samples`, `truth`, `seed` as for calibration_ranks().
///
/// Source: P. Lemos, A. Coogan, Y. Hezaveh, L. Perreault-Levasseur, arXiv 2302.03026, algorithm 2.
Tarp tarp(std::span<const double> samples, std::span<const double> truth, std::size_t unknowns,
          TarpReference reference = TarpReference::box, std::uint64_t seed = 0);

/// The same with given reference points, distances in units of the box of the true values. Points
/// that follow the curve (another model's estimates) see a posterior that does not.
///
/// Args: references: (count, unknowns), functions of the curves and chance, not of the truth.
Tarp tarp_about(std::span<const double> samples, std::span<const double> truth,
                std::size_t unknowns, std::span<const double> references, std::uint64_t seed = 0);

/// A mean with its standard error.
struct MeanWithError {
    double mean = 0.0;
    double error = 0.0;
};

/// Expected log density of the truth [nat]: of two posteriors, the one with more is nearer to the
/// true one (by the Kullback-Leibler divergence). Minus the log of the prior's density, it is what
/// the curves tell about the unknowns.
///
/// Args: log_density: (count), at the true values. -inf counts as it is.
MeanWithError expected_log_density(std::span<const double> log_density);

}  // namespace nmrinverse
