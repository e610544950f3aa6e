#include "interrupt.h"

#include <signal.h>

#include <atomic>
#include <condition_variable>
#include <iterator>
#include <mutex>

namespace py = pybind11;

namespace nmrpython {
namespace {

/// The calls that run, and what the signals did before the first of them.
struct Watched {
    std::mutex mutex;
    std::condition_variable none;
    int calls = 0;
};

Watched& watched() {
    static auto* all = new Watched;  // for ever: calls may outlive the end of the program
    return *all;
}

/// Calls of this thread, one within another.
thread_local int depth = 0;

constexpr int kSignals[] = {SIGINT, SIGTERM};
struct sigaction before[std::size(kSignals)];
std::atomic<bool> running = false;  // what the handler may look at

void handle(int number, siginfo_t* info, void* context) {
    if (running) nmrsim::request_stop();
    const struct sigaction& old = before[number == SIGINT ? 0 : 1];
    if (old.sa_flags & SA_SIGINFO) {
        old.sa_sigaction(number, info, context);
    } else {
        old.sa_handler(number);
    }
}

bool is_ours(const struct sigaction& action) {
    return (action.sa_flags & SA_SIGINFO) && action.sa_sigaction == handle;
}

/// Where a signal ends the process, or nothing, it goes on doing so.
bool has_handler(const struct sigaction& action) {
    return (action.sa_flags & SA_SIGINFO) ||
           (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
}

void install() {
    for (std::size_t i = 0; i < std::size(kSignals); ++i) {
        struct sigaction now = {};
        if (sigaction(kSignals[i], nullptr, &now) != 0 || is_ours(now) || !has_handler(now)) {
            continue;
        }
        before[i] = now;
        struct sigaction ours = now;
        ours.sa_sigaction = handle;
        ours.sa_flags |= SA_SIGINFO;
        sigaction(kSignals[i], &ours, nullptr);
    }
}

void restore() {
    for (std::size_t i = 0; i < std::size(kSignals); ++i) {
        struct sigaction now = {};
        // Another one, put there since, stays.
        if (sigaction(kSignals[i], nullptr, &now) == 0 && is_ours(now)) {
            sigaction(kSignals[i], &before[i], nullptr);
        }
    }
}

}  // namespace

SignalWatch::SignalWatch() {
    Watched& all = watched();
    std::unique_lock lock(all.mutex, std::defer_lock);
    {
        const py::gil_scoped_release release;  // those that end may want it
        lock.lock();
        // A call that begins is not what the signal was for.
        if (depth == 0) {
            all.none.wait(lock, [&] { return all.calls == 0 || !nmrsim::stop_requested(); });
        }
        if (all.calls++ == 0) {
            nmrsim::clear_stop();
            running = true;
            install();
        }
        ++depth;
        lock.unlock();
    }
}

SignalWatch::~SignalWatch() {
    Watched& all = watched();
    const std::lock_guard lock(all.mutex);
    --depth;
    if (--all.calls > 0) return;
    running = false;
    restore();
    nmrsim::clear_stop();
    all.none.notify_all();
}

void raise_of_signal() {
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    const py::module_ threading = py::module_::import("threading");
    if (threading.attr("current_thread")().is(threading.attr("main_thread")())) return;
    const py::module_ signals = py::module_::import("signal");
    const py::object handler = signals.attr("getsignal")(signals.attr("SIGINT"));
    if (!handler.is(signals.attr("default_int_handler"))) return;
    PyErr_SetNone(PyExc_KeyboardInterrupt);
    throw py::error_already_set();
}

}  // namespace nmrpython
