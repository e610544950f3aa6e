/// Many starts of one curve, followed to the minima of chi-square.
#pragma once

#include <Eigen/Core>
#include <vector>

#include "fit/curve_likelihood.h"
#include "fit/levenberg_marquardt.h"
#include "nmrinverse/refine.h"

namespace nmrinverse {

/// What is left to gain is no news below this while fits are followed.
inline constexpr double kSmallFall = 0.3;

/// The last steps go down to a hundredth of a standard deviation.
inline constexpr double kSmallestFall = 1e-4;

/// Minima count as rivals within this of the best chi-square.
inline constexpr double kRivalRange = 12.0;

/// Chi-square is consistent with the noise within so many of its standard deviations.
inline constexpr double kConsistent = 3.5;

/// Chi-square over its degrees of freedom above which fits are followed by the screening's
/// simulation: its error, a hundredth of the curve, is a few times the noise.
inline constexpr double kFar = 100.0;

/// Fits are the same minimum within so many squared standard deviations.
inline constexpr double kSameDistance = 25.0;

void sort_by_chi_square(std::vector<Fit>& fits);

/// The information with a uniform density's variance as a bound: where a curve says nothing, the
/// box does.
Eigen::MatrixXd bounded(const Eigen::MatrixXd& information);

/// Whether a fit lies within five standard deviations of any of these.
bool is_among(const std::vector<Fit>& fits, const Fit& fit);

/// The best of each group of fits that lie within five standard deviations, at most `most`; `fits`
/// must be sorted.
std::vector<Fit> distinct(const std::vector<Fit>& fits, std::size_t most);

/// Starts in groups, each of which has its best ones followed.
using StartGroups = std::vector<std::vector<Eigen::VectorXd>>;

/// The search for the best fits of one curve.
class Search {
public:
    /// Args: consistent: a chi-square that the noise alone may leave. Both references must outlive
    /// it.
    Search(CurveLikelihood& likelihood, const RefineOptions& options, double consistent);

    const std::vector<Fit>& found() const { return found_; }  ///< best first
    bool fits() const { return !found_.empty() && found_.front().at.chi_square <= consistent_; }

    /// Screens the starts, follows the best `kept` of each group, and keeps what they lead to.
    ///
    /// Args: to_the_end: go on with the others after one has come within the noise.
    void follow(const StartGroups& groups, std::size_t kept, Freedom freedom,
                bool to_the_end = false);

    /// Keeps these fits too, where they are new.
    void add(const std::vector<Fit>& fits);

    /// Starts of widening `number`, in groups, so that those which fall back to a known minimum do
    /// not crowd out the others: as the given ones but wider; from the prior; around the best fits;
    /// there with one unknown anywhere, since a phase that has wrapped once more is another minimum
    /// far along one unknown.
    StartGroups widened(const std::vector<Eigen::VectorXd>& given, int number) const;

private:
    std::vector<Fit> screened(const StartGroups& groups, std::size_t kept, Freedom freedom);

    CurveLikelihood& likelihood_;
    const RefineOptions& options_;
    double consistent_;
    std::vector<Fit> found_;
};

}  // namespace nmrinverse
