#include "nmrsim/mirrored_echo.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <variant>

#include "model/line_shape.h"

namespace nmrsim {

namespace {

/// Angles are equal up to this [degree].
constexpr double kSameAngle = 1e-9;

/// Unknowns under which it holds as it does without.
bool keeps_mirror(const PriorRange& unknown) {
    constexpr std::array<std::string_view, 18> kHarmless = {"kernel",
                                                            "alpha_x_khz",
                                                            "alpha_z_khz",
                                                            "xi",
                                                            "exponent",
                                                            "s_weight",
                                                            "d_weight",
                                                            "summed_khz",
                                                            "summed_by_xi_khz",
                                                            "half_width_khz",
                                                            "gaussian_half_width_khz",
                                                            "cutoff_khz",
                                                            "gamma3_per_s",
                                                            "d",
                                                            "start_mz",
                                                            "gain",
                                                            "refocus_ratio",
                                                            "noise"};
    return std::find(kHarmless.begin(), kHarmless.end(), unknown.name) != kHarmless.end();
}

}  // namespace

std::optional<double> mirror_axis_deg(const Experiment& experiment) {
    const auto* echo = std::get_if<HahnEcho>(&experiment.sequence.program);
    const Line& line = experiment.line;
    const bool drawn = !is_uniform(experiment) || line.spins > 0;
    if (!drawn || echo == nullptr || has_finite_pulses(experiment.sequence) ||
        experiment.interaction.alpha_y_khz || !experiment.phase_cycle.empty()) {
        return {};
    }
    const bool even = shape_of(line).even && line.centre_khz == 0.0;
    const bool along_z = experiment.start.mx == 0.0 && experiment.start.my == 0.0;
    const bool relaxes_to_zero =
        experiment.relaxation.gamma1_per_s == experiment.relaxation.gamma2_per_s;
    const double flip = std::abs(echo->flip_deg * experiment.sequence.pulse_scale);
    // 90, 270, ... degrees
    const double off_quarter = std::abs(std::remainder(flip - 90.0, 180.0));
    const double off_perpendicular =
        std::abs(std::remainder(echo->refocus_phase_deg - echo->flip_phase_deg - 90.0, 180.0));
    if (!even || !along_z || !relaxes_to_zero || off_quarter > kSameAngle ||
        off_perpendicular > kSameAngle ||
        !std::all_of(experiment.prior.begin(), experiment.prior.end(), keeps_mirror)) {
        return {};
    }
    return echo->refocus_phase_deg + experiment.acquisition.receiver_phase_deg;
}

}  // namespace nmrsim
