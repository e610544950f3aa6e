/// Phase cycling: the same sequence with other phases of its pulses, summed so that what is not
/// wanted cancels.
#pragma once

#include <vector>

#include "nmrsim/sequence.h"

namespace nmrsim {

/// One run of the sequence.
struct PhaseCycleStep {
    std::vector<double> pulse_deg;  ///< added to the phase of each pulse, (pulses) [degree]
    double receiver_deg = 0.0;      ///< the run counts as exp(-i receiver) M [degree]
};

/// The curve is the mean over the steps; without steps, the sequence runs once as it is.
struct PhaseCycle {
    std::vector<PhaseCycleStep> steps;

    bool empty() const { return steps.empty(); }
    /// Throws std::invalid_argument unless every step has a finite phase for each pulse.
    void validate(const Sequence& sequence) const;
};

/// The sequence with the step's phases added; of the same kind, so that its parameters apply.
Sequence with_phases(const Sequence& sequence, const PhaseCycleStep& step);

}  // namespace nmrsim
