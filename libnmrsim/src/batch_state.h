/// The state that the threads of a batch share.
#pragma once

#include <omp.h>

#include <atomic>
#include <cstddef>
#include <exception>

#include "nmrsim/simulate.h"

namespace nmrsim {

/// Counts curves, tells `progress` from the first thread, and keeps the first exception.
class BatchState {
public:
    explicit BatchState(const BatchProgress& progress) : progress_(progress) {}

    bool stopped() const { return stop_.load(std::memory_order_relaxed); }

    /// Runs `work` unless the batch was stopped, then adds `curves` to those done.
    template <typename Work>
    void run(std::size_t curves, const Work& work) {
        if (stopped()) return;
        try {
            work();
            const std::size_t done = done_.fetch_add(curves) + curves;
            if (progress_ && omp_get_thread_num() == 0 && !progress_(done)) stop_ = true;
        } catch (...) {
            stop_ = true;
#pragma omp critical(nmrsim_batch_error)
            if (!error_) error_ = std::current_exception();
        }
    }

    std::size_t finish() const {
        if (error_) std::rethrow_exception(error_);
        return done_;
    }

private:
    const BatchProgress& progress_;
    std::atomic<std::size_t> done_ = 0;
    std::atomic<bool> stop_ = false;
    std::exception_ptr error_;
};

}  // namespace nmrsim
