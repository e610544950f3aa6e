/// What made an output: a program, and the experiment as it was resolved.
#pragma once

#include <string>
#include <vector>

#include "nmrsim/experiment.h"

namespace nmrsim {

/// A program and how it was called.
struct Provenance {
    std::string program;               ///< "nmr-fit"
    std::vector<std::string> command;  ///< its words

    /// The command as a shell would read it again.
    std::string command_text() const;

    /// "Made by nmr-fit 0.1.0: nmr-fit challenge-2021 echo.csv".
    std::string in_words() const;

    /// TOML of the experiment, with comments on top that say what program, of which version, was
    /// called how: as EXPERIMENT it gives the same again.
    std::string toml(const Experiment& experiment) const;

    /// The same beside the output `path`, as path + ".toml"; nothing where that is standard output,
    /// a pipe or a device. Args: read: the file that the experiment is from, which is not written
    /// over. Throws: std::runtime_error that names the path.
    void write(const Experiment& experiment, const std::string& path,
               const std::string& read = "") const;
};

}  // namespace nmrsim
