/// Bytes of a file at given places, with the size known before memory is taken.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>

namespace nmrsim {

class BinaryFile {
public:
    /// Throws: InputError for a file that is missing, a folder or not readable.
    explicit BinaryFile(const std::string& path);

    const std::string& path() const { return path_; }
    std::uint64_t size() const { return size_; }

    /// `count` bytes from `offset`. Throws: InputError, "truncated", where the file has no such.
    std::string read(std::uint64_t offset, std::uint64_t count);
    void read(std::uint64_t offset, std::uint64_t count, char* to);

    /// Throws InputError, "PATH: WHAT".
    [[noreturn]] void fail(const std::string& what) const;

private:
    void check(std::uint64_t offset, std::uint64_t count) const;

    std::string path_;
    std::ifstream file_;
    std::uint64_t size_ = 0;
};

/// A little-endian unsigned number of `width` bytes at `offset`, which must be there.
std::uint64_t little_endian(const std::string& bytes, std::size_t offset, std::size_t width);

}  // namespace nmrsim
