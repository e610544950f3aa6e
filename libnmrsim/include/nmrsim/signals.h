/// SIGINT and SIGTERM for a whole program: calculations end, and with them the
/// program.
#pragma once

#include <string>

namespace nmrsim {

/// Catches both. The first asks every calculation to end (nmrsim/stop.h) and,
/// where the program does not within 0.7 s, ends it with the exit status 128 +
/// its number; a second one ends it at once. SIGXFSZ is left out: a limit on
/// file sizes is a full disk, an error of write().
///
/// Args: program: for what is said on standard error then; empty: nothing is
/// said.
void catch_signals(const std::string& program);

/// The signal that has come, 0 where none has.
int received_signal() noexcept;

/// Takes a signal that another process of the run received as this one's own.
void share_signal(int number);

/// From here on the program saves its work after a signal, however long that
/// takes.
void keep_work_after_signals();

/// The work has ended: nothing more ends the program.
void signals_are_handled();

}  // namespace nmrsim
