#include <fmt/format.h>
#include <fmt/ranges.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>
#include <utility>

#include "files/binary_file.h"
#include "files/memory_allowance.h"
#include "files/zip_archive.h"
#include "nmrsim/errors.h"
#include "nmrsim/numeric_array.h"

namespace nmrsim {

namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie");

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::size_t kPreamble = 10;  ///< magic, version, and the length's first two bytes
/// Headers of plain arrays have about a hundred bytes.
constexpr std::size_t kLongestHeader = 1 << 16;
constexpr std::size_t kMostDimensions = 32;

using Fail = std::function<void(const std::string&)>;

/// What a header says.
struct Header {
    std::string descr;
    bool fortran_order = false;
    std::vector<std::size_t> shape;
};

/// Python's literal {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), } and nothing else.
class HeaderParser {
public:
    HeaderParser(std::string text, const Fail& fail)
        : text_(std::move(text)), rest_(text_), fail_(fail) {}

    Header parse() {
        Header header;
        bool seen[3] = {};
        expect('{');
        while (!accept('}')) {
            const std::string key = quoted();
            expect(':');
            if (key == "descr") {
                seen[0] = true;
                header.descr = peek() == '[' ? "a structure" : quoted();
                if (header.descr == "a structure") return header;
            } else if (key == "fortran_order") {
                seen[1] = true;
                header.fortran_order = boolean();
            } else if (key == "shape") {
                seen[2] = true;
                header.shape = tuple();
            } else {
                wrong();
            }
            if (!accept(',') && peek() != '}') wrong();
        }
        if (peek() != '\0' || !seen[0] || !seen[1] || !seen[2]) wrong();
        return header;
    }

private:
    [[noreturn]] void wrong() const {
        fail_("the array's header is damaged: expected descr, fortran_order and shape");
        throw InputError("");  // fail_ has thrown
    }
    char peek() {
        while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_.front()))) {
            rest_.remove_prefix(1);
        }
        return rest_.empty() ? '\0' : rest_.front();
    }
    bool accept(char c) {
        if (peek() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void expect(char c) {
        if (!accept(c)) wrong();
    }
    std::string quoted() {
        const char quote = peek();
        if (quote != '\'' && quote != '"') wrong();
        const std::size_t end = rest_.find(quote, 1);
        if (end == rest_.npos || end > 64) wrong();
        std::string text(rest_.substr(1, end - 1));
        rest_.remove_prefix(end + 1);
        return text;
    }
    bool boolean() {
        peek();
        for (const bool value : {true, false}) {
            const std::string_view name = value ? "True" : "False";
            if (!rest_.starts_with(name)) continue;
            rest_.remove_prefix(name.size());
            return value;
        }
        wrong();
    }
    std::vector<std::size_t> tuple() {
        std::vector<std::size_t> numbers;
        expect('(');
        while (!accept(')')) {
            if (!std::isdigit(static_cast<unsigned char>(peek())) ||
                numbers.size() == kMostDimensions) {
                wrong();
            }
            std::size_t number = 0;
            while (!rest_.empty() && std::isdigit(static_cast<unsigned char>(rest_.front()))) {
                const std::size_t digit = static_cast<std::size_t>(rest_.front() - '0');
                if (number > (std::numeric_limits<std::size_t>::max() - digit) / 10) wrong();
                number = 10 * number + digit;
                rest_.remove_prefix(1);
            }
            if (!rest_.empty() && rest_.front() == 'L') rest_.remove_prefix(1);  // of Python 2
            numbers.push_back(number);
            if (!accept(',') && peek() != ')') wrong();
        }
        return numbers;
    }

    std::string text_;
    std::string_view rest_;
    const Fail& fail_;
};

/// Gives the next `count` bytes of an array, or throws.
using ReadBytes = std::function<void(char* to, std::size_t count)>;

/// A plain type of numbers, as NumPy writes it: "<f8", ">c16", "|i1".
struct NumberType {
    char kind = 'f';        ///< f, i, u; of the parts where complex
    std::size_t width = 8;  ///< of one real number [bytes]
    bool complex = false;
    bool swapped = false;  ///< big-endian
};

NumberType number_type(const std::string& descr, const Fail& fail) {
    constexpr std::array<std::string_view, 13> kTypes = {"f2", "f4", "f8", "c8", "c16", "i1", "i2",
                                                         "i4", "i8", "u1", "u2", "u4",  "u8"};
    const std::string_view name =
        std::string_view(descr).substr(std::min<std::size_t>(1, descr.size()));
    if (descr.empty() || std::string_view("<>|=").find(descr.front()) == std::string_view::npos ||
        std::find(kTypes.begin(), kTypes.end(), name) == kTypes.end()) {
        fail(
            fmt::format("expected dtype float16, float32, float64, complex64, complex128 or whole "
                        "numbers of 8 to 64 bits, found {}",
                        descr));
    }
    NumberType type;
    type.complex = name.front() == 'c';
    type.kind = type.complex ? 'f' : name.front();
    type.width = name == "c16" ? 8 : name == "c8" ? 4 : static_cast<std::size_t>(name[1] - '0');
    type.swapped = descr.front() == '>';
    return type;
}

/// Some at a time, so that the bytes and the numbers are never both in memory.
template <typename Number>
void read_numbers(const ReadBytes& read, bool swapped, std::vector<double>& to) {
    std::array<Number, 8192> some;
    for (std::size_t i = 0; i < to.size();) {
        const std::size_t count = std::min(some.size(), to.size() - i);
        char* bytes = reinterpret_cast<char*>(some.data());
        read(bytes, count * sizeof(Number));
        for (std::size_t k = 0; swapped && k < count; ++k) {
            std::reverse(bytes + k * sizeof(Number), bytes + (k + 1) * sizeof(Number));
        }
        for (std::size_t k = 0; k < count; ++k) to[i + k] = static_cast<double>(some[k]);
        i += count;
    }
}

void read_numbers(const ReadBytes& read, const NumberType& type, std::vector<double>& to) {
    const bool is_signed = type.kind == 'i';
    if (type.kind == 'f') {
        if (type.width == 2) return read_numbers<Eigen::half>(read, type.swapped, to);
        if (type.width == 4) return read_numbers<float>(read, type.swapped, to);
        return read_numbers<double>(read, type.swapped, to);
    }
    switch (type.width) {
        case 1:
            if (is_signed) return read_numbers<std::int8_t>(read, false, to);
            return read_numbers<std::uint8_t>(read, false, to);
        case 2:
            if (is_signed) return read_numbers<std::int16_t>(read, type.swapped, to);
            return read_numbers<std::uint16_t>(read, type.swapped, to);
        case 4:
            if (is_signed) return read_numbers<std::int32_t>(read, type.swapped, to);
            return read_numbers<std::uint32_t>(read, type.swapped, to);
        default:
            if (is_signed) return read_numbers<std::int64_t>(read, type.swapped, to);
            return read_numbers<std::uint64_t>(read, type.swapped, to);
    }
}

/// From the first index fastest to the last index fastest. Args: parts: numbers of each element.
void reorder(const std::vector<std::size_t>& shape, std::size_t parts,
             std::vector<double>& values) {
    const std::vector<double> fortran = values;
    std::vector<std::size_t> index(shape.size(), 0);
    std::vector<std::size_t> stride(shape.size(), parts);
    for (std::size_t d = 1; d < shape.size(); ++d) stride[d] = stride[d - 1] * shape[d - 1];
    std::size_t from = 0;
    for (std::size_t to = 0; to < values.size(); to += parts) {
        std::copy_n(fortran.begin() + static_cast<std::ptrdiff_t>(from), parts,
                    values.begin() + static_cast<std::ptrdiff_t>(to));
        for (std::size_t d = shape.size(); d-- > 0;) {
            from += stride[d];
            if (++index[d] < shape[d]) break;
            from -= stride[d] * shape[d];
            index[d] = 0;
        }
    }
}

/// What the array is, and how many of its bytes say so.
struct Preamble {
    Header header;
    std::uint64_t size = 0;
};

/// Args: bytes: of the whole array.
Preamble read_preamble(const ReadBytes& read, std::uint64_t bytes, const Fail& fail) {
    Preamble preamble;
    const auto next = [&](std::size_t count) {
        if (count > bytes - preamble.size) fail("truncated in its header");
        std::string some(count, '\0');
        read(some.data(), count);
        preamble.size += count;
        return some;
    };
    std::string first = bytes < kPreamble ? "" : next(kPreamble);
    if (!std::string_view(first).starts_with(kMagic)) {
        fail("expected a NumPy array, found something else");
    }
    const unsigned version = static_cast<unsigned char>(first[6]);
    if (version < 1 || version > 3) {
        fail(fmt::format("expected version 1, 2 or 3 of the .npy format, found {}", version));
    }
    if (version > 1) first += next(2);
    const std::size_t length = little_endian(first, 8, first.size() - 8);
    if (length > kLongestHeader) fail("the array's header is longer than that of any plain array");
    preamble.header = HeaderParser(next(length), fail).parse();
    return preamble;
}

/// Args: bytes: of the array's numbers, in the file.
NumericArray described(const Header& header, const NumberType& type, std::uint64_t bytes,
                       const std::string& place, const Fail& fail) {
    NumericArray array;
    array.place = place;
    array.shape = header.shape;
    array.complex = type.complex;
    std::uint64_t expected = type.width * (type.complex ? 2 : 1);
    for (const std::size_t length : array.shape) {
        if (length > 0 && expected > std::numeric_limits<std::uint64_t>::max() / length) {
            fail(fmt::format("{} is more than the file holds", array.shape_text()));
        }
        expected *= length;
    }
    if (expected != bytes) {
        fail(fmt::format("{}: expected {} bytes of {}, found {}",
                         expected > bytes ? "truncated" : "too long", expected, array.shape_text(),
                         bytes));
    }
    return array;
}

/// Args: bytes: of the whole array. file_bytes: of the file it lies in.
NumericArray read_array(const ReadBytes& read, std::uint64_t bytes, std::uint64_t file_bytes,
                        const std::string& place, const Fail& fail) {
    const Preamble preamble = read_preamble(read, bytes, fail);
    const Header& header = preamble.header;
    const std::uint64_t count = bytes - preamble.size;
    const NumberType type = number_type(header.descr, fail);
    NumericArray array = described(header, type, count, place, fail);
    const bool turned = header.fortran_order && array.shape.size() > 1;
    // The numbers, and beside them their copy in the other order or the curves in single precision.
    const std::uint64_t numbers = count / type.width;
    const std::uint64_t taken = (turned ? 4 : 3) * numbers * sizeof(double) / 2;
    if (taken > memory_allowance(file_bytes)) {
        fail(
            fmt::format("its {} bytes unpack to more than a file of {} bytes may hold: store them "
                        "as floating-point numbers without compression",
                        bytes, file_bytes));
    }
    array.values.resize(numbers);
    read_numbers(read, type, array.values);
    if (turned) reorder(array.shape, array.complex ? 2 : 1, array.values);
    return array;
}

std::string without_suffix(const std::string& name) {
    return name.ends_with(".npy") ? name.substr(0, name.size() - 4) : name;
}

}  // namespace

