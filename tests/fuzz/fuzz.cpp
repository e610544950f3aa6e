#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "nmrsim/errors.h"

namespace fuzz {

namespace {

struct Folder {
    std::filesystem::path path;

    Folder() {
        std::error_code error;
        const std::filesystem::path memory = "/dev/shm";
        const auto base = std::filesystem::is_directory(memory, error)
                              ? memory
                              : std::filesystem::temp_directory_path();
        std::string pattern = (base / "nmrsim-fuzz-XXXXXX").string();
        require(mkdtemp(pattern.data()) != nullptr, "a temporary folder");
        path = pattern;
    }
    ~Folder() {
        std::error_code error;
        std::filesystem::remove_all(path, error);
    }
};

void check_message(const std::string& message) {
    const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (!message.empty() && message.size() < 4096 &&
        std::none_of(message.begin(), message.end(), control)) {
        return;
    }
    std::fprintf(stderr, "message of %zu bytes: %s\n", message.size(), message.c_str());
    require(false, "a message is one short line");
}

}  // namespace

const std::filesystem::path& folder() {
    static const Folder made;
    return made.path;
}

std::string write_file(const std::string& name, std::string_view bytes) {
    const std::string path = (folder() / name).string();
    const int file = open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    require(file >= 0, "a file can be made");
    require(write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
            "a file can be written");
    close(file);
    return path;
}

std::vector<std::string_view> parts(std::string_view input, std::size_t most) {
    std::vector<std::string_view> found;
    while (found.size() + 1 < most) {
        const std::size_t end = input.find('\0');
        if (end == input.npos) break;
        found.push_back(input.substr(0, end));
        input.remove_prefix(end + 1);
    }
    found.push_back(input);
    return found;
}

bool answers(const std::function<void()>& read, bool arguments) {
    try {
        read();
        return true;
    } catch (const nmrsim::InputError& error) {
        check_message(error.what());
    } catch (const std::invalid_argument& error) {
        if (!arguments) throw;
        check_message(error.what());
    }
    return false;
}

void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

bool finite(std::span<const double> numbers) {
    return std::all_of(numbers.begin(), numbers.end(), [](double x) { return std::isfinite(x); });
}

bool finite(std::span<const float> numbers) {
    return std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace fuzz
