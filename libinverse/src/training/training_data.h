/// Curves to train on: read from a data set, or simulated by a thread of its own while the network
/// learns.
#pragma once

#include "network/torch.h"

#include <atomic>
#include <cstdint>
#include <future>

#include "model/reduction.h"
#include "nmrsim/dataset.h"

namespace nmrinverse {

/// Reduced curves with what made them, on the CPU.
struct TrainingCurves {
    torch::Tensor reduced;   ///< (n, 2, samples)
    torch::Tensor unknowns;  ///< (n, unknowns), unit-box coordinates of the prior
    /// (curves + 1), where the rows of each curve's aliases begin, of which one is used at a time;
    /// undefined: each row is a curve of its own.
    torch::Tensor begins = {};

    std::int64_t count() const { return reduced.defined() ? reduced.size(0) : 0; }
};

/// Throws: std::invalid_argument where parameters are not known or a value is not finite.
void require_usable(const nmrsim::Dataset& data);

/// The curves of a usable data set.
TrainingCurves reduced(const nmrsim::Dataset& data, const Reduction& reduction, int threads);

/// Noise-free curves first ... first + count - 1 of the key space that training has to itself: none
/// that a data set of the same seed holds. None at all where `progress` stops them.
nmrsim::Dataset training_curves(const nmrsim::Experiment& experiment, std::size_t count,
                                std::uint64_t seed, std::uint64_t first, int threads,
                                const nmrsim::BatchProgress& progress = {});

/// Curves without end: curve i depends on all of this and i alone.
struct CurveSource {
    nmrsim::Experiment experiment;
    Reduction reduction;
    std::uint64_t seed = 0;
    double time_zero_us = 0.0;  ///< each curve's clock is off by up to so much, either way [us]
    double noise = 0.0;         ///< on each of Mx and My, before the low-pass [units of M]
};

/// Simulates curves first ... first + count - 1, a few thousand at a time, so that their full
/// length is never held at once. Stops early, with fewer, where `stop` becomes true.
///
/// Throws: nmrsim::Stopped after request_stop(); std::invalid_argument where a clock that is off
/// would need times before the experiment starts.
TrainingCurves simulate_curves(const CurveSource& source, std::uint64_t first, std::int64_t count,
                               int threads, const std::atomic<bool>& stop);

/// Chunks of curves of one seed, the next one simulated in the background. Curve i of chunk c is
/// curve c * chunk + i of the seed, whoever asks and when.
class CurveStream {
public:
    /// Args: rank, ranks: which part of each chunk this process simulates.
    CurveStream(CurveSource source, std::int64_t chunk, int threads, int rank = 0, int ranks = 1);
    ~CurveStream();
    CurveStream(const CurveStream&) = delete;
    CurveStream& operator=(const CurveStream&) = delete;

    /// Starts chunk `index` in the background.
    void start(std::int64_t index);
    /// Whether the chunk that was started is done.
    bool ready() const;
    /// This process's part of the chunk that was started; waits for it.
    TrainingCurves take();
    std::int64_t begin() const { return begin_; }  ///< of that part in its chunk

private:
    CurveSource source_;
    std::int64_t chunk_;
    std::int64_t begin_;
    std::int64_t end_;
    int threads_;
    std::atomic<bool> stop_ = false;
    std::future<TrainingCurves> next_;
};

}  // namespace nmrinverse
