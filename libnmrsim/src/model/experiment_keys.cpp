#include "model/experiment_keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "model/acquisition.h"
#include "model/kernels.h"
#include "model/line_shape.h"
#include "model/list_keys.h"
#include "model/sequence_formula.h"
#include "model/sequence_names.h"
#include "model/toml_values.h"
#include "nmrsim/errors.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/nearest_name.h"
#include "nmrsim/parameters.h"
#include "nmrsim/sequence_text.h"

namespace nmrsim {

namespace {

/// Keys that are no row of the parameter table.
constexpr std::pair<const char*, const char*> kOtherKeys[] = {{"interaction", "normalize"},
                                                              {"lattice", "nx"},
                                                              {"lattice", "ny"},
                                                              {"lattice", "nz"},
                                                              {"lattice", "seed"},
                                                              {"line", "shape"},
                                                              {"line", "renormalize"},
                                                              {"line", "spins"},
                                                              {"line", "table"},
                                                              {"line", "sites"},
                                                              {"relaxation", "t1_us"},
                                                              {"relaxation", "t2_us"},
                                                              {"sequence", "events"},
                                                              {"sequence", "program"},
                                                              {"sequence", "strengths"},
                                                              {"phase_cycle", "pulses"},
                                                              {"phase_cycle", "receiver"},
                                                              {"acquisition", "points"},
                                                              {"acquisition", "origin"},
                                                              {"acquisition", "windows"},
                                                              {"accuracy", "nodes"},
                                                              {"accuracy", "precision"},
                                                              {"accuracy", "steps_per_point"},
                                                              {"accuracy", "magnus_order"},
                                                              {"accuracy", "frame"},
                                                              {"challenge", "columns"},
                                                              {"challenge", "score"},
                                                              {"challenge", "score_curves"}};

}  // namespace

const std::vector<std::string>& experiment_tables() {
    static const std::vector<std::string> tables = {
        "interaction", "lattice",     "line",     "relaxation", "start",    "sequence",
        "phase_cycle", "acquisition", "accuracy", "prior",      "challenge"};
    return tables;
}

std::vector<std::string> setting_keys() {
    std::vector<std::string> keys = {"name"};
    for (const std::string& table : experiment_tables()) {
        for (const Parameter& row : parameter_table()) {
            if (table == row.table) keys.push_back(fmt::format("{}.{}", table, row.name));
        }
        for (const auto& [other_table, name] : kOtherKeys) {
            if (table == other_table) keys.push_back(fmt::format("{}.{}", table, name));
        }
    }
    return keys;
}

namespace {

/// One time of the pair that stands for rates toward +1/2, the other one kept.
void set_relaxation_time(Relaxation& relaxation, std::string_view key, double time_us) {
    const double infinity = std::numeric_limits<double>::infinity();
    const auto time_of = [&](double rate) { return rate > 0.0 ? 1e6 / rate : infinity; };
    double t1_us = time_of(relaxation.longitudinal_rate());
    double t2_us = time_of(relaxation.transverse_rate());
    if (key == "t1_us") {
        t1_us = time_us;
        if (relaxation.gamma3_per_s == 0.0) t2_us = 2.0 * t1_us;
    } else {
        t2_us = time_us;
    }
    const Relaxation rates = relaxation_from_times(t1_us, t2_us);
    relaxation.gamma1_per_s = rates.gamma1_per_s;
    relaxation.gamma2_per_s = rates.gamma2_per_s;
    relaxation.gamma3_per_s = rates.gamma3_per_s;
}

/// [[..., ...], ...], each of them as a Pair; `of`: what a pair holds, for messages.
template <class Pair>
std::vector<Pair> read_pairs(const std::string& key, const std::string& of,
                             const toml::node& node) {
    const auto* array = node.as_array();
    if (!array) wrong_type(key, ("an array of " + of).c_str(), node);
    std::vector<Pair> pairs;
    for (const toml::node& entry : *array) {
        const std::string where = fmt::format("{}[{}]", key, pairs.size());
        const auto* pair = entry.as_array();
        if (!pair || pair->size() != 2) wrong_type(where, of.c_str(), entry);
        pairs.push_back({read_real(where, *pair->get(0)), read_real(where, *pair->get(1))});
    }
    return pairs;
}

/// A value of a name in its unit, or as text with a unit of its own.
double read_named(const SequenceName& name, const std::string& key, const toml::node& node) {
    const auto* text = node.as_string();
    if (!text) return read_real(key, node);
    const std::optional<Quantity> q = formula_value(text->get(), {}).quantity;
    if (!q || (q->time == 1) != (name.unit == "us")) {
        wrong_type(key, name.unit == "us" ? "a time, such as 50us" : "a number", node);
    }
    return q->value;
}

std::vector<double> read_phases(const std::string& key, const toml::node& node) {
    const char* expected = "an array of phases in degrees";
    const auto* array = node.as_array();
    if (!array) wrong_type(key, expected, node);
    std::vector<double> phases;
    for (const toml::node& phase : *array) {
        phases.push_back(read_real(fmt::format("{}[{}]", key, phases.size()), phase));
    }
    return phases;
}

/// One row of phases a step; the receiver's are kept.
void set_cycle_pulses(PhaseCycle& cycle, const std::string& key, const toml::node& node) {
    const auto* array = node.as_array();
    if (!array) wrong_type(key, "an array with an array of phases for each step", node);
    std::vector<std::vector<double>> rows;
    for (const toml::node& row : *array) {
        rows.push_back(read_phases(fmt::format("{}[{}]", key, rows.size()), row));
    }
    cycle.steps.resize(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) cycle.steps[i].pulse_deg = std::move(rows[i]);
}

void set_cycle_receiver(PhaseCycle& cycle, const std::string& key, const toml::node& node) {
    const std::vector<double> phases = read_phases(key, node);
    if (phases.size() != cycle.steps.size()) {
        throw InputError(fmt::format("{}: expected {} phases, one for each row of pulses, found {}",
                                     key, cycle.steps.size(), phases.size()));
    }
    for (std::size_t i = 0; i < phases.size(); ++i) cycle.steps[i].receiver_deg = phases[i];
}

std::vector<ChallengeColumn> read_columns(const toml::node& node) {
    const char* expected = "{name = ..., parameter = ..., scale = ...}";
    std::vector<ChallengeColumn> columns;
    for (const auto& [where, table] :
         read_tables("challenge.columns", "an array", expected, node)) {
        if (!table->get("parameter")) wrong_type(where, expected, *table);
        check_keys(where, *table, {"name", "parameter", "scale"});
        ChallengeColumn column;
        column.parameter = read_text(where + ".parameter", *table->get("parameter"));
        column.name = column.parameter;
        if (const auto* name = table->get("name")) column.name = read_text(where + ".name", *name);
        if (const auto* scale = table->get("scale")) {
            column.scale = read_real(where + ".scale", *scale);
        }
        parameter(column.parameter);
        columns.push_back(column);
    }
    return columns;
}

PriorRange read_range(std::string_view name, const toml::node& node) {
    const std::string key = fmt::format("prior.{}", name);
    const auto* array = node.as_array();
    if (parameter(name).categorical) {
        if (!array || array->empty()) {
            const std::string expected =
                fmt::format("a list of names, as in {}", kExampleOfChoices);
            wrong_type(key, expected.c_str(), node);
        }
        std::vector<std::string> choices;
        for (const toml::node& choice : *array) {
            choices.push_back(read_text(fmt::format("{}[{}]", key, choices.size()), choice));
        }
        return categorical_unknown(std::string(name), std::move(choices));
    }
    const char* expected = "[low, high]";
    if (!array || array->size() != 2) wrong_type(key, expected, node);
    return {std::string(name), read_real(key, *array->get(0), expected),
            read_real(key, *array->get(1), expected)};
}

void set_prior(Prior& prior, std::string_view name, const toml::node& node) {
    const PriorRange range = read_range(name, node);
    validate_prior({range});
    const auto known = std::find_if(prior.begin(), prior.end(),
                                    [&](const PriorRange& other) { return other.name == name; });
    if (known != prior.end()) {
        *known = range;
    } else {
        prior.push_back(range);
    }
}

}  // namespace

std::vector<SeriesRecord> read_records(const toml::node& node) {
    const auto* array = node.as_array();
    if (!array || array->empty()) wrong_type("series", "[[series]] for each record", node);
    std::vector<SeriesRecord> records;
    for (const toml::node& entry : *array) {
        const std::string where = fmt::format("series[{}]", records.size());
        const auto* table = entry.as_table();
        if (!table) wrong_type(where, "a table of settings", entry);
        SeriesRecord& record = records.emplace_back();
        // toml++ sorts keys by name; the order is the file's.
        std::map<std::pair<std::uint32_t, std::uint32_t>, std::pair<std::string, std::string>>
            found;
        const auto add = [&](const std::string& key, const toml::node& value) {
            std::string text;
            if (value.is_string()) {
                text = toml_text(read_text(key, value));
            } else if (const auto* whole = value.as_integer()) {
                text = fmt::format("{}", whole->get());
            } else {
                text = toml_real(read_real(where + "." + key, value, "a number or a string"));
            }
            const toml::source_position at = value.source().begin;
            found[{at.line, at.column}] = {key, std::move(text)};
        };
        for (const auto& [key, value] : *table) {
            const std::string name(key.str());
            if (name == "file") {
                record.file = read_text(where + ".file", value);
            } else if (const auto* inner = value.as_table()) {
                for (const auto& [inner_key, setting] : *inner) {
                    add(name + "." + std::string(inner_key.str()), setting);
                }
            } else {
                add(name, value);
            }
        }
        for (auto& [place, setting] : found) record.settings.push_back(std::move(setting));
    }
    return records;
}

void set_key(Experiment& e, const std::string& table, const std::string& key,
             const toml::node& node) {
    const std::string full = table + "." + key;
    const auto is = [&](const char* name) { return full == name; };
    if (table == "prior") return set_prior(e.prior, key, node);
    if (is("interaction.kernel")) {
        const std::string& name = kernel_names()[read_choice(full, node, kernel_names())];
        e.interaction.kernel = other_kernel(e.interaction.kernel, name);
        return;
    }
    for (const Parameter& row : parameter_table()) {
        if (table != row.table || key != row.name) continue;
        return set_parameter(e, key, read_real(full, node));
    }
    if (table == "sequence") {
        for (const SequenceName& name : e.sequence.names) {
            if (key == name.name) return set_parameter(e, key, read_named(name, full, node));
        }
    }
    if (is("interaction.p_weight")) {
        // Of a factor odd in r, which no Hamiltonian has: older files say that there is none of it.
        if (read_real(full, node) == 0.0) return;
        throw InputError(
            fmt::format("{}: expected 0 or no such key, found {}", full, describe(node)));
    }
    if (is("sequence.events")) {
        Sequence sequence;
        sequence.program = read_events(node);
        sequence.validate();
        sequence.pulse_scale = e.sequence.pulse_scale;
        sequence.pulse_spread = e.sequence.pulse_spread;
        sequence.strengths = std::move(e.sequence.strengths);
        e.sequence = std::move(sequence);
        return;
    }
    if (is("sequence.program")) return set_sequence(e, read_text(full, node));
    if (is("challenge.columns")) {
        e.challenge = read_columns(node);
    } else if (is("challenge.score")) {
        e.score.scale = ScoreScale(read_choice(full, node, {"none", "range", "variance"}));
    } else if (is("challenge.score_curves")) {
        e.score.curves = read_count(full, node, 1);
    } else if (is("interaction.normalize")) {
        e.interaction.normalize = read_flag(full, node);
    } else if (is("lattice.nx") || is("lattice.ny") || is("lattice.nz")) {
        Lattice lattice = e.lattice;
        (key == "nx" ? lattice.nx : key == "ny" ? lattice.ny : lattice.nz) = read_int(full, node);
        lattice.validate();
        e.lattice = lattice;
    } else if (is("lattice.seed")) {
        e.lattice.seed = read_seed(full, node);
    } else if (is("line.shape")) {
        e.line.shape = LineShape(read_choice(full, node, line_shape_names()));
    } else if (is("line.table")) {
        e.line.table = read_pairs<LinePoint>(full, "[offset_khz, weight]", node);
    } else if (is("line.sites")) {
        e.sites = read_sites(node);
    } else if (is("sequence.strengths")) {
        e.sequence.strengths = read_pairs<PulseStrength>(full, "[strength, weight]", node);
    } else if (is("line.spins")) {
        e.line.spins = read_count(full, node, 0);
    } else if (is("line.renormalize")) {
        e.line.renormalize = read_flag(full, node);
    } else if (is("relaxation.t1_us") || is("relaxation.t2_us")) {
        set_relaxation_time(e.relaxation, key, read_real(full, node));
    } else if (is("phase_cycle.pulses")) {
        set_cycle_pulses(e.phase_cycle, full, node);
    } else if (is("phase_cycle.receiver")) {
        set_cycle_receiver(e.phase_cycle, full, node);
    } else if (is("acquisition.origin")) {
        e.acquisition.origin = TimeOrigin(read_choice(full, node, time_origin_names()));
    } else if (is("acquisition.windows")) {
        set_windows(e.acquisition, read_windows(node));
    } else if (is("acquisition.points")) {
        e.acquisition.points = read_count(full, node, 1);
    } else if (is("accuracy.nodes")) {
        std::optional<int> nodes;
        if (!is_auto(node)) nodes = read_int(full, node, "a whole number or \"auto\"");
        if (nodes && *nodes < 1) {
            throw std::invalid_argument(fmt::format("accuracy.nodes must be >= 1, got {}", *nodes));
        }
        e.accuracy.nodes = nodes;
    } else if (is("accuracy.steps_per_point")) {
        std::optional<double> steps;
        if (!is_auto(node)) steps = read_real(full, node, "a number or \"auto\"");
        if (steps && !(*steps > 0.0)) {
            throw std::invalid_argument(
                fmt::format("accuracy.steps_per_point must be > 0, got {}", *steps));
        }
        e.accuracy.steps_per_point = steps;
    } else if (is("accuracy.magnus_order")) {
        const int order = is_auto(node) ? 1 : read_int(full, node, "1, 2, 3 or \"auto\"");
        if (order < 1 || order > 3) {
            throw std::invalid_argument(
                fmt::format("accuracy.magnus_order must be in [1, 3], got {}", order));
        }
        e.accuracy.magnus_order = order;
    } else if (is("accuracy.frame")) {
        e.accuracy.frame = Frame(read_choice(full, node, {"rotating", "laboratory"}));
    } else if (is("accuracy.precision")) {
        e.accuracy.precision = Precision(read_choice(full, node, {"auto", "single", "double"}));
    } else {
        std::vector<std::string> known;
        for (const Parameter& row : parameter_table()) {
            if (table == row.table) known.emplace_back(row.name);
        }
        for (const auto& [other_table, name] : kOtherKeys) {
            if (table == other_table) known.emplace_back(name);
        }
        if (table == "sequence") {
            for (const SequenceName& name : e.sequence.names) known.push_back(name.name);
        }
        std::string suggestion = did_you_mean(key, known);
        // A key in the wrong table: say where it belongs.
        for (const Parameter& row : parameter_table()) {
            if (key == row.name) suggestion = fmt::format("; did you mean {}.{}?", row.table, key);
        }
        for (const auto& [other_table, name] : kOtherKeys) {
            if (key == name) suggestion = fmt::format("; did you mean {}.{}?", other_table, key);
        }
        throw InputError(fmt::format("unknown key {}{}", full, suggestion));
    }
}

}  // namespace nmrsim
