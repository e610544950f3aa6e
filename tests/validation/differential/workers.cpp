#include "workers.h"

#include <poll.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <stdexcept>
#include <vector>

#include "nmrsim/stop.h"

namespace differential {
namespace {

/// Draws that a process takes: many enough that what one draw leaves behind meets the next.
constexpr std::size_t kChunk = 10;
/// After it was asked to stop, until the process ends itself, as a share of what it had.
constexpr double kGrace = 0.2;
constexpr int kExitHung = 3;

volatile std::sig_atomic_t requests = 0;

void on_time_up(int) {
    const int before = requests;
    requests = before + 1;
    if (before == 0) {
        nmrsim::request_stop();
    } else {
        _exit(kExitHung);
    }
}

void set_timer(double first_s) {
    const auto as_time = [](double s) {
        const auto whole = static_cast<time_t>(s);
        return timeval{whole, static_cast<suseconds_t>(1e6 * (s - static_cast<double>(whole)))};
    };
    const itimerval timer = {as_time(kGrace * first_s), as_time(first_s)};
    setitimer(ITIMER_PROF, &timer, nullptr);
}

void send(int to, const std::string& line) {
    const std::string whole = line + '\n';
    for (std::size_t done = 0; done < whole.size();) {
        const ssize_t n = write(to, whole.data() + done, whole.size() - done);
        if (n <= 0) _exit(4);
        done += static_cast<std::size_t>(n);
    }
}

[[noreturn]] void work_on(const Work& work, const std::vector<std::uint64_t>& draws, int to) {
    std::signal(SIGPROF, on_time_up);
    for (const std::uint64_t index : draws) {
        const Draw draw = draw_experiment(work.seed, index);
        double left_s = work.limit_s;
        const auto in_library = [&](bool inside) {
            if (inside) {
                requests = 0;
                set_timer(left_s);
            } else {
                itimerval left{};
                getitimer(ITIMER_PROF, &left);
                left_s = std::max(1.0, static_cast<double>(left.it_value.tv_sec) +
                                           1e-6 * static_cast<double>(left.it_value.tv_usec));
                set_timer(0.0);
                nmrsim::clear_stop();
            }
        };
        send(to, as_line(judge(draw, in_library)));
    }
    _exit(0);
}

struct Worker {
    pid_t process = -1;
    int from = -1;
    std::vector<std::uint64_t> draws;
    std::size_t at = 0;  ///< of its draws
    std::string text;    ///< received, no whole line yet
};

Worker started(const Work& work, const std::vector<std::uint64_t>& draws) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("cannot make a pipe");
    std::fflush(nullptr);
    Worker worker;
    worker.process = fork();
    if (worker.process < 0) throw std::runtime_error("cannot fork");
    if (worker.process == 0) {
        close(ends[0]);
        work_on(work, draws, ends[1]);
    }
    close(ends[1]);
    worker.from = ends[0];
    worker.draws = draws;
    return worker;
}

/// What is left to say of the draw that a process died at.
Outcome of_dead(const Work& work, std::uint64_t index, int status) {
    const Draw draw = draw_experiment(work.seed, index);
    Outcome outcome;
    outcome.index = index;
    outcome.kind = draw.kind;
    outcome.path = path_of(draw.experiment);
    outcome.tolerance = draw.experiment.accuracy.tolerance;
    if (WIFEXITED(status) && WEXITSTATUS(status) == kExitHung) {
        outcome.end = End::hung;
        outcome.complaints = {"took too long, and did not stop when asked to"};
    } else {
        outcome.end = End::crashed;
        outcome.complaints = {WIFSIGNALED(status)
                                  ? std::string("crashed: ") + strsignal(WTERMSIG(status))
                                  : std::string("ended its process")};
    }
    return outcome;
}

}  // namespace

void run_draws(const Work& work, const std::function<void(const Outcome&)>& use) {
    std::deque<std::vector<std::uint64_t>> waiting;
    for (std::uint64_t index = work.first; index < work.first + work.draws; ++index) {
        const int kind = static_cast<int>(kind_of_draw(work.seed, index));
        if (!work.only.empty() && work.only != kKindNames[kind]) continue;
        if (waiting.empty() || waiting.back().size() == kChunk) waiting.emplace_back();
        waiting.back().push_back(index);
    }
    std::vector<Worker> workers;
    while (!waiting.empty() || !workers.empty()) {
        while (!waiting.empty() && workers.size() < static_cast<std::size_t>(work.jobs)) {
            workers.push_back(started(work, waiting.front()));
            waiting.pop_front();
        }
        std::vector<pollfd> ready;
        for (const Worker& worker : workers) ready.push_back({worker.from, POLLIN, 0});
        if (poll(ready.data(), ready.size(), -1) < 0) continue;
        for (std::size_t w = workers.size(); w-- > 0;) {
            if (ready[w].revents == 0) continue;
            Worker& worker = workers[w];
            char buffer[65536];
            const ssize_t n = read(worker.from, buffer, sizeof buffer);
            if (n > 0) {
                worker.text.append(buffer, static_cast<std::size_t>(n));
                for (std::size_t end; (end = worker.text.find('\n')) != std::string::npos;) {
                    use(from_line(worker.text.substr(0, end)));
                    worker.text.erase(0, end + 1);
                    ++worker.at;
                }
                continue;
            }
            int status = 0;
            waitpid(worker.process, &status, 0);
            close(worker.from);
            if (worker.at < worker.draws.size()) {
                use(of_dead(work, worker.draws[worker.at], status));
                worker.draws.erase(
                    worker.draws.begin(),
                    worker.draws.begin() + static_cast<std::ptrdiff_t>(worker.at + 1));
                if (!worker.draws.empty()) waiting.push_front(worker.draws);
            }
            workers.erase(workers.begin() + static_cast<std::ptrdiff_t>(w));
        }
    }
}

}  // namespace differential
