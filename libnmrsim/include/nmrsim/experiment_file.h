/// Experiments as TOML.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "nmrsim/experiment.h"

namespace nmrsim {

/// Names of the experiments that ship, in order.
std::vector<std::string> shipped_experiments();

/// One line about a shipped experiment. Throws: InputError for an unknown name.
std::string shipped_experiment_summary(std::string_view name);

/// All of them, a name and its line each.
std::string list_of_experiments();

/// An experiment by the name of one that ships, or from a TOML file.
///
/// Throws: InputError, "echo.toml:12: unknown key interaction.alfa_x_khz; did you mean
/// alpha_x_khz?"
Experiment load_experiment(const std::string& name_or_path);

/// An experiment from TOML text; `origin` stands before ":line:" in errors.
Experiment parse_experiment(std::string_view toml, const std::string& origin);

/// Applies "table.key=value", the value in TOML syntax; quotes around a bare word may be left out.
///
/// Throws: InputError for an unknown key (naming the nearest) or a value out of range.
void apply_setting(Experiment& experiment, std::string_view setting);

/// Every "table.key" that apply_setting() knows, by tables; not those of the prior, where each row
/// of the parameter table may stand.
std::vector<std::string> setting_keys();

/// The whole experiment as TOML, every key written; parse_experiment() gives the same back.
std::string experiment_to_toml(const Experiment& experiment);

}  // namespace nmrsim
