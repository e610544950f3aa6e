#include "model/toml_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <stdexcept>

#include "nmrsim/errors.h"
#include "nmrsim/nearest_name.h"

namespace nmrsim {

std::string describe(const toml::node& node) {
    if (const auto* text = node.as_string()) return fmt::format("the string \"{}\"", text->get());
    if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
    if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
    if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
    if (const auto* array = node.as_array()) return fmt::format("an array of {}", array->size());
    if (node.is_table()) return "a table";
    return "a date or time";
}

void wrong_type(const std::string& key, const char* expected, const toml::node& node) {
    throw InputError(fmt::format("{}: expected {}, found {}", key, expected, describe(node)));
}

const std::string& read_text(const std::string& key, const toml::node& node, const char* expected) {
    const auto* text = node.as_string();
    if (!text) wrong_type(key, expected, node);
    return text->get();
}

double read_real(const std::string& key, const toml::node& node, const char* expected) {
    if (const auto* number = node.as_floating_point()) return number->get();
    if (const auto* number = node.as_integer()) return static_cast<double>(number->get());
    wrong_type(key, expected, node);
}

int read_int(const std::string& key, const toml::node& node, const char* expected) {
    const auto* number = node.as_integer();
    if (!number) wrong_type(key, expected, node);
    if (number->get() < std::numeric_limits<int>::min() ||
        number->get() > std::numeric_limits<int>::max()) {
        throw InputError(fmt::format("{}: {} is too large", key, number->get()));
    }
    return static_cast<int>(number->get());
}

int read_count(const std::string& key, const toml::node& node, int least) {
    const int count = read_int(key, node);
    if (count < least) {
        throw std::invalid_argument(fmt::format("{} must be >= {}, got {}", key, least, count));
    }
    return count;
}

std::vector<std::pair<std::string, const toml::table*>> read_tables(const std::string& key,
                                                                    const char* expected,
                                                                    const char* expected_entry,
                                                                    const toml::node& node) {
    const auto* array = node.as_array();
    if (!array) wrong_type(key, expected, node);
    std::vector<std::pair<std::string, const toml::table*>> tables;
    for (const toml::node& entry : *array) {
        const std::string where = fmt::format("{}[{}]", key, tables.size());
        if (!entry.is_table()) wrong_type(where, expected_entry, entry);
        tables.emplace_back(where, entry.as_table());
    }
    return tables;
}

bool read_flag(const std::string& key, const toml::node& node) {
    const auto* flag = node.as_boolean();
    if (!flag) wrong_type(key, "true or false", node);
    return flag->get();
}

bool is_auto(const toml::node& node) {
    const auto* text = node.as_string();
    return text && text->get() == "auto";
}

std::uint64_t read_seed(const std::string& key, const toml::node& node) {
    const char* expected = "a whole number >= 0";
    if (const auto* number = node.as_integer()) {
        if (number->get() < 0) wrong_type(key, expected, node);
        return static_cast<std::uint64_t>(number->get());
    }
    std::uint64_t seed = 0;
    const std::string& text = read_text(key, node, expected);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    if (error != std::errc() || end != text.data() + text.size()) wrong_type(key, expected, node);
    return seed;
}

std::size_t read_choice(const std::string& key, const toml::node& node,
                        const std::vector<std::string>& choices) {
    const std::string expected = fmt::format("one of {}", fmt::join(choices, ", "));
    const std::string& text = read_text(key, node, expected.c_str());
    const auto found = std::find(choices.begin(), choices.end(), text);
    if (found == choices.end()) {
        throw InputError(fmt::format("{}: expected {}, found \"{}\"{}", key, expected, text,
                                     did_you_mean(text, choices)));
    }
    return static_cast<std::size_t>(found - choices.begin());
}

void check_keys(const std::string& where, const toml::table& table,
                const std::vector<std::string>& known) {
    for (const auto& [key, value] : table) {
        const std::string_view name = key.str();
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            throw InputError(
                fmt::format("{}: unknown key {}{}", where, name, did_you_mean(name, known)));
        }
    }
}

std::string toml_real(double value) {
    std::string text = fmt::format("{}", value);
    if (text.find_first_of(".en") == std::string::npos) text += ".0";
    return text;
}

std::string toml_text(std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            quoted += '\\';
            quoted += c;
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            quoted += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
        } else {
            quoted += c;
        }
    }
    return quoted + '"';
}

}  // namespace nmrsim
