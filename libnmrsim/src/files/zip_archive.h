/// Members of a zip archive, as NumPy's savez writes them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "files/binary_file.h"

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

/// The bytes of a member, one after the other: memory does not depend on what they unpack to.
class ZipContents {
public:
    /// Throws: InputError for a member that is encrypted, packed otherwise or not in the file.
    ZipContents(BinaryFile& file, const ZipMember& member);
    ~ZipContents();
    ZipContents(const ZipContents&) = delete;
    ZipContents& operator=(const ZipContents&) = delete;

    /// The next `count` bytes. Throws: InputError where there are no more.
    void read(char* to, std::size_t count);
    /// Throws: InputError where bytes are left or the checksum does not agree.
    void finish();

private:
    struct Inflater;
    bool refill();
    [[noreturn]] void damaged() const;

    BinaryFile& file_;
    ZipMember member_;
    std::uint64_t next_ = 0;  ///< in the file
    std::uint64_t left_ = 0;  ///< packed bytes, from there
    std::uint64_t given_ = 0;
    unsigned long checksum_ = 0;
    std::unique_ptr<Inflater> inflater_;  ///< none where the bytes are stored
};

}  // namespace nmrsim
