/// What differs between curves of the uniform kernel that share a plan.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "nmrsim/experiment.h"
#include "uniform/uniform_plan.h"

namespace nmrsim {

/// Weights of a line on a plan's nodes.
struct UniformWeights {
    std::vector<double> weight;  ///< (nodes)
    double total = 0.0;
};

/// How spins relax.
struct UniformRates {
    double transverse_per_s = 0.0;    ///< 1/T2
    double longitudinal_per_s = 0.0;  ///< 1/T1
    double recovery_per_s = 0.0;      ///< equilibrium mz over T1
};

/// The numbers that a curve depends on, or how they change with one parameter, per unit of it.
struct UniformNumbers {
    double alpha_plane_hz = 0.0;        ///< in-plane coupling [Hz]
    double alpha_z_hz = 0.0;            ///< coupling along z [Hz]
    double centre_hz = 0.0;             ///< of the line: turns the frame [Hz]
    double start[3] = {0.0, 0.0, 0.0};  ///< mean of I
    UniformRates rates = {};
    /// Gamma_3 / 2, and the exponent of what it takes since the sequence's start. An exponent of 1
    /// is in rates.transverse_per_s already, another one is not.
    double dephasing_per_s = 0.0;
    double stretching = 0.0;
    std::vector<UniformRates> site_rates = {};  ///< (sites) where they relax in their own ways
    double pulse_spread = 0.0;                  ///< of the pulses' strength
    std::vector<Pulse> pulse = {};              ///< (events) flip angle and phase; zeros for delays
    std::vector<double> delay_us = {};          ///< (events) zeros for pulses [us]
    std::shared_ptr<const UniformWeights> line;  ///< null: the plan's; of a slope: none
};

/// What may differ between curves that share a plan.
struct UniformCurve {
    UniformNumbers numbers;
    std::vector<UniformNumbers> tangents = {};  ///< at most kMostTangents, as many for each curve
    std::vector<UniformSpan> spans = {};        ///< (segments); none: those of the plan
};

/// Args: own_line: the line is not the one that the plan's nodes have the weights of.
UniformCurve uniform_curve(const Experiment& experiment, const UniformNodes& nodes,
                           bool own_line = false);

/// How the experiment's curve changes with a parameter that shares_plan() and is not the noise.
UniformNumbers uniform_tangent(const Experiment& experiment, const UniformNodes& nodes,
                               std::string_view parameter_name);

/// Whether dephasing is, or a derivative asks for it to be, anything but exponential.
bool is_stretched(const UniformCurve& curve);

/// What a curve's dephasing takes until a time beyond its rates: (Gamma_3 |t| / 2)^beta, or 0 where
/// beta = 1; and how it changes with a parameter.
double stretched_loss(const UniformNumbers& curve, double time_s);
double stretched_loss(const UniformNumbers& curve, const UniformNumbers& tangent, double time_s);
/// Its derivative by the time, > 0 [1/s].
double stretched_rate(const UniformNumbers& curve, double time_s);

/// The rates of a block's spins.
const UniformRates& rates_of(const UniformBlock& block, const UniformNumbers& curve);

/// A pulse, the event `event`, as it acts on a block's spins, and how it changes with a parameter.
Pulse pulse_on(const UniformBlock& block, const UniformNumbers& curve, std::size_t event);
Pulse pulse_slope_on(const UniformBlock& block, const UniformNumbers& curve,
                     const UniformNumbers& tangent, std::size_t event);

/// Whether a parameter may differ between curves of one plan (but for the size of the step).
bool shares_plan(const Experiment& experiment, std::string_view parameter_name);

/// Whether it changes the line's weights, or how the spins relax.
bool changes_line(std::string_view parameter_name);
bool changes_relaxation(std::string_view parameter_name);

/// Whether it changes the times of pulses.
bool changes_times(std::string_view parameter_name);

/// What a batch's unknowns give each curve of its own.
struct OwnUnknowns {
    bool line = false, relaxation = false, start = false, times = false;

    explicit OwnUnknowns(const Prior& prior);

    /// Whether the batch's experiment does not say where a curve's long delays may be cut.
    bool delays() const { return line || relaxation || times; }
    /// Whether it does not say how large |M| may become.
    bool bounds() const { return line || relaxation || start; }
};

}  // namespace nmrsim
