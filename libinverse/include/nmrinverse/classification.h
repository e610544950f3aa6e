/// How good probabilities of a categorical unknown are, on curves whose true choice is known.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nmrinverse/prediction.h"
#include "nmrinverse/report.h"
#include "nmrsim/dataset.h"

namespace nmrinverse {

/// How well one choice is told from the others.
struct ChoiceScore {
    std::string name;
    std::size_t count = 0;   ///< curves whose true choice it is
    double precision = 0.0;  ///< share of the curves answered so that are so; 0 where none is
    double recall = 0.0;     ///< share of its curves answered so; 0 where it has none
    double f1 = 0.0;         ///< 2 precision recall / (precision + recall); 0 where both are 0
};

/// Curves whose answer was given about the same probability.
struct ReliabilityBin {
    std::size_t count = 0;
    double low = 0.0;             ///< smallest probability of an answer
    double high = 0.0;            ///< largest
    double probability = 0.0;     ///< mean
    double frequency = 0.0;       ///< share of answers that are right
    double standard_error = 0.0;  ///< of the frequency, were the probabilities right
};

/// Scores of probabilities against true choices. An answer is the likeliest choice.
struct Classification {
    std::size_t count = 0;
    std::vector<std::string> choices;  ///< (choices)
    std::vector<ChoiceScore> scores;   ///< (choices)
    std::vector<std::size_t>
        confusion;          ///< (choices, choices): row the true one, column the answer
    double accuracy = 0.0;  ///< share of answers that are right
    double macro_f1 = 0.0;  ///< mean F1 of the choices that occur, as truth or as answer
    /// Mean of -ln of the probability given to the truth [nat].
    double log_loss = 0.0;
    /// What it would be on average were the probabilities right: their mean entropy [nat]. A loss
    /// above it by many standard errors says that they are too sure, one below it too careful.
    double expected_log_loss = 0.0;
    double log_loss_error = 0.0;  ///< standard error of log_loss, were the probabilities right
    double brier = 0.0;           ///< mean over curves of sum_c (p_c - [c is the truth])^2, 0 to 2
    double expected_brier = 0.0;  ///< mean of 1 - sum_c p_c^2: were the probabilities right
    std::vector<ReliabilityBin> reliability;  ///< from the least probable answers to the most
    /// Mean over curves of |probability - frequency| of their bin: the expected calibration error.
    double calibration_error = 0.0;
    /// What chance alone makes of it: its mean over outcomes drawn from the probabilities.
    double chance_calibration_error = 0.0;
    /// Share of those outcomes with a calibration error as large as the one found, at least
    /// 1 / (draws + 1); below 0.01 the probabilities are hardly calibrated.
    double calibration_p_value = 1.0;
};

/// Bins of about equal count that answers are sorted into, by their probability.
inline constexpr int kReliabilityBins = 10;

/// Index of the likeliest choice; the first of equals.
std::size_t likeliest_choice(std::span<const double> probabilities);

/// Scores probabilities (count, choices) against the true choices (count), by index.
///
/// Throws: std::invalid_argument for sizes that do not fit, probabilities outside [0, 1] or whose
/// sum is not 1, and a truth that is no choice.
Classification evaluate_classification(std::span<const double> probabilities,
                                       std::span<const std::size_t> truth,
                                       std::vector<std::string> choices,
                                       int bins = kReliabilityBins);

/// The same for predictions of a data set; nothing where it has no categorical unknown.
///
/// Throws: std::invalid_argument where the two do not fit.
std::optional<Classification> evaluate_classification(const Predictions& predictions,
                                                      const nmrsim::Dataset& data);

/// For a terminal: a row for each choice with its scores and its row of the confusion table, then
/// the scores of all.
std::string classification_table(const Classification& classification);

/// The same as JSON, one object.
std::string classification_json(const Classification& classification);

/// Rows of choices with their scores and the confusion table, for a report.
Table classification_report_table(const Classification& classification);

/// Share of right answers against their probability, with standard errors; right ones lie on the
/// diagonal.
Figure reliability_figure(const Classification& classification);

}  // namespace nmrinverse
