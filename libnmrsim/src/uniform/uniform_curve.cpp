#include "uniform/uniform_curve.h"

#include <string_view>

#include "nmrsim/parameters.h"
#include "nmrsim/units.h"

namespace nmrsim {

UniformCurve uniform_curve(const Experiment& experiment) {
    const Interaction& interaction = experiment.interaction;
    return {interaction.alpha_plane_khz() * kHzPerKhz, interaction.alpha_z_khz * kHzPerKhz,
            sequence_events(experiment.sequence)};
}

UniformTangent uniform_tangent(const Experiment& experiment, const char* parameter_name) {
    // What a curve holds is linear in each of these parameters, so a difference is exact.
    const Parameter& row = parameter(parameter_name);
    const double value = row.get(experiment);
    const auto shifted = [&](double change) {
        Experiment other = experiment;
        row.set(other, value + change);
        return uniform_curve(other);
    };
    const UniformCurve above = shifted(1.0), below = shifted(-1.0);
    UniformTangent tangent;
    tangent.alpha_plane_hz = 0.5 * (above.alpha_plane_hz - below.alpha_plane_hz);
    tangent.alpha_z_hz = 0.5 * (above.alpha_z_hz - below.alpha_z_hz);
    for (std::size_t e = 0; e < above.events.size(); ++e) {
        Pulse slope{0.0, 0.0};
        if (const Pulse* high = std::get_if<Pulse>(&above.events[e])) {
            const Pulse& low = std::get<Pulse>(below.events[e]);
            slope = {0.5 * (high->flip_deg - low.flip_deg),
                     0.5 * (high->phase_deg - low.phase_deg)};
        }
        tangent.pulse.push_back(slope);
    }
    return tangent;
}

bool shares_plan(const char* parameter_name) {
    const std::string_view name(parameter_name);
    for (std::string_view shared :
         {"alpha_x_khz", "alpha_y_khz", "alpha_z_khz", "summed_khz", "flip_deg", "refocus_ratio",
          "flip_phase_deg", "refocus_phase_deg", "pulse_scale", "noise"}) {
        if (name == shared) return true;
    }
    return false;
}

}  // namespace nmrsim
