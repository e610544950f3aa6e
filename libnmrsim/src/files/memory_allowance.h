/// How much memory a file from outside may ask for.
#pragma once

#include <algorithm>
#include <cstdint>

namespace nmrsim {

/// A small file may unpack to this much, whatever its size [bytes].
constexpr std::uint64_t kSmallAllowance = std::uint64_t{16} << 20;
/// Otherwise a file's contents may take this many times its own size.
constexpr std::uint64_t kMostTimesItsSize = 4;

/// Memory that reading a file of this size may take at any moment [bytes].
constexpr std::uint64_t memory_allowance(std::uint64_t file_bytes) {
    const std::uint64_t most = UINT64_MAX / kMostTimesItsSize;
    return std::max(kSmallAllowance, kMostTimesItsSize * std::min(file_bytes, most));
}

}  // namespace nmrsim
