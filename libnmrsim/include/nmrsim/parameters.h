/// The one table of parameters: prior, files, settings, networks, reports and docs read it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nmrsim {

struct Experiment;

/// One parameter of an experiment: a real number, or a choice.
struct Parameter {
    const char* name;    ///< key in its TOML table, name of file columns: "alpha_x_khz"
    const char* table;   ///< TOML table: "interaction"
    const char* symbol;  ///< as the theory page writes it: "alpha_x"
    const char* unit;    ///< "kHz"; "" where dimensionless
    double lower;        ///< smallest value allowed
    double upper;        ///< largest value allowed
    const char* help;    ///< one line
    // Of a row of the table, none of which a name of a sequence has.
    double (*getter)(const Experiment&);
    void (*setter)(Experiment&, double);
    bool (*condition)(const Experiment&);
    /// A second way to say another row's value (d for gamma3_per_s); set after the plain rows, and
    /// not written to files of settings.
    bool derived;
    /// Its value is the index of one of some choices plus 1/2: of the prior's, where it is an
    /// unknown (see PriorRange), else of all, in their order. In files of settings it is a name.
    bool categorical = false;

    double get(const Experiment& experiment) const;
    /// Throws std::invalid_argument where it does not apply (xi of a uniform kernel).
    void set(Experiment& experiment, double value) const;
    /// Whether the row applies to this experiment's kernel, sequence and so on.
    bool applies(const Experiment& experiment) const;
};

/// All rows that need no sequence with names, plain ones first.
std::span<const Parameter> parameter_table();

/// The rows of the names of an experiment's sequence: of the table "sequence", with the name for
/// the symbol.
std::vector<const Parameter*> sequence_rows(const Experiment& experiment);

/// The row called `name`, of the table or of a name that a sequence has. Throws:
/// std::invalid_argument that names the nearest row.
const Parameter& parameter(std::string_view name);

/// Sets a parameter after a check of its bounds. Throws: std::invalid_argument,
/// "interaction.xi must be in [0, 1e+06], got -1".
void set_parameter(Experiment& experiment, std::string_view name, double value);

/// Whether a row of the parameter table concerns the receiver alone: gain, receiver_phase_deg.
bool is_receiver_parameter(std::string_view name);

}  // namespace nmrsim
