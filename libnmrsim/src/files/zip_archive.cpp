#include "files/zip_archive.h"

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
    members.reserve(std::min<std::uint64_t>(count, size / kEntrySize));
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

struct ZipContents::Inflater {
    z_stream stream = {};
    std::array<unsigned char, 1 << 16> packed;
    bool at_end = false;
};

ZipContents::ZipContents(BinaryFile& file, const ZipMember& member) : file_(file), member_(member) {
    if (member.flags & kEncrypted) file.fail(member.name + " is encrypted");
    if (member.method != 0 && member.method != Z_DEFLATED) {
        file.fail(fmt::format("{}: expected stored or deflated data, found method {}", member.name,
                              member.method));
    }
    const std::string local = file.read(member.offset, kLocalSize);
    if (local.compare(0, 4, "PK\x03\x04") != 0)
        file.fail(member.name + " is not where it should be");
    next_ = member.offset + kLocalSize + little_endian(local, 26, 2) + little_endian(local, 28, 2);
    left_ = member.packed;
    const bool stored = member.method == 0;
    if (stored ? member.size != member.packed : member.size / kMostPacked > member.packed) {
        file.fail(
            fmt::format("{}: {} bytes are more than the file holds", member.name, member.size));
    }
    if (next_ > file.size() || left_ > file.size() - next_)
        file.fail(member.name + " is truncated");
    checksum_ = crc32_z(0, nullptr, 0);
    if (stored) return;
    inflater_ = std::make_unique<Inflater>();
    if (inflateInit2(&inflater_->stream, -MAX_WBITS) != Z_OK) {
        inflater_.reset();
        damaged();
    }
}

ZipContents::~ZipContents() {
    if (inflater_) inflateEnd(&inflater_->stream);
}

void ZipContents::damaged() const {
    file_.fail(member_.name + " is damaged: it cannot be unpacked");
}

/// The next packed bytes, where there are any.
bool ZipContents::refill() {
    const std::uint64_t some = std::min<std::uint64_t>(left_, inflater_->packed.size());
    if (some == 0) return false;
    file_.read(next_, some, reinterpret_cast<char*>(inflater_->packed.data()));
    next_ += some;
    left_ -= some;
    inflater_->stream.next_in = inflater_->packed.data();
    inflater_->stream.avail_in = static_cast<unsigned>(some);
    return true;
}

void ZipContents::read(char* to, std::size_t count) {
    if (count > member_.size - given_) {
        file_.fail(fmt::format("{} is truncated: expected {} bytes from byte {}, found {} in all",
                               member_.name, count, given_, member_.size));
    }
    given_ += count;
    if (!inflater_) {
        file_.read(next_, count, to);
        next_ += count;
        left_ -= count;
        checksum_ = crc32_z(checksum_, reinterpret_cast<const unsigned char*>(to), count);
        return;
    }
    z_stream& stream = inflater_->stream;
    while (count > 0) {
        if (inflater_->at_end || (stream.avail_in == 0 && !refill())) damaged();
        const unsigned some = static_cast<unsigned>(std::min<std::size_t>(count, 1u << 30));
        stream.next_out = reinterpret_cast<unsigned char*>(to);
        stream.avail_out = some;
        const int status = inflate(&stream, Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END) damaged();
        inflater_->at_end = status == Z_STREAM_END;
        const unsigned got = some - stream.avail_out;
        checksum_ = crc32_z(checksum_, reinterpret_cast<const unsigned char*>(to), got);
        to += got;
        count -= got;
    }
}

void ZipContents::finish() {
    if (inflater_ && !inflater_->at_end) {
        // One more byte than was announced, or the end that may follow the last one.
        unsigned char more = 0;
        int status = Z_OK;
        do {
            if (inflater_->stream.avail_in == 0 && !refill()) damaged();
            inflater_->stream.next_out = &more;
            inflater_->stream.avail_out = 1;
            status = inflate(&inflater_->stream, Z_NO_FLUSH);
            if (inflater_->stream.avail_out == 0) damaged();
        } while (status == Z_OK);
        if (status != Z_STREAM_END) damaged();
    }
    if (given_ != member_.size || checksum_ != member_.checksum) {
        file_.fail(member_.name + " is damaged: its checksum does not agree");
    }
}

}  // namespace nmrsim
