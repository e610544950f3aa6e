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

FitSource load_fit_source(const std::string& name) {
    FitSource source;
    if (names_experiment(name)) {
        source.experiment = nmrsim::load_experiment(name);
        source.fit = [experiment = source.experiment](
                         std::span<const nmrinverse::InputCurves> inputs,
                         const nmrinverse::FitOptions& options) {
            return nmrinverse::fit(experiment, inputs, options);
        };
        return source;
    }
    const std::string file = find_model(name);
#ifdef NMRSIM_HAS_INVERSE
    const nmrinverse::Model model = nmrinverse::load_model(file);
    source.experiment = model.experiment();
    source.description = nmrinverse::model_table(model);
    source.fit = [model](std::span<const nmrinverse::InputCurves> inputs,
                         const nmrinverse::FitOptions& options) {
        return nmrinverse::fit(model, inputs, options);
    };
    return source;
#else
    throw nmrsim::InputError(file +
                             ": built without LibTorch, which reads models: name an experiment, or "
                             "build with -DNMRSIM_BUILD_INVERSE=ON");
#endif
}

}  // namespace nmrapps
