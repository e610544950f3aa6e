/// A program as several processes under mpirun; as one, at no cost, otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace nmrapps {

/// The processes of one run. Made first thing in main(), by one thread, which alone calls it.
///
/// Under mpirun or srun this is MPI. Otherwise, or built without MPI, there is one rank and every
/// member does what that means for one.
class Ranks {
public:
    Ranks();
    ~Ranks();

    int rank() const { return rank_; }  ///< from 0
    int size() const { return size_; }
    bool first() const { return rank_ == 0; }

    /// This rank's fair share of the cores it may run on, where others may run on them too.
    int threads() const;

    /// Waits for all ranks.
    void barrier();

    /// Adds to a counter that all share, 0 at first. Returns: what it was before.
    std::uint64_t count_on(std::uint64_t by = 1);

    /// Lets the others reach the counter while this rank works; to be called a few times a second.
    void poll();

    /// The largest of the ranks' values, on each.
    int largest(int value);

    /// The ranks' sums, element by element, the same bits on each. Every rank passes as many.
    void sum(std::span<float> values);

    /// The texts of all ranks in their order, on each.
    std::vector<std::string> gather(const std::string& text);

    /// Ends the run with an exit status: with one that tells of an error, all ranks' at once, for
    /// the others would wait for this one for ever. Returns: the status.
    int leave(int status);

private:
    struct Shared;
    int rank_ = 0;
    int size_ = 1;
    std::uint64_t counter_ = 0;  ///< where there is one rank
    std::unique_ptr<Shared> shared_;
};

}  // namespace nmrapps
