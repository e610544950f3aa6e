/// Ending long calculations early, from a signal's handler or another thread.
///
/// Every simulation, batch, fit and training asks now and then whether it is to end, also within
/// one curve, and then throws Stopped within a second. One flag serves the process: it may be set
/// where little else is allowed, in a signal's handler.
#pragma once

#include <cstddef>
#include <functional>
#include <stdexcept>

namespace nmrsim {

/// A calculation ended early because it was asked to; it leaves no result.
struct Stopped : std::runtime_error {
    Stopped() : std::runtime_error("stopped") {}
};

/// Called now and then from a batch with the number of curves done; false stops the batch.
using BatchProgress = std::function<bool(std::size_t done)>;

/// Asks every calculation of this process to end. Safe in a signal's handler.
void request_stop() noexcept;

/// Takes the request back, before the next calculation begins.
void clear_stop() noexcept;

/// Whether calculations are asked to end.
bool stop_requested() noexcept;

/// Throws Stopped where calculations are asked to end; costs a load.
void throw_if_stopped();

}  // namespace nmrsim
