/// A program's page for man(1).
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace nmrapps {

/// The page in roff (man macros), of the same table as --help.
std::string man_page(const CLI::App& app);

}  // namespace nmrapps
