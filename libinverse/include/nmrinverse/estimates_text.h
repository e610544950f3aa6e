/// Estimates as text: nmr-fit's CSV, a challenge's lines, words for a report.
#pragma once

#include <span>
#include <string>

#include "nmrinverse/curves.h"
#include "nmrinverse/fit.h"
#include "nmrinverse/prediction.h"
#include "nmrinverse/verdict.h"
#include "nmrsim/experiment.h"

namespace nmrinverse {

/// One line a curve under a header: curve, the unknowns, residual, verdict.
///
/// A real-valued unknown has the columns NAME, NAME_sd, NAME_q05, NAME_q95. A categorical one has
/// NAME, the likeliest choice, and NAME_CHOICE, the probability of each.
std::string estimates_as_csv(const Curves& curves, const Predictions& estimates,
                             const Judgements& judgements, const nmrsim::Prior& prior);

/// Rows of a challenge's columns, (count, columns), as its answers are written: one tab-separated
/// line each.
std::string challenge_rows(std::span<const double> values, std::size_t columns);

/// One row a curve, as the experiment's mat_info.txt; the kernel by the likeliest choice.
std::string estimates_as_challenge(const Predictions& estimates,
                                   const nmrsim::Experiment& experiment);

/// Draws of each curve's posterior that fit_as_challenge() asks for, as nmr-evaluate does: a column
/// that bends within a network's posterior is expected to be its mean there, not its value at the
/// mean. 0 where the estimates are taken as they are: refined, a kernel chosen, no columns.
std::size_t challenge_draws(const FitOptions& options, const nmrsim::Experiment& experiment);

/// One row a curve, as above. Args: result: with as many samples. options: that gave it.
std::string fit_as_challenge(const FitResult& result, const FitOptions& options,
                             const nmrsim::Experiment& experiment);

/// One line a draw under a header: curve, draw, the unknowns (a categorical one by its name).
///
/// Args: samples: (count, draws, unknowns).
std::string samples_as_csv(const Curves& curves, std::span<const double> samples,
                           const nmrsim::Prior& prior);

/// "T2 = 302 us, 90% in 296 to 309": what the fitted rate of dephasing means for the transverse
/// part; empty where gamma3 is known, or a rate of longitudinal relaxation is not.
std::string t2_in_words(const Predictions& estimates, std::size_t curve,
                        const nmrsim::Experiment& experiment);

/// "gaussian (98.2%)": the likeliest choice of a categorical unknown, and how likely it is.
std::string choice_in_words(const Predictions& estimates, std::size_t curve,
                            const nmrsim::PriorRange& unknown);

}  // namespace nmrinverse
