/// What the general simulator steps, as numbers.
#pragma once

#include <string_view>
#include <vector>

#include "base/dual_functions.h"
#include "nmrsim/experiment.h"

namespace nmrsim {

/// Every real number that a curve depends on, so that derivatives with respect to any parameter are
/// those of these numbers, carried through the evolution.
template <class Scalar>
struct EnsembleInputs {
    Scalar plane = 0.0;         ///< 2 pi (alpha_x + alpha_y) / 2 [rad/us per unit of w]
    Scalar counter = 0.0;       ///< 2 pi (alpha_x - alpha_y) / 2, which turns at twice nu_0
    Scalar z = 0.0;             ///< 2 pi alpha_z
    Scalar carrier = 0.0;       ///< 4 pi nu_0 [rad/us]
    Scalar transverse = 0.0;    ///< 1/T2 [1/us]
    Scalar longitudinal = 0.0;  ///< 1/T1 [1/us]
    Scalar recovery = 0.0;      ///< equilibrium mz over T1 [1/us]
    Scalar start[3] = {0.0, 0.0, 0.0};
    std::vector<Scalar> offset;    ///< (spins) [rad/us]
    std::vector<Scalar> weight;    ///< (spins) in the mean
    std::vector<Scalar> kernel;    ///< (sites) as kernel_table; empty: each couples to the mean
    std::vector<Scalar> flip;      ///< (events) [rad], 0 for delays
    std::vector<Scalar> phase;     ///< (events) [rad]
    std::vector<Scalar> duration;  ///< (events) [us], 0 for ideal pulses
    std::vector<Scalar> sample;    ///< (points) [us]
};

/// How the line is cut into nodes, uniform kernel.
struct EnsembleNodes {
    int count = 0;
    double stretch = 0.0;
    double error = 0.0;            ///< of M for uncoupled spins; 0 where there is no integral
    std::vector<int> pieces = {};  ///< of panels, in place of the two where there are any
    int level = 0;                 ///< the tolerance was taken to be 10^level times smaller
};

/// Nodes that the tolerance, or accuracy.nodes, asks for.
///
/// Args: magnitude: the curve's largest |M|, of which the tolerance is a share; 0: what uncoupled
/// spins would give.
EnsembleNodes ensemble_nodes(const Experiment& experiment, double magnitude = 0.0);

/// Better nodes, for so many levels more at least; the same where there are none to choose.
EnsembleNodes finer_nodes(const Experiment& experiment, const EnsembleNodes& nodes, int levels);

/// Whether a curve with this largest |M| wants more than the nodes that it was computed with.
bool needs_more_nodes(const Experiment& experiment, const EnsembleNodes& nodes, double magnitude);

/// The numbers of a valid experiment.
EnsembleInputs<double> ensemble_inputs(const Experiment& experiment, const EnsembleNodes& nodes);

/// All of them in a fixed order.
std::vector<double> flat(const EnsembleInputs<double>& inputs);

/// Their derivatives with respect to a parameter, in the same order: by central differences of
/// fourth order of these closed forms (1e-10 relative), nothing of the evolution in them.
std::vector<double> input_slopes(const Experiment& experiment, const EnsembleNodes& nodes,
                                 std::string_view parameter_name);

/// Calls `use(number)` for each number, in the order of flat().
template <class Inputs, class Use>
void for_each_number(Inputs& inputs, Use&& use) {
    for (auto* one : {&inputs.plane, &inputs.counter, &inputs.z, &inputs.carrier,
                      &inputs.transverse, &inputs.longitudinal, &inputs.recovery, &inputs.start[0],
                      &inputs.start[1], &inputs.start[2]}) {
        use(*one);
    }
    for (auto* many : {&inputs.offset, &inputs.weight, &inputs.kernel, &inputs.flip, &inputs.phase,
                       &inputs.duration, &inputs.sample}) {
        for (auto& one : *many) use(one);
    }
}

/// The numbers with the slopes of `size` parameters, (parameters, numbers).
template <int size>
EnsembleInputs<Dual<size>> with_slopes(const EnsembleInputs<double>& plain,
                                       const std::vector<std::vector<double>>& slopes) {
    EnsembleInputs<Dual<size>> inputs;
    inputs.offset.resize(plain.offset.size());
    inputs.weight.resize(plain.weight.size());
    inputs.kernel.resize(plain.kernel.size());
    inputs.flip.resize(plain.flip.size());
    inputs.phase.resize(plain.phase.size());
    inputs.duration.resize(plain.duration.size());
    inputs.sample.resize(plain.sample.size());
    const std::vector<double> values = flat(plain);
    std::size_t i = 0;
    for_each_number(inputs, [&](Dual<size>& number) {
        number.value = values[i];
        for (std::size_t k = 0; k < slopes.size(); ++k) number.slope[k] = slopes[k][i];
        ++i;
    });
    return inputs;
}

}  // namespace nmrsim
