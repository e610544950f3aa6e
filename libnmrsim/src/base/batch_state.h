/// The state that the threads of a batch share.
#pragma once

#include <omp.h>

#include <atomic>
#include <cstddef>
#include <exception>

#include "nmrsim/stop.h"

namespace nmrsim {

/// Counts curves, tells `progress` from the first thread, and keeps the first exception.
///
/// Asked to stop (nmrsim/stop.h), a batch with a `progress` ends as if that had said so, with the
/// curves that are done; one without throws Stopped.
class BatchState {
public:
    explicit BatchState(const BatchProgress& progress) : progress_(progress) {}

    bool stopped() const { return stop_.load(std::memory_order_relaxed); }

    /// Runs `work` unless the batch was stopped, then adds `curves` to those done.
    template <typename Work>
    void run(std::size_t curves, const Work& work) {
        if (stopped()) return;
        try {
            throw_if_stopped();
            work();
            const std::size_t done = done_.fetch_add(curves) + curves;
            if (progress_ && omp_get_thread_num() == 0 && !progress_(done)) stop_ = true;
        } catch (const Stopped&) {
            stop_ = asked_ = true;
        } catch (...) {
            stop_ = true;
#pragma omp critical(nmrsim_batch_error)
            if (!error_) error_ = std::current_exception();
        }
    }

    std::size_t finish() const {
        if (error_) std::rethrow_exception(error_);
        if (asked_ && !progress_) throw Stopped();
        return done_;
    }

private:
    const BatchProgress& progress_;
    std::atomic<std::size_t> done_ = 0;
    std::atomic<bool> stop_ = false;
    std::atomic<bool> asked_ = false;  ///< by request_stop()
    std::exception_ptr error_;
};

}  // namespace nmrsim
