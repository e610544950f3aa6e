/// What differs between curves of the uniform kernel that share a plan.
#pragma once

#include <vector>

#include "nmrsim/experiment.h"

namespace nmrsim {

/// How a curve changes with one parameter, per unit of it.
struct UniformTangent {
    double alpha_plane_hz = 0.0;  ///< of the in-plane coupling [Hz]
    double alpha_z_hz = 0.0;      ///< of the coupling along z [Hz]
    std::vector<Pulse> pulse;     ///< (events) of flip angle and phase; zeros for delays
};

/// What may differ between curves that share a plan.
struct UniformCurve {
    double alpha_plane_hz = 0.0;                ///< in-plane coupling [Hz]
    double alpha_z_hz = 0.0;                    ///< coupling along z [Hz]
    std::vector<Event> events;                  ///< as the plan's, but for flip angles and phases
    std::vector<UniformTangent> tangents = {};  ///< at most kMostTangents, as many for each curve
};

UniformCurve uniform_curve(const Experiment& experiment);

/// How the experiment's curve changes with a parameter that shares_plan() and is not the noise.
UniformTangent uniform_tangent(const Experiment& experiment, const char* parameter_name);

/// Whether a parameter may differ between curves of one plan (but for the size of the step).
bool shares_plan(const char* parameter_name);

}  // namespace nmrsim
