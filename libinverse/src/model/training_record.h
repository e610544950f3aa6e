/// A training record as JSON, for model files and reports.
#pragma once

#include "network/json_fields.h"
#include "nmrinverse/model.h"

namespace nmrinverse {

template <Of<LearntCurves> Curves, class Visit>
void for_each_field(Curves& curves, const Visit& visit) {
    visit("stream", curves.stream);
    visit("seed", curves.seed);
    visit("first_index", curves.first_index);
    visit("count", curves.count);
}

/// Those that every record has.
template <Of<TrainingRecord> Record, class Visit>
void for_each_field(Record& record, const Visit& visit) {
    visit("version", record.version);
    visit("curves_seen", record.curves_seen);
    visit("epochs", record.epochs);
    visit("seconds", record.seconds);
    visit("device", record.device);
    visit("weights", record.weights);
    visit("head", record.head);
    visit("held_out_log_density", record.held_out_log_density);
    visit("held_out_loss", record.held_out_loss);
    visit("held_out_mse", record.held_out_mse);
}

/// Every field by its name. Json: nlohmann::json or nlohmann::ordered_json.
template <class Json>
Json record_json(const TrainingRecord& record) {
    Json json = fields_to_json<Json>(record);
    json["learnt"] = Json::array();
    for (const LearntCurves& curves : record.learnt) {
        json["learnt"].push_back(fields_to_json<Json>(curves));
    }
    if (record.receiver) json["receiver"] = *record.receiver;
    if (!record.calibrated_on.empty()) json["calibrated_on"] = record.calibrated_on;
    return json;
}

}  // namespace nmrinverse
