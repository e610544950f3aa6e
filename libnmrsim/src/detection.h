/// Phase cycling and the receiver, around whatever simulates the spins.
#pragma once

#include <complex>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "nmrsim/experiment.h"

namespace nmrsim {

/// Whether M is read as the spins make it: no phase cycle, receiver at its defaults and not among
/// the unknowns. Then nothing of this file runs.
bool reads_spins_directly(const Experiment& experiment);

/// Whether a row of the parameter table concerns the receiver alone: gain, receiver_phase_deg.
bool is_receiver_parameter(std::string_view name);

/// One run of the phase cycle.
struct CycleRun {
    Sequence sequence;
    std::complex<double> weight;  ///< exp(-i receiver) / runs: of M+ in the mean
};

/// The runs of the phase cycle; one with weight 1 where there is none.
std::vector<CycleRun> cycle_runs(const Experiment& experiment);

/// How one curve is read: M+ times factor, 0 where dead.
struct Receiver {
    std::complex<double> factor = 1.0;  ///< gain exp(+i phase)
    std::vector<std::size_t> dead;      ///< samples in a dead time, ascending
};

Receiver receiver_of(const Experiment& experiment);

/// dM+/dp over M+ as it is read, p one of the receiver's parameters, per unit of it.
std::complex<double> receiver_slope(const Experiment& experiment, std::string_view name);

/// sum += weight M+, all (points).
template <typename Real>
void add_weighted(std::complex<double> weight, std::span<const Real> mx, std::span<const Real> my,
                  std::span<Real> sum_x, std::span<Real> sum_y);

/// Reads M+ in place; both (points).
template <typename Real>
void read(const Receiver& receiver, std::span<Real> mx, std::span<Real> my);

/// What is left for the simulation of the spins: no phase cycle, a plain receiver, and the unknowns
/// that are not the receiver's.
struct SpinExperiment {
    Experiment experiment;
    std::vector<std::size_t> column;  ///< of each unknown of `experiment` among the original ones
    /// Every unknown is the receiver's: `experiment` has alpha_x_khz, at its value, for one.
    bool placeholder = false;

    /// (count, unknowns) of the original -> of `experiment`.
    std::vector<double> parameters(std::span<const double> original, std::size_t unknowns) const;
};

SpinExperiment spin_experiment(const Experiment& experiment);

/// Curves that a batch takes through all runs of the cycle before the next ones: bounds the memory,
/// and what a stopped batch loses.
std::size_t cycle_chunk(const Experiment& experiment);

}  // namespace nmrsim
