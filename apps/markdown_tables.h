/// The tables of the documentation that are made of the programs' own.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace nmrapps {

/// A program's arguments and options, a row each, as Markdown.
std::string option_markdown(const CLI::App& app);

/// The rows of the parameter table as Markdown.
std::string parameter_markdown();

}  // namespace nmrapps
