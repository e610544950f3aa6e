#include "text/text_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "nmrsim/errors.h"

namespace nmrsim {

namespace {

/// The field as a message may show it: short and printable.
std::string shown(std::string_view field) {
    std::string text;
    for (const char c : field.substr(0, 40)) text += c >= 0x20 && c < 0x7f ? c : '?';
    return field.size() > 40 ? text + "..." : text;
}

bool parse(std::string_view field, double& value) {
    if (!field.empty() && field.front() == '+') field.remove_prefix(1);
    const char* last = field.data() + field.size();
    const auto [end, error] = std::from_chars(field.data(), last, value);
    if (end != last || field.empty()) return false;
    if (error == std::errc::result_out_of_range) {
        // Below the smallest number is as good as 0; beyond the largest is infinite. Either has
        // its exponent's sign to tell.
        value = field.find("e-") != field.npos || field.find("E-") != field.npos ? 0.0 : INFINITY;
        return true;
    }
    return error == std::errc();
}

}  // namespace

std::ifstream open_text(const std::string& path) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) {
        throw InputError(fmt::format("{}: no such file", path));
    }
    if (std::filesystem::is_directory(path, error)) {
        throw InputError(fmt::format("{}: expected a text file, found a folder", path));
    }
    std::ifstream file(path, std::ios::binary);
    if (!file.is_open()) throw InputError(fmt::format("{}: cannot be read", path));
    return file;
}

LineReader::LineReader(const std::string& path) : path_(path), file_(open_text(path)) {}

bool LineReader::next() {
    if (!std::getline(file_, line_)) {
        if (file_.bad()) throw InputError(fmt::format("{}: cannot be read", path_));
        return false;
    }
    bytes_ += line_.size() + 1;
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    ++number_;
    return true;
}

std::string LineReader::place() const {
    return fmt::format("{}:{}", path_, number_);
}

std::size_t lines_in(const std::string& path, std::size_t least) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) return 0;
    std::ifstream file(path, std::ios::binary);
    std::size_t lines = 0, length = 0;
    std::array<char, 1 << 16> some;
    while (file.read(some.data(), some.size()), file.gcount() > 0) {
        for (const char c :
             std::string_view(some.data(), static_cast<std::size_t>(file.gcount()))) {
            if (c != '\n') {
                ++length;
                continue;
            }
            lines += length >= least;
            length = 0;
        }
    }
    return lines + (length >= least);
}

std::string printable(std::string_view text, std::size_t most) {
    std::string shown;
    for (const char c : text.substr(0, most)) {
        shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    }
    return text.size() > most ? shown + "..." : shown;
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return result;
}

std::vector<std::string_view> split(std::string_view line, char separator) {
    std::vector<std::string_view> fields;
    while (true) {
        const auto end = line.find(separator);
        fields.push_back(trimmed(line.substr(0, end)));
        if (end == std::string_view::npos) return fields;
        line.remove_prefix(end + 1);
    }
}

double read_number(std::string_view field, const std::string& place) {
    double value = 0.0;
    if (!parse(field, value)) {
        throw InputError(fmt::format("{}: expected a number, found \"{}\"", place, shown(field)));
    }
    if (!std::isfinite(value)) {
        throw InputError(
            fmt::format("{}: expected a finite number, found {}", place, shown(field)));
    }
    return value;
}

bool is_number(std::string_view field) {
    double value = 0.0;
    return parse(field, value);
}

double number_or_infinite(std::string_view field) {
    double value = 0.0;
    return parse(field, value) ? value : NAN;
}

template <typename Real>
std::size_t append_numbers(std::string_view line, const std::string& place, std::size_t most,
                           std::vector<Real>& numbers) {
    std::size_t found = 0;
    for (std::string_view rest = trimmed(line); !rest.empty(); rest = trimmed(rest)) {
        const auto end = std::min(rest.find_first_of(" \t"), rest.size());
        const Real value = static_cast<Real>(read_number(rest.substr(0, end), place));
        if (!std::isfinite(value)) {
            throw InputError(fmt::format("{}: expected a number below 3e38, found {}", place,
                                         shown(rest.substr(0, end))));
        }
        if (++found <= most) numbers.push_back(value);
        rest.remove_prefix(end);
    }
    return found;
}

template std::size_t append_numbers(std::string_view, const std::string&, std::size_t,
                                    std::vector<float>&);
template std::size_t append_numbers(std::string_view, const std::string&, std::size_t,
                                    std::vector<double>&);

}  // namespace nmrsim
