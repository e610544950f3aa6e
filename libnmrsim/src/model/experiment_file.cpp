#include "nmrsim/experiment_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <tuple>

#include "model/experiment_keys.h"
#include "model/toml_values.h"
#include "nmrsim/errors.h"
#include "nmrsim/nearest_name.h"
#include "nmrsim/parameters.h"
#include "nmrsim/sequence_text.h"
#include "text/text_numbers.h"

namespace nmrsim {

namespace {

struct ShippedExperiment {
    const char* name;
    const char* text;
};

constexpr ShippedExperiment kShipped[] = {
#include "shipped_experiments.inc"
};

/// An experiment is a page of text; a larger file is something else. Parsed, each of its bytes
/// takes up to some 40, which this keeps in bounds.
constexpr std::uintmax_t kLargestFile = 1 << 20;

/// One key with its place in the file.
struct Entry {
    std::string table;
    std::string key;
    const toml::node* node;
    toml::source_position position;

    /// What others depend on comes first: kernel and kind of sequence, plain rows, rows derived
    /// from them, then the unknowns and columns that name rows.
    int stage() const {
        if (table == "prior" || table == "challenge") return 3;
        if (key == "kernel" || key == "events" || key == "program") return 0;
        for (const Parameter& row : parameter_table()) {
            if (row.derived && key == row.name) return 2;
        }
        return key == "t1_us" || key == "t2_us" || key == "receiver" ? 2 : 1;
    }
};

std::string one_line(std::string_view text) {
    std::string line(text);
    std::replace(line.begin(), line.end(), '\n', ' ');
    return printable(line, 1000);
}

/// Runs `action` and puts the place before what goes wrong.
template <typename Action>
void at(const std::string& place, const Action& action) {
    try {
        action();
    } catch (const InputError& error) {
        throw InputError(fmt::format("{}: {}", place, one_line(error.what())));
    } catch (const std::invalid_argument& error) {
        throw InputError(fmt::format("{}: {}", place, one_line(error.what())));
    }
}

std::string place_of(const std::string& origin, const toml::source_position& position) {
    return fmt::format("{}:{}", origin, position.line);
}

/// The character at `i` of UTF-8, and how many bytes it has; none where they are no character.
std::pair<std::uint32_t, std::size_t> decoded(std::string_view text, std::size_t i) {
    const auto byte = [&](std::size_t k) -> std::uint32_t {
        return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0;
    };
    const std::size_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
    std::uint32_t character = byte(0) & (0xffu >> (length + 1));
    bool valid = byte(0) >= 0xc2 && byte(0) < 0xf5;
    for (std::size_t k = 1; k < length; ++k) {
        valid = valid && (byte(k) & 0xc0) == 0x80;
        character = character << 6 | (byte(k) & 0x3f);
    }
    constexpr std::uint32_t kLeast[] = {0x80, 0x800, 0x10000};
    valid = valid && character >= kLeast[length - 2] && character <= 0x10ffff &&
            (character < 0xd800 || character > 0xdfff);
    return {character, valid ? length : 0};
}

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const bool ascii = static_cast<unsigned char>(text[i]) < 0x80;
        const std::size_t length = ascii ? 1 : decoded(text, i).second;
        if (length == 0) return false;
        i += length;
    }
    return true;
}

/// The text with letters beyond ASCII as escapes in strings and as ? in comments, the only places
/// where TOML has them: toml++ 3.3 asks such a letter whether it is a blank in a way that is
/// undefined for many of them.
///
/// Throws: InputError for letters elsewhere, in strings of single quotes, or for no UTF-8.
std::string in_ascii(std::string_view text, const std::string& origin) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    std::string ascii;
    std::string_view quotes;  // of the string that `i` is in
    bool comment = false;
    std::uint32_t line = 1;
    for (std::size_t i = 0; i < text.size();) {
        const char c = text[i];
        const std::string_view rest = text.substr(i);
        if (static_cast<unsigned char>(c) >= 0x80) {
            const auto [character, length] = decoded(text, i);
            if (comment) {
                ascii += '?';
                ++i;
                continue;
            }
            if (length == 0 || quotes.empty() || quotes.front() != '"') {
                throw InputError(
                    fmt::format("{}:{}: expected letters beyond ASCII, in UTF-8, in "
                                "comments and strings of double quotes only",
                                origin, line));
            }
            ascii += fmt::format("\\U{:08X}", character);
            i += length;
            continue;
        }
        if (c == '\n') {
            ++line;
            comment = false;
            if (quotes.size() == 1) quotes = {};
        }
        std::size_t length = 1;
        if (comment) {
        } else if (quotes.empty()) {
            comment = c == '#';
            for (const std::string_view begin : {"\"\"\"", "'''", "\"", "'"}) {
                if (!rest.starts_with(begin)) continue;
                quotes = begin;
                length = begin.size();
                break;
            }
        } else if (c == '\\' && quotes.front() == '"') {
            length = rest.size() > 1 && (rest[1] == '"' || rest[1] == '\\') ? 2 : 1;
        } else if (rest.starts_with(quotes)) {
            length = quotes.size();
            // Two quotes may stand before the three that end a string.
            while (quotes.size() == 3 && length < 5 && rest.substr(length).starts_with(c)) ++length;
            quotes = {};
        }
        ascii += rest.substr(0, length);
        i += length;
    }
    return ascii;
}

