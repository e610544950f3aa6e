/// What a curve costs.
#pragma once

namespace nmrsim {

/// What one curve costs at the experiment's accuracy.
struct SimulationCost {
    double elements = 0.0;  ///< nodes of the line, or sites
    double steps = 0.0;     ///< time steps; where a step has several passes, the passes
    double flops = 0.0;     ///< additions and multiplications in the spins' loop
    double spin_steps() const { return elements * steps; }
};

}  // namespace nmrsim
