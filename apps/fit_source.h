/// What nmr-fit fits by, and nmr-evaluate scores: a trained model, or an experiment alone.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "nmrinverse/evaluation.h"
#include "nmrinverse/fit.h"
#include "nmrinverse/report.h"

namespace nmrapps {

/// Whether this is a TOML file, or an experiment that ships and no model that does.
bool names_experiment(const std::string& name);

struct FitSource {
    nmrsim::Experiment experiment;
    std::string doubt = {};  ///< what speaks against it as it was named; "" for nothing
    std::optional<nmrinverse::Table> description = {};  ///< of a model, for a page
    std::function<nmrinverse::FitResult(std::span<const nmrinverse::InputCurves>,
                                        const nmrinverse::FitOptions&)>
        fit;
    std::function<nmrinverse::Evaluation(const nmrsim::Dataset&, nmrinverse::FitOptions)>
        evaluate_fits;
    /// Of a model alone, see the functions of these names.
    std::function<nmrinverse::Evaluation(const nmrsim::Dataset&, int threads)> evaluate = {};
    std::function<std::vector<std::string>(const nmrsim::Dataset&, bool fitted)> doubts = {};
    std::function<void(nmrinverse::Page&, const nmrsim::Dataset&)> add_one_posterior = {};
};

/// The file behind the name, "" where an experiment ships.
///
/// Throws: nmrsim::InputError for what is neither an experiment nor a model.
std::string fit_source_file(const std::string& name);

/// Throws: nmrsim::InputError for what cannot be read, and for models where the program was built
/// without LibTorch.
FitSource load_fit_source(const std::string& name);

/// An experiment, which no network has learnt.
FitSource fit_source_of(const nmrsim::Experiment& experiment);

}  // namespace nmrapps
