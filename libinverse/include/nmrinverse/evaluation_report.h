/// What a model is and how good it is, as parts of a page.
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

/// What the model is and how it was trained.
Table model_table(const Model& model);

/// Four of the data set's curves with their fits: the one with the smallest scaled error, those at
/// a third and two thirds, and the largest.
void add_example_fits(Page& page, const Model& model, const nmrsim::Dataset& data,
                      const Evaluation& evaluation, int threads);

/// All of this and what can be said of the posterior, as nmr-evaluate writes it.
///
/// Args: made_by: first paragraph. noise: of the curves, as the model is told. refined: the
/// estimates are not the model's own: none of its posteriors is shown.
Page evaluation_page(const Model& model, const nmrsim::Dataset& data, const Evaluation& evaluation,
                     const std::string& made_by, double noise, bool refined, int threads = 0);

}  // namespace nmrinverse
