/// Likelihood of several curves with common unknowns.
#pragma once

#include <Eigen/Core>
#include <span>
#include <vector>

#include "fit/curve_likelihood.h"

namespace nmrinverse {

/// On the unit box: the common unknowns first, then each curve's own, its time zero among them.
class JointLikelihood {
public:
    /// Args: shared: (unknowns), whether each is common.
    JointLikelihood(std::vector<CurveLikelihood> curves, const std::vector<bool>& shared);

    std::size_t curves() const { return curves_.size(); }
    CurveLikelihood& curve(std::size_t index) { return curves_[index]; }
    const CurveLikelihood& curve(std::size_t index) const { return curves_[index]; }
    std::size_t dimensions() const { return shared_.size() + curves() * own_.size(); }
    std::size_t common() const { return shared_.size(); }
    std::size_t own() const { return own_.size(); }  ///< of each curve
    double degrees() const;                          ///< of freedom
    double chi_square_deviation() const;             ///< of all curves

    /// Where dimension a of a curve's own position stands in the joint one.
    std::size_t place(std::size_t curve, std::size_t a) const;
    /// A curve's part of a joint position.
    Eigen::VectorXd part(const Eigen::VectorXd& joint, std::size_t curve) const;
    /// Common values and own ones of a curve's position, (common) and (own).
    Eigen::VectorXd shared_of(const Eigen::VectorXd& position) const;
    Eigen::VectorXd own_of(const Eigen::VectorXd& position) const;
    /// A curve's position from both.
    Eigen::VectorXd position(const Eigen::VectorXd& shared, const Eigen::VectorXd& own) const;
    Eigen::VectorXd widths() const;  ///< of the box, (dimensions)

    /// Sums over the curves; slopes and residuals are left out.
    std::vector<Linearisations> linearise(std::span<const Eigen::VectorXd> positions,
                                          double tolerance, std::span<const Freedom> freedoms);

private:
    void add(const Linearised& of_curve, std::size_t curve, Linearised& sum) const;

    std::vector<CurveLikelihood> curves_;
    std::vector<std::size_t> shared_, own_;  ///< dimensions of a curve's position
};

}  // namespace nmrinverse
