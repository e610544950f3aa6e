/// Finite-range kernels on the periodic lattice, by FFT, a truncated spectral product or a coarse
/// grid.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"
#include "nmrsim/simulation_cost.h"

namespace nmrsim {

/// Buffers and plans for one thread, kept from curve to curve; the plans depend on the lattice's
/// size.
class LatticeWorkspace {
public:
    LatticeWorkspace();
    ~LatticeWorkspace();
    LatticeWorkspace(LatticeWorkspace&&) noexcept;
    LatticeWorkspace& operator=(LatticeWorkspace&&) noexcept;

    struct State;
    std::unique_ptr<State> state;
};

/// Offsets of the sites [Hz], (sites): drawn from the line with lattice.seed alone.
std::vector<double> draw_offsets_hz(const Experiment& experiment);

/// One curve on the calling thread; none where steps of this kind would be far too many for the
/// tolerance, as with strong couplings over long times. `experiment` is valid and its kernel has
/// finite range.
///
/// Throws: std::invalid_argument for a curve that would take longer than longest_curve_s().
std::optional<Signal> simulate_lattice(const Experiment& experiment, LatticeWorkspace& workspace);

/// Sites, time steps and operations of one curve.
SimulationCost lattice_cost(const Experiment& experiment);

}  // namespace nmrsim
