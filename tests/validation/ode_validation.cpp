// Whole curves against an independent adaptive solution of the Bloch equations.

#include <fmt/format.h>

#include <string>
#include <vector>

#include "experiments.h"
#include "nmrsim/experiment_file.h"
#include "nmrsim/prior.h"
#include "nmrsim/simulate.h"
#include "oracle/bloch_oracle.h"
#include "sections.h"

namespace validation {
namespace {

using namespace nmrsim;

struct Case {
    std::string what;
    Experiment experiment;
};

Experiment with_relaxation(Experiment e) {
    e.relaxation = {6e3, 2e3, 9e3, e.relaxation.d_base};
    return e;
}

std::vector<Case> cases() {
    std::vector<Case> list;
    const Experiment task = load_experiment("challenge-2021");
    for (const std::size_t draw : {0, 1}) {
        const std::vector<double> values = draw_parameters(task.prior, 2021, draw);
        list.push_back(
            {fmt::format("2021 task, alpha_x {:.0f}, alpha_z {:.0f} kHz, theta {:.0f}, to 268 us",
                         values[0], values[1], values[2]),
             with_parameters(task, values)});
    }
    list.push_back({"uniform kernel, relaxation", with_relaxation(uniform_echo())});

    const auto lattice = [](const Kernel& kernel) {
        Experiment e = with_relaxation(lattice_echo());
        e.interaction.kernel = kernel;
        return e;
    };
    list.push_back({"12 x 12 gaussian, relaxation", lattice(GaussianKernel{1.5})});
    list.push_back({"12 x 12 power law, relaxation", lattice(PowerLawKernel{1.0, 3.0})});
    list.push_back({"12 x 12 rkky, relaxation", lattice(RkkyKernel{2.5})});
    Experiment angular = lattice(GaussianKernel{1.5});
    angular.interaction.angular = {1.0, -0.3};
    list.push_back({"the same, gaussian with a d wave", angular});
    Experiment chain = lattice_echo();
    chain.interaction.kernel = PowerLawKernel{1.0, 2.0};
    chain.lattice = {96, 1, 1, 5};
    list.push_back({"chain of 96, power law", chain});
    Experiment volume = with_relaxation(lattice_echo());
    volume.lattice = {4, 4, 3, 5};
    list.push_back({"4 x 4 x 3 gaussian, relaxation", volume});

    Experiment finite = with_relaxation(uniform_echo());
    echo_of(finite).flip_duration_us = 1.7;
    echo_of(finite).refocus_duration_us = 3.4;
    finite.line.centre_khz = 20.0;
    finite.start = {0.05, -0.1, 0.4};
    list.push_back(
        {"uniform kernel, finite pulses, shifted line, another start, relaxation", finite});
    Experiment finite_lattice = lattice_echo();
    echo_of(finite_lattice).flip_duration_us = 1.7;
    echo_of(finite_lattice).refocus_duration_us = 3.4;
    list.push_back({"12 x 12 gaussian, finite pulses", finite_lattice});
    Experiment train = uniform_echo();
    train.sequence.program = std::vector<Event>{
        Delay{0.7},         Pulse{70.0, 25.0}, Delay{4.13},       Pulse{120.0, 200.0},
        Pulse{15.0, -40.0}, Delay{7.3},        Pulse{33.0, 300.0}};
    list.push_back({"uniform kernel, five events of any angle", train});

    // A Larmor frequency so low that the axes' own motion is all over the curve.
    Experiment laboratory = uniform_echo();
    laboratory.interaction.alpha_x_khz = 120.0;
    laboratory.interaction.alpha_y_khz = 30.0;
    laboratory.line.larmor_mhz = 0.15;
    laboratory.accuracy.frame = Frame::laboratory;
    list.push_back(
        {"uniform kernel, laboratory frame, alpha_x 120, alpha_y 30 kHz, 0.15 MHz", laboratory});
    Experiment laboratory_lattice = with_relaxation(lattice_echo());
    laboratory_lattice.interaction.alpha_x_khz = 120.0;
    laboratory_lattice.interaction.alpha_y_khz = 30.0;
    laboratory_lattice.line.larmor_mhz = 0.2;
    laboratory_lattice.accuracy.frame = Frame::laboratory;
    echo_of(laboratory_lattice).flip_duration_us = 2.0;
    list.push_back({"12 x 12 gaussian, laboratory frame, 0.2 MHz, a finite pulse, relaxation",
                    laboratory_lattice});
    return list;
}

}  // namespace

void validate_against_ode(Report& report) {
    report.section(
        "An independent adaptive solution",
        "`simulate()` against the Bloch equations in their plainest form, written anew for this\n"
        "check with nodes, draws, kernels and pulses of its own and direct sums over all pairs, "
        "and\n"
        "solved by Boost.Odeint (Fehlberg's method of order 7(8), each step within 1e-13, "
        "absolute\n"
        "and relative). Errors are the largest difference of M+ over the window, over the largest\n"
        "|M+| there; \"its own\" is what ten times the steps' error and a fifth fewer nodes "
        "change.\n"
        "In the laboratory frame the equations are those of axes that stand still. The tolerance "
        "is\n"
        "the one asked for.");
    report.table({"what", "its own", "asked", "estimated", "error", "tolerance"});
    const std::vector<Case> list = cases();
    std::vector<Signal> exact(list.size());
    std::vector<double> own(list.size());
#pragma omp parallel for schedule(dynamic)
    for (std::size_t i = 0; i < list.size(); ++i) {
        exact[i] = oracle::solve(list[i].experiment, {1e-13, 1.0});
        own[i] = largest_difference(exact[i], oracle::solve(list[i].experiment, {1e-12, 0.8})) /
                 peak_magnitude(exact[i]);
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
        const double largest = peak_magnitude(exact[i]);
        for (const double tolerance : {1e-4, 1e-6, 1e-8, 1e-10}) {
            Experiment e = list[i].experiment;
            e.accuracy.precision = Precision::automatic;
            e.accuracy.tolerance = tolerance;
            const Signal signal = simulate(e);
            const std::string estimate =
                signal.estimated_error > 0.0 ? scientific(signal.estimated_error) : "-";
            report.at_most(
                {tolerance == 1e-4 ? list[i].what : "", tolerance == 1e-4 ? scientific(own[i]) : "",
                 scientific(tolerance), estimate},
                largest_difference(signal, exact[i]) / largest, tolerance);
        }
    }
}

}  // namespace validation
