/// A text file as a whole, whatever its byte order, encoding and line ends.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace nmrsim {

/// The file's text in UTF-8. UTF-16 with a byte order mark is converted; bytes that are no UTF-8
/// are taken as Latin-1. Reads pipes as well.
///
/// Throws: InputError for a file that is missing, a folder, not readable, or no text.
std::string read_text_file(const std::string& path);

/// The lines of a text one at a time; LF, CRLF or CR ends one.
class TextLines {
public:
    TextLines(std::string_view text, const std::string& path) : text_(text), path_(path) {}

    /// Moves to the next line; false after the last one.
    bool next();

    std::string_view line() const { return line_; }
    /// From 1, 0 before the first.
    std::size_t number() const { return number_; }
    /// "echo.csv:17", for the present line.
    std::string place() const;

private:
    std::string_view text_, line_;
    const std::string& path_;
    std::size_t next_ = 0, number_ = 0;
};

}  // namespace nmrsim
