/// Numbers in text files, with errors that say where.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace nmrsim {

/// Opens a text file, or a pipe. Throws: InputError for one that is missing, a folder or not
/// readable.
std::ifstream open_text(const std::string& path);

/// Lines of a text file one at a time; LF or CRLF.
class LineReader {
public:
    /// Throws: as open_text().
    explicit LineReader(const std::string& path);

    /// Moves to the next line; false after the last one. Throws: InputError if reading fails.
    bool next();

    const std::string& line() const { return line_; }
    /// Read so far.
    std::uint64_t bytes() const { return bytes_; }
    /// "echo.csv:17", for the present line.
    std::string place() const;

private:
    std::string path_;
    std::ifstream file_;
    std::string line_;
    long number_ = 0;
    std::uint64_t bytes_ = 0;
};

/// How many lines of at least `least` characters a file has; 0 where it is not one to read twice.
std::size_t lines_in(const std::string& path, std::size_t least);

/// The text as a message may show it: no control characters, and cut after about `most` bytes.
std::string printable(std::string_view text, std::size_t most = 200);

/// Spaces and tabs off both ends.
std::string_view trimmed(std::string_view text);

/// In lower case, as far as ASCII goes.
std::string lower(std::string_view text);

/// The fields between `separator`, trimmed.
std::vector<std::string_view> split(std::string_view line, char separator);

/// Appends the finite numbers of a line, apart by tabs or spaces, as long as there are no more than
/// `most`. Returns: how many the line has.
///
/// Throws: InputError, "echos_r.txt:3: expected a number, found \"abc\"".
template <typename Real>
std::size_t append_numbers(std::string_view line, const std::string& place, std::size_t most,
                           std::vector<Real>& numbers);

/// A finite number. Throws: InputError that begins with `place`.
double read_number(std::string_view field, const std::string& place);

/// Whether the text is a number, NaN and infinities included.
bool is_number(std::string_view field);

/// The number that is_number() says yes to; what is beyond the largest is infinite.
double number_or_infinite(std::string_view field);

}  // namespace nmrsim
