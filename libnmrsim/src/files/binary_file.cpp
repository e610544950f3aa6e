#include "files/binary_file.h"

#include <fmt/format.h>

#include <filesystem>

#include "nmrsim/errors.h"
#include "text/text_numbers.h"

namespace nmrsim {

BinaryFile::BinaryFile(const std::string& path) : path_(path) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) fail("no such file");
    if (std::filesystem::is_directory(path, error)) fail("expected a file, found a folder");
    size_ = std::filesystem::file_size(path, error);
    if (error) fail("cannot be read");
    file_.open(path, std::ios::binary);
    if (!file_) fail("cannot be read");
}

std::string BinaryFile::read(std::uint64_t offset, std::uint64_t count) {
    check(offset, count);
    std::string bytes(count, '\0');
    read(offset, count, bytes.data());
    return bytes;
}

void BinaryFile::read(std::uint64_t offset, std::uint64_t count, char* to) {
    check(offset, count);
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(offset));
    file_.read(to, static_cast<std::streamsize>(count));
    if (!file_ && count > 0) fail("cannot be read");
}

void BinaryFile::check(std::uint64_t offset, std::uint64_t count) const {
    if (offset > size_ || count > size_ - offset) {
        fail(fmt::format("truncated or damaged: expected {} bytes from byte {}, found {} in all",
                         count, offset, size_));
    }
}

void BinaryFile::fail(const std::string& what) const {
    throw InputError(fmt::format("{}: {}", path_, printable(what, 400)));
}

std::uint64_t little_endian(const std::string& bytes, std::size_t offset, std::size_t width) {
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) {
        value = value << 8 | static_cast<unsigned char>(bytes.at(offset + i));
    }
    return value;
}

}  // namespace nmrsim
