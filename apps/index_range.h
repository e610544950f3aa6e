/// Which curves of a data set are whose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace nmrapps {

/// The curves first ... first + count - 1 of a data set.
struct IndexRange {
    std::uint64_t first = 0;
    std::size_t count = 0;

    std::uint64_t end() const { return first + count; }
};

/// Part `part` of `parts` of a range, from 1; the parts differ by one curve at most.
IndexRange part_of(const IndexRange& whole, std::uint64_t part, std::uint64_t parts);

/// Part `shard` = "I/N" of `count` curves, I from 1 to N; all of them where it is empty.
/// Throws: std::invalid_argument for another text.
IndexRange shard_range(const std::string& shard, std::size_t count);

/// Cuts ranges into blocks for `workers` that take one after the other: large ones first, so that
/// there are few, and small ones last, so that all end together.
///
/// Args: smallest, largest: curves of a block, where there are as many.
std::vector<IndexRange> blocks_of(const std::vector<IndexRange>& ranges, int workers,
                                  std::size_t smallest, std::size_t largest);

}  // namespace nmrapps
