/// Members of a zip archive, as NumPy's savez writes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "binary_file.h"

namespace nmrsim {

struct ZipMember {
    std::string name;
    unsigned method = 0;  ///< 0 stored, 8 deflated
    unsigned flags = 0;
    std::uint32_t checksum = 0;
    std::uint64_t packed = 0;  ///< size in the file [bytes]
    std::uint64_t size = 0;    ///< [bytes]
    std::uint64_t offset = 0;  ///< of its local header
};

/// The central directory. Throws: InputError.
/// Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.
std::vector<ZipMember> zip_members(BinaryFile& file);

/// The bytes of a member. Memory grows with what has been unpacked, never on the member's word.
/// Throws: InputError, also for a checksum that does not agree.
std::string zip_contents(BinaryFile& file, const ZipMember& member);

}  // namespace nmrsim
