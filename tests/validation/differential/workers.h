/// Draws in processes of their own, so that one that crashes or never ends is one line in a table.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "judge.h"

namespace differential {

struct Work {
    std::uint64_t seed = 1;
    std::uint64_t first = 0;
    std::uint64_t draws = 300;
    std::string only;       ///< one kind; empty: all
    int jobs = 1;           ///< processes at once
    double limit_s = 20.0;  ///< of one core, for the library's calls of a draw
};

/// Calls `use` for each draw as it ends, in no order.
///
/// A process takes some draws one after the other. When the library has taken its time it is asked
/// to stop, by a signal's handler; when it goes on, or a process dies, the next process takes the
/// draws that are left.
void run_draws(const Work& work, const std::function<void(const Outcome&)>& use);

}  // namespace differential
