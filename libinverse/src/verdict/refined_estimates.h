/// Estimates of a network, refined by least squares.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "nmrinverse/curves.h"
#include "nmrinverse/joint_fit.h"
#include "nmrinverse/prediction.h"
#include "nmrinverse/refine.h"
#include "nmrsim/experiment.h"

namespace nmrinverse {

struct RefinedEstimates {
    /// Of the posterior that polynomials give (nmrinverse/importance.h); where they do not serve,
    /// of the fit's normal density, or, where that is broad, at the prior's edge, or one of
    /// several, of samples weighted by simulations.
    Predictions estimates;
    std::vector<Refinement> fits;  ///< (count)
    /// (count): effective share of the samples weighted by simulations; 0 where none were needed.
    std::vector<double> effective_share;
    /// (count): what speaks against a fit, "" where nothing does: it did not come to rest, its
    /// chi-square is off by more than five standard deviations, or another minimum fits as well.
    std::vector<std::string> doubt;
    std::vector<double> samples;  ///< (count, draws, unknowns) of the posteriors, where asked for
};

/// Refines each curve from samples of its posterior.
///
/// Args: samples: (count, draws, unknowns). options: noise, threads and what the receiver leaves
/// open. progress: called with the share done, false stops. draws: of each curve's posterior, with
/// the options' seed; curve i's depend on i and its own values alone. Returns: of fewer curves
/// where it was stopped; the result does not depend on the number of threads. Throws:
/// std::invalid_argument for a kernel of finite range, or samples that do not fit.
RefinedEstimates refined_estimates(const Curves& curves, std::span<const double> samples,
                                   const nmrsim::Experiment& experiment,
                                   const RefineOptions& options,
                                   const std::function<bool(double)>& progress = {},
                                   std::size_t draws = 0);

/// Appends one curve's refinement, made elsewhere with these options, and draws of its posterior.
void append_refinement(const nmrsim::Experiment& experiment, std::span<const float> signal,
                       Refinement fit, const RefineOptions& options, RefinedEstimates& result,
                       std::size_t draws = 0);

/// A joint fit, one row a curve: common unknowns are the same in each, and so are their standard
/// deviations; where the prior's edge is within reach, the fit's normal density ends there.
/// Estimates, factors and time zeros of `fits` are the joint ones, the rest is each curve's alone.
RefinedEstimates joint_estimates(const JointFit& fit, const nmrsim::Prior& prior);

}  // namespace nmrinverse
