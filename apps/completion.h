/// Completion of a program's command line for bash, zsh and fish.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace nmrapps {

/// The shell's script, of the same table as --help: options, choices, experiments and models that
/// ship, keys of --set, else files. Self-contained: it needs no other package.
///
/// Args: shell: "bash", "zsh" or "fish". Throws: std::invalid_argument for another one.
std::string completion(const CLI::App& app, const std::string& shell);

}  // namespace nmrapps
