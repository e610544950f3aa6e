// Fields and whole curves on the lattice. Before anything is timed the answers are checked.
//
// What to expect on one core of a 2023 server with AVX-512: a field of 100 x 100 in float 70 us by
// FFT and 20 to 30 us by modes; a published echo 13 to 24 ms; 2.5 to 7 ns a site and step.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "base/instruction_set.h"
#include "lattice/lattice_field.h"
#include "lattice/lattice_simulator.h"
#include "nmrsim/signal.h"

namespace nmrsim {
namespace {

Lattice square(int side) {
    Lattice lattice;
    lattice.nx = lattice.ny = side;
    return lattice;
}

/// The published echoes' setting: 100 x 100, 499 samples of 0.3 us, 90 x and 180 x pulses.
Experiment published_echo(double summed_khz, double xi) {
    Experiment e;
    e.interaction.kernel = GaussianKernel{xi};
    e.interaction.normalize = true;
    e.interaction.alpha_x_khz = summed_khz;
    HahnEcho hahn;
    hahn.tau_us = 49.8;
    e.sequence.program = hahn;
    e.acquisition.stop_us = 149.4;
    e.acquisition.points = 499;
    return e;
}

/// Largest error of a curve over its largest |M|, against double precision at a quarter of a step.
double error_of(Experiment experiment) {
    LatticeWorkspace workspace;
    const Signal fast = simulate_lattice(experiment, workspace).value();
    experiment.accuracy.precision = Precision::double_;
    experiment.accuracy.steps_per_point = 4.0;
    const Signal exact = simulate_lattice(experiment, workspace).value();
    double largest = 0.0;
    for (std::size_t i = 0; i < exact.points(); ++i) {
        largest = std::max(largest, std::hypot(exact.mx[i], exact.my[i]));
    }
    return largest_difference(fast, exact) / largest;
}

/// A curve with the kernel's range in units of 1/100 and the summed coupling in kHz.
void curve(benchmark::State& state) {
    const Experiment experiment = published_echo(static_cast<double>(state.range(1)),
                                                 static_cast<double>(state.range(0)) / 100.0);
    const double error = error_of(experiment);
    if (error > 2e-4) {
        state.SkipWithError(fmt::format("wrong answer: error {:.1e}", error).c_str());
        return;
    }
    LatticeWorkspace workspace;
    for (auto _ : state) benchmark::DoNotOptimize(simulate_lattice(experiment, workspace));
    state.counters["curves/s"] =
        benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
    state.counters["spin-steps/s"] = benchmark::Counter(
        static_cast<double>(state.iterations()) * lattice_cost(experiment).spin_steps(),
        benchmark::Counter::kIsRate);
    state.counters["error"] = error;
}
BENCHMARK(curve)
    ->ArgNames({"xi_hundredths", "summed_khz"})
    ->Args({500, 68})
    ->Args({500, 122})
    ->Args({1118, 87})
    ->Args({2500, 115})
    ->Unit(benchmark::kMillisecond);

/// Cost a site and step against the lattice's size at a fixed range, in units of 1/100.
void size(benchmark::State& state) {
    Experiment e = published_echo(87.0, static_cast<double>(state.range(1)) / 100.0);
    e.lattice = square(static_cast<int>(state.range(0)));
    std::get<HahnEcho>(e.sequence.program).tau_us = 9.9;
    e.acquisition.stop_us = 29.7;
    e.acquisition.points = 100;
    LatticeWorkspace workspace;
    // Without a converged curve, which would take minutes: float against double.
    Experiment twice = e;
    twice.accuracy.precision = Precision::double_;
    const double error = largest_difference(simulate_lattice(e, workspace).value(),
                                            simulate_lattice(twice, workspace).value());
    if (error > 1e-4) {
        state.SkipWithError(fmt::format("wrong answer: error {:.1e}", error).c_str());
        return;
    }
    for (auto _ : state) benchmark::DoNotOptimize(simulate_lattice(e, workspace));
    state.counters["spin-steps/s"] =
        benchmark::Counter(static_cast<double>(state.iterations()) * lattice_cost(e).spin_steps(),
                           benchmark::Counter::kIsRate);
    state.counters["error"] = error;
}
BENCHMARK(size)
    ->ArgNames({"side", "xi_hundredths"})
    ->ArgsProduct({{64, 128, 256, 512}, {500, 1118}})
    ->Unit(benchmark::kMillisecond);

/// One field of a gaussian kernel of a twentieth of the side.
template <class Real>
void field(benchmark::State& state) {
    const int side = static_cast<int>(state.range(0));
    const FieldMethod method = state.range(1) ? FieldMethod::modes : FieldMethod::fft;
    const Lattice lattice = square(side);
    Interaction interaction;
    interaction.kernel = GaussianKernel{0.05 * side};
    interaction.normalize = true;
    const std::size_t n = padded(static_cast<std::size_t>(lattice.sites()));
    AlignedArray<Real> mx(n), my(n), wx(n), wy(n);
    for (std::size_t i = 0; i < static_cast<std::size_t>(lattice.sites()); ++i) {
        mx[i] = static_cast<Real>(0.5);
        my[i] = static_cast<Real>(-0.25);
    }
    LatticeField<Real> field;
    field.set_kernel(kernel_response(interaction, lattice), lattice, false, 2e-5, method);
    field.evaluate(mx.data(), my.data(), nullptr, wx.data(), wy.data(), nullptr);
    // Aligned spins make the field 1/2, -1/4 everywhere.
    if (std::abs(wx[7] - 0.5) > 1e-5 || std::abs(wy[7] + 0.25) > 1e-5) {
        state.SkipWithError("wrong answer");
        return;
    }
    for (auto _ : state) {
        field.evaluate(mx.data(), my.data(), nullptr, wx.data(), wy.data(), nullptr);
        benchmark::ClobberMemory();
    }
    state.counters["sites/s"] = benchmark::Counter(
        static_cast<double>(state.iterations()) * lattice.sites(), benchmark::Counter::kIsRate);
}
BENCHMARK_TEMPLATE(field, float)
    ->ArgNames({"side", "modes"})
    ->ArgsProduct({{64, 100, 256, 512}, {0, 1}})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(field, double)
    ->ArgNames({"side", "modes"})
    ->ArgsProduct({{64, 100, 256, 512}, {0, 1}})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace nmrsim

int main(int argc, char** argv) {
    constexpr const char* kNames[] = {"baseline", "avx2", "avx512"};
    benchmark::AddCustomContext("instruction_set",
                                kNames[static_cast<int>(nmrsim::instruction_set())]);
    benchmark::AddCustomContext("compiler", __VERSION__);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
