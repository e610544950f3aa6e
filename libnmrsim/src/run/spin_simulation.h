/// What the spins do, before the receiver: one run of the sequence, its phases as they are.
///
/// Each experiment goes to the fastest simulator that covers it: the uniform kernel's, the
/// lattice's or the general one. These ignore the phase cycle and the receiver's settings;
/// simulate.h and sensitivity.h add them.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"

namespace nmrsim {

/// simulate() without the receiver; `experiment` is valid.
Signal simulate_spins(const Experiment& experiment, int threads);

/// simulate_batch() without the receiver; the experiment is valid and the spans fit.
std::size_t simulate_spins_batch(const Experiment& experiment, std::span<const double> parameters,
                                 std::span<const std::uint64_t> lattice_seeds,
                                 std::span<float> signal, int threads,
                                 const BatchProgress& progress);

/// simulate_with_jacobian() without the receiver; `experiment` is valid.
SignalJacobian differentiate_spins(const Experiment& experiment,
                                   std::span<const std::string> parameters, int threads);

/// simulate_batch_with_jacobian() without the receiver; the experiment is valid and the spans fit.
void differentiate_spins_batch(const Experiment& experiment, std::span<const double> parameters,
                               std::span<float> signal, std::span<float> jacobian, int threads);

}  // namespace nmrsim
