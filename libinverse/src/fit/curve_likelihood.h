/// How far simulated curves are from a measured one, with what the receiver did projected out.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <span>
#include <vector>

#include "fit/levenberg_marquardt.h"
#include "nmrinverse/refine.h"
#include "nmrsim/experiment.h"

namespace nmrinverse {

/// Tolerances of the simulations.
struct Tolerances {
    double screening;
    double follow;  ///< errors well below the noise
    double fine;    ///< errors about a tenth of what the noise leaves of a mean over the curve
};

/// Throws std::invalid_argument for a curve that cannot be refined.
void check_curve(const nmrsim::Experiment& experiment, std::span<const float> signal,
                 const RefineOptions& options);

/// Starts at aliases of alpha_z.
struct AliasStarts {
    std::vector<Eigen::VectorXd> fast;  ///< moved by the step that is predicted to be best
    std::vector<Eigen::VectorXd> slow;  ///< those that turn so slowly that it may be far off
    std::vector<Eigen::VectorXd> edge;  ///< at the prior's edge, for some beyond it: far off, too

    bool empty() const { return fast.empty() && slow.empty() && edge.empty(); }
};

/// Gaussian likelihood of one curve on the unit box: the prior's unknowns first, then time zero
/// where it is fitted. Gain, phase and each record's constant offset, where fitted, take their best
/// values at each position.
class CurveLikelihood {
public:
    CurveLikelihood(const nmrsim::Experiment& experiment, std::span<const float> signal,
                    const RefineOptions& options);

    std::size_t unknowns() const { return unknowns_; }      ///< the prior's
    std::size_t dimensions() const { return dimensions_; }  ///< of a position
    double degrees() const;                                 ///< of freedom, by effective samples
    double chi_square_deviation() const;  ///< standard deviation of chi-square at the truth
    /// White noise that leaves as much of a slow curve uncertain as the noise given, in units of M:
    /// what residuals and slopes are divided by.
    double noise() const { return options_.noise; }
    std::size_t samples() const { return samples_.size(); }  ///< complex ones that count
    std::size_t simulations() const { return simulations_; }

    Tolerances tolerances() const;

    Eigen::VectorXd position(std::span<const double> parameters, double time_zero_us = 0.0) const;
    std::vector<double> parameters(const Eigen::VectorXd& position) const;
    Eigen::VectorXd widths() const;  ///< of the box, (dimensions), in units
    double time_zero_us(const Eigen::VectorXd& position) const;

    /// Chi-square at each position.
    std::vector<double> chi_square(std::span<const Eigen::VectorXd> positions, double tolerance,
                                   Freedom freedom = Freedom::as_asked);
    /// Chi-square with time zero, where fitted, at its best value to first order.
    std::vector<double> profile(std::span<const Eigen::VectorXd> positions, double tolerance);
    /// With derivatives, each as free as its entry of `freedoms`; none: all as asked. Residuals are
    /// left out, slopes are (2 samples, dimensions).
    std::vector<Linearisations> linearise(std::span<const Eigen::VectorXd> positions,
                                          double tolerance, std::span<const Freedom> freedoms = {});
    /// Has simulations of the tolerance `coarse` corrected from here on by what one of `fine`
    /// differs by at the nearest of these positions: errors change little between neighbours.
    void correct(std::span<const Eigen::VectorXd> references, double coarse, double fine);
    /// Residuals (2 samples) over the noise, model less curve: real parts, then imaginary ones.
    std::vector<Eigen::VectorXd> residuals(std::span<const Eigen::VectorXd> positions,
                                           double tolerance, Freedom freedom = Freedom::as_asked);

    /// The receiver's factor at a position.
    std::complex<double> factor_at(const Eigen::VectorXd& position, double tolerance);

    /// Starts at the aliases of alpha_z (nmrsim/alpha_z_aliases.h) of a fit; none where there is no
    /// such symmetry. Costs one simulation.
    ///
    /// Args: fit: with residual and slopes. most: chi-square that a start is predicted to reach at
    /// most by its turned curve and derivatives; ten times that where the prediction may be far
    /// off. Returns: the best `kept` of all.
    AliasStarts alias_starts(const Fit& fit, double most, std::size_t kept);

    /// Moves a fit that turns evenly (Freedom::frequency) to the alias of alpha_z that does so by
    /// itself; false where there is none in the prior, or that is where it is. Costs a simulation.
    bool jump_to_alias(Fit& fit);

private:
    std::vector<double> simulated_parameters(std::span<const Eigen::VectorXd> positions) const;
    /// The samples that count of one record of a series, or of all.
    struct Record {
        Eigen::Index first = 0, count = 0;
        double spacing_us = 0.0;  ///< of simulated samples
    };
    /// Takes a record's samples; widens its window where time zero is fitted.
    void add_record(nmrsim::Experiment& record, std::span<const float> signal, std::size_t before);
    /// Samples over their relative noise, less what a constant in each record explains of them
    /// where the receiver's offset is fitted.
    void weigh(Eigen::Ref<Eigen::VectorXd> x, Eigen::Ref<Eigen::VectorXd> y) const;
    void take_offset(Eigen::Ref<Eigen::VectorXd> x, Eigen::Ref<Eigen::VectorXd> y) const;
    void read(const float* curve, double time_zero_us, Eigen::Ref<Eigen::VectorXd> x,
              Eigen::Ref<Eigen::VectorXd> y) const;
    void read_slope(const float* curve, double time_zero_us, Eigen::Ref<Eigen::VectorXd> x,
                    Eigen::Ref<Eigen::VectorXd> y) const;
    std::vector<float> simulated(std::span<const Eigen::VectorXd> positions, double tolerance);
    std::complex<double> factor(std::complex<double> product, double square, bool any_phase) const;
    /// The model's columns, real parts above imaginary ones, turned and projected.
    Linearised linearised(Freedom freedom, Eigen::VectorXd model, Eigen::MatrixXd columns,
                          double* turns) const;

    nmrsim::Experiment
        experiment_;  ///< of the simulations: its window may be wider and finer than the curve's
    RefineOptions options_;
    std::size_t unknowns_;
    std::size_t dimensions_;
    std::size_t simulated_points_ = 0;
    std::vector<Record> records_;
    std::vector<std::size_t> samples_;  ///< of the simulated ones, those that count
    std::vector<double> time_us_;       ///< (samples)
    Eigen::VectorXd weight_;            ///< (samples), where noise is not alike
    Eigen::VectorXd x_, y_;             ///< (samples) the curve, weighed
    double peak_ = 0.0;
    double excess_ = 1.0;  ///< variance of a slow curve's noise over that of its samples
    std::size_t simulations_ = 0;
    double corrected_ = 0.0;  ///< the tolerance whose simulations are
    std::vector<Eigen::VectorXd> references_;
    std::vector<float> corrections_;  ///< (references, 2, simulated points)
};

}  // namespace nmrinverse
