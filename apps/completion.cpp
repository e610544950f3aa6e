#include "completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "nmrsim/experiment_file.h"
#include "nmrsim/parameters.h"
#include "option_table.h"

namespace nmrapps {
namespace {

std::string replaced(std::string text, const std::string& what, const std::string& by) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
        text.replace(at, what.size(), by);
    }
    return text;
}

/// The words that may stand for a value; none where files, folders or only the user know.
std::vector<std::string> words_of(const OptionRow& row) {
    std::vector<std::string> words;
    switch (row.kind) {
        case ValueKind::choice:
            return row.choices;
        case ValueKind::experiment:
            return nmrsim::shipped_experiments();
        case ValueKind::model:
            return shipped_models();
        case ValueKind::setting:
            for (const std::string& key : nmrsim::setting_keys()) words.push_back(key + "=");
            return words;
        case ValueKind::sweep:
            for (const nmrsim::Parameter& parameter : nmrsim::parameter_table()) {
                words.push_back(fmt::format("{}.{}=", parameter.table, parameter.name));
            }
            return words;
        case ValueKind::parameter:
            for (const nmrsim::Parameter& parameter : nmrsim::parameter_table()) {
                words.emplace_back(parameter.name);
            }
            return words;
        default:
            return words;
    }
}

/// Whether more follows the word.
bool is_key(const OptionRow& row) {
    return row.kind == ValueKind::setting || row.kind == ValueKind::sweep;
}

bool takes_files(const OptionRow& row) {
    return row.kind == ValueKind::file || row.kind == ValueKind::experiment ||
           row.kind == ValueKind::model;
}

/// The names of a program, "nmr-fit", as a part of a function's name.
std::string identifier(const std::string& program) {
    return "_" + replaced(program, "-", "_");
}

/// The commands of bash that complete one value.
std::string bash_action(const OptionRow& row) {
    std::string action;
    const std::vector<std::string> words = words_of(row);
    if (!words.empty()) {
        action += fmt::format("mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$cur\")",
                              fmt::join(words, " "));
    }
    if (is_key(row)) action += "; compopt -o nospace 2>/dev/null";
    if (takes_files(row)) {
        action += std::string(action.empty() ? "" : "; ") +
                  "mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$cur\"); "
                  "compopt -o filenames 2>/dev/null";
    }
    if (row.kind == ValueKind::folder) {
        action +=
            "mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); compopt -o filenames 2>/dev/null";
    }
    return action.empty() ? ":" : action;
}

/// Bash hands over words split at "=", so that --set table.key=value is four of them.
constexpr const char* kBash = R"(# bash completion of {program}, made from its options
{function}() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} option= arguments=0 word i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; ++i)); do
        word=${{COMP_WORDS[i]}}
        if [[ $word == '=' ]]; then
            [[ -n $option ]] && continue
            ((i + 1 >= COMP_CWORD)) && return
            ((++i))
        elif [[ -n $option ]]; then
            option=
        else
            case $word in
                {with_value}) option=$word ;;
                -*) ;;
                *) ((++arguments)) ;;
            esac
        fi
    done
    if [[ $cur == '=' ]]; then
        [[ -n $option ]] || return
        cur=
    fi
    case $option in
        '') ;;
{values}        *) return ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{options}' -- "$cur")
        return
    fi
    case $arguments in
{arguments}        *) ;;
    esac
}}
complete -F {function} {program}
)";

std::string bash_completion(const std::string& program, const std::vector<OptionRow>& rows) {
    std::vector<std::string> options, with_value;
    std::string values, arguments;
    int position = 0;
    for (const OptionRow& row : rows) {
        if (row.argument()) {
            arguments +=
                fmt::format("        {}) {} ;;\n", row.repeated ? "*" : std::to_string(position++),
                            bash_action(row));
            continue;
        }
        options.insert(options.end(), row.names.begin(), row.names.end());
        if (row.kind == ValueKind::none) continue;
        with_value.insert(with_value.end(), row.names.begin(), row.names.end());
        if (row.kind == ValueKind::text) continue;
        values += fmt::format("        {})\n            {}\n            return ;;\n",
                              fmt::join(row.names, "|"), bash_action(row));
    }
    return fmt::format(kBash, fmt::arg("program", program),
                       fmt::arg("function", identifier(program)),
                       fmt::arg("with_value", fmt::join(with_value, "|")),
                       fmt::arg("options", fmt::join(options, " ")), fmt::arg("values", values),
                       fmt::arg("arguments", arguments));
}

