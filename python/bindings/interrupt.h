/// Calls without the GIL that Ctrl-C ends.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>
#include <type_traits>
#include <utility>

#include "nmrsim/stop.h"

namespace nmrpython {

/// While one lives, SIGINT and SIGTERM, where Python handles them, ask the calculations of this
/// process to end (nmrsim/stop.h), and then do what they did before. Made and ended with the GIL.
class SignalWatch {
public:
    SignalWatch();
    ~SignalWatch();
    SignalWatch(const SignalWatch&) = delete;
    SignalWatch& operator=(const SignalWatch&) = delete;

    /// Whether calculations have been asked to end.
    static bool asked() { return nmrsim::stop_requested(); }
};

/// After a calculation that was asked to end, with the GIL and no watch: raises what Python's
/// handler of the signal raises, KeyboardInterrupt. In another thread than the main one, whose turn
/// it is to handle signals, KeyboardInterrupt where Ctrl-C has its usual meaning. Returns where the
/// handler raises nothing: the calculation is to go on, from its beginning.
void raise_of_signal();

/// What `work` returns, called without the GIL.
///
/// A signal ends it within a second, also within one curve, in whatever thread it runs.
template <typename Work>
auto without_gil(const Work& work) -> decltype(work()) {
    using Result = decltype(work());
    using Held = std::conditional_t<std::is_void_v<Result>, bool, std::optional<Result>>;
    for (;;) {
        Held held{};
        bool whole = false;
        {
            const SignalWatch watch;
            try {
                const pybind11::gil_scoped_release release;
                if constexpr (std::is_void_v<Result>) {
                    work();
                } else {
                    held.emplace(work());
                }
                whole = !SignalWatch::asked();
            } catch (const nmrsim::Stopped&) {
            }
        }
        // What a progress function found, or what a signal's handler raised meanwhile.
        if (PyErr_Occurred()) throw pybind11::error_already_set();
        if (whole) {
            if constexpr (std::is_void_v<Result>) {
                return;
            } else {
                return std::move(*held);
            }
        }
        raise_of_signal();
    }
}

}  // namespace nmrpython
