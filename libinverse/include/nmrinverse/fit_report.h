/// Fits as a page with pictures.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "nmrinverse/curves.h"
#include "nmrinverse/fit.h"
#include "nmrinverse/report.h"
#include "nmrinverse/verdict.h"

namespace nmrinverse {

/// "alpha_x [kHz]" for a row of the parameter table.
std::string label_of(const std::string& parameter_name);

/// "12.3 ± 0.4 kHz, 90% in [11.6, 13.0]" for one unknown of one curve.
std::string estimate_in_words(const Predictions& estimates, std::size_t curve, std::size_t unknown,
                              const std::string& parameter_name);

/// What to do about a verdict, a sentence. Args: reason: as a Judgement has it.
std::string next_step(Verdict verdict, const std::string& reason);

/// Mx and My of a curve and of the curve simulated at its estimate; below them, what is left.
FigureGrid fit_figure(const std::string& title, const Curves& curves, const Judgements& judgements,
                      std::size_t curve);

/// Every curve's estimates, verdict and what to do next; then pictures of the first 60 with what is
/// left and, of measured curves, what was made of the file.
///
/// Args: result: judged. made_by: last paragraph. model: a table that says what fitted them.
Page fit_page(const FitResult& result, const nmrsim::Experiment& experiment,
              const std::string& made_by, const std::optional<Table>& model = {});

}  // namespace nmrinverse
