/// How good estimates are and what a model is, as parts of a page.
#pragma once

#include <string>
#include <vector>

#include "nmrinverse/evaluation.h"
#include "nmrinverse/report.h"

namespace nmrinverse {

/// Predicted against true, one figure an unknown, the first curves with error bars.
std::vector<Figure> prediction_figures(const Evaluation& evaluation);

/// Error against the true value, one figure an unknown.
std::vector<Figure> error_figures(const Evaluation& evaluation);

/// One row an unknown, as nmr-evaluate prints it.
Table score_table(const Evaluation& evaluation);

/// What the model is and how it was trained; in nmrsim::inverse.
Table model_table(const Model& model);

/// Four of the data set's curves with their fits: the one with the smallest scaled error, those at
/// a third and two thirds, and the largest.
void add_example_fits(Page& page, const nmrsim::Experiment& experiment, const nmrsim::Dataset& data,
                      const Evaluation& evaluation, int threads);

/// The model's posterior of the data set's first curve at the data set's noise, and where in that
/// curve it comes from; in nmrsim::inverse.
void add_one_posterior(Page& page, const Model& model, const nmrsim::Dataset& data);

/// All of this but one posterior, and what can be said of the posteriors, as nmr-evaluate writes
/// it.
///
/// Args: experiment: of the model, or that was fitted. made_by: first paragraph.
Page evaluation_page(const nmrsim::Experiment& experiment, const nmrsim::Dataset& data,
                     const Evaluation& evaluation, const std::string& made_by, int threads = 0);

}  // namespace nmrinverse
