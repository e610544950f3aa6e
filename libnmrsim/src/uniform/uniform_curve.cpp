#include "uniform/uniform_curve.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>

#include "model/derived_rows.h"
#include "model/line_shape.h"
#include "model/spin_groups.h"
#include "nmrsim/parameters.h"
#include "nmrsim/units.h"

namespace nmrsim {
namespace {

/// Rows of which a curve's numbers are linear: their differences are exact.
constexpr std::array<std::string_view, 17> kLinear = {
    "alpha_x_khz",   "alpha_y_khz",    "alpha_z_khz",       "summed_khz",  "flip_deg",
    "refocus_ratio", "flip_phase_deg", "refocus_phase_deg", "pulse_scale", "noise",
    "centre_khz",    "start_mx",       "start_my",          "start_mz",    "tau_us",
    "refocus_deg",   "pulse_spread"};
constexpr std::array<std::string_view, 6> kRates = {
    "gamma1_per_s", "gamma2_per_s", "gamma3_per_s", "d", "d_base", "stretching"};
constexpr std::array<std::string_view, 2> kWidths = {"half_width_khz", "gaussian_half_width_khz"};

/// Of the differences for the others, over the parameter or 1: its fourth power is 1e-12.
constexpr double kDifference = 1e-3;

template <std::size_t n>
bool holds(const std::array<std::string_view, n>& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

/// Calls use(a, b) for each number of two curves.
template <class Use>
void for_each_pair(UniformNumbers& a, const UniformNumbers& b, const Use& use) {
    use(a.alpha_plane_hz, b.alpha_plane_hz);
    use(a.alpha_z_hz, b.alpha_z_hz);
    use(a.centre_hz, b.centre_hz);
    for (int k = 0; k < 3; ++k) use(a.start[k], b.start[k]);
    const auto use_rates = [&](UniformRates& one, const UniformRates& other) {
        use(one.transverse_per_s, other.transverse_per_s);
        use(one.longitudinal_per_s, other.longitudinal_per_s);
        use(one.recovery_per_s, other.recovery_per_s);
    };
    use_rates(a.rates, b.rates);
    use(a.dephasing_per_s, b.dephasing_per_s);
    use(a.stretching, b.stretching);
    for (std::size_t s = 0; s < a.site_rates.size(); ++s) {
        use_rates(a.site_rates[s], b.site_rates[s]);
    }
    use(a.pulse_spread, b.pulse_spread);
    for (std::size_t e = 0; e < a.pulse.size(); ++e) {
        use(a.pulse[e].flip_deg, b.pulse[e].flip_deg);
        use(a.pulse[e].phase_deg, b.pulse[e].phase_deg);
        use(a.delay_us[e], b.delay_us[e]);
    }
}

UniformRates rates_of(const Relaxation& relaxation) {
    return {relaxation.stretching == 1.0 ? relaxation.transverse_rate()
                                         : 0.5 * relaxation.longitudinal_rate(),
            relaxation.longitudinal_rate(),
            kSpinLength * (relaxation.gamma1_per_s - relaxation.gamma2_per_s)};
}

UniformNumbers numbers_of(const Experiment& experiment) {
    const Interaction& interaction = experiment.interaction;
    UniformNumbers numbers;
    numbers.alpha_plane_hz = interaction.alpha_plane_khz() * kHzPerKhz;
    numbers.alpha_z_hz = interaction.alpha_z_khz * kHzPerKhz;
    numbers.centre_hz = experiment.line.centre_khz * kHzPerKhz;
    numbers.start[0] = experiment.start.mx;
    numbers.start[1] = experiment.start.my;
    numbers.start[2] = experiment.start.mz;
    const Relaxation relaxation = slowest_relaxation(experiment);
    numbers.rates = rates_of(relaxation);
    numbers.dephasing_per_s = 0.5 * relaxation.gamma3_per_s;
    numbers.stretching = relaxation.stretching;
    if (!relaxes_alike(experiment)) {
        for (const SiteSpins& site : site_spins(experiment)) {
            numbers.site_rates.push_back(rates_of(site.relaxation));
        }
    }
    numbers.pulse_spread = experiment.sequence.pulse_spread;
    for (const Event& event : sequence_events(experiment.sequence)) {
        const Pulse* pulse = std::get_if<Pulse>(&event);
        numbers.pulse.push_back(pulse ? *pulse : Pulse{0.0, 0.0});
        numbers.delay_us.push_back(pulse ? 0.0 : std::get<Delay>(event).duration_us);
    }
    return numbers;
}

std::shared_ptr<const UniformWeights> weights_of(const Experiment& experiment,
                                                 const UniformNodes& nodes) {
    auto result = std::make_shared<UniformWeights>();
    const std::vector<SiteSpins> sites = site_spins(experiment);
    std::vector<double> offset_hz;
    for (const UniformBlock& block : nodes.blocks) {
        const std::size_t count = block.end - block.begin;
        offset_hz.assign(nodes.offset_hz.begin() + static_cast<std::ptrdiff_t>(block.begin),
                         nodes.offset_hz.begin() + static_cast<std::ptrdiff_t>(block.end));
        for (double& offset : offset_hz) offset -= block.shift_hz;
        for (const double w :
             line_weights(sites[block.site].line, offset_hz,
                          std::span(nodes.length_hz).subspan(block.begin, count))) {
            result->weight.push_back(w * block.share);
        }
    }
    for (const double w : result->weight) result->total += w;
    return result;
}

}  // namespace

UniformCurve uniform_curve(const Experiment& experiment, const UniformNodes& nodes, bool own_line) {
    UniformCurve curve{numbers_of(experiment)};
    if (own_line) curve.numbers.line = weights_of(experiment, nodes);
    return curve;
}

UniformNumbers uniform_tangent(const Experiment& experiment, const UniformNodes& nodes,
                               std::string_view parameter_name) {
    if (parameter_name == "stretching") {
        // Alone: where it is 1, the rates would jump.
        UniformNumbers slope;
        slope.stretching = 1.0;
        slope.pulse.assign(sequence_events(experiment.sequence).size(), Pulse{0.0, 0.0});
        slope.delay_us.assign(slope.pulse.size(), 0.0);
        return slope;
    }
    const Parameter& row = parameter(parameter_name);
    const double value = row.get(experiment);
    // Set without a check of bounds: the closed forms go on a little past them.
    const auto shifted = [&](double change) {
        Experiment other = experiment;
        shift_row(other, row, value + change);
        UniformNumbers numbers = numbers_of(other);
        if (changes_line(parameter_name)) numbers.line = weights_of(other, nodes);
        return numbers;
    };
    // Central differences, of fourth order where they are not exact.
    const bool exact = holds(kLinear, parameter_name);
    const double step = exact ? 1.0 : kDifference * (value != 0.0 ? std::abs(value) : 1.0);
    const UniformNumbers above = shifted(step), below = shifted(-step);
    UniformNumbers slope = above;
    slope.line = nullptr;
    for (Pulse& pulse : slope.pulse) pulse.duration_us = 0.0;
    if (exact) {
        for_each_pair(slope, below, [](double& a, double b) { a = 0.5 * (a - b); });
        return slope;
    }
    const UniformNumbers far_above = shifted(2.0 * step), far_below = shifted(-2.0 * step);
    const auto difference = [&](double a, double b, double far_a, double far_b) {
        return (8.0 * (a - b) - (far_a - far_b)) / (12.0 * step);
    };
    UniformNumbers far = far_above;
    for_each_pair(slope, below, [](double& a, double b) { a = a - b; });
    for_each_pair(far, far_below, [](double& a, double b) { a = a - b; });
    for_each_pair(slope, far, [&](double& a, double b) { a = difference(a, 0.0, b, 0.0); });
    if (changes_line(parameter_name)) {
        auto line = std::make_shared<UniformWeights>();
        line->weight.resize(above.line->weight.size());
        for (std::size_t i = 0; i < line->weight.size(); ++i) {
            line->weight[i] = difference(above.line->weight[i], below.line->weight[i],
                                         far_above.line->weight[i], far_below.line->weight[i]);
            line->total += line->weight[i];
        }
        slope.line = std::move(line);
    }
    return slope;
}

bool is_stretched(const UniformCurve& curve) {
    const UniformNumbers& numbers = curve.numbers;
    return (numbers.dephasing_per_s != 0.0 && numbers.stretching != 1.0) ||
           std::ranges::any_of(curve.tangents, [](const UniformNumbers& tangent) {
               return tangent.stretching != 0.0;
           });
}

double stretched_loss(const UniformNumbers& curve, double time_s) {
    if (curve.stretching == 1.0) return 0.0;
    return std::pow(curve.dephasing_per_s * std::abs(time_s), curve.stretching);
}

double stretched_loss(const UniformNumbers& curve, const UniformNumbers& tangent, double time_s) {
    const double x = curve.dephasing_per_s * std::abs(time_s);
    if (x == 0.0) return 0.0;
    const double by_rate = curve.stretching == 1.0
                               ? 0.0
                               : curve.stretching * tangent.dephasing_per_s / curve.dephasing_per_s;
    return std::pow(x, curve.stretching) * (by_rate + std::log(x) * tangent.stretching);
}

double stretched_rate(const UniformNumbers& curve, double time_s) {
    const double loss = stretched_loss(curve, time_s);
    return loss == 0.0 ? 0.0 : curve.stretching * loss / std::abs(time_s);
}

const UniformRates& rates_of(const UniformBlock& block, const UniformNumbers& curve) {
    return curve.site_rates.empty() ? curve.rates : curve.site_rates[block.site];
}

Pulse pulse_on(const UniformBlock& block, const UniformNumbers& curve, std::size_t event) {
    Pulse pulse = curve.pulse[event];
    pulse.flip_deg *= block.strength_at(curve.pulse_spread);
    return pulse;
}

Pulse pulse_slope_on(const UniformBlock& block, const UniformNumbers& curve,
                     const UniformNumbers& tangent, std::size_t event) {
    Pulse slope = tangent.pulse[event];
    slope.flip_deg = block.strength_at(curve.pulse_spread) * slope.flip_deg +
                     block.strength_slope * tangent.pulse_spread * curve.pulse[event].flip_deg;
    return slope;
}

bool shares_plan(const Experiment& experiment, std::string_view parameter_name) {
    if (changes_line(parameter_name)) return !shape_of(experiment.line).kinks_hz;
    // A name may stand in a pulse's duration.
    if (!parameter(parameter_name).getter && has_finite_pulses(experiment.sequence)) return false;
    if (changes_times(parameter_name) && !relaxes_alike(experiment)) return false;
    return holds(kLinear, parameter_name) || changes_relaxation(parameter_name) ||
           changes_times(parameter_name);
}

bool changes_line(std::string_view parameter_name) {
    return holds(kWidths, parameter_name);
}

bool changes_times(std::string_view parameter_name) {
    // Names of a sequence may stand in its delays.
    return parameter_name == "tau_us" || !parameter(parameter_name).getter;
}

OwnUnknowns::OwnUnknowns(const Prior& prior) {
    for (const PriorRange& range : prior) {
        line = line || changes_line(range.name);
        relaxation = relaxation || changes_relaxation(range.name);
        start = start || range.name.starts_with("start_");
        times = times || changes_times(range.name);
    }
}

bool changes_relaxation(std::string_view parameter_name) {
    return holds(kRates, parameter_name);
}

}  // namespace nmrsim
