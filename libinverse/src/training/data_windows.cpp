#include "training/data_windows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "training/training_random.h"

namespace nmrinverse {
DataWindows::DataWindows(const nmrsim::DatasetReader& data, const Reduction& reduction,
                         const TrainingOptions& options, const TrainingPeers& peers)
    : data_(data),
      reduction_(reduction),
      seed_(options.seed),
      threads_(options.threads),
      rank_(peers.rank),
      ranks_(peers.size) {
    const auto count = static_cast<std::int64_t>(data.count());
    // Held out at most, as much as measures a loss to a percent, and from how many places of the
    // set.
    constexpr std::int64_t kFewestOfSet = 64;
    constexpr std::int64_t kMostOfSet = 16384;
    constexpr std::int64_t kPlaces = 256;
    const std::int64_t held_out =
        std::clamp<std::int64_t>(std::llround(*options.held_out * static_cast<double>(count)),
                                 std::min(kFewestOfSet, count / 2), kMostOfSet);
    if (held_out < 1) {
        throw std::invalid_argument(
            fmt::format("the data set must hold at least 2 curves to train on, got {}", count));
    }
    strata_ = std::min(kPlaces, held_out);
    stratum_ = count / strata_;
    held_ = held_out / strata_;
    const std::int64_t left = strata_ * (stratum_ - held_);
    const std::int64_t bytes = 4 * (2 * reduction.samples() +
                                    static_cast<std::int64_t>(data.description().unknowns.size()));
    // Two windows, each a quarter of the memory that the options give.
    constexpr std::int64_t kWindowShare = 4;
    const std::int64_t window = std::max<std::int64_t>(
        options.batch, (static_cast<std::int64_t>(options.memory_mb) << 20) / kWindowShare / bytes);
    // Curves read at once: some MB, so that a disk is not asked for each curve.
    constexpr std::int64_t kRun = 1024;
    run_ = std::min({kRun, left, window});
    runs_ = left / run_;
    spare_ = left - runs_ * run_;
    windows_ = (runs_ * run_ + window - 1) / window;
}

DataWindows::~DataWindows() {
    if (next_.valid()) next_.wait();
}

TrainingCurves DataWindows::held_out() const {
    TrainingCurves all{torch::empty({strata_ * held_, 2, reduction_.samples()}),
                       torch::empty({strata_ * held_, static_cast<std::int64_t>(
                                                          data_.description().unknowns.size())})};
    for (std::int64_t s = 0; s < strata_; ++s) {
        const nmrsim::Dataset rows =
            data_.rows(static_cast<std::size_t>(s * stratum_), static_cast<std::size_t>(held_));
        require_usable(rows);
        const TrainingCurves some = reduced(rows, reduction_, threads_);
        all.reduced.slice(0, s * held_, (s + 1) * held_).copy_(some.reduced);
        all.unknowns.slice(0, s * held_, (s + 1) * held_).copy_(some.unknowns);
    }
    return all;
}

DataWindows::Place DataWindows::place(std::int64_t index) const {
    const std::int64_t w = index % windows_;
    const std::int64_t runs = (w + 1) * runs_ / windows_ - w * runs_ / windows_;
    return {rank_ * runs / ranks_ * run_, runs * run_};
}

void DataWindows::start(std::int64_t index) {
    next_ = std::async(std::launch::async, [this, index] { return read(index); });
}

void DataWindows::read_run(std::int64_t first, std::int64_t count, TrainingCurves& to,
                           std::int64_t at) const {
    const std::int64_t free = stratum_ - held_;
    while (count > 0) {
        const std::int64_t inside = first % free;
        const std::int64_t more = std::min(count, free - inside);
        const nmrsim::Dataset rows =
            data_.rows(static_cast<std::size_t>(first / free * stratum_ + held_ + inside),
                       static_cast<std::size_t>(more));
        require_usable(rows);
        const TrainingCurves some = reduced(rows, reduction_, threads_);
        to.reduced.slice(0, at, at + more).copy_(some.reduced);
        to.unknowns.slice(0, at, at + more).copy_(some.unknowns);
        first += more;
        at += more;
        count -= more;
    }
}

TrainingCurves DataWindows::read(std::int64_t index) const {
    torch::NoGradGuard no_grad;
    const std::int64_t w = index % windows_;
    nmrsim::CounterRandom random = random_for(Purpose::windows, seed_, index / windows_);
    const torch::Generator order_random = at::make_generator<at::CPUGeneratorImpl>(random.bits());
    const torch::Tensor order = torch::randperm(runs_, order_random);
    // The curves that no run holds are others in each pass.
    const auto offset =
        static_cast<std::int64_t>(random.bits() % static_cast<std::uint64_t>(spare_ + 1));
    const std::int64_t begin = w * runs_ / windows_;
    const std::int64_t runs = (w + 1) * runs_ / windows_ - begin;
    const std::int64_t mine = rank_ * runs / ranks_;
    const std::int64_t count = (rank_ + 1) * runs / ranks_ - mine;
    TrainingCurves window{torch::empty({count * run_, 2, reduction_.samples()}),
                          torch::empty({count * run_, static_cast<std::int64_t>(
                                                          data_.description().unknowns.size())})};
    const auto run_at = order.accessor<std::int64_t, 1>();
    for (std::int64_t r = 0; r < count; ++r) {
        read_run(offset + run_at[begin + mine + r] * run_, run_, window, r * run_);
    }
    return window;
}

}  // namespace nmrinverse
