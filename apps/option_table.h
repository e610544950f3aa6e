/// A program's arguments and options as rows, of which manuals and completions are made.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace nmrapps {

/// What may stand for an option's value.
enum class ValueKind {
    none,        ///< a flag
    text,        ///< a number, or words that only the user knows
    choice,      ///< one of `choices`
    experiment,  ///< one that ships, or a file
    model,       ///< one that ships, or a file
    setting,     ///< table.key=value
    sweep,       ///< table.key=values, of a row of the parameter table
    parameter,   ///< name of a row of the parameter table
    file,
    folder
};

/// One argument or option.
struct OptionRow {
    std::vector<std::string> names;  ///< "-h", "--help"; empty for an argument
    std::string value;               ///< what stands for its value, "N"; an argument's own name
    ValueKind kind = ValueKind::none;
    std::vector<std::string> choices;
    std::string help;
    bool required = false;
    bool repeated = false;

    bool argument() const { return names.empty(); }
};

/// All rows in the order of --help, arguments first.
std::vector<OptionRow> option_table(const CLI::App& app);

/// Names of the models that lie in share/nmrsim/models beside this program, in order.
std::vector<std::string> shipped_models();

/// A model file, or the name of one that ships: MODEL as given where there is such a file,
/// otherwise share/nmrsim/models/MODEL.safetensors under the prefix that the program was installed
/// to. Throws: nmrsim::InputError where there is neither.
std::string find_model(const std::string& model);

}  // namespace nmrapps
