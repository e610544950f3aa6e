#include "nmrsim/file_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace nmrsim {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& path, int error) {
    throw std::runtime_error(fmt::format("{}: cannot be written: {}", path, std::strerror(error)));
}

/// Opens, syncs to the disk and closes; `path` is what a message names.
void sync_to_disk(const std::string& file, int flags, const std::string& path) {
    const int descriptor = ::open(file.c_str(), flags | O_CLOEXEC);
    if (descriptor < 0) fail(path, errno);
    const int error = ::fsync(descriptor) == 0 ? 0 : errno;
    ::close(descriptor);
    // Some file systems cannot sync a folder; the rename itself has been made.
    if (error != 0 && error != EINVAL && error != ENOTSUP) fail(path, error);
}

/// Removes the file unless it has been renamed.
struct Temporary {
    std::string path;
    bool renamed = false;

    explicit Temporary(std::string name) : path(std::move(name)) {}
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;
    ~Temporary() {
        if (renamed) return;
        // Whoever still has it open holds no space.
        if (::truncate(path.c_str(), 0) != 0) { /* there is nothing more to do */
        }
        ::unlink(path.c_str());
    }
};

}  // namespace

void write_whole_file(const std::string& path,
                      const std::function<void(const std::string&)>& write) {
    std::error_code error;
    // A link stays a link: what it points to is replaced.
    const fs::path target =
        fs::is_symlink(path, error) ? fs::weakly_canonical(path) : fs::path(path);
    if (target.empty()) fail(path, ENOENT);
    if (fs::is_directory(target, error)) fail(path, EISDIR);
    if (fs::exists(target, error) && !fs::is_regular_file(target, error)) {
        // A pipe or a device has no old content to keep, and a rename would put a file in its
        // place.
        write(path);
        return;
    }

    static std::atomic<unsigned> serial{0};
    const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
    const std::string name = fmt::format(".{}.{}-{}.partial", target.filename().string(),
                                         static_cast<long>(::getpid()), serial++);
    const std::string partial = (folder / name).string();
    // Made here, so that a folder that is missing or not ours is an error before any work.
    const int descriptor = ::open(partial.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (descriptor < 0) fail(path, errno);
    ::close(descriptor);
    Temporary temporary(partial);

    write(temporary.path);
    sync_to_disk(temporary.path, O_RDONLY, path);
    if (::rename(temporary.path.c_str(), target.c_str()) != 0) fail(path, errno);
    temporary.renamed = true;
    sync_to_disk(folder.string(), O_RDONLY | O_DIRECTORY, path);
}

void write_whole_file(const std::string& path, std::string_view text) {
    write_whole_file(path, [&](const std::string& temporary) {
        errno = 0;
        std::ofstream file(temporary, std::ios::binary);
        file.write(text.data(), static_cast<std::streamsize>(text.size()));
        file.close();
        if (!file) fail(path, errno ? errno : EIO);
    });
}

void remove_unfinished(const std::string& path) {
    std::error_code error;
    fs::path target = fs::is_symlink(path, error) ? fs::weakly_canonical(path) : fs::path(path);
    const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
    const std::string prefix = fmt::format(".{}.", target.filename().string());
    const std::string suffix = ".partial";
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
        long process = 0;
        int length = 0;
        if (std::sscanf(name.c_str() + prefix.size(), "%ld-%*u.partial%n", &process, &length) !=
                1 ||
            prefix.size() + static_cast<std::size_t>(length) != name.size() || process <= 0) {
            continue;
        }
        const bool runs = ::kill(static_cast<pid_t>(process), 0) == 0 || errno != ESRCH;
        if (!runs) fs::remove(entry.path(), error);
    }
}

void make_folder(const std::string& path) {
    std::error_code error;
    if (fs::is_directory(path, error)) return;
    if (!fs::create_directories(path, error) && error) fail(path, error.value());
    const fs::path above = fs::absolute(fs::path(path) / "..").lexically_normal();
    sync_to_disk(above.string(), O_RDONLY | O_DIRECTORY, path);
}

}  // namespace nmrsim
