#include "nmrsim/file_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <optional>
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

/// N of /dev/fd/N, /proc/self/fd/N, /dev/stdout and /dev/stderr: what the shell or another program
/// has opened, a pipe or a file, which is written where it stands.
std::optional<int> open_descriptor(const std::string& path) {
    if (path == "/dev/stdout") return STDOUT_FILENO;
    if (path == "/dev/stderr") return STDERR_FILENO;
    for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
        if (!path.starts_with(folder)) continue;
        int number = 0;
        const char* end = path.data() + path.size();
        const auto [stop, error] = std::from_chars(path.data() + folder.size(), end, number);
        if (error == std::errc() && stop == end && number >= 0) return number;
    }
    return std::nullopt;
}

void write_to(int descriptor, std::string_view text, const std::string& path) {
    while (!text.empty()) {
        const ssize_t written = ::write(descriptor, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail(path, errno);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

/// Where a chain of links ends, also where there is nothing yet.
fs::path target_of(const std::string& path) {
    constexpr int kMostLinks = 40;  // as the kernel
    fs::path target(path);
    std::error_code error;
    for (int i = 0; fs::is_symlink(target, error); ++i) {
        if (i == kMostLinks) fail(path, ELOOP);
        const fs::path next = fs::read_symlink(target, error);
        if (error) fail(path, error.value());
        target = next.is_absolute() ? next : target.parent_path() / next;
    }
    return target;
}

/// Gives the new file the mode, and as far as this user may the owner, of the one it replaces.
void take_mode(const fs::path& from, const std::string& file) {
    struct stat old = {};
    if (::stat(from.c_str(), &old) != 0) return;
    // Owner first: a change of it may clear bits of the mode.
    if (::chown(file.c_str(), old.st_uid, old.st_gid) != 0) { /* another's: ours from now on */
    }
    ::chmod(file.c_str(), old.st_mode & 07777);
}

char lock_name[4096] = "";  // what a signal's handler may read

fs::path folder_of(const fs::path& target) {
    return target.has_parent_path() ? target.parent_path() : fs::path(".");
}

void sync_folder(const fs::path& target, const std::string& path) {
    sync_to_disk(folder_of(target).string(), O_RDONLY | O_DIRECTORY, path);
}

/// A file beside the one that it will replace; removed unless it has been renamed.
struct Temporary {
    std::string path;  ///< asked for
    fs::path target;   ///< a link stays a link: what it points to is replaced
    std::string name;
    bool renamed = false;

    explicit Temporary(const std::string& asked) : path(asked), target(target_of(asked)) {
        std::error_code error;
        if (target.empty()) fail(path, ENOENT);
        if (fs::is_directory(target, error)) fail(path, EISDIR);
        static std::atomic<unsigned> serial{0};
        name = (folder_of(target) / fmt::format(".{}.{}-{}.partial", target.filename().string(),
                                                static_cast<long>(::getpid()), serial++))
                   .string();
        // Made here, so that a folder that is missing or not ours is an error before any work.
        const int file = ::open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
        if (file < 0) fail(path, errno);
        ::close(file);
    }
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;
    ~Temporary() {
        if (renamed) return;
        // Whoever still has it open holds no space.
        if (::truncate(name.c_str(), 0) != 0) { /* there is nothing more to do */
        }
        ::unlink(name.c_str());
    }

    void sync() const {
        take_mode(target, name);
        sync_to_disk(name, O_RDONLY, path);
    }
    void rename() {
        if (::rename(name.c_str(), target.c_str()) != 0) fail(path, errno);
        renamed = true;
    }
};

}  // namespace

void write_whole_files(const std::vector<std::string>& paths,
                       const std::function<void(const std::vector<std::string>&)>& write) {
    std::deque<Temporary> files;
    std::vector<std::string> names;
    for (const std::string& path : paths) names.push_back(files.emplace_back(path).name);
    write(names);
    for (const Temporary& file : files) file.sync();
    const Temporary& last = files.back();
    if (files.size() > 1 && ::unlink(last.target.c_str()) == 0) {
        sync_folder(last.target, last.path);
    }
    for (Temporary& file : files) {
        file.rename();
        sync_folder(file.target, file.path);
    }
}

void write_whole_file(const std::string& path,
                      const std::function<void(const std::string&)>& write) {
    if (open_descriptor(path)) {
        throw std::runtime_error(path + ": cannot be written: expected a file of its own");
    }
    std::error_code error;
    const fs::path target = target_of(path);
    if (fs::exists(target, error) && !fs::is_regular_file(target, error) &&
        !fs::is_directory(target, error)) {
        // A pipe or a device has no old content to keep, and a rename would put a file in its
        // place.
        write(path);
        return;
    }
    write_whole_files({path}, [&](const std::vector<std::string>& files) { write(files.front()); });
}

void write_whole_file(const std::string& path, std::string_view text) {
    if (const auto descriptor = open_descriptor(path)) return write_to(*descriptor, text, path);
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
    const fs::path target = target_of(path);
    const fs::path folder = folder_of(target);
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

bool same_file(const std::string& a, const std::string& b) {
    struct stat one = {}, other = {};
    const bool there = ::stat(a.c_str(), &one) == 0;
    if (there != (::stat(b.c_str(), &other) == 0)) return false;
    if (there) return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
    return fs::weakly_canonical(target_of(a)) == fs::weakly_canonical(target_of(b));
}

OutputLock::OutputLock(const std::string& path) {
    std::error_code error;
    if (path.empty() || path == "-" || open_descriptor(path)) return;
    fs::path target = target_of(path);
    if (!target.has_filename()) target = target.parent_path();  // "DIR/"
    const bool there = fs::exists(target, error);
    if (target.empty() || (there && !fs::is_regular_file(target) && !fs::is_directory(target))) {
        return;  // a device
    }
    const std::string name =
        (folder_of(target) / fmt::format(".{}.lock", target.filename().string())).string();
    for (;;) {
        const int file = ::open(name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
        if (file < 0) fail(path, errno);
        if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
            const int problem = errno;
            char process[32] = "";
            if (::pread(file, process, sizeof process - 1, 0) < 0) *process = '\0';
            ::close(file);
            if (problem == EINTR) continue;
            if (problem == EWOULDBLOCK) {
                throw std::runtime_error(fmt::format(
                    "{}: another run is writing it{}; wait for it or choose another name", path,
                    *process ? fmt::format(", process {}", process) : ""));
            }
            ::unlink(name.c_str());
            return;  // a file system without locks
        }
        // Whoever had it may have removed the name meanwhile, and a third have made it anew.
        struct stat held = {}, named = {};
        if (::fstat(file, &held) == 0 && ::stat(name.c_str(), &named) == 0 &&
            held.st_dev == named.st_dev && held.st_ino == named.st_ino) {
            const std::string process = std::to_string(::getpid());
            if (::ftruncate(file, 0) != 0 ||
                ::pwrite(file, process.data(), process.size(), 0) < 0) { /* only for the message */
            }
            file_ = file;
            name_ = name;
            if (name.size() < sizeof lock_name) std::strcpy(lock_name, name.c_str());
            return;
        }
        ::close(file);
    }
}

OutputLock::~OutputLock() {
    if (file_ < 0) return;
    *lock_name = '\0';
    ::unlink(name_.c_str());
    ::close(file_);
}

void remove_output_lock() noexcept {
    if (*lock_name) ::unlink(lock_name);
}

void make_folder(const std::string& path) {
    std::error_code error;
    if (fs::is_directory(path, error)) return;
    if (!fs::create_directories(path, error) && error) fail(path, error.value());
    const fs::path above = fs::absolute(fs::path(path) / "..").lexically_normal();
    sync_to_disk(above.string(), O_RDONLY | O_DIRECTORY, path);
}

}  // namespace nmrsim
