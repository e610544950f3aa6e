/// Files that appear under their name only when whole.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace nmrsim {

/// Calls `write(temporary)` with a path beside `path`, then syncs the file, renames it to `path`
/// and syncs the folder. If anything throws, the temporary is removed and `path` is as before.
///
/// Throws: std::runtime_error that names the path.
void write_whole_file(const std::string& path,
                      const std::function<void(const std::string&)>& write);

/// The same for a text at hand.
void write_whole_file(const std::string& path, std::string_view text);

/// Removes what processes that were killed while they wrote `path` have left beside it: files that
/// write_whole_file() names, of processes that do not run on this machine.
void remove_unfinished(const std::string& path);

/// Makes a folder where there is none, those above it too, and syncs its name.
/// Throws: std::runtime_error that names it.
void make_folder(const std::string& path);

}  // namespace nmrsim