toml::table parse_toml(std::string_view text, const std::string& origin) {
    const std::string ascii = in_ascii(text, origin);
    try {
        return toml::parse(ascii);
    } catch (const toml::parse_error& error) {
        throw InputError(fmt::format("{}: {}", place_of(origin, error.source().begin),
                                     one_line(error.description())));
    }
}

/// Two keys for one value would leave the reader guessing which one holds.
void check_rivals(const std::vector<Entry>& entries, const std::string& origin) {
    const auto find = [&](std::string_view table, std::string_view key) {
        return std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) {
            return entry.table == table && entry.key == key;
        });
    };
    constexpr std::tuple<const char*, const char*, const char*> kRivals[] = {
        {"interaction", "summed_khz", "alpha_x_khz"},
        {"interaction", "summed_by_xi_khz", "xi"},
        {"interaction", "summed_by_xi_khz", "summed_khz"},
        {"relaxation", "d", "gamma3_per_s"},
        {"relaxation", "t1_us", "gamma1_per_s"},
        {"relaxation", "t1_us", "gamma2_per_s"},
        {"relaxation", "t2_us", "gamma3_per_s"},
        {"relaxation", "t2_us", "d"},
        {"acquisition", "dwell_us", "stop_us"},
        {"acquisition", "windows", "start_us"},
        {"acquisition", "windows", "stop_us"},
        {"acquisition", "windows", "points"},
        {"acquisition", "windows", "origin"},
        {"sequence", "refocus_deg", "refocus_ratio"},
        {"sequence", "program", "events"}};
    for (const auto& [table, key, rival] : kRivals) {
        const auto found = find(table, key);
        if (found != entries.end() && find(table, rival) != entries.end()) {
            throw InputError(fmt::format("{}: {}.{} and {}.{} say the same: keep one",
                                         place_of(origin, found->position), table, key, table,
                                         rival));
        }
    }
    // A program's text may hold the window too.
    const auto program = find("sequence", "program");
    if (program != entries.end()) {
        at(place_of(origin, program->position), [&] {
            const ParsedSequence parsed =
                parse_sequence(read_text("sequence.program", *program->node));
            if (!parsed.window && parsed.windows.empty()) return;
            for (const char* key :
                 {"start_us", "stop_us", "dwell_us", "points", "origin", "windows"}) {
                if (find("acquisition", key) != entries.end()) {
                    throw InputError(fmt::format(
                        "acquire in sequence.program and acquisition.{} say the same: keep one",
                        key));
                }
            }
        });
    }
    const auto t1 = find("relaxation", "t1_us"), t2 = find("relaxation", "t2_us");
    if ((t1 == entries.end()) != (t2 == entries.end())) {
        throw InputError(
            fmt::format("{}: relaxation.t1_us and relaxation.t2_us must be given together",
                        place_of(origin, (t1 == entries.end() ? t2 : t1)->position)));
    }
}

std::vector<Entry> read_entries(const toml::table& root, const std::string& origin,
                                Experiment& experiment) {
    const std::vector<std::string>& tables = experiment_tables();
    std::vector<std::string> known = tables;
    known.insert(known.end(), {"name", "summary", "series"});
    std::vector<Entry> entries;
    for (const auto& [key, value] : root) {
        const std::string name(key.str());
        const std::string place = place_of(origin, key.source().begin);
        if (name == "name" || name == "summary") {
            at(place, [&, node = &value] {
                const std::string& text = read_text(name, *node);
                if (name == "name") experiment.name = text;
            });
            continue;
        }
        if (name == "series") {
            at(place, [&, node = &value] { experiment.series = read_records(*node); });
            continue;
        }
        if (std::find(tables.begin(), tables.end(), name) == tables.end()) {
            throw InputError(fmt::format("{}: unknown {} {}{}", place,
                                         value.is_table() ? "table" : "key", one_line(name),
                                         did_you_mean(name, known)));
        }
        const auto* table = value.as_table();
        if (!table) at(place, [&, node = &value] { wrong_type(name, "a table", *node); });
        for (const auto& [inner_key, inner_value] : *table) {
            entries.push_back(
                {name, std::string(inner_key.str()), &inner_value, inner_key.source().begin});
        }
    }
    // toml++ sorts keys by name; the prior's order is the file's.
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        return std::tuple(a.stage(), a.position.line, a.position.column) <
               std::tuple(b.stage(), b.position.line, b.position.column);
    });
    return entries;
}