std::string NumericArray::shape_text() const {
    return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

NumericArray read_npy(const std::string& path) {
    BinaryFile file(path);
    const Fail fail = [&](const std::string& what) { file.fail(what); };
    std::uint64_t at = 0;
    const auto read = [&](char* to, std::size_t count) {
        file.read(at, count, to);
        at += count;
    };
    return read_array(read, file.size(), file.size(), path, fail);
}

std::vector<std::string> npz_names(const std::string& path) {
    BinaryFile file(path);
    std::vector<std::string> names;
    for (const ZipMember& member : zip_members(file)) names.push_back(without_suffix(member.name));
    return names;
}

NumericArray read_npz(const std::string& path, const std::string& name) {
    BinaryFile file(path);
    const std::vector<ZipMember> members = zip_members(file);
    const auto found = std::find_if(members.begin(), members.end(), [&](const ZipMember& member) {
        return member.name == name + ".npy" || member.name == name;
    });
    if (found == members.end()) {
        std::vector<std::string> names;
        names.reserve(members.size());
        for (const ZipMember& member : members) names.push_back(without_suffix(member.name));
        file.fail(fmt::format("expected an array {}, found {}", name,
                              names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
    }
    const Fail fail = [&](const std::string& what) { file.fail(name + ": " + what); };
    ZipContents contents(file, *found);
    const auto read = [&](char* to, std::size_t count) { contents.read(to, count); };
    NumericArray array = read_array(read, found->size, file.size(), path + ": " + name, fail);
    contents.finish();
    return array;
}

}  // namespace nmrsim
