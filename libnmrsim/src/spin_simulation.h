/// What the spins do, before the receiver: one run of the sequence, the phases as they are.
#pragma once

#include "nmrsim/experiment.h"

namespace nmrsim {

/// Throws std::invalid_argument for an experiment that no simulator covers.
void require_simulator(const Experiment& experiment);

}  // namespace nmrsim
