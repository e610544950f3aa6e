/// How many threads a calculation takes where nobody says.
#pragma once

#include <optional>

namespace nmrsim {

/// What the environment asks for: OMP_NUM_THREADS, or else what Slurm gave (SLURM_CPUS_PER_TASK, at
/// most the cores that this process may run on).
std::optional<int> threads_of_environment();

/// Cores that this process may keep busy: those of its affinity, at most the quota of its cgroups,
/// rounded up; at least 1.
int available_cores();

/// Threads of a calculation that is told 0: the environment's, or else the available cores.
int default_threads();

/// Threads of a calculation that is told `threads`, 0 for default_threads().
///
/// One in a child that was forked from a process with threads: those that OpenMP keeps are not
/// there, and a team with them would wait for ever. Whatever begins a team asks here.
int team_size(int threads);

/// Whether this process was forked, without exec(), from one with several threads.
bool forked_from_threads();

}  // namespace nmrsim
