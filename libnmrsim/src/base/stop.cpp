#include "nmrsim/stop.h"

#include <atomic>

namespace nmrsim {
namespace {

std::atomic<bool> requested = false;
static_assert(std::atomic<bool>::is_always_lock_free);  // as a signal's handler needs

}  // namespace

void request_stop() noexcept {
    requested.store(true, std::memory_order_relaxed);
}

void clear_stop() noexcept {
    requested.store(false, std::memory_order_relaxed);
}

bool stop_requested() noexcept {
    return requested.load(std::memory_order_relaxed);
}

void throw_if_stopped() {
    if (stop_requested()) throw Stopped();
}

}  // namespace nmrsim
