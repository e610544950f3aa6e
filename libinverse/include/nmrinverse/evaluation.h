/// How good a model is, on curves whose parameters are known.
#pragma once

#include <string>
#include <vector>

#include "nmrinverse/model.h"
#include "nmrsim/dataset.h"

namespace nmrinverse {

/// Scores of one unknown.
struct UnknownScore {
    std::string name;
    std::string unit;
    double mse = 0.0;           ///< mean squared error [unit^2]
    double rmse = 0.0;          ///< its root [unit]
    double median_error = 0.0;  ///< median of the absolute error [unit]
    double r2 = 0.0;            ///< 1 - mse / variance of the true values
    double coverage50 = 0.0;    ///< share of true values inside [q25, q75]
    double coverage90 = 0.0;    ///< share inside [q05, q95]
};

struct Evaluation {
    std::size_t count = 0;
    std::vector<UnknownScore> scores;  ///< (unknowns)
    Predictions predictions;           ///< what they were computed from
    std::vector<double> truth;         ///< (count, unknowns)
    double seconds = 0.0;              ///< time of the prediction [s]
};

/// Throws: std::invalid_argument where the data's unknowns or times are not the model's, or where
/// its parameters are not known.
Evaluation evaluate(const Model& model, const nmrsim::Dataset& data, double noise = 0.0,
                    int threads = 0);

/// The same of estimates that are not the model's own; `seconds` is 0.
///
/// Throws: std::invalid_argument where they are not as many as the data.
Evaluation evaluate_estimates(Predictions estimates, const nmrsim::Dataset& data);

/// The table that nmr-evaluate prints, one row an unknown.
std::string evaluation_table(const Evaluation& evaluation);

/// The same as JSON.
std::string evaluation_json(const Evaluation& evaluation, const Model& model);

}  // namespace nmrinverse
