/// The NMR Spin Challenges' text files: echos_r.txt, echos_i.txt, mat_info.txt; tab-separated, one
/// curve a line.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "nmrsim/dataset_file.h"

namespace nmrsim {

/// Writes the three files into the folder `path`, which is made where missing; they replace those
/// that are there together, once all are whole. mat_info.txt has the experiment's challenge columns
/// (its unknowns where it names none). With them goes experiment.toml, of this text, unless it is
/// empty: where it is there, the other files are those that were written with it.
void write_challenge(const Dataset& dataset, const Experiment& experiment, const std::string& path,
                     const std::string& experiment_toml = "");

/// The same of a set that is never whole in memory: `pieces` are asked for one after the other.
void write_challenge(const Experiment& experiment, std::size_t count, const DatasetPieces& pieces,
                     const std::string& path, const std::string& experiment_toml = "");

/// Reads a challenge folder as curves of `experiment`; parameters stay empty where mat_info.txt is
/// absent.
///
/// Throws: InputError, "DIR/echos_i.txt:17: expected 856 numbers, found 855".
Dataset read_challenge(const std::string& path, const Experiment& experiment);

/// The challenge's columns for one set of unknowns: (columns).
std::vector<double> challenge_values(const Experiment& experiment,
                                     std::span<const double> unknowns);

}  // namespace nmrsim
