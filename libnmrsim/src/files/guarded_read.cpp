#include "files/guarded_read.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <thread>

#include "nmrsim/errors.h"

namespace nmrsim {

namespace {

/// What comes next in the pipe.
enum Kind : char { kData = 'd', kInputError = 'i', kArgumentError = 'a', kError = 'e', kEnd = 'z' };

constexpr std::size_t kFrame = std::size_t{1} << 20;
constexpr std::uint64_t kLongestMessage = 1 << 16;  ///< [bytes]
/// HDF5's own caches and tables beside the answer [bytes].
constexpr std::uint64_t kWorkingMemory = std::uint64_t{64} << 20;
/// A whole file is read in a fraction of this, deflated or not [bytes/s].
constexpr std::uint64_t kSlowestReading = std::uint64_t{4} << 20;
constexpr std::uint64_t kLeastSeconds = 3;
/// Without a byte for so long, the child waits for something that will not come [ms].
constexpr int kPatience = 300'000;

/// What this process maps now [bytes]; 0 where the system does not tell.
std::uint64_t mapped_bytes() {
    unsigned long pages = 0;
    if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
        if (std::fscanf(file, "%lu", &pages) != 1) pages = 0;
        std::fclose(file);
    }
    return std::uint64_t{pages} * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

/// Thrown at the answering end where nobody listens any more.
struct NobodyListens {};

std::atomic<bool> without_children = false;

template <typename Resource>
void limit(Resource resource, std::uint64_t most) {
    struct rlimit now = {};
    if (getrlimit(resource, &now) != 0) return;
    now.rlim_cur = std::min<rlim_t>(now.rlim_max, most);
    setrlimit(resource, &now);
}

/// The child's own world: silent, small, and dead where it fails.
void confine(std::uint64_t allowance, std::uint64_t file_bytes) {
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPIPE, SIGXCPU}) {
        ::signal(signal, SIG_DFL);
    }
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    const int null = open("/dev/null", O_WRONLY);
    if (null >= 0) dup2(null, STDERR_FILENO);
    limit(RLIMIT_CORE, 0);
    const std::uint64_t mapped = mapped_bytes();
    if (mapped > 0) limit(RLIMIT_AS, mapped + allowance + kWorkingMemory);
    limit(RLIMIT_CPU, kLeastSeconds + (file_bytes + allowance) / kSlowestReading);
}

}  // namespace

std::mutex& hdf5_mutex() {
    static std::mutex mutex;
    return mutex;
}

// ---- the child's end ---------------------------------------------------------------------------

void Answer::write_all(const void* bytes, std::size_t count) {
    const char* from = static_cast<const char*>(bytes);
    while (count > 0) {
        const ssize_t written = write(pipe_, from, count);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) throw NobodyListens();
        from += written;
        count -= static_cast<std::size_t>(written);
    }
}

void Answer::frame(char kind, const void* bytes, std::uint64_t count) {
    char head[9] = {kind};
    std::memcpy(head + 1, &count, sizeof count);
    write_all(head, sizeof head);
    write_all(bytes, count);
}

void Answer::number(std::uint64_t value) {
    frame(kData, &value, sizeof value);
}

void Answer::text(std::string_view value) {
    begin_array(value.size());
    part(value.data(), value.size());
}

void Answer::part(const void* bytes, std::size_t count) {
    const char* from = static_cast<const char*>(bytes);
    while (count > 0) {
        const std::size_t some = std::min(count, kFrame);
        frame(kData, from, some);
        from += some;
        count -= some;
    }
}

// ---- the other end -----------------------------------------------------------------------------

void Received::fail(const std::string& what) const {
    throw InputError(fmt::format("{}: {}", path_, what));
}

/// The pipe ended before the answer did.
void Received::died() {
    if (child_ <= 0) fail("damaged: it cannot be read");
    int status = 0;
    while (waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
        fail("damaged: reading it takes longer than a file of its size can");
    }
    fail("damaged: it cannot be read");
}

void Received::read_all(void* to, std::size_t count) {
    char* at = static_cast<char*>(to);
    while (count > 0) {
        struct pollfd ready = {pipe_, POLLIN, 0};
        const int polled = poll(&ready, 1, kPatience);
        if (polled < 0 && errno == EINTR) continue;
        if (polled == 0) {
            if (child_ > 0) kill(child_, SIGKILL);
            fail(fmt::format("gave nothing for {} s while it was read", kPatience / 1000));
        }
        const ssize_t got = read(pipe_, at, count);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) died();
        at += got;
        count -= static_cast<std::size_t>(got);
    }
}

/// Length of the next frame, which is of this kind; an error otherwise.
std::uint64_t Received::frame(char kind) {
    char head[9];
    read_all(head, sizeof head);
    std::uint64_t count = 0;
    std::memcpy(&count, head + 1, sizeof count);
    if (head[0] == kind) return count;
    if (head[0] == kData || head[0] == kEnd || count > kLongestMessage) {
        fail("damaged: it cannot be read");
    }
    std::string message(count, '\0');
    read_all(message.data(), count);
    if (head[0] == kInputError) throw InputError(message);
    if (head[0] == kArgumentError) throw std::invalid_argument(message);
    throw std::runtime_error(message);
}

