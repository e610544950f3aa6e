/// A training record as JSON, for model files and reports.
#pragma once

#include "nmrinverse/model.h"

namespace nmrinverse {

/// Every field by its name. Json: nlohmann::json or nlohmann::ordered_json.
template <class Json>
Json record_json(const TrainingRecord& record) {
    Json learnt = Json::array();
    for (const LearntCurves& curves : record.learnt) {
        learnt.push_back(Json{{"stream", curves.stream},
                              {"seed", curves.seed},
                              {"first_index", curves.first_index},
                              {"count", curves.count}});
    }
    Json json = {{"version", record.version},
                 {"curves_seen", record.curves_seen},
                 {"epochs", record.epochs},
                 {"seconds", record.seconds},
                 {"device", record.device},
                 {"weights", record.weights},
                 {"head", record.head},
                 {"held_out_log_density", record.held_out_log_density},
                 {"held_out_loss", record.held_out_loss},
                 {"held_out_mse", record.held_out_mse},
                 {"learnt", learnt}};
    if (record.receiver) json["receiver"] = *record.receiver;
    if (!record.calibrated_on.empty()) json["calibrated_on"] = record.calibrated_on;
    return json;
}

}  // namespace nmrinverse
