// Errors against the size of the step.

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "experiments.h"
#include "general/ensemble_simulator.h"
#include "lattice/lattice_simulator.h"
#include "nmrsim/units.h"
#include "oracle/bloch_oracle.h"
#include "sections.h"
#include "uniform/splitting_scheme.h"
#include "uniform/uniform_curve.h"
#include "uniform/uniform_plan.h"
#include "uniform/uniform_simulator.h"

namespace validation {
namespace {

using namespace nmrsim;

/// Nodes of the line, the same number for all: converged to rounding, so that the step alone tells.
constexpr int kNodes = 192;

/// Order of the general simulator at `step_us`: it halves what is asked for, to estimate its error.
Signal general_with(Experiment e, double step_us) {
    e.accuracy.steps_per_point = 0.5 / step_us;  // samples are 1 us apart
    return simulate_ensemble(e);
}

Signal lattice_with(Experiment e, double step_us) {
    LatticeWorkspace workspace;
    e.accuracy.steps_per_point = 1.0 / step_us;
    return simulate_lattice(e, workspace).value();
}

/// The uniform kernel with one scheme and step; the samples fall on the steps' ends, where the
/// interpolation between them is exact.
Signal split_with(const Experiment& e, const SplittingScheme& scheme, double step_us) {
    UniformStep step;
    step.scheme = &scheme;
    step.step_s = step_us * kSecondsPerUs;
    const UniformTables<double> tables =
        uniform_tables<double>(uniform_plan(e, uniform_nodes(e), step));
    const UniformCurve curve = uniform_curve(e, tables.plan.nodes);
    Signal signal;
    signal.time_us = tables.plan.time_us;
    const std::size_t points = signal.points();
    std::vector<double> all(3 * points);
    run_uniform<double, double>(tables, std::span(&curve, 1), all);
    const auto part = [&](std::size_t k) {
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(k * points);
        return std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(points));
    };
    signal.mx = part(0);
    signal.my = part(1);
    signal.mz = part(2);
    return signal;
}

struct Series {
    std::string what;
    double longest_us;  ///< the first step; each next one is half as long
    int halvings;
    double least_order;
    double most_order;
    std::function<Signal(double step_us)> run;
};

void add_series(Report& report, const Series& series, const Signal& exact) {
    const double largest = peak_magnitude(exact);
    double before = 0.0;
    for (int k = 0; k <= series.halvings; ++k) {
        const double step_us = std::ldexp(series.longest_us, -k);
        const double error = largest_difference(series.run(step_us), exact) / largest;
        const std::vector<std::string> cells{k == 0 ? series.what : "",
                                             fmt::format("{:g}", step_us), scientific(error)};
        if (k == 0) {
            report.row({cells[0], cells[1], cells[2], "", ""});
        } else {
            report.between(cells, std::log2(before / error), series.least_order, series.most_order);
        }
        before = error;
    }
}

}  // namespace

void validate_orders(Report& report) {
    report.section(
        "Convergence orders",
        "Error of a Hahn echo (tau 12 us, window 36 us, couplings 90 and 150 kHz) over the "
        "largest\n"
        "|M+| as the step is halved, and the order that each error and the one before it show. "
        "The\n"
        "exact curve is the Odeint solution of the section after the next, steps within 1e-13.");
    report.table({"what", "step [us]", "error", "order", "expected"});

    // Samples 1 us apart from 0, the second pulse at 12 us: steps end on all of them.
    Experiment uniform = uniform_echo();
    uniform.accuracy.nodes = kNodes;
    uniform.accuracy.tolerance = 1e-13;  // of nodes and series; steps are given
    Experiment relaxing = uniform;
    relaxing.relaxation = {6e3, 2e3, 9e3, 10.0};
    Experiment laboratory = relaxing;
    laboratory.interaction.alpha_y_khz = 30.0;
    laboratory.line.larmor_mhz = 0.15;
    laboratory.accuracy.frame = Frame::laboratory;
    Experiment lattice = lattice_echo();
    lattice.accuracy.tolerance = uniform.accuracy.tolerance;
    Experiment relaxing_lattice = lattice;
    relaxing_lattice.relaxation = relaxing.relaxation;

    const auto exact = [](const Experiment& e) { return oracle::solve(e, {1e-13, 1.0}); };
    const auto splitting = [](const SplittingScheme& scheme, const Experiment& e) {
        return [&scheme, e](double step_us) { return split_with(e, scheme, step_us); };
    };
    const auto general = [](const Experiment& e) {
        return [e](double step_us) { return general_with(e, step_us); };
    };
    const auto multistep = [](const Experiment& e) {
        return [e](double step_us) { return lattice_with(e, step_us); };
    };
    // Within a tenth of the scheme's order, and half of one where a next order still has a share.
    const Signal of_uniform = exact(uniform), of_relaxing = exact(relaxing);
    add_series(report,
               {"uniform kernel, symmetric splitting", 0.25, 3, 1.9, 2.1,
                splitting(strang_scheme(), uniform)},
               of_uniform);
    add_series(report,
               {"uniform kernel, splitting of order 4 (S6)", 1.0, 3, 3.9, 4.2,
                splitting(blanes_moan_4(), uniform)},
               of_uniform);
    add_series(report,
               {"the same, relaxation", 1.0, 3, 3.9, 4.2, splitting(blanes_moan_4(), relaxing)},
               of_relaxing);
    add_series(report,
               {"uniform kernel, splitting of order 6 (S10)", 1.0, 2, 5.9, 6.2,
                splitting(blanes_moan_6(), uniform)},
               of_uniform);
    add_series(report, {"lattice, multistep of order 5", 0.25, 3, 4.5, 5.9, multistep(lattice)},
               exact(lattice));
    add_series(report, {"the same, relaxation", 0.25, 3, 4.0, 5.9, multistep(relaxing_lattice)},
               exact(relaxing_lattice));
    add_series(report,
               {"general, commutator-free, uniform kernel, relaxation", 0.25, 3, 3.9, 4.5,
                general(relaxing)},
               of_relaxing);
    add_series(report,
               {"general, lattice, relaxation", 0.25, 3, 3.9, 4.5, general(relaxing_lattice)},
               exact(relaxing_lattice));
    add_series(report,
               {"general, laboratory frame (0.15 MHz)", 0.25, 3, 3.9, 4.5, general(laboratory)},
               exact(laboratory));
}

}  // namespace validation
