/// Why HDF5 does not open a file.
#pragma once

#include <string>

namespace nmrsim {

/// What is wrong with a file that HDF5 takes for its own and does not open: locked by another
/// program, on a file system without locks, left open for writing, or damaged.
std::string why_not_opened(const std::string& path);

}  // namespace nmrsim
