/// Sweeps: one setting over several values, all else as it is.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"
#include "nmrsim/simulate.h"

namespace nmrsim {

/// Which row of the parameter table takes which values.
struct SweepRange {
    std::string parameter;  ///< "flip_deg"
    std::vector<double> values;
};

/// "sequence.flip_deg=10:90:9" (from:to:count, both ends included) or "sequence.flip_deg=10,45,90".
///
/// Throws: InputError that says what was expected; for an unknown name, which is nearest.
SweepRange parse_sweep(std::string_view text);

/// What experiment_warnings() says at either end of the sweep, each line once.
std::vector<std::string> sweep_warnings(Experiment experiment, const SweepRange& range);

/// The curve of each value, (values), as simulate() gives it, on `threads` cores; a lattice keeps
/// its draw of offsets.
///
/// A Hahn echo's second pulse follows flip_deg by refocus_ratio, so that a sweep of flip_deg is one
/// of pulse strength; so is one of pulse_scale for any sequence.
///
/// Args: parameter: a row of the table that leaves the samples' times as they are. threads: 0 for
/// all cores; the curves do not depend on it.
/// Returns: the curves; none if `progress` stopped the sweep.
/// Throws: std::invalid_argument for values out of bounds and as simulate() does.
std::vector<Signal> simulate_sweep(const Experiment& experiment, std::string_view parameter,
                                   std::span<const double> values, int threads = 0,
                                   const BatchProgress& progress = {});

/// "time_us,mx(flip_deg=10),my(flip_deg=10),mz(flip_deg=10),mx(flip_deg=20),...", one line a
/// sample, 9 significant digits.
std::string sweep_to_csv(const SweepRange& range, std::span<const Signal> curves);

}  // namespace nmrsim
