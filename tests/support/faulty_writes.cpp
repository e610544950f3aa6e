// Preloaded before a program, a disk that misbehaves. FAULTY_WRITES=short: each write to a file
// takes only a part of what it is given. FAULTY_WRITES=full:N: there is room for N more bytes, in
// all.
#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace {

enum class Fault { none, cut, full };

struct Disk {
    Fault fault = Fault::none;
    std::atomic<long> room{0};

    Disk() {
        const char* asked = std::getenv("FAULTY_WRITES");
        if (asked == nullptr) return;
        if (std::strcmp(asked, "short") == 0) fault = Fault::cut;
        if (std::strncmp(asked, "full:", 5) == 0) {
            fault = Fault::full;
            room = std::atol(asked + 5);
        }
    }

    /// How much of `size` bytes it takes; -1: none, the disk is full.
    long takes(int file, std::size_t size) {
        struct stat status {};
        const bool on_disk = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
        const long asked = static_cast<long>(size);
        if (fault == Fault::none || !on_disk || asked == 0) return asked;
        if (fault == Fault::cut) return asked == 1 ? 1 : asked / 3 + 1;
        const long left = room.fetch_sub(asked);
        if (left <= 0) return -1;
        return left < asked ? left : asked;
    }
};

Disk& disk() {
    static Disk one;
    return one;
}

template <typename Function>
Function* next(const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

template <typename Write>
ssize_t write_some(int file, std::size_t size, const Write& write) {
    const long taken = disk().takes(file, size);
    if (taken < 0) {
        errno = ENOSPC;
        return -1;
    }
    return write(static_cast<std::size_t>(taken));
}

}  // namespace

extern "C" {

ssize_t write(int file, const void* bytes, std::size_t size) {
    static auto* real = next<ssize_t(int, const void*, std::size_t)>("write");
    return write_some(file, size, [&](std::size_t n) { return real(file, bytes, n); });
}

ssize_t pwrite(int file, const void* bytes, std::size_t size, off_t at) {
    static auto* real = next<ssize_t(int, const void*, std::size_t, off_t)>("pwrite");
    return write_some(file, size, [&](std::size_t n) { return real(file, bytes, n, at); });
}

ssize_t pwrite64(int file, const void* bytes, std::size_t size, off64_t at) {
    static auto* real = next<ssize_t(int, const void*, std::size_t, off64_t)>("pwrite64");
    return write_some(file, size, [&](std::size_t n) { return real(file, bytes, n, at); });
}

// Its pieces one by one: the first of them, cut.
ssize_t writev(int file, const iovec* pieces, int count) {
    ssize_t written = 0;
    for (int i = 0; i < count; ++i) {
        const ssize_t now = ::write(file, pieces[i].iov_base, pieces[i].iov_len);
        if (now < 0) return written > 0 ? written : now;
        written += now;
        if (static_cast<std::size_t>(now) < pieces[i].iov_len) break;
    }
    return written;
}
}
