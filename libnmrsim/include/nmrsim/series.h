/// Series: records of one experiment that differ in named settings, simulated, drawn, stored and
/// differentiated as one curve.
///
/// Decay against tau, nutation, recovery and spectra stepped in frequency are series. Unknowns are
/// common to the records. A record may set any row of the parameter table but those of unknowns,
/// acquisition.noise and the table accuracy; beside rows, acquisition.points, acquisition.origin
/// and lattice.seed.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "nmrsim/experiment.h"
#include "nmrsim/signal.h"

namespace nmrsim {

/// The experiment of each record, no series itself; the experiment alone where it has no series.
///
/// Throws: std::invalid_argument, "series[1]: unknown key sequence.tua_us; did you mean tau_us?".
std::vector<Experiment> series_records(const Experiment& experiment);

/// Records from a CSV file: its header names the keys, "sequence.tau_us", each line has their
/// values. A column `file` says where a record's samples are, a path from the table's own folder.
///
/// Throws: InputError, "records.csv:3: expected 2 values, found 1".
std::vector<SeriesRecord> read_series(const std::string& path);

/// Gives a record this window, in place of any it has: one of even times.
void set_window(SeriesRecord& record, const Acquisition& window);

/// The experiment with its samples, of all records, so much later; none before the start.
Experiment with_later_samples(Experiment experiment, double later_us);

/// Part `record` of a curve of a series.
/// Args: records: of the curve, as series_records() gives them.
Signal record_of(const Signal& signal, const std::vector<Experiment>& records, std::size_t record);

}  // namespace nmrsim