std::uint64_t Received::number() {
    std::uint64_t value = 0;
    if (frame(kData) != sizeof value) fail("damaged: it cannot be read");
    read_all(&value, sizeof value);
    return value;
}

void Received::take(std::uint64_t bytes) {
    if (bytes > left_) {
        fail(
            fmt::format("{} bytes of contents are more than a file of its size may hold: store "
                        "it without compression",
                        bytes));
    }
    left_ -= bytes;
}

void Received::check_array(std::uint64_t bytes, std::size_t width) {
    if (bytes % width != 0) fail("damaged: it cannot be read");
    take(bytes);
}

void Received::fill(void* to, std::uint64_t bytes) {
    char* at = static_cast<char*>(to);
    while (bytes > 0) {
        const std::uint64_t some = frame(kData);
        if (some == 0 || some > bytes) fail("damaged: it cannot be read");
        read_all(at, some);
        at += some;
        bytes -= some;
    }
}

std::string Received::text() {
    const std::uint64_t bytes = number();
    check_array(bytes, 1);
    std::string value(bytes, '\0');
    fill(value.data(), bytes);
    return value;
}

void Received::finish() {
    frame(kEnd);
}

// ---- both --------------------------------------------------------------------------------------

/// The child and the pipe, gone with it.
class GuardedChild {
public:
    GuardedChild(const std::string& path, std::uint64_t allowance,
                 const std::function<void(Answer&)>& read)
        : path_(path) {
        std::error_code error;
        const std::uint64_t file_bytes = std::filesystem::file_size(path, error);
        int ends[2];
        if (pipe(ends) != 0) refuse("pipe");
        fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        {
            const std::lock_guard<std::mutex> lock(hdf5_mutex());
            child_ = fork();
        }
        if (child_ == 0) {
            close(ends[0]);
            confine(allowance, error ? 0 : file_bytes);
            run(path, ends[1], read);
        }
        close(ends[1]);
        pipe_ = ends[0];
        if (child_ < 0) refuse("process");
    }
    ~GuardedChild() {
        if (pipe_ >= 0) close(pipe_);
        if (child_ <= 0 || reaped_) return;
        if (!whole_) kill(child_, SIGKILL);
        while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    GuardedChild(const GuardedChild&) = delete;
    GuardedChild& operator=(const GuardedChild&) = delete;

    void take(std::uint64_t allowance, const std::function<void(Received&)>& taker) {
        Received received(pipe_, child_, path_, allowance);
        try {
            take_from(received, taker);
            whole_ = true;
        } catch (...) {
            reaped_ = received.reaped_;
            throw;
        }
    }

    /// Writes what `read` answers, or its error, and no more once nobody listens.
    static void answer(const std::string& path, int pipe,
                       const std::function<void(Answer&)>& read) {
        Answer answer(pipe);
        const auto error = [&](char kind, std::string_view message) {
            try {
                answer.frame(kind, message.data(),
                             std::min<std::uint64_t>(message.size(), kLongestMessage));
            } catch (const NobodyListens&) {
            }
        };
        try {
            read(answer);
            answer.frame(kEnd, nullptr, 0);
        } catch (const NobodyListens&) {
        } catch (const InputError& wrong) {
            error(kInputError, wrong.what());
        } catch (const std::invalid_argument& wrong) {
            error(kArgumentError, wrong.what());
        } catch (const std::bad_alloc&) {
            error(kInputError, path + ": reading it takes more memory than a file of its size may");
        } catch (const std::exception& wrong) {
            error(kError, wrong.what());
        }
    }

    /// All that is read comes out of `pipe`.
    static void take_from(Received& received, const std::function<void(Received&)>& taker) {
        taker(received);
        received.finish();
    }

private:
    [[noreturn]] void refuse(const char* what) const {
        throw std::runtime_error(
            fmt::format("{}: no {} to read it in: {}", path_, what, std::strerror(errno)));
    }

    /// What the child does. It leaves without running anything that is for the whole program's end.
    [[noreturn]] static void run(const std::string& path, int pipe,
                                 const std::function<void(Answer&)>& read) {
        answer(path, pipe, read);
        _exit(0);
    }

    std::string path_;
    pid_t child_ = -1;
    int pipe_ = -1;
    bool reaped_ = false;
    bool whole_ = false;
};

namespace {

/// As a child would, in a thread: a long answer is more than a pipe holds.
void read_in_thread(const std::string& path, std::uint64_t allowance,
                    const std::function<void(Answer&)>& read,
                    const std::function<void(Received&)>& take) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error(path + ": no pipe to read it through");
    std::thread reader([&] {
        GuardedChild::answer(path, ends[1], read);
        close(ends[1]);
    });
    const auto leave = [&] {
        close(ends[0]);
        reader.join();
    };
    try {
        Received received(ends[0], 0, path, allowance);
        GuardedChild::take_from(received, take);
    } catch (...) {
        leave();
        throw;
    }
    leave();
}

}  // namespace

void read_without_children() {
    ::signal(SIGPIPE, SIG_IGN);  // an answer to nobody is an error of write()
    without_children = true;
}

void read_in_child(const std::string& path, std::uint64_t allowance,
                   const std::function<void(Answer&)>& read,
                   const std::function<void(Received&)>& take) {
    if (without_children) return read_in_thread(path, allowance, read, take);
    GuardedChild child(path, allowance, read);
    child.take(allowance, take);
}

}  // namespace nmrsim