const ShippedExperiment* find_shipped(std::string_view name) {
    for (const ShippedExperiment& shipped : kShipped) {
        if (name == shipped.name) return &shipped;
    }
    return nullptr;
}

std::string unknown_experiment(std::string_view name) {
    return fmt::format("no experiment {}: neither one that ships nor a file{}", name,
                       did_you_mean(name, shipped_experiments()));
}

std::string read_text_file(const std::string& path) {
    std::error_code error;
    const bool regular = std::filesystem::is_regular_file(path, error);
    if (!std::filesystem::exists(path, error)) throw InputError(unknown_experiment(path));
    if (std::filesystem::is_directory(path, error)) {
        throw InputError(fmt::format("{}: expected an experiment in TOML, found a folder", path));
    }
    if (regular && std::filesystem::file_size(path, error) > kLargestFile) {
        throw InputError(fmt::format("{}: expected an experiment in TOML, found a file of {} bytes",
                                     path, std::filesystem::file_size(path)));
    }
    std::ifstream file(path, std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (!file.is_open() || file.bad()) throw InputError(fmt::format("{}: cannot be read", path));
    return text;
}

}  // namespace

std::vector<std::string> shipped_experiments() {
    std::vector<std::string> names;
    for (const ShippedExperiment& shipped : kShipped) names.emplace_back(shipped.name);
    return names;
}

std::string shipped_experiment_summary(std::string_view name) {
    const ShippedExperiment* shipped = find_shipped(name);
    if (!shipped) throw InputError(unknown_experiment(name));
    return parse_toml(shipped->text, shipped->name)["summary"].value_or(std::string());
}

std::string list_of_experiments() {
    std::string text;
    for (const std::string& name : shipped_experiments()) {
        text += fmt::format("{:<24} {}\n", name, shipped_experiment_summary(name));
    }
    return text;
}

Experiment load_experiment(const std::string& name_or_path) {
    if (const ShippedExperiment* shipped = find_shipped(name_or_path)) {
        return parse_experiment(shipped->text, shipped->name);
    }
    Experiment experiment = parse_experiment(read_text_file(name_or_path), name_or_path);
    if (experiment.name == Experiment{}.name) {
        experiment.name = std::filesystem::path(name_or_path).stem().string();
    }
    return experiment;
}

Experiment parse_experiment(std::string_view toml, const std::string& origin) {
    const toml::table root = parse_toml(toml, origin);
    Experiment experiment;
    const std::vector<Entry> entries = read_entries(root, origin, experiment);
    check_rivals(entries, origin);
    for (const Entry& entry : entries) {
        at(place_of(origin, entry.position),
           [&] { set_key(experiment, entry.table, entry.key, *entry.node); });
    }
    at(origin, [&] { experiment.validate(); });
    return experiment;
}

void apply_setting(Experiment& experiment, std::string_view setting) {
    const auto trim = [](std::string_view text) {
        const auto first = text.find_first_not_of(" \t");
        if (first == std::string_view::npos) return std::string();
        return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
    };
    const auto equals = setting.find('=');
    const std::string key = trim(setting.substr(0, equals));
    const std::string text =
        equals == std::string_view::npos ? "" : trim(setting.substr(equals + 1));
    if (key.empty() || text.empty() || text.find_first_of("\r\n") != std::string::npos) {
        throw InputError(
            fmt::format("setting \"{}\": expected table.key=value", one_line(setting)));
    }
    if (!is_utf8(text)) {
        throw InputError(fmt::format("setting \"{}\": expected UTF-8", one_line(setting)));
    }
    toml::table parsed;
    try {
        parsed = toml::parse("value = " + in_ascii(text, "value"));
    } catch (const InputError&) {
        parsed.insert("value", text);
    } catch (const toml::parse_error& error) {
        if (text.find_first_of("\"'[]{}#=,") != std::string::npos) {
            throw InputError(fmt::format("setting \"{}\": {}", one_line(setting),
                                         one_line(error.description())));
        }
        parsed.insert("value", text);
    }
    at(fmt::format("setting \"{}\"", one_line(setting)), [&] {
        const toml::node& node = *parsed.get("value");
        const auto dot = key.find('.');
        if (key == "name") {
            experiment.name = read_text(key, node);
            return;
        }
        const std::string table = key.substr(0, dot);
        const std::vector<std::string>& tables = experiment_tables();
        if (std::find(tables.begin(), tables.end(), table) == tables.end()) {
            for (const Parameter& row : parameter_table()) {
                if (key == row.name) {
                    throw InputError(
                        fmt::format("unknown key {}; did you mean {}.{}?", key, row.table, key));
                }
            }
            throw InputError(fmt::format("unknown table {}{}", table, did_you_mean(table, tables)));
        }
        if (dot == std::string::npos) {
            throw InputError(fmt::format("expected a key of the table, {}.key=value", table));
        }
        set_key(experiment, table, key.substr(dot + 1), node);
    });
}

}  // namespace nmrsim
