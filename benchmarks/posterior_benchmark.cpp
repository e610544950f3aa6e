// Curves of the 2021 task through the shipped model, and refined.
//
// Expectation on two cores of a 2023 server: a curve alone below 2 ms, 20,000 curves/s in batches,
// a refined fit at noise 1e-3 below 50 ms in the median. Estimates are checked before they are
// timed.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "nmrinverse/model.h"
#include "nmrinverse/refine.h"
#include "nmrsim/dataset.h"

namespace {

constexpr std::size_t kCurves = 4096;
constexpr double kNoise = 1e-3;

const nmrinverse::Model& model() {
    static const nmrinverse::Model loaded =
        nmrinverse::load_model(NMRSIM_MODELS "/challenge-2021.safetensors");
    return loaded;
}

const nmrsim::Dataset& curves() {
    static const nmrsim::Dataset data = [] {
        nmrsim::Experiment experiment = model().experiment();
        experiment.acquisition.noise = kNoise;
        return nmrsim::generate_dataset(experiment, kCurves, 77);
    }();
    return data;
}

std::span<const float> first(std::size_t count, std::size_t from = 0) {
    const std::size_t row = 2 * curves().points();
    return std::span(curves().signal).subspan(from * row, count * row);
}

void network(benchmark::State& state) {
    const auto count = static_cast<std::size_t>(state.range(0));
    const nmrinverse::Predictions check = model().predict(first(count), count, kNoise);
    for (std::size_t i = 0; i < check.mean.size(); ++i) {
        if (!(std::abs(check.mean[i] - curves().parameters[i]) < 300.0)) {
            state.SkipWithError("an estimate is not one");
        }
    }
    for (auto _ : state) {
        benchmark::DoNotOptimize(model().predict(first(count), count, kNoise));
    }
    state.counters["curves/s"] =
        benchmark::Counter(static_cast<double>(count) * static_cast<double>(state.iterations()),
                           benchmark::Counter::kIsRate);
}

void refined(benchmark::State& state) {
    const std::size_t count = 100;
    nmrinverse::RefineOptions options;
    options.noise = kNoise;
    const std::vector<double> starts =
        model().posterior(first(count), count, kNoise).sample(256, 1);
    std::vector<double> times;
    for (auto _ : state) {
        for (std::size_t c = 0; c < count; ++c) {
            const auto begin = std::chrono::steady_clock::now();
            benchmark::DoNotOptimize(nmrinverse::refine(
                model().experiment(), first(1, c),
                std::span(starts).subspan(c * 256 * 3, std::size_t{256} * 3), options));
            times.push_back(
                std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
        }
    }
    std::sort(times.begin(), times.end());
    state.counters["median_ms"] = 1e3 * times[times.size() / 2];
    state.counters["p90_ms"] = 1e3 * times[times.size() * 9 / 10];
}

BENCHMARK(network)->Arg(1)->Arg(4096)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(refined)->UseRealTime()->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
