/// Parts of the reports that nmr-fit, nmr-evaluate and the demo write.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "curve_input.h"
#include "nmrinverse/evaluation.h"
#include "nmrinverse/report.h"
#include "verdict.h"

namespace nmrapps {

/// "alpha_x [kHz]" for a row of the parameter table.
std::string label_of(const std::string& parameter_name);

/// "12.3 ± 0.4 kHz, 90% in [11.6, 13.0]" for one unknown of one curve.
std::string estimate_in_words(const nmrinverse::Predictions& estimates, std::size_t curve,
                              std::size_t unknown, const std::string& parameter_name);

/// Mx and My of a curve and of the curve simulated at its estimate; below them, what is left.
nmrinverse::FigureGrid fit_figure(const std::string& title, const Curves& curves,
                                  const Judgements& judgements, std::size_t curve);

/// Predicted against true, one figure an unknown, the first curves with error bars.
std::vector<nmrinverse::Figure> prediction_figures(const nmrinverse::Evaluation& evaluation);

/// Error against the true value, one figure an unknown.
std::vector<nmrinverse::Figure> error_figures(const nmrinverse::Evaluation& evaluation);

/// One row an unknown, as nmr-evaluate prints it.
nmrinverse::Table score_table(const nmrinverse::Evaluation& evaluation);

/// "Made by nmr-fit 0.1.0: nmr-fit challenge-2021 echo.csv".
std::string made_by(const CLI::App& app);

/// What the model is and how it was trained.
nmrinverse::Table model_table(const nmrinverse::Model& model);

/// Four of the data set's curves with their fits: the one with the smallest scaled error, those at
/// a third and two thirds, and the largest.
void add_example_fits(nmrinverse::Page& page, const nmrinverse::Model& model,
                      const nmrsim::Dataset& data, const nmrinverse::Evaluation& evaluation,
                      int threads);

}  // namespace nmrapps
