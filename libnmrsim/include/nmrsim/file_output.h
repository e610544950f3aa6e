/// Files that appear under their name only when whole.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace nmrsim {

/// Calls `write(temporary)` with a path beside `path`, then syncs the file, renames it to `path`
/// and syncs the folder. If anything throws, the temporary is removed and `path` is as before. What
/// is replaced keeps its mode, and a link stays one to what is replaced.
///
/// Throws: std::runtime_error that names the path.
void write_whole_file(const std::string& path,
                      const std::function<void(const std::string&)>& write);

/// The same for files that belong together: none is replaced before all are whole. The last of
/// several is away while they are replaced, so that where it is there, all are of one set.
void write_whole_files(const std::vector<std::string>& paths,
                       const std::function<void(const std::vector<std::string>&)>& write);

/// The same for a text at hand, which may also go to an open file or pipe: /dev/stdout, /dev/fd/63.
void write_whole_file(const std::string& path, std::string_view text);

/// Removes what processes that were killed while they wrote `path` have left beside it: files that
/// write_whole_file() names, of processes that do not run on this machine.
void remove_unfinished(const std::string& path);

/// Whether both names lead to one file or folder, or would where there is nothing yet.
bool same_file(const std::string& a, const std::string& b);

/// Keeps other runs from writing the same file or folder, from before the work to its end: a locked
/// file ".NAME.lock" beside it, which goes away with this. Where the file system has no locks, and
/// for devices, pipes and standard output ("" and "-"), it does nothing.
class OutputLock {
public:
    /// Throws: std::runtime_error at once where another run has it, and where its folder cannot be
    /// written.
    explicit OutputLock(const std::string& path);
    ~OutputLock();
    OutputLock(const OutputLock&) = delete;
    OutputLock& operator=(const OutputLock&) = delete;

private:
    int file_ = -1;
    std::string name_;
};

/// Removes the name of the lock that was made last, where a signal's handler ends the process.
void remove_output_lock() noexcept;

/// Makes a folder where there is none, those above it too, and syncs its name.
/// Throws: std::runtime_error that names it.
void make_folder(const std::string& path);

}  // namespace nmrsim
