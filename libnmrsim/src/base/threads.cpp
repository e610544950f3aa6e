#include "nmrsim/threads.h"

#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "base/cgroup_quota.h"

namespace nmrsim {
namespace {

/// A leading positive number of an environment variable, as in OMP_NUM_THREADS=4,2.
std::optional<int> number_in(const char* variable) {
    constexpr long kMost = 1 << 16;
    const char* text = std::getenv(variable);
    if (text == nullptr) return std::nullopt;
    char* end = nullptr;
    const long value = std::strtol(text, &end, 10);
    if (end == text || value < 1 || value > kMost) return std::nullopt;
    return static_cast<int>(value);
}

double own_quota() {
    std::ifstream file("/proc/self/cgroup");
    const std::string membership{std::istreambuf_iterator<char>(file), {}};
    return cgroup_quota(membership, "/sys/fs/cgroup");
}

// ---- fork() ------------------------------------------------------------------------------------

std::atomic<bool> threads_at_fork = false;  // in the parent, while it forks
std::atomic<bool> forked = false;

/// Threads of this process; 2 where the system does not tell.
int running_threads() {
    int threads = 2;
    if (std::FILE* file = std::fopen("/proc/self/status", "r")) {
        char line[256];
        while (std::fgets(line, sizeof line, file) != nullptr) {
            if (std::sscanf(line, "Threads: %d", &threads) == 1) break;
        }
        std::fclose(file);
    }
    return threads;
}

void before_fork() {
    threads_at_fork = forked || running_threads() > 1;
}

void in_child() {
    if (!threads_at_fork) return;
    forked = true;
    omp_set_num_threads(1);  // teams that are not told, those of other libraries too
}

// From the first, for the threads may be another library's that shares OpenMP's.
[[maybe_unused]] const int watching = pthread_atfork(before_fork, nullptr, in_child);

}  // namespace

std::optional<int> threads_of_environment() {
    if (const auto told = number_in("OMP_NUM_THREADS")) return told;
    if (const auto given = number_in("SLURM_CPUS_PER_TASK")) {
        return std::min(*given, available_cores());
    }
    return std::nullopt;
}

int available_cores() {
    static const double quota = own_quota();
    const int cores = std::max(1, omp_get_num_procs());
    return quota < cores ? std::max(1, static_cast<int>(std::ceil(quota))) : cores;
}

int default_threads() {
    return threads_of_environment().value_or(available_cores());
}

int team_size(int threads) {
    if (forked_from_threads()) return 1;
    return threads > 0 ? threads : default_threads();
}

bool forked_from_threads() {
    return forked.load(std::memory_order_relaxed);
}

}  // namespace nmrsim
