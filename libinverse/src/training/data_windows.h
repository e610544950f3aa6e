/// A data set that is larger than memory, in parts that are not.
#pragma once

#include <cstdint>
#include <future>

#include "nmrinverse/trainer.h"
#include "nmrsim/dataset_reader.h"
#include "training/training_data.h"

namespace nmrinverse {

/// Passes over a data set in windows: each is made of short runs of curves from all over the set,
/// drawn anew for each pass, and each curve is in one window of a pass (but for those left over
/// where the runs do not divide the set). Window w depends on the data, the options and w alone.
/// The next one is read in the background, so that two are in memory.
class DataWindows {
public:
    /// Args: data: must outlive this, and nobody else may read it meanwhile. options: seed,
    /// held_out, memory_mb. peers: each reads its part of a window.
    DataWindows(const nmrsim::DatasetReader& data, const Reduction& reduction,
                const TrainingOptions& options, const TrainingPeers& peers);
    ~DataWindows();
    DataWindows(const DataWindows&) = delete;
    DataWindows& operator=(const DataWindows&) = delete;

    /// Curves that no window holds, spread evenly over the set.
    TrainingCurves held_out() const;

    std::int64_t per_pass() const { return windows_; }
    std::int64_t curves_per_pass() const { return runs_ * run_; }

    /// Where this process's part lies in a window.
    struct Place {
        std::int64_t begin = 0;
        std::int64_t count = 0;  ///< of the whole window's curves
    };
    Place place(std::int64_t index) const;

    /// Starts to read this process's part of a window.
    void start(std::int64_t index);
    /// The part that was started; waits for it.
    TrainingCurves take() { return next_.get(); }

private:
    TrainingCurves read(std::int64_t index) const;
    /// Curves first ... first + count - 1 of those that are not held out.
    void read_run(std::int64_t first, std::int64_t count, TrainingCurves& to,
                  std::int64_t at) const;

    const nmrsim::DatasetReader& data_;
    Reduction reduction_;
    std::uint64_t seed_;
    int threads_;
    int rank_;
    int ranks_;
    std::int64_t stratum_ = 0;  ///< curves of a part of the set that gives some to hold out
    std::int64_t strata_ = 0;
    std::int64_t held_ = 0;   ///< the first so many of each stratum are held out
    std::int64_t run_ = 0;    ///< curves of a run
    std::int64_t runs_ = 0;   ///< of a pass
    std::int64_t spare_ = 0;  ///< curves that are in no run of a pass
    std::int64_t windows_ = 0;
    std::future<TrainingCurves> next_;
};

}  // namespace nmrinverse
