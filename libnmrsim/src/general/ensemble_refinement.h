/// Nodes and steps that keep the tolerance.
#pragma once

#include "general/ensemble_motion.h"
#include "nmrsim/signal.h"

namespace nmrsim {

/// The spins of some nodes.
struct EnsembleSpins {
    EnsembleNodes nodes;
    EnsembleInputs<double> inputs;
    EnsembleRates rates;
};

/// A curve, and what it was computed with.
struct RefinedCurve {
    EnsembleSpins spins;
    Signal signal;
    StepSize size;
    StepSchedule schedule;
};

/// The curve on nodes and at a step that keep the tolerance: two answers, one with twice the steps
/// and more nodes.
///
/// Args: by_counter: as ensemble_rates().
/// Throws: std::invalid_argument where it would take longer than longest_curve_s();
/// std::runtime_error where rounding alone makes more than the tolerance; Stopped.
RefinedCurve refine(const Experiment& experiment, int threads, bool by_counter = false);

}  // namespace nmrsim
