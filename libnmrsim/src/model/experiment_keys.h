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

/// The text of a string. Throws: InputError, "name: expected a string, found 3".
const std::string& read_text(const std::string& key, const toml::node& node,
                             const char* expected = "a string");

/// Throws InputError, "line: expected a table, found 3".
[[noreturn]] void wrong_type(const std::string& key, const char* expected, const toml::node& node);

}  // namespace nmrsim
