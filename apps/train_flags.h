/// The flags of nmr-train.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "command_line.h"
#include "nmrinverse/trainer.h"
#include "ranks.h"

namespace nmrapps {

/// The command line of nmr-train.
struct TrainFlags {
    CommonOptions common;
    ExperimentChoice choice;
    nmrinverse::TrainingOptions options;
    std::string out;
    std::vector<std::string> data_paths;
    std::string noise;       ///< "SIGMA" or "LOW:HIGH"
    std::string calibrated;  ///< model whose widths are fitted anew
    std::string first_look;
    std::size_t simulated = 0;
    CLI::Option *epochs = nullptr, *phase = nullptr, *gain = nullptr;

    /// Makes `options` of the flags and looks at the outputs. Throws: std::invalid_argument.
    void settle(const Ranks& ranks);
};

/// Args: flags: must outlive the parsing.
void add_train_flags(CLI::App& app, TrainFlags& flags);

}  // namespace nmrapps
