#include "index_range.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace nmrapps {
namespace {

/// A worker takes this share of what is left to it (guided self-scheduling: C. Polychronopoulos,
/// D. Kuck, IEEE Trans. Computers C-36, 1425 (1987)).
constexpr std::size_t kBlocksLeft = 3;

}  // namespace

IndexRange part_of(const IndexRange& whole, std::uint64_t part, std::uint64_t parts) {
    // floor(i count / parts), where the product may not fit 64 bits.
    const auto start_of = [&](std::uint64_t i) {
        return i * (whole.count / parts) + i * (whole.count % parts) / parts;
    };
    const std::uint64_t start = start_of(part - 1);
    return {whole.first + start, static_cast<std::size_t>(start_of(part) - start)};
}

IndexRange shard_range(const std::string& shard, std::size_t count) {
    if (shard.empty()) return {0, count};
    const char* end = shard.data() + shard.size();
    std::uint64_t part = 0;
    std::uint64_t parts = 0;
    const auto first = std::from_chars(shard.data(), end, part);
    const bool slash = first.ec == std::errc() && first.ptr != end && *first.ptr == '/';
    const auto second = slash ? std::from_chars(first.ptr + 1, end, parts) : first;
    if (!slash || second.ec != std::errc() || second.ptr != end || part < 1 || part > parts) {
        throw std::invalid_argument("--shard must be I/N with 1 <= I <= N, got " + shard);
    }
    return part_of({0, count}, part, parts);
}

std::vector<IndexRange> blocks_of(const std::vector<IndexRange>& ranges, int workers,
                                  std::size_t smallest, std::size_t largest) {
    std::size_t left = 0;
    for (const IndexRange& range : ranges) left += range.count;
    std::vector<IndexRange> blocks;
    for (IndexRange range : ranges) {
        while (range.count > 0) {
            std::size_t size = largest;
            if (workers > 1) {
                size = std::clamp(left / (kBlocksLeft * static_cast<std::size_t>(workers)),
                                  std::min(smallest, largest), largest);
            }
            size = std::min(size, range.count);
            blocks.push_back({range.first, size});
            range = {range.first + size, range.count - size};
            left -= size;
        }
    }
    return blocks;
}

}  // namespace nmrapps
