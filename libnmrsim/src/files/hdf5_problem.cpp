#include "files/hdf5_problem.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

namespace nmrsim {
namespace {

/// Error of the lock that a reader takes; 0 where it gets it. As HDF5 does, which opens no file
/// that it cannot lock.
int lock_error(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return errno;
    const int error = ::flock(file, LOCK_SH | LOCK_NB) == 0 ? 0 : errno;
    ::close(file);
    return error;
}

/// Whether a superblock of version 3 says that someone has it open for writing (HDF5 File Format
/// Specification 3.0, II.A: file consistency flags).
bool is_marked_as_open(const std::string& path) {
    std::array<char, 12> head{};
    std::ifstream file(path, std::ios::binary);
    if (!file.read(head.data(), head.size())) return false;
    const std::string_view signature("\x89HDF\r\n\x1a\n", 8);
    return std::string_view(head.data(), 8) == signature && head[8] == 3 && (head[11] & 5) != 0;
}

}  // namespace

std::string why_not_opened(const std::string& path) {
    const int error = lock_error(path);
    if (error == EWOULDBLOCK) {
        return "locked: another program has it open for writing; close it there (or, where nothing "
               "writes to it, set HDF5_USE_FILE_LOCKING=FALSE)";
    }
    if (error == EACCES || error == EPERM) return "cannot be read: " + std::string(strerror(error));
    if (error != 0) {
        return fmt::format("its file system cannot lock it ({}): set HDF5_USE_FILE_LOCKING=FALSE",
                           std::strerror(error));
    }
    if (is_marked_as_open(path)) {
        return "another program has it open for writing, or died while it had; close it there, or "
               "clear the mark: h5clear -s FILE";
    }
    return "truncated or damaged HDF5 file";
}

}  // namespace nmrsim
