#include "training_data.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <stdexcept>

namespace nmrinverse {
namespace {

// Curves simulated at once: 28 MB at 856 points.
constexpr std::int64_t kPiece = 4096;

/// Unknowns of a data set scaled to the unit box, (count, unknowns).
torch::Tensor unit_box(const nmrsim::Dataset& data) {
    const std::size_t unknowns = data.unknowns.size();
    torch::Tensor scaled = torch::empty(
        {static_cast<std::int64_t>(data.count()), static_cast<std::int64_t>(unknowns)});
    float* to = scaled.data_ptr<float>();
    for (std::size_t at = 0; at < data.parameters.size(); ++at) {
        const nmrsim::PriorRange& range = data.unknowns[at % unknowns];
        to[at] = static_cast<float>((data.parameters[at] - range.low) / (range.high - range.low));
    }
    return scaled;
}

}  // namespace

void require_usable(const nmrsim::Dataset& data) {
    const std::size_t count = data.count();
    const std::size_t unknowns = data.unknowns.size();
    if (unknowns == 0 || data.parameters.size() != count * unknowns) {
        throw std::invalid_argument(fmt::format(
            "the data set must hold the {} unknowns of each of its {} curves, got {} values",
            unknowns, count, data.parameters.size()));
    }
    for (std::size_t at = 0; at < data.signal.size(); ++at) {
        if (!std::isfinite(data.signal[at])) {
            throw std::invalid_argument(fmt::format("signal must be finite, got {} at curve {}",
                                                    data.signal[at], at / (2 * data.points())));
        }
    }
    for (std::size_t at = 0; at < data.parameters.size(); ++at) {
        if (!std::isfinite(data.parameters[at])) {
            throw std::invalid_argument(fmt::format("parameters must be finite, got {} at curve {}",
                                                    data.parameters[at], at / unknowns));
        }
    }
}

Curves low_passed(const nmrsim::Dataset& data, const LowPass& low_pass, int threads) {
    const std::size_t count = data.count();
    Curves curves;
    curves.reduced = torch::empty({static_cast<std::int64_t>(count), 2, low_pass.samples});
    apply_low_pass(
        low_pass, data.signal, count,
        {curves.reduced.data_ptr<float>(), static_cast<std::size_t>(curves.reduced.numel())},
        threads);
    curves.unknowns = unit_box(data);
    return curves;
}

Curves simulate_curves(const nmrsim::Experiment& experiment, const LowPass& low_pass,
                       std::uint64_t seed, std::uint64_t first, std::int64_t count, int threads,
                       const std::atomic<bool>& stop) {
    std::vector<torch::Tensor> reduced;
    std::vector<torch::Tensor> unknowns;
    for (std::int64_t begin = 0; begin < count && !stop; begin += kPiece) {
        const nmrsim::Dataset data = nmrsim::generate_dataset(
            experiment, static_cast<std::size_t>(std::min(kPiece, count - begin)), seed,
            first + static_cast<std::uint64_t>(begin), threads,
            [&stop](std::size_t) { return !stop; });
        if (data.count() == 0) break;
        Curves piece = low_passed(data, low_pass, threads);
        reduced.push_back(std::move(piece.reduced));
        unknowns.push_back(std::move(piece.unknowns));
    }
    if (reduced.empty()) return {};
    return {torch::cat(reduced), torch::cat(unknowns)};
}

CurveStream::CurveStream(nmrsim::Experiment experiment, LowPass low_pass, std::uint64_t seed,
                         std::int64_t chunk, int threads)
    : experiment_(std::move(experiment)),
      low_pass_(low_pass),
      seed_(seed),
      chunk_(chunk),
      threads_(threads) {}

CurveStream::~CurveStream() {
    stop_ = true;
    if (next_.valid()) next_.wait();
}

void CurveStream::start(std::int64_t index) {
    next_ = std::async(std::launch::async, [this, index] {
        return simulate_curves(
            experiment_, low_pass_, seed_,
            static_cast<std::uint64_t>(index) * static_cast<std::uint64_t>(chunk_), chunk_,
            threads_, stop_);
    });
}

bool CurveStream::ready() const {
    return next_.valid() && next_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

Curves CurveStream::take() {
    return next_.get();
}

}  // namespace nmrinverse
