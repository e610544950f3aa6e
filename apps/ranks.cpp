#include "ranks.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#ifdef NMRSIM_HAS_MPI
#include <mpi.h>
#include <sched.h>

#include <chrono>
#include <cmath>
#include <thread>
// OpenMPI's handles are casts of C.
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif

#include "nmrsim/threads.h"

namespace nmrapps {
namespace {

/// Whether a launcher of parallel programs started this process. Names: OpenMPI's, MPICH's and
/// Intel's, and srun's by PMIx.
bool launched() {
    const auto known = [](const char* name) { return std::getenv(name) != nullptr; };
    return known("OMPI_COMM_WORLD_SIZE") || known("PMI_SIZE") || known("PMIX_RANK");
}

/// Above an exit status that says what went wrong there are those of signals, which all ranks
/// receive and agree on.
constexpr int kFirstSignalStatus = 128;

}  // namespace

#ifdef NMRSIM_HAS_MPI

struct Ranks::Shared {
    MPI_Win window = MPI_WIN_NULL;
    std::uint64_t* counter = nullptr;  ///< rank 0's
    bool window_open = false;
};

Ranks::Ranks() {
    if (!launched()) return;
    // Other threads compute; this one alone speaks with the other ranks.
    int provided = MPI_THREAD_SINGLE;
    if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) return;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    shared_ = std::make_unique<Shared>();
}

Ranks::~Ranks() {
    if (shared_) leave(0);
}

int Ranks::threads() const {
    if (size_ == 1) return nmrsim::default_threads();
    if (const auto told = nmrsim::threads_of_environment()) return *told;
    // Launchers pin ranks to cores, to sockets or not at all: a core is shared by as many ranks of
    // its node as may run on it.
    cpu_set_t mine;
    CPU_ZERO(&mine);
    if (sched_getaffinity(0, sizeof mine, &mine) != 0) return 1;
    std::vector<int> users(CPU_SETSIZE, 0);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        users[static_cast<std::size_t>(cpu)] = CPU_ISSET(static_cast<std::size_t>(cpu), &mine);
    }
    MPI_Comm node;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node);
    MPI_Allreduce(MPI_IN_PLACE, users.data(), CPU_SETSIZE, MPI_INT, MPI_SUM, node);
    int ranks_here = 1;
    MPI_Comm_size(node, &ranks_here);
    MPI_Comm_free(&node);
    double share = 0.0;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        const auto at = static_cast<std::size_t>(cpu);
        if (CPU_ISSET(at, &mine)) share += 1.0 / users[at];
    }
    const int cores = nmrsim::available_cores();
    if (cores < CPU_COUNT(&mine)) share = std::min(share, 1.0 * cores / ranks_here);  // a quota
    return std::max(1, static_cast<int>(std::floor(share + 1e-9)));
}

void Ranks::barrier() {
    if (size_ > 1) MPI_Barrier(MPI_COMM_WORLD);
}

std::uint64_t Ranks::count_on(std::uint64_t by) {
    if (size_ == 1) {
        counter_ += by;
        return counter_ - by;
    }
    Shared& shared = *shared_;
    if (!shared.window_open) {  // by all ranks alike, at their first count
        const MPI_Aint bytes = rank_ == 0 ? static_cast<MPI_Aint>(sizeof(std::uint64_t)) : 0;
        MPI_Win_allocate(bytes, sizeof(std::uint64_t), MPI_INFO_NULL, MPI_COMM_WORLD,
                         static_cast<void*>(&shared.counter), &shared.window);
        if (rank_ == 0) *shared.counter = 0;
        MPI_Barrier(MPI_COMM_WORLD);
        MPI_Win_lock_all(0, shared.window);
        shared.window_open = true;
    }
    std::uint64_t before = 0;
    MPI_Fetch_and_op(&by, &before, MPI_UINT64_T, 0, 0, MPI_SUM, shared.window);
    MPI_Win_flush(0, shared.window);
    return before;
}

void Ranks::poll() {
    if (size_ == 1) return;
    int there = 0;
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &there, MPI_STATUS_IGNORE);
}

int Ranks::largest(int value) {
    if (size_ > 1) MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    return value;
}

void Ranks::sum(std::span<float> values) {
    if (size_ == 1) return;
    // Counts of MPI are ints.
    constexpr std::size_t kMost = std::size_t{1} << 28;
    for (std::size_t first = 0; first < values.size(); first += kMost) {
        const std::span<float> part = values.subspan(first, std::min(kMost, values.size() - first));
        MPI_Allreduce(MPI_IN_PLACE, part.data(), static_cast<int>(part.size()), MPI_FLOAT, MPI_SUM,
                      MPI_COMM_WORLD);
    }
}

std::vector<std::string> Ranks::gather(const std::string& text) {
    if (size_ == 1) return {text};
    const auto ranks = static_cast<std::size_t>(size_);
    std::vector<int> lengths(ranks), starts(ranks, 0);
    int length = static_cast<int>(text.size());
    MPI_Allgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, MPI_COMM_WORLD);
    for (std::size_t r = 1; r < ranks; ++r) starts[r] = starts[r - 1] + lengths[r - 1];
    std::string all(static_cast<std::size_t>(starts.back() + lengths.back()), '\0');
    MPI_Allgatherv(text.data(), length, MPI_CHAR, all.data(), lengths.data(), starts.data(),
                   MPI_CHAR, MPI_COMM_WORLD);
    std::vector<std::string> texts;
    for (std::size_t r = 0; r < ranks; ++r) {
        texts.push_back(
            all.substr(static_cast<std::size_t>(starts[r]), static_cast<std::size_t>(lengths[r])));
    }
    return texts;
}

int Ranks::leave(int status) {
    if (!shared_) return status;
    if (size_ > 1 && status != 0 && status < kFirstSignalStatus) {
        std::fflush(nullptr);
        // What all ranks refuse alike the first one has yet to say.
        if (!first()) std::this_thread::sleep_for(std::chrono::seconds(1));
        MPI_Abort(MPI_COMM_WORLD, status);
    }
    if (shared_->window_open) {
        MPI_Win_unlock_all(shared_->window);
        MPI_Win_free(&shared_->window);
    }
    shared_.reset();
    MPI_Finalize();
    return status;
}

#else  // one rank

struct Ranks::Shared {};

Ranks::Ranks() {
    const char* ranks = std::getenv("OMPI_COMM_WORLD_SIZE");
    if (!ranks) ranks = std::getenv("PMI_SIZE");
    if (launched() && ranks && std::atoi(ranks) > 1) {
        // Each would take itself for the whole run and write the same files.
        std::fprintf(stderr, "built without MPI (NMRSIM_USE_MPI): cannot run as %s processes\n",
                     ranks);
        std::exit(1);
    }
}

Ranks::~Ranks() = default;
int Ranks::threads() const {
    return nmrsim::default_threads();
}
void Ranks::barrier() {}
void Ranks::poll() {}
void Ranks::sum(std::span<float>) {}
int Ranks::largest(int value) {
    return value;
}
int Ranks::leave(int status) {
    return status;
}
std::vector<std::string> Ranks::gather(const std::string& text) {
    return {text};
}
std::uint64_t Ranks::count_on(std::uint64_t by) {
    counter_ += by;
    return counter_ - by;
}

#endif

}  // namespace nmrapps
