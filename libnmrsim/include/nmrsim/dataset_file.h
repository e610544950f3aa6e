/// Data sets as HDF5.
///
/// Layout, format version 1: /signal (n, 2, points) float32; /time (points) float64 [s];
/// /parameters (n, k) float64 with the attributes names, units, lower, upper (k each); root
/// attributes format_version, experiment (TOML), seed, first_index, version. Version 2, written
/// where an unknown is categorical, adds to /parameters the attribute choices (k): the names of its
/// choices with commas between them, empty for a real-valued unknown. Both are read.
#pragma once

#include <string>

#include "nmrsim/dataset.h"

namespace nmrsim {

/// Writes beside, syncs and renames: `path` holds the old file or the whole new one.
/// Throws: std::runtime_error that names the path.
void write_dataset(const Dataset& dataset, const std::string& path);

/// Throws: InputError that names the path and what was expected, for a file that is missing,
/// truncated, of a newer format, or inconsistent in its shapes.
Dataset read_dataset(const std::string& path);

}  // namespace nmrsim
