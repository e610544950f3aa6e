/// The flags of nmr-fit.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "command_line.h"
#include "fit_source.h"
#include "nmrinverse/fit.h"
#include "nmrsim/echo_in_words.h"
#include "reading_options.h"

namespace nmrapps {

/// The command line of nmr-fit.
struct FitFlags {
    CommonOptions common;
    ReadingOptions reading;
    std::string model, out, plot, series, save_experiment;
    nmrsim::EchoInWords words;
    std::vector<std::string> settings;
    std::vector<std::string> inputs, compare;
    std::string format = "csv", picture = "svg";
    nmrinverse::FitOptions fit;
    int samples = 0;
    CLI::Option* per_curve = nullptr;

    /// Makes `fit` and, where they name them, `inputs` of the flags. Throws: std::invalid_argument
    /// for what does not go together.
    void settle();
    /// What is fitted by. Throws: as load_fit_source().
    FitSource source() const;
    bool in_words() const {
        return !words.tau.empty() || !words.line.empty() || !words.pulses.empty();
    }
    /// Where the records of the series say that their samples are.
    std::vector<std::string> files_of_records() const;
    /// The path of `out` with another extension.
    std::string beside_out(const char* extension) const;
};

/// Args: flags: must outlive the parsing.
void add_fit_flags(CLI::App& app, FitFlags& flags);

}  // namespace nmrapps
