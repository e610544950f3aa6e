#include "nmrsim/signals.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "nmrsim/file_output.h"
#include "nmrsim/stop.h"

namespace nmrsim {
namespace {

constexpr suseconds_t kPatienceUs = 700'000;  ///< for the work to end after a signal

volatile sig_atomic_t signal_number = 0;
volatile sig_atomic_t keeps_work = 0;
/// The program's name, for where nothing else may be called; empty where it
/// does not speak.
char name_in_handlers[64] = "";

void set_alarm(suseconds_t after_us) {
    itimerval timer = {};
    timer.it_value.tv_usec = after_us;
    setitimer(ITIMER_REAL, &timer, nullptr);
}

/// Asks the work to end; what waits for something else, a pipe or a disk, has a
/// while.
void receive(int number) {
    signal_number = number;
    request_stop();
    if (!keeps_work) set_alarm(kPatienceUs);
}

/// The work has not ended.
void end_at_once(int) {
    const auto say = [](const char* text) {
        [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, std::strlen(text));
    };
    if (*name_in_handlers) {
        say(name_in_handlers);
        say(signal_number == SIGINT ? ": interrupted by SIGINT; nothing more is written\n"
                                    : ": interrupted by SIGTERM; nothing more is written\n");
    }
    remove_output_lock();
    _exit(128 + signal_number);
}

}  // namespace

void catch_signals(const std::string& program) {
    std::snprintf(name_in_handlers, sizeof name_in_handlers, "%s", program.c_str());
    struct sigaction action = {};
    action.sa_handler = receive;
    action.sa_flags = SA_RESTART | SA_RESETHAND;  // a second signal ends the program
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    signal(SIGALRM, end_at_once);
    signal(SIGXFSZ,
           SIG_IGN);  // a limit on file sizes is a full disk: an error of write()
}

int received_signal() noexcept {
    return signal_number;
}

void share_signal(int number) {
    if (number == 0) return;
    signal_number = number;
    request_stop();
}

void keep_work_after_signals() {
    keeps_work = 1;
    set_alarm(0);
}

void signals_are_handled() {
    set_alarm(0);
}

}  // namespace nmrsim
