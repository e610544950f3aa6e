/// The NMR Spin Challenges' text files: echos_r.txt, echos_i.txt, mat_info.txt; tab-separated, one
/// curve a line.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "nmrsim/dataset_file.h"

namespace nmrsim {

/// Writes the three files into the folder `path`, which is made where missing; existing files are
/// replaced only by whole ones. mat_info.txt has the experiment's challenge columns (its unknowns
/// where it names none).
void write_challenge(const Dataset& dataset, const Experiment& experiment, const std::string& path);

/// The same of a set that is never whole in memory: `pieces` are asked for three times over, once
/// for each file.
void write_challenge(const Experiment& experiment, std::size_t count, const DatasetPieces& pieces,
                     const std::string& path);

/// Reads a challenge folder as curves of `experiment`; parameters stay empty where mat_info.txt is
/// absent.
///
/// Throws: InputError, "DIR/echos_i.txt:17: expected 856 numbers, found 855".
Dataset read_challenge(const std::string& path, const Experiment& experiment);

/// The challenge's columns for one set of unknowns: (columns).
std::vector<double> challenge_values(const Experiment& experiment,
                                     std::span<const double> unknowns);

}  // namespace nmrsim
