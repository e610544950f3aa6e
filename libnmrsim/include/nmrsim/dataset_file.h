/// Data sets as HDF5.
///
/// Layout, format version 1: /signal (n, 2, points) float32; /time (points) float64 [s];
/// /parameters (n, k) float64 with the attributes names, units, lower, upper (k each); root
/// attributes format_version, experiment (TOML), seed, first_index, version. Version 2, written
/// where an unknown is categorical, adds to /parameters the attribute choices (k): the names of its
/// choices with commas between them, empty for a real-valued unknown. Both are read.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "nmrsim/dataset.h"

namespace nmrsim {

/// Writes beside, syncs and renames: `path` holds the old file or the whole new one.
/// Throws: std::runtime_error that names the path.
void write_dataset(const Dataset& dataset, const std::string& path);

/// The curves from `first` on, as many as are at hand, at least one.
using DatasetPieces = std::function<Dataset(std::size_t first)>;

/// The same file, bit for bit, of a set that is never whole in memory.
///
/// Args:
///   description: of the set; its curves are not looked at.
///   count: of its curves.
///   pieces: called until they are all there, in order.
///   sha256: where not null, gets the file's SHA-256, as sha256_of_file() gives it.
/// Throws: as above; std::invalid_argument for a piece that does not fit.
void write_dataset(const Dataset& description, std::size_t count, const DatasetPieces& pieces,
                   const std::string& path, std::string* sha256 = nullptr);

/// The data set of an HDF5 file or a manifest (manifest.h), all of it in memory; DatasetReader
/// (dataset_reader.h) reads a part.
///
/// Throws: InputError that names the path and what was expected, for a file that is missing,
/// truncated, of a newer format, or inconsistent in its shapes.
Dataset read_dataset(const std::string& path);

}  // namespace nmrsim
