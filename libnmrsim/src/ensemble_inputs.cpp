#include "ensemble_inputs.h"

#include <algorithm>
#include <cmath>

#include "lattice_simulator.h"
#include "nmrsim/parameters.h"
#include "nmrsim/random.h"
#include "nmrsim/units.h"
#include "uniform_error.h"
#include "uniform_plan.h"

namespace nmrsim {
namespace {

constexpr double kRadPerUsPerKhz = kTwoPi * kHzPerKhz * kSecondsPerUs;
constexpr double kRadPerUsPerHz = kTwoPi * kSecondsPerUs;

/// The step of the differences, over the parameter or 1: its fourth power is 1e-12.
constexpr double kDifference = 1e-3;

}  // namespace

EnsembleNodes ensemble_nodes(const Experiment& experiment, double magnitude) {
    if (!is_uniform(experiment) || experiment.line.spins > 0) return {};
    const double asked = std::max(experiment.accuracy.tolerance, kLeastTolerance);
    UniformNodes nodes = uniform_nodes(experiment);
    int level = 0;
    if (!experiment.accuracy.nodes) {
        const double share = magnitude > 0.0 ? magnitude : uncoupled_magnitude(experiment, nodes);
        // Beyond rounding there is no better.
        const int last =
            std::max(0, static_cast<int>(std::ceil(std::log10(asked / kLeastTolerance))));
        level = std::clamp(static_cast<int>(std::ceil(-std::log10(share))), 0, last);
        if (level > 0) nodes = uniform_nodes(experiment, level);
    }
    const int count = static_cast<int>(nodes.weight.size());
    return {count, line_stretch(count, std::max(asked * std::pow(10.0, -level), kLeastTolerance)),
            nodes.error, std::move(nodes.pieces)};
}

bool needs_more_nodes(const Experiment& experiment, const EnsembleNodes& nodes, double magnitude) {
    if (nodes.error <= kNodeShare * experiment.accuracy.tolerance * magnitude) return false;
    return ensemble_nodes(experiment, magnitude).count > nodes.count;
}

EnsembleInputs<double> ensemble_inputs(const Experiment& experiment, const EnsembleNodes& nodes) {
    EnsembleInputs<double> inputs;
    const Interaction& interaction = experiment.interaction;
    const double alpha_y = interaction.alpha_y_khz.value_or(interaction.alpha_x_khz);
    inputs.plane = kRadPerUsPerKhz * 0.5 * (interaction.alpha_x_khz + alpha_y);
    inputs.counter = kRadPerUsPerKhz * 0.5 * (interaction.alpha_x_khz - alpha_y);
    inputs.z = kRadPerUsPerKhz * interaction.alpha_z_khz;
    inputs.carrier = 2.0 * kTwoPi * experiment.line.larmor_mhz;
    const Relaxation& relaxation = experiment.relaxation;
    inputs.transverse = relaxation.transverse_rate() * kSecondsPerUs;
    inputs.longitudinal = relaxation.longitudinal_rate() * kSecondsPerUs;
    inputs.recovery = 0.5 * (relaxation.gamma1_per_s - relaxation.gamma2_per_s) * kSecondsPerUs;
    inputs.start[0] = experiment.start.mx;
    inputs.start[1] = experiment.start.my;
    inputs.start[2] = experiment.start.mz;

    if (is_uniform(experiment) && experiment.line.spins == 0) {
        LineQuadrature line = nodes.pieces.empty()
                                  ? line_quadrature(experiment.line, nodes.count, nodes.stretch)
                                  : line_quadrature(experiment.line, nodes.pieces);
        inputs.offset = std::move(line.offset_hz);
        inputs.weight = std::move(line.weight);
    } else if (is_uniform(experiment)) {
        CounterRandom random(experiment.lattice.seed, 0, RandomStream::offsets);
        std::vector<double> u(static_cast<std::size_t>(experiment.line.spins));
        for (double& one : u) one = random.uniform();
        inputs.offset = line_quantiles(experiment.line, u);
        inputs.weight.assign(u.size(),
                             line_weight(experiment.line) / static_cast<double>(u.size()));
    } else {
        inputs.offset = draw_offsets_hz(experiment);
        const double share = line_weight(experiment.line);
        inputs.weight.assign(inputs.offset.size(),
                             share / static_cast<double>(inputs.offset.size()));
        inputs.kernel = kernel_table(interaction, experiment.lattice);
        for (double& f : inputs.kernel) f *= share;
    }
    for (double& offset : inputs.offset) {
        offset = kRadPerUsPerHz * (offset + kHzPerKhz * experiment.line.centre_khz);
    }
    for (const Event& event : sequence_events(experiment.sequence)) {
        if (const auto* pulse = std::get_if<Pulse>(&event)) {
            inputs.flip.push_back(pulse->flip_deg * kRadiansPerDegree);
            inputs.phase.push_back(pulse->phase_deg * kRadiansPerDegree);
            inputs.duration.push_back(pulse->duration_us);
        } else {
            inputs.flip.push_back(0.0);
            inputs.phase.push_back(0.0);
            inputs.duration.push_back(std::get<Delay>(event).duration_us);
        }
    }
    inputs.sample = acquisition_times_us(experiment.acquisition);
    return inputs;
}

std::vector<double> flat(const EnsembleInputs<double>& inputs) {
    std::vector<double> numbers;
    for_each_number(inputs, [&](const double& number) { numbers.push_back(number); });
    return numbers;
}

std::vector<double> input_slopes(const Experiment& experiment, const EnsembleNodes& nodes,
                                 std::string_view parameter_name) {
    const Parameter& row = parameter(parameter_name);
    const double value = row.get(experiment);
    const double step = kDifference * (value != 0.0 ? std::abs(value) : 1.0);
    const auto shifted = [&](double steps) {
        // Set without a check of bounds: the closed forms go on a little past them.
        Experiment other = experiment;
        row.set(other, value + steps * step);
        return flat(ensemble_inputs(other, nodes));
    };
    const std::vector<double> above = shifted(1.0), below = shifted(-1.0);
    const std::vector<double> far_above = shifted(2.0), far_below = shifted(-2.0);
    std::vector<double> slope(above.size());
    for (std::size_t i = 0; i < slope.size(); ++i) {
        slope[i] = (8.0 * (above[i] - below[i]) - (far_above[i] - far_below[i])) / (12.0 * step);
    }
    return slope;
}

}  // namespace nmrsim
