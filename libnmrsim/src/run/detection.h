/// Phase cycling and the receiver, around whatever simulates the spins.
#pragma once

#include <complex>
#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"

namespace nmrsim {

/// Whether M is read as the spins make it: no phase cycle, receiver at its defaults and not among
/// the unknowns. Then nothing of this file runs.
bool reads_spins_directly(const Experiment& experiment);

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

/// What is left for the simulation of the spins: no phase cycle, a plain receiver but for the dead
/// time, which says what samples the tolerance is a share of, and the unknowns that are not the
/// receiver's.
struct SpinExperiment {
    Experiment experiment;
    std::vector<std::size_t> column;  ///< of each unknown of `experiment` among the original ones
    /// Every unknown is the receiver's: `experiment` has alpha_x_khz, at its value, for one.
    bool placeholder = false;

    /// (count, unknowns) of the original -> of `experiment`.
    std::vector<double> parameters(std::span<const double> original, std::size_t unknowns) const;
};

SpinExperiment spin_experiment(const Experiment& experiment);

/// The curve and rows beside it, as its derivatives, through the phase cycle and the receiver.
///
/// The tolerance is a share of what is heard. Where the cycle's runs cancel, they are simulated
/// anew with a tolerance that is smaller by as much.
///
/// Args: simulate_run: (rows) of one run's spins, the curve first. It calls it for every run.
/// Returns: (rows), the estimated error with the first.
std::vector<Signal> receive(
    const Experiment& experiment,
    const std::function<std::vector<Signal>(const Experiment& spins)>& simulate_run);

/// What is left of the cycle's runs: their mean's largest |M| over the mean of theirs.
double cycle_share(double mean_peak, double summed_peaks);

/// Whether the runs' own tolerance would do for a mean with this cycle_share().
bool keeps_tolerance(double share);

/// Curves that a batch takes through all runs of the cycle before the next ones: bounds the memory,
/// and what a stopped batch loses.
std::size_t cycle_chunk(const Experiment& experiment);

}  // namespace nmrsim
