#include "general/ensemble_inputs.h"

#include <algorithm>
#include <cmath>

#include "lattice/lattice_simulator.h"
#include "model/derived_rows.h"
#include "nmrsim/parameters.h"
#include "nmrsim/random.h"
#include "nmrsim/units.h"
#include "uniform/uniform_error.h"
#include "uniform/uniform_plan.h"

namespace nmrsim {
namespace {

constexpr double kRadPerUsPerKhz = kTwoPi * kHzPerKhz * kSecondsPerUs;
constexpr double kRadPerUsPerHz = kTwoPi * kSecondsPerUs;

/// The step of the differences, over the parameter or 1: its fourth power is 1e-12.
constexpr double kDifference = 1e-3;
/// By the cut of a table, whose density has kinks.
constexpr double kDifferenceOfKinks = 1e-6;

/// A rule that is better by less may be the same.
constexpr double kClearlyBetter = 0.1;

/// Whether the spins are an integral over the line.
bool has_nodes(const Experiment& experiment) {
    return is_uniform(experiment) && experiment.line.spins == 0;
}

double tolerance_of(const Experiment& experiment) {
    return std::max(experiment.accuracy.tolerance, kLeastTolerance);
}

/// Beyond rounding there is no better.
int last_level(const Experiment& experiment) {
    const double decades = std::log10(tolerance_of(experiment) / kLeastTolerance);
    return std::max(0, static_cast<int>(std::ceil(decades)));
}

EnsembleNodes as_nodes(const Experiment& experiment, UniformNodes nodes, int level) {
    const int count = static_cast<int>(nodes.weight.size());
    const double tolerance =
        std::max(tolerance_of(experiment) * std::pow(10.0, -level), kLeastTolerance);
    return {count, line_stretch(count, tolerance), nodes.error, std::move(nodes.pieces.front()),
            level};
}

}  // namespace

EnsembleNodes ensemble_nodes(const Experiment& experiment, double magnitude) {
    if (!has_nodes(experiment)) return {};
    UniformNodes nodes = uniform_nodes(experiment);
    int level = 0;
    if (!experiment.accuracy.nodes) {
        const double share = magnitude > 0.0 ? magnitude : uncoupled_magnitude(experiment, nodes);
        level =
            std::clamp(static_cast<int>(std::ceil(-std::log10(share))), 0, last_level(experiment));
        if (level > 0) nodes = uniform_nodes(experiment, level);
    }
    return as_nodes(experiment, std::move(nodes), level);
}

EnsembleNodes finer_nodes(const Experiment& experiment, const EnsembleNodes& nodes, int levels) {
    if (!has_nodes(experiment) || experiment.accuracy.nodes) return nodes;
    const int last = last_level(experiment);
    for (int level = std::min(nodes.level + levels, last); level <= last; ++level) {
        EnsembleNodes finer = as_nodes(experiment, uniform_nodes(experiment, level), level);
        if (finer.error < kClearlyBetter * nodes.error) return finer;
    }
    return nodes;
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
    inputs.sample = acquisition_times_us(experiment);
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
    const bool kinks = parameter_name == "cutoff_khz" && experiment.line.shape == LineShape::table;
    const double step =
        (kinks ? kDifferenceOfKinks : kDifference) * (value != 0.0 ? std::abs(value) : 1.0);
    const auto shifted = [&](double steps) {
        // Set without a check of bounds: the closed forms go on a little past them.
        Experiment other = experiment;
        shift_row(other, row, value + steps * step);
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
