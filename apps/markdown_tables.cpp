#include "markdown_tables.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "nmrsim/coupling.h"
#include "nmrsim/parameters.h"
#include "option_table.h"

namespace nmrapps {
namespace {

/// A bar would end the cell.
std::string in_cell(const std::string& text) {
    std::string cell;
    for (const char c : text) {
        if (c == '|') cell += '\\';
        cell += c;
    }
    return cell;
}

std::string range_of(const nmrsim::Parameter& row) {
    if (row.categorical) return fmt::format("{}", fmt::join(nmrsim::kernel_names(), ", "));
    return fmt::format("{:g} to {:g}", row.lower, row.upper);
}

}  // namespace

std::string option_markdown(const CLI::App& app) {
    std::string text = "| | |\n| --- | --- |\n";
    for (const OptionRow& row : option_table(app)) {
        std::string name =
            row.argument() ? row.value : fmt::format("{}", fmt::join(row.names, ", "));
        if (!row.argument() && !row.value.empty()) name += " " + row.value;
        if (row.repeated) name += " ...";
        text += fmt::format("| `{}` | {}{} |\n", in_cell(name), in_cell(row.help),
                            row.required && !row.argument() ? " (required)" : "");
    }
    return text;
}

std::string parameter_markdown() {
    std::string text =
        "| key | symbol | unit | range | meaning |\n| --- | --- | --- | --- | --- |\n";
    for (const nmrsim::Parameter& row : nmrsim::parameter_table()) {
        const std::string unit = row.categorical ? "" : *row.unit != '\0' ? row.unit : "1";
        text += fmt::format("| `{}.{}` | {} | {} | {} | {}{} |\n", row.table, row.name,
                            in_cell(row.symbol), unit, range_of(row), in_cell(row.help),
                            row.derived ? " (another way to say it; set after the others)" : "");
    }
    return text;
}

}  // namespace nmrapps
