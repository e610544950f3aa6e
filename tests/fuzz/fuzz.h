/// What every target shares: bytes become a file, and a reader must either take it or say in one
/// line why not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The target: what libFuzzer and replay.cpp call.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

/// A folder in memory where there is one, gone with the program. The same at every call.
const std::filesystem::path& folder();

/// Writes the file anew. Returns: its path.
std::string write_file(const std::string& name, std::string_view bytes);

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// The parts of an input between zero bytes, at most `most`; the last one keeps the rest.
std::vector<std::string_view> parts(std::string_view input, std::size_t most);

/// Runs `read`. InputError and, where `arguments` says so, std::invalid_argument are answers: their
/// message must be one short line of printable text. Anything else that is thrown ends the program.
///
/// Returns: whether it was read.
bool answers(const std::function<void()>& read, bool arguments = false);

/// Ends the program where `holds` is false, whatever the build.
void require(bool holds, const char* what);

/// Whether all of them are finite.
bool finite(std::span<const double> numbers);
bool finite(std::span<const float> numbers);

}  // namespace fuzz
