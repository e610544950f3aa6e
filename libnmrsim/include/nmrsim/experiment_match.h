/// Whether data and models belong to the same experiment.
#pragma once

#include <string>

#include "nmrsim/experiment.h"

namespace nmrsim {

/// The first thing in which two experiments differ that changes what a curve means: not the name,
/// noise, accuracy, lattice seed, the values of unknowns, nor, unless `with_prior`, their ranges.
///
/// Returns: "interaction.xi = 5 there, 3 here"; empty where they agree.
std::string experiment_difference(const Experiment& there, const Experiment& here, bool with_prior);

/// Throws InputError, "train.h5: made for another experiment: ...", unless curves of
/// `there`, which stand in `path`, may be used as curves of `here`.
void check_same_experiment(const std::string& path, const Experiment& there, const Experiment& here,
                           bool with_prior);

}  // namespace nmrsim
