/// SHA-256 of files, by which a manifest tells that its shards are the ones it was written for.
#pragma once

#include <string>

namespace nmrsim {

/// The file's SHA-256 as 64 hexadecimal digits, in lower case.
/// Throws: InputError that names a file that cannot be read.
std::string sha256_of_file(const std::string& path);

}  // namespace nmrsim
