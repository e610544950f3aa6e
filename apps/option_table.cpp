#include "option_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "nmrsim/errors.h"

namespace nmrapps {
namespace {

namespace fs = std::filesystem;

fs::path model_folder() {
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    return program.parent_path().parent_path() / "share/nmrsim/models";
}

/// "NAME:{csv,challenge}" is what CLI11 makes of a type's name and what is checked.
std::vector<std::string> choices_in(const std::string& type) {
    const auto open = type.find('{'), close = type.rfind('}');
    std::vector<std::string> choices;
    if (open == std::string::npos || close == std::string::npos) return choices;
    std::istringstream list(type.substr(open + 1, close - open - 1));
    for (std::string choice; std::getline(list, choice, ',');) choices.push_back(choice);
    return choices;
}

/// What the names of values mean, here as in all of --help.
ValueKind kind_of(const OptionRow& row, bool checked) {
    const std::string& value = row.value;
    if (!row.choices.empty()) return ValueKind::choice;
    if (row.argument()) {
        if (value == "EXPERIMENT") return ValueKind::experiment;
        return value == "MODEL" ? ValueKind::model : ValueKind::file;
    }
    if (value == "table.key=value") return ValueKind::setting;
    if (value == "table.key=VALUES") return ValueKind::sweep;
    if (value == "NAME,...") return ValueKind::parameter;
    if (value == "DIR" || value == "REPORT") return ValueKind::folder;
    const bool words = value.size() == 1 || value == "TEXT" || value == "I/N" ||
                       value.find("SIGMA") != std::string::npos;
    return checked || words ? ValueKind::text : ValueKind::file;
}

}  // namespace

std::vector<OptionRow> option_table(const CLI::App& app) {
    std::vector<OptionRow> rows;
    for (const CLI::Option* option : app.get_options()) {
        if (option->get_group().empty()) continue;  // hidden
        OptionRow row;
        for (const std::string& name : option->get_snames()) row.names.push_back("-" + name);
        for (const std::string& name : option->get_lnames()) row.names.push_back("--" + name);
        row.help = option->get_description();
        row.required = option->get_required();
        if (option->get_items_expected_max() > 0) {
            const std::string type = option->get_type_name();
            row.value = row.argument() ? option->get_name(true) : type.substr(0, type.find(':'));
            row.choices = choices_in(type);
            row.kind = kind_of(row, type.find(':') != std::string::npos);
            row.repeated = option->get_items_expected_max() > 1;
        }
        rows.push_back(std::move(row));
    }
    std::stable_partition(rows.begin(), rows.end(),
                          [](const OptionRow& row) { return row.argument(); });
    return rows;
}

std::vector<std::string> shipped_models() {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(model_folder(), error)) {
        if (entry.path().extension() == ".safetensors") names.push_back(entry.path().stem());
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::string find_model(const std::string& model) {
    if (fs::is_regular_file(model)) return model;
    const std::vector<std::string> shipped = shipped_models();
    if (std::find(shipped.begin(), shipped.end(), model) != shipped.end()) {
        return (model_folder() / (model + ".safetensors")).string();
    }
    throw nmrsim::InputError(fmt::format(
        "{}: no such model file{}", model,
        shipped.empty() ? "" : fmt::format("; models that ship: {}", fmt::join(shipped, ", "))));
}

}  // namespace nmrapps
