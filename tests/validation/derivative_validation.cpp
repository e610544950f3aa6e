// Derivatives by forward tangents against differences of sixth order.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "experiments.h"
#include "nmrsim/parameters.h"
#include "nmrsim/random.h"
#include "nmrsim/sensitivity.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"
#include "run/detection.h"
#include "sections.h"
#include "tangents.h"
#include "uniform/uniform_curve.h"

namespace validation {
namespace {

using namespace nmrsim;

constexpr double kTolerance = 1e-7;

/// Rows of the table that no curve depends on smoothly: what data sets add, what is aimed at, the
/// base in which d is told, and a switch.
bool is_no_parameter_of_curves(std::string_view name) {
    return name == "kernel" || name == "noise" || name == "tolerance" || name == "d_base" ||
           name == "dead_time_us";
}

/// Steps are 0.2 us and samples 1.2 us apart, and every event lies half a step off: no change of a
/// parameter changes the number of steps, so that both sides differentiate the same discrete map.
constexpr double kStep = 0.2;

/// An echo with random parameters, everything on.
Experiment random_echo(CounterRandom& random) {
    const auto between = [&](double low, double high) {
        return low + (high - low) * random.uniform();
    };
    Experiment e;
    e.interaction.alpha_x_khz = between(20.0, 100.0);
    e.interaction.alpha_y_khz = between(20.0, 100.0);
    e.interaction.alpha_z_khz = between(-150.0, 150.0);
    e.line.half_width_khz = between(10.0, 30.0);
    e.line.cutoff_khz = between(80.0, 120.0);
    e.line.renormalize = random.uniform() < 0.5;
    e.relaxation = {between(2e3, 1e4), between(1e3, 5e3), between(5e3, 3e4), 10.0};
    HahnEcho echo{.flip_deg = between(30.0, 90.0),
                  .refocus_ratio = between(1.5, 2.5),
                  .flip_phase_deg = between(5.0, 60.0),
                  .refocus_phase_deg = between(60.0, 120.0),
                  .tau_us = kStep * std::floor(between(35.0, 50.0))};
    e.sequence.program = echo;
    e.acquisition.start_us = 1.5 * kStep;
    e.acquisition.points = 18;
    e.acquisition.stop_us = e.acquisition.start_us + 6.0 * kStep * (e.acquisition.points - 1);
    e.acquisition.gain = between(0.5, 2.0);
    e.acquisition.receiver_phase_deg = between(10.0, 50.0);
    e.accuracy.precision = Precision::double_;
    e.accuracy.nodes = 48;
    e.accuracy.steps_per_point = 6.0;
    return e;
}

Experiment beyond_the_plain_echo(Experiment e) {
    e.start = {0.05, -0.1, 0.4};
    e.line.centre_khz = 3.0;
    return e;
}

std::vector<Experiment> uniform_draws() {
    std::vector<Experiment> draws;
    for (std::uint64_t i = 0; i < 6; ++i) {
        CounterRandom random(11, i, RandomStream::parameters);
        draws.push_back(beyond_the_plain_echo(random_echo(random)));
        // Of six passes each; so many for tau, whose derivative is the spins' motion itself, which
        // steps follow to their own error (8.9e-7 with 2 of them, of fourth order).
        draws.back().accuracy.steps_per_point = 5.0;
        echo_of(draws.back()).tau_us += 0.5 * kStep;
        if (i % 2 == 1) {
            draws.back().line.shape = LineShape::voigt;
            draws.back().line.gaussian_half_width_khz = 12.0;
        }
        if (i % 3 == 1) set_parameter(draws.back(), "pulse_spread", 0.05);
    }
    return draws;
}

std::vector<Experiment> lattice_draws() {
    std::vector<Experiment> draws;
    for (std::uint64_t i = 0; i < 6; ++i) {
        CounterRandom random(12, i, RandomStream::parameters);
        Experiment e = beyond_the_plain_echo(random_echo(random));
        const double xi = 1.2 + random.uniform();
        e.interaction.angular = {1.0, -0.2 - 0.3 * random.uniform()};
        e.interaction.normalize = i % 2 == 0;
        e.lattice = {6, 5, 1, i + 1};
        switch (i % 3) {
            case 0:
                e.interaction.kernel = GaussianKernel{xi};
                break;
            case 1:
                e.interaction.kernel = PowerLawKernel{xi, 2.0 + random.uniform()};
                break;
            default:
                e.interaction.kernel = RkkyKernel{2.0 * xi};
                e.lattice = {4, 3, 3, i + 1};
        }
        if (!e.interaction.normalize) {
            // The kernels sum to ten or so; the steps shall stay as long as asked for.
            e.interaction.alpha_x_khz *= 0.1;
            *e.interaction.alpha_y_khz *= 0.1;
            e.interaction.alpha_z_khz *= 0.1;
        }
        draws.push_back(e);
    }
    return draws;
}

/// The uniform kernel with what only the general simulator covers.
std::vector<Experiment> general_draws() {
    std::vector<Experiment> draws;
    for (std::uint64_t i = 0; i < 6; ++i) {
        CounterRandom random(13, i, RandomStream::parameters);
        Experiment e = beyond_the_plain_echo(random_echo(random));
        switch (i) {
            case 0:
                e.line.spins = 30;
                break;
            case 1:
            case 2:
                echo_of(e).flip_duration_us = 5.0 * kStep;
                echo_of(e).refocus_duration_us = 9.0 * kStep;
                break;
            case 3:
                e.line.shape = LineShape::voigt;
                e.line.gaussian_half_width_khz = 12.0;
                echo_of(e).flip_duration_us = 5.0 * kStep;
                break;
            case 4:
                e.accuracy.magnus_order = 3;
                e.line.larmor_mhz = 1.0;
                break;
            default:
                e.accuracy.frame = Frame::laboratory;
                e.line.larmor_mhz = 0.2;
        }
        draws.push_back(e);
    }
    return draws;
}

/// Of a difference of sixth order: its error (h x)^6, x up to 30 turns in the argument, and its
/// rounding 1e-15 / h, of the scale, are below 1e-8.
double step_of(const Parameter& row, const Experiment& experiment) {
    const double value = row.get(experiment);
    return 5e-4 * (value != 0.0 ? std::abs(value) : 1.0);
}

/// Whether an experiment may have a parameter changed either way: not at the end of its range, and
/// not what excludes something else that it has.
bool may_change(const Experiment& experiment, const Parameter& row) {
    const double h = step_of(row, experiment);
    for (const double change : {2.0 * h, -2.0 * h}) {
        Experiment other = experiment;
        row.set(other, row.get(experiment) + change);
        try {
            other.validate();
        } catch (const std::invalid_argument&) {
            return false;
        }
    }
    return true;
}

/// Largest difference over the largest derivative, of every parameter that tells on the curve.
std::map<std::string, double> mismatches(const Experiment& experiment) {
    std::vector<std::string> names;
    for (const Parameter& row : parameter_table()) {
        const std::string_view name = row.name;
        if (is_no_parameter_of_curves(name) || !row.applies(experiment)) continue;
        // An ideal pulse has no field that would act for a time.
        if (name.ends_with("_duration_us") && row.get(experiment) == 0.0) continue;
        if (!may_change(experiment, row)) continue;
        names.emplace_back(name);
    }
    // Without what only the general simulator has, the uniform kernel's own one takes the rest.
    const bool by_kernel = is_uniform(experiment) && experiment.line.spins == 0 &&
                           !has_finite_pulses(experiment.sequence) &&
                           experiment.accuracy.magnus_order == 1 &&
                           experiment.accuracy.frame == Frame::rotating;
    if (by_kernel) {
        std::erase_if(names, [&](const std::string& name) {
            return !shares_plan(experiment, name) && !is_receiver_parameter(name);
        });
    }
    const SignalJacobian jacobian = simulate_with_jacobian(experiment, names);
    std::map<std::string, double> result;
    for (std::size_t p = 0; p < names.size(); ++p) {
        const double h = step_of(parameter(names[p]), experiment);
        const TangentError off = tangent_error(jacobian, p, h, curve_changed(experiment, names[p]),
                                               DifferenceOrder::sixth);
        if (off.largest > 0.0 || off.error > 0.0) result[names[p]] = off.relative();
    }
    return result;
}

std::map<std::string, double> largest_mismatches(const std::vector<Experiment>& draws) {
    std::vector<std::map<std::string, double>> of_draw(draws.size());
#pragma omp parallel for schedule(dynamic)
    for (std::size_t i = 0; i < draws.size(); ++i) of_draw[i] = mismatches(draws[i]);
    std::map<std::string, double> largest;
    for (const auto& one : of_draw) {
        for (const auto& [name, error] : one) {
            // Not a number counts as the largest.
            if (!(error <= largest[name])) largest[name] = error;
        }
    }
    return largest;
}

}  // namespace

void validate_derivatives(Report& report) {
    report.section(
        "Derivatives",
        "`simulate_with_jacobian` against central differences of sixth order of `simulate`, nodes "
        "and\n"
        "steps held fixed: largest difference of any sample's Mx, My, Mz over the largest "
        "derivative,\n"
        "the worst of six random draws each. Uniform: the kernel's own tangents. Lattice: "
        "gaussian,\n"
        "power law and rkky (in three dimensions), with d waves. General: under the uniform\n"
        "kernel, drawn spins, finite pulses, Magnus order 3 and the laboratory frame among the\n"
        "draws. All have another start state and a shifted line, some a Voigt line.");
    report.table({"parameter", "uniform", "lattice", "general", "worst", "tolerance"});
    const std::array<std::map<std::string, double>, 3> figures{largest_mismatches(uniform_draws()),
                                                               largest_mismatches(lattice_draws()),
                                                               largest_mismatches(general_draws())};
    for (const Parameter& row : parameter_table()) {
        if (is_no_parameter_of_curves(row.name)) continue;
        std::vector<std::string> cells{fmt::format("`{}`", row.name)};
        double worst = 0.0;
        bool any = false;
        for (const auto& figure : figures) {
            const auto found = figure.find(row.name);
            cells.push_back(found == figure.end() ? "" : scientific(found->second));
            if (found == figure.end()) continue;
            any = true;
            if (!(found->second <= worst)) worst = found->second;
        }
        // A row that no draw tells anything of would be a gap in the evidence.
        report.at_most(cells, any ? worst : std::nan(""), kTolerance);
    }
}

}  // namespace validation
