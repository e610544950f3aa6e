/// Which of several experiments made a curve: their odds by evidence.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "nmrinverse/curves.h"
#include "nmrinverse/fit.h"
#include "nmrsim/experiment.h"

namespace nmrinverse {

/// One experiment that may have made a curve.
struct Alternative {
    std::string name;
    nmrsim::Experiment experiment;
};

/// Alternatives of an experiment by words: `uniform`, the experiment as it is; `none`, the same
/// without couplings; a line's name, the same with that line of the same half width.
///
/// Throws: std::invalid_argument for other words, kernels that cannot be fitted among them.
std::vector<Alternative> alternatives_of(const nmrsim::Experiment& experiment,
                                         std::span<const std::string> words);

/// What each alternative says of each curve.
struct Comparison {
    std::vector<std::string> curves;        ///< (count), their names
    std::vector<std::string> alternatives;  ///< their names
    std::vector<double> chi_square;         ///< (count, alternatives), at the best fit
    std::vector<double> degrees;            ///< (count, alternatives), what it should be
    std::vector<double> log_evidence;       ///< (count, alternatives), natural logarithms
    std::vector<double> probability;        ///< (count, alternatives), with equal odds before

    std::size_t count() const { return curves.size(); }
};

/// Fits each alternative, then all of them to the same samples, those of the best one, and
/// integrates each one's likelihood over its prior by importance weights. What is not known of the
/// receiver takes its best value in each. A wide prior costs an alternative odds, as it should.
///
/// Args: alternatives: two or more, without series. inputs, options: as for fit(). Throws: as
/// fit(), and std::invalid_argument for fewer than two alternatives, a series or a joint fit.
Comparison compare(std::span<const Alternative> alternatives, std::span<const InputCurves> inputs,
                   const FitOptions& options);

/// CSV with a line for each curve and alternative: `curve,alternative,probability,log_evidence,
/// chi_square,degrees`.
std::string comparison_as_csv(const Comparison& comparison);

}  // namespace nmrinverse
