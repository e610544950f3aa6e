#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "command_line.h"

namespace nmrapps {
namespace {

constexpr double kBarPeriodS = 0.2;
constexpr double kLinePeriodS = 10.0;

std::string duration(double seconds) {
    const long whole = std::lround(std::min(seconds, 359999.0));
    if (whole >= 3600) {
        return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
    }
    return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::size_t terminal_columns() {
    winsize size = {};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

double seconds_between(std::chrono::steady_clock::time_point from,
                       std::chrono::steady_clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
}

}  // namespace

Progress::Progress(const CLI::App& app, const CommonOptions& options)
    : program_(app.get_name()), quiet_(options.quiet), terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
    if (printed_ && terminal_) std::fputc('\n', stderr);
}

void Progress::show(double fraction, const std::string& status) {
    if (first_fraction_ < 0.0) {
        first_fraction_ = fraction;
        first_shown_ = Clock::now();
    }
    fraction_ = std::clamp(fraction, 0.0, 1.0);
    status_ = status;
    last_shown_ = false;
    if (quiet_) return;
    const Clock::time_point now = Clock::now();
    if (seconds_between(last_, now) < (terminal_ ? kBarPeriodS : kLinePeriodS)) return;
    print(now);
}

void Progress::show_curves(std::size_t done, std::size_t total) {
    if (quiet_) return;
    if (first_fraction_ < 0.0) {
        first_fraction_ = static_cast<double>(done) / total;
        first_shown_ = Clock::now();
    }
    const double seconds = seconds_between(first_shown_, Clock::now());
    const double rate = (done - first_fraction_ * total) / std::max(seconds, 1e-9);
    show(static_cast<double>(done) / total,
         fmt::format("{}/{} curves, {:.{}f}/s", done, total, rate, rate < 10.0 ? 1 : 0));
}

void Progress::finish() {
    if (quiet_ || status_.empty()) return;
    // A short piece of work says nothing unless someone watches.
    if (terminal_ || (printed_ && !last_shown_)) print(Clock::now());
    if (terminal_) std::fputc('\n', stderr);
    printed_ = false;
}

void Progress::print(Clock::time_point now) {
    last_ = now;
    printed_ = true;
    last_shown_ = true;
    const double elapsed = seconds_between(start_, now);
    const double gained = fraction_ - first_fraction_;
    std::string time = duration(elapsed) + " in all";
    if (fraction_ < 1.0) {
        // Since the first report: what came before it is no part of what was gained.
        const double since = seconds_between(first_shown_, now);
        time = gained > 0.0 ? duration(since * (1.0 - fraction_) / gained) + " left" : "";
    }
    const int percent = static_cast<int>(std::floor(100.0 * fraction_));
    if (!terminal_) {
        fmt::print(stderr, "{}: {}%, {}{}{}\n", program_, percent, status_,
                   time.empty() ? "" : ", ", time);
        return;
    }
    constexpr std::size_t kWidth = 24;
    const std::size_t filled = static_cast<std::size_t>(std::lround(fraction_ * kWidth));
    std::string line = fmt::format("{} [{}{}] {:3}%  {}  {}", program_, std::string(filled, '#'),
                                   std::string(kWidth - filled, '.'), percent, time, status_);
    const std::size_t columns = terminal_columns();
    if (line.size() >= columns) line.resize(columns - 1);
    fmt::print(stderr, "\r{}\033[K", line);
    std::fflush(stderr);
}

void StageProgress::show(const std::string& stage, double fraction) {
    if (stage != stage_) {
        finish();
        stage_ = stage;
        progress_.emplace(app_, options_);
    }
    fraction_ = fraction;
    progress_->show(fraction, stage);
}

void StageProgress::say(const std::string& line) {
    if (fraction_ >= 1.0) finish();
    if (!options_.quiet) fmt::print(stderr, "{}: {}\n", app_.get_name(), line);
}

void StageProgress::finish() {
    if (progress_) progress_->finish();
    progress_.reset();
    stage_.clear();
    fraction_ = 0.0;
}

}  // namespace nmrapps
