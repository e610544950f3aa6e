// Curves of the 2021 task (856 points, 168 to 224 nodes) a second, on one core and on all.
//
// Expectation on two cores of a 2023 server with AVX-512: above 8,000 curves/s at 1e-4 and above
// 16,000 at 1e-3. Each run checks its first curves against a converged one before it is timed.

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <omp.h>

#include <cmath>
#include <vector>

#include "nmrsim/experiment_file.h"
#include "nmrsim/peak.h"
#include "nmrsim/prior.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"

using namespace nmrsim;

namespace {

constexpr std::size_t kCurves = 1024;

void curves(benchmark::State& state, double tolerance, Precision precision) {
    Experiment e = load_experiment("challenge-2021");
    e.accuracy.tolerance = tolerance;
    e.accuracy.precision = precision;
    const int threads = static_cast<int>(state.range(0));
    const std::size_t points = static_cast<std::size_t>(e.acquisition.points);
    std::vector<double> parameters;
    double flops = 0.0;
    for (std::size_t i = 0; i < kCurves; ++i) {
        const std::vector<double> draw = draw_parameters(e.prior, 1, i);
        parameters.insert(parameters.end(), draw.begin(), draw.end());
        flops += simulation_cost(with_parameters(e, draw)).flops;
    }
    std::vector<float> signal(kCurves * 2 * points);
    simulate_batch(e, parameters, {}, signal, threads);
    Experiment exact = e;
    exact.accuracy = {};
    exact.accuracy.tolerance = 1e-9;
    for (std::size_t i = 0; i < 8; ++i) {
        const Signal s = simulate(with_parameters(exact, std::span(parameters).subspan(3 * i, 3)));
        for (std::size_t k = 0; k < points; ++k) {
            const double error = std::hypot(signal[2 * i * points + k] - s.mx[k],
                                            signal[(2 * i + 1) * points + k] - s.my[k]);
            // A batch's curves are floats whatever computes them.
            constexpr double kFloat = 6e-8;
            if (!(error < 3.0 * tolerance * peak_magnitude(s) + kFloat)) {
                state.SkipWithError(fmt::format("curve {} is off by {}", i, error).c_str());
                return;
            }
        }
    }
    for (auto _ : state) {
        simulate_batch(e, parameters, {}, signal, threads);
        benchmark::DoNotOptimize(signal.data());
    }
    state.counters["curves/s"] =
        benchmark::Counter(kCurves, benchmark::Counter::kIsIterationInvariantRate);
    state.counters["GFlop/s"] =
        benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

/// The same with the derivatives by the three unknowns; `over_plain` is the cost over the curves'.
void derivatives(benchmark::State& state, double tolerance) {
    Experiment e = load_experiment("challenge-2021");
    e.accuracy.tolerance = tolerance;
    const int threads = static_cast<int>(state.range(0));
    const std::size_t points = static_cast<std::size_t>(e.acquisition.points);
    std::vector<double> parameters;
    for (std::size_t i = 0; i < kCurves; ++i) {
        const std::vector<double> draw = draw_parameters(e.prior, 1, i);
        parameters.insert(parameters.end(), draw.begin(), draw.end());
    }
    std::vector<float> signal(kCurves * 2 * points), jacobian(3 * signal.size()), plain(signal);
    double plain_s = 0.0, with_s = 0.0;
    for (auto _ : state) {
        const double start = omp_get_wtime();
        simulate_batch(e, parameters, {}, plain, threads);
        const double middle = omp_get_wtime();
        simulate_batch_with_jacobian(e, parameters, signal, jacobian, threads);
        const double seconds = omp_get_wtime() - middle;
        plain_s += middle - start;
        with_s += seconds;
        state.SetIterationTime(seconds);
        benchmark::DoNotOptimize(jacobian.data());
    }
    for (std::size_t k = 0; k < signal.size(); ++k) {
        if (!(std::abs(signal[k] - plain[k]) < tolerance)) {
            state.SkipWithError("the curves beside their derivatives differ");
            return;
        }
    }
    state.counters["curves/s"] =
        benchmark::Counter(kCurves, benchmark::Counter::kIsIterationInvariantRate);
    state.counters["over_plain"] = with_s / plain_s;
}

}  // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    fmt::print(
        "instruction set {}, fused multiply-add peak {:.1f} GFlop/s on one core, {:.1f} on {}\n",
        instruction_set_name(), 1e-9 * measured_peak_flops(1), 1e-9 * measured_peak_flops(0),
        omp_get_num_procs());
    struct Case {
        const char* name;
        double tolerance;
        Precision precision;
    };
    for (const Case& c : {Case{"2021/float/1e-4", 1e-4, Precision::single},
                          Case{"2021/float/1e-3", 1e-3, Precision::single},
                          Case{"2021/double/1e-4", 1e-4, Precision::double_},
                          Case{"2021/double/1e-8", 1e-8, Precision::double_}}) {
        benchmark::RegisterBenchmark(
            c.name, [c](benchmark::State& state) { curves(state, c.tolerance, c.precision); })
            ->Arg(1)
            ->Arg(omp_get_num_procs())
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
    }
    benchmark::RegisterBenchmark("2021/derivatives/1e-4",
                                 [](benchmark::State& state) { derivatives(state, 1e-4); })
        ->Arg(1)
        ->Arg(omp_get_num_procs())
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
