#include "files/text_file.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>

#include "nmrsim/errors.h"
#include "text/text_numbers.h"

namespace nmrsim {
namespace {

std::string all_bytes(const std::string& path) {
    std::ifstream file = open_text(path);
    std::string bytes;
    // A pipe does not tell its size.
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (!error) bytes.reserve(size);
    std::array<char, 1 << 16> some;
    while (file.read(some.data(), some.size()), file.gcount() > 0) {
        bytes.append(some.data(), static_cast<std::size_t>(file.gcount()));
    }
    if (file.bad()) throw InputError(fmt::format("{}: cannot be read", path));
    return bytes;
}

void append_utf8(std::uint32_t code, std::string& text) {
    if (code < 0x80) {
        text += static_cast<char>(code);
    } else if (code < 0x800) {
        text += static_cast<char>(0xC0 | (code >> 6));
        text += static_cast<char>(0x80 | (code & 0x3F));
    } else {
        text += static_cast<char>(0xE0 | (code >> 12));
        text += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
        text += static_cast<char>(0x80 | (code & 0x3F));
    }
}

/// Characters beyond the 16 bits come as two marks that no number or name holds.
std::string from_utf16(std::string_view bytes, bool big_endian) {
    std::string text;
    text.reserve(bytes.size() / 2);
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
        const auto high = static_cast<unsigned char>(bytes[big_endian ? i : i + 1]);
        const auto low = static_cast<unsigned char>(bytes[big_endian ? i + 1 : i]);
        append_utf8(std::uint32_t{high} << 8 | low, text);
    }
    return text;
}

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto first = static_cast<unsigned char>(text[i++]);
        int more = 0;
        if (first >= 0x80) {
            if (first >= 0xC2 && first < 0xE0)
                more = 1;
            else if (first >= 0xE0 && first < 0xF0)
                more = 2;
            else if (first >= 0xF0 && first < 0xF5)
                more = 3;
            else
                return false;
        }
        for (; more > 0; --more, ++i) {
            if (i == text.size() || (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
                return false;
            }
        }
    }
    return true;
}

std::string from_latin1(std::string_view bytes) {
    std::string text;
    text.reserve(bytes.size());
    for (const char c : bytes) append_utf8(static_cast<unsigned char>(c), text);
    return text;
}

/// Where HDF5 may begin: MATLAB puts a header of 512 bytes before it.
constexpr std::array<std::size_t, 4> kHdf5Starts = {0, 512, 1024, 2048};
constexpr std::string_view kHdf5Magic = "\x89HDF\r\n\x1a\n";

void refuse_binary(const std::string& path, std::string_view bytes) {
    for (const std::size_t start : kHdf5Starts) {
        if (bytes.size() >= start && bytes.substr(start).starts_with(kHdf5Magic)) {
            throw InputError(
                fmt::format("{0}: this is an HDF5 file{1}; name its array, as in {0}:/echo", path,
                            bytes.starts_with("MATLAB") ? " (MATLAB 7.3)" : ""));
        }
    }
    if (bytes.starts_with("\x93NUMPY") || bytes.starts_with("PK\x03\x04")) {
        throw InputError(fmt::format(
            "{}: this is NumPy's or a zip archive: its name must end in .npy or .npz", path));
    }
    if (bytes.starts_with("MATLAB")) {
        throw InputError(
            fmt::format("{}: this is an older MATLAB file: save it with -v7.3, or as text", path));
    }
    if (bytes.find('\0') != bytes.npos) {
        throw InputError(fmt::format(
            "{}: expected text, found binary numbers: write them as text or .npy", path));
    }
}

}  // namespace

std::string read_text_file(const std::string& path) {
    std::string bytes = all_bytes(path);
    if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF")) {
        return from_utf16(std::string_view(bytes).substr(2), bytes.front() == '\xFE');
    }
    if (bytes.starts_with("\xEF\xBB\xBF")) bytes.erase(0, 3);
    refuse_binary(path, bytes);
    if (!is_utf8(bytes)) return from_latin1(bytes);
    return bytes;
}

bool TextLines::next() {
    if (next_ >= text_.size()) return false;
    const std::size_t end = text_.find_first_of("\r\n", next_);
    line_ = text_.substr(next_, end == text_.npos ? end : end - next_);
    next_ = end == text_.npos ? text_.size() : end + 1;
    if (end != text_.npos && text_[end] == '\r' && next_ < text_.size() && text_[next_] == '\n') {
        ++next_;
    }
    ++number_;
    return true;
}

std::string TextLines::place() const {
    return fmt::format("{}:{}", path_, number_);
}

}  // namespace nmrsim
