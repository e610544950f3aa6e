#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "nmrinverse/evaluation.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/version.h"

namespace nmrinverse {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Coverage& coverage) {
    return {{"curves", coverage.count},
            {"nominal", coverage.nominal},
            {"observed", coverage.observed},
            {"error", coverage.error}};
}

Json to_json(const Tarp& tarp) {
    return {{"atc", tarp.atc},
            {"largest_deviation", tarp.largest_deviation},
            {"p_value", tarp.p_value},
            {"level", tarp.level},
            {"coverage", tarp.coverage}};
}

Json to_json(const MeanWithError& value) {
    return {{"mean", value.mean}, {"error", value.error}};
}

Json to_json(const ChallengeResult& result) {
    Json json = {{"score", result.score},
                 {"error", result.error},
                 {"curves", result.rule.curves},
                 {"scale", result.rule.scale == nmrsim::ScoreScale::range ? "range" : "variance"},
                 {"mean_scaled_error", result.mean_scaled_error},
                 {"columns", Json::array()}};
    for (const ColumnScore& column : result.columns) {
        json["columns"].push_back({{"name", column.name},
                                   {"scale", column.scale},
                                   {"mean_scaled_error", column.mean_square}});
    }
    return json;
}

Json to_json(const UnknownDiagnostics& unknown) {
    Json json = {{"name", unknown.name},
                 {"rank_histogram", unknown.ranks.histogram},
                 {"chi_square", unknown.ranks.chi_square},
                 {"chi_square_p", unknown.ranks.chi_square_p},
                 {"largest_deviation", unknown.ranks.largest_deviation},
                 {"deviation_p", unknown.ranks.deviation_p},
                 {"mean_offset", unknown.ranks.mean_offset},
                 {"coverage", Json::array()}};
    for (const Coverage& coverage : unknown.coverage) json["coverage"].push_back(to_json(coverage));
    return json;
}

Json to_json(const CoverageInThirds& thirds) {
    Json json = {{"name", thirds.name},
                 {"by", thirds.by},
                 {"of", thirds.of_estimates ? "estimates" : "true values"},
                 {"thirds", Json::array()}};
    for (int i = 0; i < 3; ++i) {
        json["thirds"].push_back({{"from", thirds.from[i]},
                                  {"to", thirds.to[i]},
                                  {"curves", thirds.coverage90[i].count},
                                  {"coverage50", thirds.coverage50[i].observed},
                                  {"coverage90", thirds.coverage90[i].observed},
                                  {"coverage90_error", thirds.coverage90[i].error}});
    }
    return json;
}

Json to_json(const Diagnostics& diagnostics) {
    Json json = Json::object();
    for (const UnknownDiagnostics& unknown : diagnostics.unknowns) {
        json["calibration"].push_back(to_json(unknown));
    }
    for (const CoverageInThirds& thirds : diagnostics.thirds) {
        json["coverage_in_thirds"].push_back(to_json(thirds));
    }
    if (diagnostics.tarp_box) json["tarp"]["box"] = to_json(*diagnostics.tarp_box);
    if (diagnostics.tarp_local) json["tarp"]["local"] = to_json(*diagnostics.tarp_local);
    if (diagnostics.log_density) json["log_density"] = to_json(*diagnostics.log_density);
    if (diagnostics.information) json["information"] = to_json(*diagnostics.information);
    return json;
}

/// JSON has no infinity, and null would say that nothing is known: "inf" and "-inf" as texts. NaN
/// stays, which is written as null.
void name_infinities(Json& json) {
    if (json.is_number_float() && std::isinf(json.get<double>())) {
        json = json.get<double>() > 0.0 ? "inf" : "-inf";
    } else if (json.is_structured()) {
        for (auto& each : json) name_infinities(each);
    }
}

}  // namespace

std::string evaluation_table(const Evaluation& evaluation) {
    std::string table = fmt::format("{:<20} {:>10} {:>10} {:>10} {:>8} {:>11} {:>11}\n", "unknown",
                                    "mse", "rmse", "median", "r2", "coverage50", "coverage90");
    for (const UnknownScore& score : evaluation.scores) {
        if (score.categorical) continue;
        table += fmt::format("{:<20} {:>10.4g} {:>10.4g} {:>10.4g} {:>8.5f} {:>11.3f} {:>11.3f}\n",
                             score.name, score.mse, score.rmse, score.median_error, score.r2,
                             score.coverage50, score.coverage90);
    }
    if (evaluation.classification) table += classification_table(*evaluation.classification);
    if (const auto& challenge = evaluation.challenge) {
        table +=
            fmt::format("challenge score {:.4g} +- {:.2g} of {} curves, mean scaled error {:.4g}\n",
                        challenge->score, challenge->error, challenge->rule.curves,
                        challenge->mean_scaled_error);
    }
    return table;
}

std::string evaluation_json(const Evaluation& evaluation, const nmrsim::Experiment& experiment) {
    Json json;
    json["version"] = nmrsim::kVersion;
    json["experiment"] = experiment.name;
    json["settings"] = nmrsim::experiment_to_toml(experiment);
    json["count"] = evaluation.count;
    json["curves_learnt"] = evaluation.learnt;
    json["seconds"] = evaluation.seconds;
    json["unknowns"] = Json::array();
    for (const UnknownScore& score : evaluation.scores) {
        if (score.categorical) continue;
        json["unknowns"].push_back({{"name", score.name},
                                    {"unit", score.unit},
                                    {"mse", score.mse},
                                    {"rmse", score.rmse},
                                    {"median_error", score.median_error},
                                    {"r2", score.r2},
                                    {"coverage50", score.coverage50},
                                    {"coverage90", score.coverage90}});
    }
    if (evaluation.classification) {
        json["classification"] = Json::parse(classification_json(*evaluation.classification));
    }
    if (evaluation.challenge) json["challenge"] = to_json(*evaluation.challenge);
    json["diagnostics"] = to_json(diagnose(evaluation));
    if (!evaluation.training.empty()) json["training"] = Json::parse(evaluation.training);
    name_infinities(json);
    return json.dump(2);
}

}  // namespace nmrinverse
