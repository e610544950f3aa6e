#include "training/training_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>

#include "fit/interpolation.h"
#include "nmrsim/random.h"
#include "nmrsim/stop.h"

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

/// An experiment whose window reaches beyond the one asked for, by whole samples on each side.
struct WiderWindow {
    nmrsim::Experiment experiment;
    int margin = 0;           ///< samples
    double spacing_us = 0.0;  ///< [us]
};

WiderWindow wider_window(const nmrsim::Experiment& asked, double time_zero_us) {
    WiderWindow wider{asked, 0, 0.0};
    if (time_zero_us == 0.0) return wider;
    nmrsim::Acquisition& window = wider.experiment.acquisition;
    if (!window.windows.empty()) {
        throw std::invalid_argument(
            fmt::format("training.time_zero_us needs one window, got {}", window.windows.size()));
    }
    wider.spacing_us = (window.stop_us - window.start_us) / (window.points - 1);
    wider.margin = static_cast<int>(std::ceil(time_zero_us / wider.spacing_us)) +
                   static_cast<int>(kInterpolationPoints / 2);
    window.start_us -= wider.margin * wider.spacing_us;
    window.stop_us += wider.margin * wider.spacing_us;
    window.points += 2 * wider.margin;
    if (nmrsim::first_sample_us(wider.experiment) < 0.0) {
        throw std::invalid_argument(
            fmt::format("training.time_zero_us must leave the window after the first pulse: it "
                        "starts at {} us, and {} us before that would be needed",
                        nmrsim::first_sample_us(asked), wider.margin * wider.spacing_us));
    }
    return wider;
}

/// Reads each curve of the wider window off the asked one by a clock that is off by its own amount.
void shift_clocks(nmrsim::Dataset& data, const WiderWindow& wider, double time_zero_us) {
    const std::size_t from_points = data.points();
    const std::size_t points = from_points - 2 * static_cast<std::size_t>(wider.margin);
    std::vector<float> shifted(data.count() * 2 * points);
    for (std::size_t c = 0; c < data.count(); ++c) {
        nmrsim::CounterRandom random(data.seed, data.first_index + c,
                                     nmrsim::RandomStream::training_noise);
        const double off =
            wider.margin + time_zero_us * (2.0 * random.uniform() - 1.0) / wider.spacing_us;
        const Stencil stencil = shift_stencil(off);
        for (std::size_t part = 0; part < 2; ++part) {
            const float* from = &data.signal[(2 * c + part) * from_points];
            float* to = &shifted[(2 * c + part) * points];
            for (std::size_t t = 0; t < points; ++t) {
                to[t] = static_cast<float>(stencil.value(from, t));
            }
        }
    }
    data.signal = std::move(shifted);
    data.time_us.erase(data.time_us.begin(), data.time_us.begin() + wider.margin);
    data.time_us.resize(points);
}

/// Puts white noise on the curves.
void add_noise(nmrsim::Dataset& data, double sigma) {
    const std::size_t row = 2 * data.points();
    for (std::size_t c = 0; c < data.count(); ++c) {
        nmrsim::CounterRandom random(data.seed, data.first_index + c,
                                     nmrsim::RandomStream::calibration);
        for (float& value : std::span(data.signal).subspan(c * row, row)) {
            value += static_cast<float>(sigma * random.normal());
        }
    }
}

// Squares of larger values overflow single precision on the way through the features.
constexpr float kLargest = 1e15f;

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
        if (!(std::abs(data.signal[at]) <= kLargest)) {
            throw std::invalid_argument(
                fmt::format("signal must be finite and at most {:g} in size, got {} at curve {}",
                            kLargest, data.signal[at], at / (2 * data.points())));
        }
    }
    for (std::size_t at = 0; at < data.parameters.size(); ++at) {
        if (!std::isfinite(data.parameters[at])) {
            throw std::invalid_argument(fmt::format("parameters must be finite, got {} at curve {}",
                                                    data.parameters[at], at / unknowns));
        }
    }
}

TrainingCurves reduced(const nmrsim::Dataset& data, const Reduction& reduction, int threads) {
    return {reduced_curves(reduction, data.signal, data.count(), threads), unit_box(data)};
}

nmrsim::Dataset training_curves(const nmrsim::Experiment& experiment, std::size_t count,
                                std::uint64_t seed, std::uint64_t first, int threads,
                                const nmrsim::BatchProgress& progress) {
    using nmrsim::RandomStream;
    nmrsim::Dataset data;
    data.unknowns = experiment.prior;
    data.time_us = nmrsim::acquisition_times_us(experiment);
    data.seed = seed;
    data.first_index = first;
    std::vector<std::uint64_t> lattice_seeds;
    for (std::size_t i = 0; i < count; ++i) {
        const std::vector<double> drawn = nmrsim::draw_parameters(
            experiment.prior, seed, first + i, RandomStream::training_parameters);
        data.parameters.insert(data.parameters.end(), drawn.begin(), drawn.end());
        lattice_seeds.push_back(
            nmrsim::CounterRandom(seed, first + i, RandomStream::training_lattice_seed).bits());
    }
    data.signal.resize(count * 2 * data.points());
    const std::size_t done = nmrsim::simulate_batch(experiment, data.parameters, lattice_seeds,
                                                    data.signal, threads, progress);
    if (done < count) {  // stopped: not taken in order, so that none is known to be whole
        data.signal.clear();
        data.parameters.clear();
    }
    return data;
}

TrainingCurves simulate_curves(const CurveSource& source, std::uint64_t first, std::int64_t count,
                               int threads, const std::atomic<bool>& stop) {
    std::vector<torch::Tensor> curves;
    std::vector<torch::Tensor> unknowns;
    const WiderWindow wider = wider_window(source.experiment, source.time_zero_us);
    for (std::int64_t begin = 0; begin < count && !stop; begin += kPiece) {
        nmrsim::Dataset data = training_curves(
            wider.experiment, static_cast<std::size_t>(std::min(kPiece, count - begin)),
            source.seed, first + static_cast<std::uint64_t>(begin), threads,
            [&stop](std::size_t) { return !stop; });
        nmrsim::throw_if_stopped();
        if (data.count() == 0) break;
        if (wider.margin > 0) shift_clocks(data, wider, source.time_zero_us);
        if (source.noise > 0.0) add_noise(data, source.noise);
        TrainingCurves piece = reduced(data, source.reduction, threads);
        curves.push_back(std::move(piece.reduced));
        unknowns.push_back(std::move(piece.unknowns));
    }
    if (curves.empty()) return {};
    return {torch::cat(curves), torch::cat(unknowns)};
}

CurveStream::CurveStream(CurveSource source, std::int64_t chunk, int threads, int rank, int ranks)
    : source_(std::move(source)),
      chunk_(chunk),
      begin_(chunk * rank / ranks),
      end_(chunk * (rank + 1) / ranks),
      threads_(threads) {}

CurveStream::~CurveStream() {
    stop_ = true;
    if (next_.valid()) next_.wait();
}

void CurveStream::start(std::int64_t index) {
    next_ = std::async(std::launch::async, [this, index] {
        return simulate_curves(source_, static_cast<std::uint64_t>(index * chunk_ + begin_),
                               end_ - begin_, threads_, stop_);
    });
}

bool CurveStream::ready() const {
    return next_.valid() && next_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

TrainingCurves CurveStream::take() {
    return next_.get();
}

}  // namespace nmrinverse