/// What stands behind the value's name in an argument of zsh's _arguments.
std::string zsh_action(const OptionRow& row) {
    const std::vector<std::string> words = words_of(row);
    const std::string list = fmt::format("{}", fmt::join(words, " "));
    switch (row.kind) {
        case ValueKind::choice:
            return "(" + list + ")";
        case ValueKind::experiment:
        case ValueKind::model:
            return fmt::format("{{_alternative \"names\\:name\\:({})\" \"files\\:file\\:_files\"}}",
                               list);
        case ValueKind::setting:
        case ValueKind::sweep:
            return fmt::format("{{compadd -S \"\" -- {}}}", list);
        case ValueKind::parameter:
            return fmt::format("{{_values -s , name {}}}", list);
        case ValueKind::file:
            return "_files";
        case ValueKind::folder:
            return "_files -/";
        default:
            return "";
    }
}

std::string zsh_completion(const std::string& program, const std::vector<OptionRow>& rows) {
    const auto quoted = [](std::string text, bool in_brackets) {
        if (in_brackets) {
            for (const char* special : {"\\", "[", "]", ":"}) {
                text = replaced(text, special, std::string("\\") + special);
            }
        }
        return replaced(text, "'", "'\\''");
    };
    std::string text = fmt::format("#compdef {}\n_arguments", program);
    int position = 1;
    for (const OptionRow& row : rows) {
        const std::string value = replaced(row.value, ":", "\\:");
        if (row.argument()) {
            text +=
                fmt::format(" \\\n  '{}:{}:{}'", row.repeated ? "*" : std::to_string(position++),
                            quoted(value, false), quoted(zsh_action(row), false));
            continue;
        }
        for (const std::string& name : row.names) {
            const bool flag = row.kind == ValueKind::none;
            text += fmt::format(
                " \\\n  '{}{}{}[{}]{}'", row.repeated ? "*" : "", name,
                flag                     ? ""
                : name.starts_with("--") ? "="
                                         : "+",
                quoted(row.help, true),
                flag ? ""
                     : fmt::format(":{}:{}", quoted(value, false), quoted(zsh_action(row), false)));
        }
    }
    return text + "\n";
}

std::string fish_completion(const std::string& program, const std::vector<OptionRow>& rows) {
    const auto quoted = [](const std::string& text) {
        return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
    };
    std::string text;
    for (const OptionRow& row : rows) {
        const std::string words = fmt::format("{}", fmt::join(words_of(row), " "));
        if (row.argument()) {
            if (!words.empty())
                text += fmt::format("complete -c {} -a {}\n", program, quoted(words));
            continue;
        }
        text += fmt::format("complete -c {}", program);
        for (const std::string& name : row.names) {
            text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
        }
        if (row.kind == ValueKind::folder) {
            text += " -x -a '(__fish_complete_directories)'";
        } else if (takes_files(row)) {
            text += " -r -F";
        } else if (row.kind != ValueKind::none) {
            text += " -x";
            if (!words.empty()) text += " -a " + quoted(words);
        }
        text += " -d " + quoted(row.help) + "\n";
    }
    return text;
}

}  // namespace

std::string completion(const CLI::App& app, const std::string& shell) {
    const std::vector<OptionRow> rows = option_table(app);
    if (shell == "bash") return bash_completion(app.get_name(), rows);
    if (shell == "zsh") return zsh_completion(app.get_name(), rows);
    if (shell == "fish") return fish_completion(app.get_name(), rows);
    throw std::invalid_argument(
        fmt::format("--completion must be bash, zsh or fish, got {}", shell));
}

}  // namespace nmrapps
