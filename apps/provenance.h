/// What made an output: program, version, command line, and the experiment as it was resolved.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "nmrsim/experiment.h"

namespace nmrapps {

/// Keeps the command line of this program, for the functions below.
void remember_command(int argc, char** argv);

/// The command line as a shell would read it again.
std::string command_text();

/// "Made by nmr-fit 0.1.0: nmr-fit challenge-2021 echo.csv".
std::string made_by(const CLI::App& app);

/// TOML of the experiment, with comments on top that say what program, of which version, was called
/// how: as EXPERIMENT it gives the same again.
std::string provenance_toml(const CLI::App& app, const nmrsim::Experiment& experiment);

/// The same beside the output `path`, as path + ".toml"; nothing where that is standard output, a
/// pipe or a device. Args: read: the file that the experiment is from, which is not written over.
void write_provenance(const CLI::App& app, const nmrsim::Experiment& experiment,
                      const std::string& path, const std::string& read = "");

}  // namespace nmrapps
