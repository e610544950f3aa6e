/// The score of estimates by the rule of the challenge that the experiment is of.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nmrsim/experiment.h"

namespace nmrinverse {

/// One of the challenge's columns.
struct ColumnScore {
    std::string name;
    double scale = 1.0;        ///< what errors are divided by, in the column's unit
    double mean_square = 0.0;  ///< mean over the curves of (error / scale)^2
};

struct ChallengeResult {
    nmrsim::ChallengeScore rule;
    std::vector<ColumnScore> columns;
    double score = 0.0;  ///< sum over rule.curves curves and all columns of (error / scale)^2
    double error = 0.0;  ///< standard error of `score`, from the spread of the curves' own sums
    double mean_scaled_error = 0.0;  ///< score / (rule.curves * columns)
};

/// The score in the challenge's own columns (nmrsim::challenge_values), scaled to its number of
/// curves.
///
/// "range" divides by the column's range over the corners of the prior's box, as the challenge of
/// 2020 states the ranges that it drew from: a constant guess in the middle scores curves / 12 a
/// column. "variance" divides by the standard deviation of the true values at hand, so that a
/// column's mean square is 1 - R^2 and a constant guess at the mean scores 1 a curve and column.
/// The mean scaled error of 2024 is read as the mean over curves and unknowns of that.
///
/// Args: truth: (count, unknowns). estimates: (count, columns), in the challenge's columns, see
/// challenge_columns() and challenge_means().
/// Returns: nothing where the experiment has no score, or the true values of a column no spread.
/// Throws: std::invalid_argument for sizes that do not fit or a range that is not finite.
std::optional<ChallengeResult> challenge_result(const nmrsim::Experiment& experiment,
                                                std::span<const double> truth,
                                                std::span<const double> estimates);

/// (count, unknowns) in the challenge's columns: (count, columns).
std::vector<double> challenge_columns(const nmrsim::Experiment& experiment,
                                      std::span<const double> unknowns);

/// Means of the challenge's columns over each curve's draws: the estimates with the least expected
/// score, where a column is not linear in the unknowns (d of the rate Gamma_3).
///
/// Args: samples: (count, draws, unknowns). most_draws: of each curve that are used. Returns:
/// (count, columns).
std::vector<double> challenge_means(const nmrsim::Experiment& experiment,
                                    std::span<const double> samples, std::size_t draws,
                                    std::size_t most_draws = 256);

/// The experiment with the score it lacks of the shipped one of the same name and columns: models
/// and data sets hold the text of their day.
nmrsim::Experiment with_shipped_score(nmrsim::Experiment experiment);

}  // namespace nmrinverse
