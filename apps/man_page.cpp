#include "man_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"
#include "nmrsim/version.h"
#include "option_table.h"

namespace nmrapps {
namespace {

const std::vector<std::string> kPrograms = {"nmr-simulate", "nmr-generate", "nmr-train",
                                            "nmr-fit",      "nmr-evaluate", "nmr-throughput"};

/// Plain text, of which roff leaves every character as it is.
std::string plain(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        if (c == '\\') {
            safe += "\\e";
        } else if (c == '-') {
            safe += "\\-";
        } else if (c == '\'') {
            safe += "\\(aq";
        } else if (c == '"') {
            safe += "\\(dq";
        } else {
            if (c == '.' && (safe.empty() || safe.back() == '\n')) safe += "\\&";
            safe += c;
        }
    }
    return safe;
}

std::string bold(std::string_view text) {
    return "\\fB" + plain(text) + "\\fR";
}

std::string italic(std::string_view text) {
    return "\\fI" + plain(text) + "\\fR";
}

/// What the program does in a few words: the first clause of its description.
std::string in_short(std::string text) {
    text.resize(std::min({text.find(": "), text.find(". "), text.find(", "), text.size()}));
    while (!text.empty() && text.back() == '.') text.pop_back();
    if (!text.empty()) {
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    }
    return text;
}

std::string synopsis(const std::string& name, const std::vector<OptionRow>& rows) {
    std::string text = bold(name) + " [" + italic("OPTIONS") + "]";
    for (const OptionRow& row : rows) {
        std::string item;
        if (row.argument()) {
            item = italic(row.value) + (row.repeated ? "..." : "");
        } else if (row.required) {
            item = bold(row.names.back()) + " " + italic(row.value);
        }
        if (item.empty()) continue;
        text += row.required ? " " + item : " [" + item + "]";
    }
    return text + "\n";
}

std::string entry(const OptionRow& row) {
    std::string term = row.argument() ? italic(row.value) : "";
    for (const std::string& name : row.names) term += (term.empty() ? "" : ", ") + bold(name);
    if (!row.argument() && row.kind != ValueKind::none) term += " " + italic(row.value);
    return fmt::format(".TP\n{}\n{}{}.\n", term, plain(row.help),
                       row.required ? " (required)" : "");
}

std::string keys() {
    std::string text =
        ".SH KEYS\nWhat " + bold("--set") + " " + italic("table.key=value") + " may change.\n";
    std::string others;
    for (const std::string& key : nmrsim::setting_keys()) {
        const auto table = nmrsim::parameter_table();
        const auto row = std::find_if(table.begin(), table.end(), [&](const auto& candidate) {
            return key == fmt::format("{}.{}", candidate.table, candidate.name);
        });
        if (row == table.end()) {
            others += (others.empty() ? "" : ",\n") + bold(key);
            continue;
        }
        const std::string unit = *row->unit ? fmt::format(" [{}]", row->unit) : "";
        text += fmt::format(".TP\n{}{}\n{}.\n", bold(key), plain(unit), plain(row->help));
    }
    return text + ".PP\nBeside them, as the documentation of the parameters says,\n" + others +
           ",\nand " + bold("prior.") + italic("NAME") + plain("=[low, high]") +
           " for each of the parameters above.\n";
}

std::string names_that_ship(const char* heading, const std::vector<std::string>& names) {
    std::string text = fmt::format(".SH {}\n", heading);
    for (const std::string& name : names) {
        text += fmt::format(".TP\n{}\n{}\n", bold(name),
                            plain(nmrsim::shipped_experiment_summary(name)));
    }
    return text;
}

constexpr const char* kExitStatus = R"(.SH EXIT STATUS
.TP
.B 0
Success.
.TP
.B 1
A failure on the way: a full disk, not enough memory.
.TP
.B 2
A bad command line or bad input; one line on standard error says what and where.
.TP
.BR 130 ", " 143
Ended by SIGINT or SIGTERM, with what work can be saved saved.
)";

}  // namespace

std::string man_page(const CLI::App& app) {
    const std::string& name = app.get_name();
    const std::vector<OptionRow> rows = option_table(app);
    std::string title = name;
    std::transform(title.begin(), title.end(), title.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    std::string page = fmt::format(".TH {} 1 \"\" \"nmrsim {}\" \"User Commands\"\n", plain(title),
                                   nmrsim::kVersion);
    page +=
        fmt::format(".SH NAME\n{} \\- {}\n", plain(name), plain(in_short(app.get_description())));
    // The synopsis breaks between its items only.
    page += ".SH SYNOPSIS\n" + synopsis(name, rows);
    page += fmt::format(".SH DESCRIPTION\n{}\n", plain(app.get_description()));
    for (const bool arguments : {true, false}) {
        std::string entries;
        for (const OptionRow& row : rows) {
            if (row.argument() == arguments) entries += entry(row);
        }
        if (!entries.empty()) page += (arguments ? ".SH ARGUMENTS\n" : ".SH OPTIONS\n") + entries;
    }
    const auto has = [&](ValueKind kind) {
        return std::any_of(rows.begin(), rows.end(),
                           [&](const OptionRow& row) { return row.kind == kind; });
    };
    if (has(ValueKind::experiment)) {
        page += names_that_ship("EXPERIMENTS", nmrsim::shipped_experiments());
    }
    if (has(ValueKind::setting)) page += keys();
    page += kExitStatus;
    std::string example = app.get_footer();
    example.erase(0, example.find('\n') + 1);  // "Example:"
    page += fmt::format(".SH EXAMPLE\n.nf\n{}\n.fi\n", plain(example));
    page += ".SH SEE ALSO\n";
    std::string others;
    for (const std::string& program : kPrograms) {
        if (program == name) continue;
        others += fmt::format("{}{}(1)", others.empty() ? "" : ",\n", bold(program));
    }
    return page + others + "\n";
}

}  // namespace nmrapps
