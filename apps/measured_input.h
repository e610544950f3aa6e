/// Measured echoes for nmr-fit: found, scaled and fitted, with what was done.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "curve_input.h"
#include "nmrinverse/measured_echo.h"
#include "nmrinverse/measured_noise.h"
#include "nmrinverse/model.h"
#include "nmrinverse/refine.h"

namespace nmrapps {

/// --measured and what takes parts of it away.
struct MeasuredOptions {
    bool on = false;
    bool no_align = false;
    bool no_gain = false;
    bool no_phase = false;

    /// Throws: std::invalid_argument for --no-align and the like without --measured.
    void check() const;
};

void add_measured_options(CLI::App& app, MeasuredOptions& options);

/// What became of measured curves.
struct MeasuredCurvesFitted {
    /// In the model's units; `own` as they were sampled.
    Curves curves;
    std::vector<nmrinverse::NoiseEstimate> noise;  ///< (count): of these samples, in units of M
    std::vector<nmrinverse::EchoFit> fits;         ///< (count)
    /// (count): what speaks against it: "" or clipped, or its time zero at its range's end.
    std::vector<std::string> doubt;
    std::string steps;  ///< JSON: what was done, an object for each curve
};

/// Reads and fits all inputs, one line for each step.
///
/// Args: noise: on each of Re and Im of a sample of the input, in the input's unit; 0: from the
/// tail. fitting: what the receiver leaves open. Throws: nmrsim::InputError for what cannot be read
/// and times that are not evenly spaced or too short; std::invalid_argument for a kernel of finite
/// range.
MeasuredCurvesFitted fit_measured(const std::vector<std::string>& inputs,
                                  const nmrinverse::Model& model, const nmrsim::CurveFormat& format,
                                  const MeasuredOptions& options, double noise,
                                  nmrinverse::RefineOptions fitting, const Say& say,
                                  const std::function<bool(double)>& progress);

/// Starts of a joint fit, (count, draws, unknowns): each curve's fit and the draws that led to it.
std::vector<double> joint_starts(const MeasuredCurvesFitted& measured, std::size_t draws);

}  // namespace nmrapps
