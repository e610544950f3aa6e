// Small fixed workloads whose instructions check_instructions.sh counts. What is drawn and set up
// lies outside counted_work(), what a user pays for a curve inside.

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "lattice/lattice_field.h"
#include "lattice/lattice_simulator.h"
#include "lattice/lattice_spins.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/prior.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"

/// The function whose instructions are counted, by name.
extern "C" __attribute__((noinline)) void counted_work(const std::function<void()>& work) {
    work();
}

namespace nmrsim {
namespace {

/// Two groups of curves that fill the lanes of AVX2.
constexpr std::size_t kCurves = 16;

struct Curves {
    Experiment experiment = load_experiment("challenge-2021");
    std::vector<double> parameters;
    std::vector<float> signal;
    std::vector<float> jacobian;

    Curves() {
        for (std::size_t i = 0; i < kCurves; ++i) {
            const std::vector<double> draw = draw_parameters(experiment.prior, 1, i);
            parameters.insert(parameters.end(), draw.begin(), draw.end());
        }
        signal.resize(2 * kCurves * static_cast<std::size_t>(experiment.acquisition.points));
        jacobian.resize(3 * signal.size());
    }
};

double uniform_plain() {
    Curves c;
    counted_work([&] { simulate_batch(c.experiment, c.parameters, {}, c.signal, 1); });
    return static_cast<double>(c.signal[0]);
}

double uniform_derivatives() {
    Curves c;
    counted_work(
        [&] { simulate_batch_with_jacobian(c.experiment, c.parameters, c.signal, c.jacobian, 1); });
    return static_cast<double>(c.jacobian[0]);
}

/// A short echo in float.
double lattice(const Kernel& kernel, int side, bool on_grid, FieldMethod method) {
    Experiment e;
    e.interaction.kernel = kernel;
    e.interaction.normalize = true;
    e.interaction.alpha_x_khz = 80.0;
    e.lattice.nx = e.lattice.ny = side;
    HahnEcho hahn;
    hahn.tau_us = 5.0;
    e.sequence.program = hahn;
    e.acquisition.stop_us = 15.0;
    e.acquisition.points = 51;
    // The workload is what it is called.
    LatticeSpins<float> spins;
    spins.prepare(e);
    LatticeField<float> field;
    field.set_kernel(kernel_response(e.interaction, e.lattice), e.lattice, false, 2e-5);
    if (spins.on_grid() != on_grid || (!on_grid && field.method() != method)) return std::nan("");
    LatticeWorkspace workspace;
    Signal signal;
    counted_work([&] { signal = simulate_lattice(e, workspace).value(); });
    return signal.my.back();
}

}  // namespace
}  // namespace nmrsim

int main(int argc, char** argv) {
    using namespace nmrsim;
    const std::string_view name = argc == 2 ? argv[1] : "";
    double answer = std::nan("");
    if (name == "uniform-plain") answer = uniform_plain();
    if (name == "uniform-derivatives") answer = uniform_derivatives();
    if (name == "lattice-modes")
        answer = lattice(GaussianKernel{5.0}, 64, false, FieldMethod::modes);
    if (name == "lattice-fft")
        answer = lattice(PowerLawKernel{1.0, 3.0}, 64, false, FieldMethod::fft);
    if (name == "lattice-grid")
        answer = lattice(GaussianKernel{10.0}, 128, true, FieldMethod::modes);
    if (!std::isfinite(answer)) {
        fmt::print(stderr, "counted_workloads: no workload '{}', or not by the way it is named\n",
                   name);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
