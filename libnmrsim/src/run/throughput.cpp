#include "nmrsim/throughput.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "nmrsim/peak.h"
#include "nmrsim/prior.h"
#include "nmrsim/simulate.h"
#include "nmrsim/threads.h"

namespace nmrsim {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMeasuredSeed = 20210;
/// Curves whose error is measured; fewer, as on a lattice, where so many times `seconds` are over.
constexpr std::size_t kErrorDraws = 200;
constexpr double kErrorTimeShare = 4.0;
constexpr std::size_t kCostDraws = 64;        ///< whose costs are averaged
constexpr double kConvergedTolerance = 1e-9;  ///< far beyond what a user would ask for
constexpr const char* kRateStage = "measuring the rate";
constexpr const char* kErrorStage = "measuring errors";

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Curves simulated side by side, with their parameters.
struct DrawnBatch {
    std::vector<double> parameters;            ///< (count, unknowns)
    std::vector<std::uint64_t> lattice_seeds;  ///< (count)
    std::vector<float> signal;                 ///< (count, 2, points)
};

DrawnBatch draw_batch(const Experiment& experiment, std::size_t count, std::uint64_t first) {
    DrawnBatch batch;
    batch.parameters = draw_many(experiment.prior, count, kMeasuredSeed, first);
    for (std::size_t i = 0; i < count; ++i) {
        batch.lattice_seeds.push_back(first + i + 1);
    }
    batch.signal.resize(count * 2 * sample_count(experiment));
    return batch;
}

/// One run of measure_throughput().
class Measurement {
public:
    Measurement(const Experiment& experiment, const ThroughputOptions& options)
        : experiment_(experiment), options_(options) {
        measured_.threads = team_size(options.threads);
    }

    Throughput run() {
        measure_rate();
        measure_errors();
        for (std::size_t i = 0; i < kCostDraws; ++i) {
            const SimulationCost cost = simulation_cost(
                with_parameters(experiment_, draw_parameters(experiment_.prior, kMeasuredSeed, i)));
            measured_.spin_steps += cost.spin_steps() / kCostDraws;
            measured_.flops += cost.flops / kCostDraws;
        }
        measured_.peak_flops = measured_peak_flops(measured_.threads);
        return std::move(measured_);
    }

private:
    bool goes_on(const char* stage, double share) const {
        return !stop_requested() && (!options_.progress || options_.progress(stage, share));
    }

    /// Throws: Stopped.
    void advance(const char* stage, double share) const {
        if (!goes_on(stage, share)) throw Stopped();
    }

    std::size_t simulate(const Experiment& experiment, DrawnBatch& batch,
                         const BatchProgress& progress = {}) const {
        return simulate_batch(experiment, batch.parameters, batch.lattice_seeds, batch.signal,
                              measured_.threads, progress);
    }

    void measure_rate() {
        DrawnBatch batch = draw_batch(experiment_, is_uniform(experiment_) ? 4096 : 256, 0);
        // Warm-up: plans, pages and clock rates settle in the first tenth of the time.
        const double warm_up = std::min(1.0, 0.1 * options_.seconds);
        Clock::time_point start = Clock::now();
        simulate(experiment_, batch, [&](std::size_t) { return seconds_since(start) < warm_up; });
        start = Clock::now();
        do {
            // A batch that is told to end does so without a throw.
            bool ended = false;
            measured_.curves += simulate(experiment_, batch, [&](std::size_t done) {
                const double share = std::min(1.0, seconds_since(start) / options_.seconds);
                ended = ended || !goes_on(kRateStage, 0.99 * share);
                return !ended && (share < 1.0 || measured_.curves + done == 0);
            });
            if (ended) throw Stopped();
            throw_if_stopped();
            measured_.seconds = seconds_since(start);
        } while (measured_.seconds < options_.seconds || measured_.curves == 0);
        advance(kRateStage, 1.0);
    }

    void measure_errors() {
        Experiment converged = experiment_;
        converged.accuracy = {};
        converged.accuracy.tolerance = kConvergedTolerance;
        converged.accuracy.precision = Precision::double_;
        const std::size_t points = sample_count(experiment_);
        const std::size_t chunk = is_uniform(experiment_) ? 32 : 2;
        const Clock::time_point start = Clock::now();
        for (std::size_t first = 0; first < kErrorDraws; first += chunk) {
            if (first > 0 && seconds_since(start) > kErrorTimeShare * options_.seconds) break;
            const std::size_t count = std::min(chunk, kErrorDraws - first);
            DrawnBatch batch = draw_batch(experiment_, count, first);
            simulate(converged, batch);
            const std::vector<float> exact = batch.signal;
            simulate(experiment_, batch);
            for (std::size_t c = 0; c < count; ++c) {
                double largest = 0.0;
                for (std::size_t x = 2 * c * points; x < (2 * c + 1) * points; ++x) {
                    const auto off = [&](std::size_t i) {
                        return double{batch.signal[i]} - exact[i];
                    };
                    largest = std::max(largest, std::hypot(off(x), off(x + points)));
                }
                measured_.errors.push_back(largest);
            }
            advance(kErrorStage, static_cast<double>(first + count) / kErrorDraws);
        }
        std::sort(measured_.errors.begin(), measured_.errors.end());
    }

    const Experiment& experiment_;
    const ThroughputOptions& options_;
    Throughput measured_;
};

}  // namespace

double Throughput::error(double share) const {
    if (errors.empty()) return 0.0;
    const double last = static_cast<double>(errors.size() - 1);
    return errors[static_cast<std::size_t>(std::ceil(share * last))];
}

Throughput measure_throughput(const Experiment& experiment, const ThroughputOptions& options) {
    if (!(options.seconds > 0.0)) {
        throw std::invalid_argument(fmt::format("seconds must be > 0, got {}", options.seconds));
    }
    return Measurement(experiment, options).run();
}

}  // namespace nmrsim
