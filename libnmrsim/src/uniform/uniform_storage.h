/// Long delays of which the window hears Mz alone.
///
/// What is transverse at the end of a delay T has turned by 2 pi delta T, and comes back as an echo
/// only where later delays turn it back by as much. Where none does before the last sample, the
/// mean over a smooth line leaves nothing of it, and only Mz need be kept: a recovery, the storage
/// of a stimulated echo. Then the delay costs what it takes M to fall, and the nodes need not
/// follow phases over all of it.
#pragma once

#include <vector>

#include "nmrsim/experiment.h"
#include "uniform/uniform_plan.h"

namespace nmrsim {

/// An experiment whose long delays are shortened to what is followed step by step.
struct StoredExperiment {
    Experiment experiment;  ///< its window moved with the delays
    std::vector<double> rest_us =
        {};              ///< (events) what was cut from each delay [us]; empty: nothing
    double error = 0.0;  ///< of M by what is transverse, |M| <= 1/2
    /// Time in which spins' phases may go apart; 0: until the last sample [us].
    double longest_us = 0.0;

    /// Another one with the same delays, shortened as this one is.
    Experiment shortened(const Experiment& other) const;

    /// Whether a curve like this one is as exact as the tolerance asks.
    ///
    /// Args: magnitude: the curve's largest |M|.
    bool keeps_tolerance(double magnitude) const;
};

/// Largest `patience` of store_long_delays().
inline constexpr int kMostPatience = 4;

/// Shortens the delays that can be, where what follows keeps the tolerance; else nothing.
///
/// Args: patience: from 0 on, how long M is given to fall; beyond the largest nothing is shortened.
StoredExperiment store_long_delays(const Experiment& experiment, int patience);

/// Puts what was cut into the plan's segments.
void add_rests(const StoredExperiment& stored, UniformPlan& plan);

}  // namespace nmrsim
