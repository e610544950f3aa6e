/// Fields of tables as text.
#pragma once

#include <string>

namespace nmrinverse {

/// A text as a field of a CSV file: in quotes where it needs them.
std::string csv_field(const std::string& text);

}  // namespace nmrinverse
