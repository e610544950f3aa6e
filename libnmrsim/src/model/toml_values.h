/// Values of TOML, read with errors that name their key, and written.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nmrsim {

// Each reader throws InputError, "line.spins: expected a whole number, found 3.5".

/// What stands there, for messages: "an array of 3".
std::string describe(const toml::node& node);

[[noreturn]] void wrong_type(const std::string& key, const char* expected, const toml::node& node);

const std::string& read_text(const std::string& key, const toml::node& node,
                             const char* expected = "a string");

double read_real(const std::string& key, const toml::node& node, const char* expected = "a number");

int read_int(const std::string& key, const toml::node& node,
             const char* expected = "a whole number");

/// The same, not below `least`. Throws: std::invalid_argument.
int read_count(const std::string& key, const toml::node& node, int least);

bool read_flag(const std::string& key, const toml::node& node);

bool is_auto(const toml::node& node);

/// A seed as a number; as a string of digits where it passes TOML's 64 bits with sign.
std::uint64_t read_seed(const std::string& key, const toml::node& node);

/// One of `choices`, by its index.
std::size_t read_choice(const std::string& key, const toml::node& node,
                        const std::vector<std::string>& choices);

/// Throws for a key of a table at `where` that is not known, naming the nearest.
void check_keys(const std::string& where, const toml::table& table,
                const std::vector<std::string>& known);

/// The tables of an array, each with where it stands, "line.sites[0]". Args: expected: the array,
/// for messages. expected_entry: one of its tables.
std::vector<std::pair<std::string, const toml::table*>> read_tables(const std::string& key,
                                                                    const char* expected,
                                                                    const char* expected_entry,
                                                                    const toml::node& node);

/// Shortest digits that read back the same, marked as a real number.
std::string toml_real(double value);

/// A string in double quotes.
std::string toml_text(std::string_view text);

}  // namespace nmrsim
