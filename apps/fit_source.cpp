#include "fit_source.h"

#include <algorithm>
#include <filesystem>

#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "option_table.h"
#ifdef NMRSIM_HAS_INVERSE
#include "nmrinverse/evaluation_report.h"
#include "nmrinverse/model.h"
#endif

namespace nmrapps {

bool names_experiment(const std::string& name) {
    if (std::filesystem::path(name).extension() == ".toml") return true;
    if (std::filesystem::exists(name)) return false;
    const auto among = [&](const std::vector<std::string>& names) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    return among(nmrsim::shipped_experiments()) && !among(shipped_models());
}

std::string fit_source_file(const std::string& name) {
    if (!names_experiment(name)) return find_model(name);
    return std::filesystem::exists(name) ? name : "";
}

namespace {

/// What experiments and models are asked alike.
template <class Fitted>
FitSource source_of(const Fitted& fitted, const nmrsim::Experiment& experiment) {
    FitSource source;
    source.experiment = experiment;
    source.fit = [fitted](std::span<const nmrinverse::InputCurves> inputs,
                          const nmrinverse::FitOptions& options) {
        return nmrinverse::fit(fitted, inputs, options);
    };
    source.evaluate_fits = [fitted](const nmrsim::Dataset& data, nmrinverse::FitOptions options) {
        return nmrinverse::evaluate_fits(fitted, data, std::move(options));
    };
    return source;
}

}  // namespace

FitSource fit_source_of(const nmrsim::Experiment& experiment) {
    return source_of(experiment, experiment);
}

FitSource load_fit_source(const std::string& name) {
    if (names_experiment(name)) {
        FitSource source = fit_source_of(nmrsim::load_experiment(name));
#ifdef NMRSIM_HAS_INVERSE
        if (!std::filesystem::exists(name) && nmrinverse::can_be_fitted(source.experiment)) {
            source.doubt = "no model " + name + " in share/nmrsim/models beside this program: " +
                           "the experiment of that name is fitted, without a network";
        }
#endif
        return source;
    }
    const std::string file = find_model(name);
#ifdef NMRSIM_HAS_INVERSE
    const nmrinverse::Model model = nmrinverse::load_model(file);
    FitSource source = source_of(model, model.experiment());
    source.description = nmrinverse::model_table(model);
    source.evaluate = [model](const nmrsim::Dataset& data, int threads) {
        return nmrinverse::evaluate_posterior(model, data, threads);
    };
    source.doubts = [model](const nmrsim::Dataset& data, bool fitted) {
        return nmrinverse::evaluation_doubts(model, data, fitted);
    };
    source.add_one_posterior = [model](nmrinverse::Page& page, const nmrsim::Dataset& data) {
        nmrinverse::add_one_posterior(page, model, data);
    };
    return source;
#else
    throw nmrsim::InputError(file +
                             ": built without LibTorch, which reads models: name an experiment, or "
                             "build with -DNMRSIM_BUILD_INVERSE=ON");
#endif
}

}  // namespace nmrapps
