#include "zip_archive.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>

namespace nmrsim {

namespace {

constexpr std::size_t kEndSize = 22, kEntrySize = 46, kLocalSize = 30;
constexpr std::uint64_t kLongestComment = 65535;
constexpr std::uint64_t kIn64Bits = 0xffffffff;  ///< "the number is in another record"
constexpr std::uint64_t kZip64Field = 1;
constexpr unsigned kEncrypted = 1;
/// Deflate packs by no more than this.
constexpr std::uint64_t kMostPacked = 1032;

std::string inflated(BinaryFile& file, const ZipMember& member, const std::string& packed) {
    const auto damaged = [&] { file.fail(member.name + " is damaged: it cannot be unpacked"); };
    z_stream stream = {};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) damaged();
    struct End {
        z_stream* stream;
        ~End() { inflateEnd(stream); }
    } const end{&stream};
    std::string contents;
    std::array<unsigned char, 1 << 16> chunk;
    std::size_t given = 0;
    for (int status = Z_OK; status != Z_STREAM_END;) {
        if (stream.avail_in == 0) {
            const std::size_t some = std::min<std::size_t>(packed.size() - given, 1u << 30);
            if (some == 0) damaged();
            // zlib's interface takes bytes that it does not change without const.
            stream.next_in =
                reinterpret_cast<unsigned char*>(const_cast<char*>(packed.data() + given));
            stream.avail_in = static_cast<unsigned>(some);
            given += some;
        }
        stream.next_out = chunk.data();
        stream.avail_out = chunk.size();
        status = inflate(&stream, Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END) damaged();
        contents.append(reinterpret_cast<const char*>(chunk.data()),
                        chunk.size() - stream.avail_out);
        if (contents.size() > member.size) damaged();
    }
    return contents;
}

}  // namespace

std::vector<ZipMember> zip_members(BinaryFile& file) {
    if (file.size() < kEndSize) file.fail("expected a zip archive, found a shorter file");
    const std::uint64_t tail = std::min(file.size(), kEndSize + kLongestComment);
    const std::string end = file.read(file.size() - tail, tail);
    const std::size_t at = end.rfind("PK\x05\x06");
    if (at == end.npos || end.size() - at < kEndSize) {
        file.fail("expected a zip archive, found something else, or a truncated one");
    }
    const std::uint64_t count = little_endian(end, at + 10, 2);
    const std::uint64_t size = little_endian(end, at + 12, 4);
    const std::string directory = file.read(little_endian(end, at + 16, 4), size);
    std::vector<ZipMember> members;
    std::size_t p = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        if (directory.size() - p < kEntrySize || directory.compare(p, 4, "PK\x01\x02") != 0) {
            file.fail("the archive's directory is damaged");
        }
        ZipMember member;
        member.flags = static_cast<unsigned>(little_endian(directory, p + 8, 2));
        member.method = static_cast<unsigned>(little_endian(directory, p + 10, 2));
        member.checksum = static_cast<std::uint32_t>(little_endian(directory, p + 16, 4));
        member.packed = little_endian(directory, p + 20, 4);
        member.size = little_endian(directory, p + 24, 4);
        member.offset = little_endian(directory, p + 42, 4);
        const std::size_t name = little_endian(directory, p + 28, 2);
        const std::size_t extra = little_endian(directory, p + 30, 2);
        const std::size_t comment = little_endian(directory, p + 32, 2);
        p += kEntrySize;
        if (directory.size() - p < name + extra + comment) {
            file.fail("the archive's directory is damaged");
        }
        member.name = directory.substr(p, name);
        // Sizes of 4 GiB and above stand in a field of their own.
        std::size_t f = p + name;
        const std::size_t fields_end = f + extra;
        while (fields_end - f >= 4) {
            const std::size_t length = little_endian(directory, f + 2, 2);
            const bool is_zip64 = little_endian(directory, f, 2) == kZip64Field;
            f += 4;
            if (fields_end - f < length) break;
            std::size_t value = f;
            for (std::uint64_t* number : {&member.size, &member.packed, &member.offset}) {
                if (!is_zip64 || *number != kIn64Bits || value + 8 > f + length) continue;
                *number = little_endian(directory, value, 8);
                value += 8;
            }
            f += length;
        }
        p += name + extra + comment;
        members.push_back(std::move(member));
    }
    return members;
}

std::string zip_contents(BinaryFile& file, const ZipMember& member) {
    if (member.flags & kEncrypted) file.fail(member.name + " is encrypted");
    if (member.method != 0 && member.method != Z_DEFLATED) {
        file.fail(fmt::format("{}: expected stored or deflated data, found method {}", member.name,
                              member.method));
    }
    const std::string local = file.read(member.offset, kLocalSize);
    if (local.compare(0, 4, "PK\x03\x04") != 0)
        file.fail(member.name + " is not where it should be");
    const std::uint64_t start =
        member.offset + kLocalSize + little_endian(local, 26, 2) + little_endian(local, 28, 2);
    const bool stored = member.method == 0;
    if (stored ? member.size != member.packed : member.size / kMostPacked > member.packed) {
        file.fail(
            fmt::format("{}: {} bytes are more than the file holds", member.name, member.size));
    }
    std::string contents = file.read(start, member.packed);
    if (!stored) contents = inflated(file, member, contents);
    uLong checksum = crc32_z(0, nullptr, 0);
    checksum =
        crc32_z(checksum, reinterpret_cast<const unsigned char*>(contents.data()), contents.size());
    if (contents.size() != member.size || checksum != member.checksum) {
        file.fail(member.name + " is damaged: its checksum does not agree");
    }
    return contents;
}

}  // namespace nmrsim
