/// How good estimates are, a model's or of fits, on curves whose parameters are known.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nmrinverse/challenge_score.h"
#include "nmrinverse/classification.h"
#include "nmrinverse/diagnostics.h"
#include "nmrinverse/fit.h"
#include "nmrinverse/prediction.h"
#include "nmrinverse/report.h"
#include "nmrsim/dataset.h"
#include "nmrsim/experiment.h"

namespace nmrinverse {

class Model;  // nmrinverse/model.h; what takes one is in nmrsim::inverse

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
    bool categorical = false;   ///< scored by `classification`; the numbers above mean nothing
};

/// What a posterior says about curves whose parameters are known. Empty where it was not asked.
struct PosteriorArrays {
    std::vector<double> transforms;   ///< (count, unknowns): marginals' distribution functions at
                                      ///< the true values
    std::vector<double> samples;      ///< (count, draws, unknowns)
    std::vector<double> log_density;  ///< (count): of the true values, per unit of the unknowns
};

struct Evaluation {
    std::size_t count = 0;
    std::vector<UnknownScore> scores;              ///< (unknowns)
    std::optional<Classification> classification;  ///< where an unknown is categorical
    std::optional<ChallengeResult> challenge;      ///< where the experiment has a score
    Predictions predictions;                       ///< what they were computed from
    std::vector<double> truth;                     ///< (count, unknowns)
    nmrsim::Prior prior;                           ///< names and ranges of the unknowns
    PosteriorArrays posterior;                     ///< empty where estimates are all there is
    double seconds = 0.0;                          ///< time of the prediction [s]
    /// So many of the curves the model learnt from: it looks better on them than it is.
    std::uint64_t learnt = 0;
    /// Of a model: what it is and how it was trained, for a page and as JSON.
    std::optional<Table> model = {};
    std::string training = {};
};

/// How many of a data set's curves the model learnt from or was calibrated by; 0, too, where its
/// record does not tell, and for data of another maker or another prior.
std::uint64_t curves_learnt(const Model& model, const nmrsim::Dataset& data);

/// What speaks against judging a model by the data: curves that it learnt from, and noise above its
/// training's unless the curves are fitted.
std::vector<std::string> evaluation_doubts(const Model& model, const nmrsim::Dataset& data,
                                           bool fitted);

/// Noise that was added to a data set's curves, on each of Mx and My.
double noise_of(const nmrsim::Dataset& data);

/// Scores a model's estimates.
///
/// Throws: std::invalid_argument where the data's unknowns or times are not the model's, or where
/// its parameters are not known.
Evaluation evaluate(const Model& model, const nmrsim::Dataset& data, double noise = 0.0,
                    int threads = 0);

/// The same at the data set's noise, with what the model's posteriors say: all that diagnose()
/// looks at.
Evaluation evaluate_posterior(const Model& model, const nmrsim::Dataset& data, int threads = 0);

/// Fits the data's curves as nmrinverse/fit.h does, without a model or from its estimates, and
/// scores the fits. Their noise is the data set's.
///
/// Args: options: samples (0: 99), threads, seed and progress are heeded. Throws:
/// std::invalid_argument for data without noise and an experiment that cannot be fitted;
/// nmrsim::Stopped.
Evaluation evaluate_fits(const nmrsim::Experiment& experiment, const nmrsim::Dataset& data,
                         FitOptions options = {});
Evaluation evaluate_fits(const Model& model, const nmrsim::Dataset& data, FitOptions options = {});

/// Scores any estimates; `seconds` and `learnt` are 0.
///
/// Throws: std::invalid_argument where they are not as many as the data.
Evaluation evaluate_estimates(Predictions estimates, const nmrsim::Dataset& data);

/// Keeps what a posterior says of the evaluated curves, and scores the challenge by the means of
/// its columns over the samples where there are some.
///
/// Throws: std::invalid_argument for sizes that do not fit.
void add_posterior(Evaluation& evaluation, PosteriorArrays posterior, const nmrsim::Dataset& data);

/// Calibration of one unknown.
struct UnknownDiagnostics {
    std::string name;
    Uniformity ranks;                ///< of the true value among the draws, scaled to (0, 1)
    std::vector<Coverage> coverage;  ///< at 5% ... 95%
};

/// Coverage of one unknown's intervals in the thirds of an unknown: of its true values, or of its
/// estimates. See thirds_of() for what can be expected of each.
struct CoverageInThirds {
    std::string name;           ///< whose intervals
    std::string by;             ///< whose thirds
    bool of_estimates = false;  ///< thirds of the estimates, not of the true values
    double from[3] = {};        ///< smallest value in each third, in the unit of `by`
    double to[3] = {};          ///< and largest
    Coverage coverage50[3];
    Coverage coverage90[3];
};

/// Whether the posterior can be believed; what could not be looked at is empty.
struct Diagnostics {
    std::vector<UnknownDiagnostics> unknowns;  ///< from samples, else from transforms
    std::vector<CoverageInThirds> thirds;      ///< every pair of unknowns, from the intervals
    std::optional<Tarp> tarp_box;              ///< from samples
    std::optional<Tarp> tarp_local;            ///< from samples, at least 8 a curve
    std::optional<MeanWithError> log_density;  ///< mean over the curves [nat]
    std::optional<MeanWithError> information;  ///< the same minus the prior's log density [nat]
};

Diagnostics diagnose(const Evaluation& evaluation);

/// The table that nmr-evaluate prints, one row an unknown, and a line for the challenge's score.
std::string evaluation_table(const Evaluation& evaluation);

/// The same and the diagnostics as JSON. Args: experiment: of the model, or that was fitted.
std::string evaluation_json(const Evaluation& evaluation, const nmrsim::Experiment& experiment);

}  // namespace nmrinverse
