/// The keys of an experiment's TOML tables.
#pragma once

#include <toml++/toml.h>

#include <string>
#include <string_view>
#include <vector>

#include "nmrsim/experiment.h"

namespace nmrsim {

/// Names of the tables that an experiment may have.
const std::vector<std::string>& experiment_tables();

/// Sets one key of one table.
///
/// Throws: InputError or std::invalid_argument, without a place.
void set_key(Experiment& experiment, const std::string& table, const std::string& key,
             const toml::node& node);

/// The records of a series: an array of tables, each with keys as settings have them. Throws: as
/// above.
std::vector<SeriesRecord> read_records(const toml::node& node);

}  // namespace nmrsim
