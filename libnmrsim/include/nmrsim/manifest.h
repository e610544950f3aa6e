/// Manifests: a data set in several files, with what tells that they are whole.
///
/// JSON, format version 1: format ("nmrsim-manifest"), format_version, version (of the library),
/// experiment (TOML), seed, first_index, count, and shards: for each, file (relative to the
/// manifest's folder), first_index, count, bytes, sha256.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace nmrsim {

/// One file of a data set.
struct Shard {
    std::string file;               ///< relative to the manifest's folder
    std::uint64_t first_index = 0;  ///< index of its first curve under the seed
    std::size_t count = 0;          ///< of its curves, one index after the other
    std::uint64_t bytes = 0;        ///< size of the file
    std::string sha256;             ///< of the file, 64 hexadecimal digits
};

struct Manifest {
    std::string version;  ///< of the library that made the curves
    std::string experiment_toml;
    std::uint64_t seed = 0;
    std::uint64_t first_index = 0;  ///< of the first shard
    std::vector<Shard> shards;      ///< in the order of their curves

    std::size_t count() const;
};

/// Whether `path` looks like a manifest: a file whose first character is a brace, or any whose name
/// ends in .json.
bool is_manifest(const std::string& path);

/// Writes beside, syncs and renames.
/// Throws: std::runtime_error that names the path.
void write_manifest(const Manifest& manifest, const std::string& path);

/// Reads the manifest itself; looks at none of its shards.
/// Throws: InputError, in one line, for what is no manifest of a known version, lacks a key or has
/// one too many, or names a shard outside its own folder.
Manifest read_manifest(const std::string& path);

}  // namespace nmrsim
