/// Measured echoes found, scaled and fitted, with what was done.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nmrinverse/curves.h"
#include "nmrinverse/measured_echo.h"
#include "nmrinverse/measured_noise.h"
#include "nmrinverse/refine.h"

namespace nmrinverse {

/// One line for the user.
using Say = std::function<void(const std::string&)>;

/// What became of measured curves.
struct MeasuredFits {
    /// In units of M; `own` as they were sampled.
    Curves curves;
    std::vector<NoiseEstimate> noise;        ///< (count): of these samples, in units of M
    std::vector<EchoFit> fits;               ///< (count)
    std::vector<double> time_zero_range_us;  ///< (count)
    /// (count): what speaks against it: "" or clipped, or its time zero at its range's end.
    std::vector<std::string> doubt;
    std::string steps;  ///< JSON: what was done, an object for each curve
};

/// Fits all inputs, one line for each step; of an experiment that is a series they are its records,
/// in order, which are one curve.
///
/// Args: proposal: see EchoFinder. noise: on each of Re and Im of a sample of the input, in the
/// input's unit; 0: from the tail. fitting: what the receiver leaves open, but for `finding`.
/// time_zero_range_us: none: clock_range_us(). say: may be empty. progress: called with the share
/// done, false stops: then fewer curves are returned. Throws: nmrsim::InputError for times that are
/// not evenly spaced or too short; std::invalid_argument for a kernel of finite range.
MeasuredFits fit_measured(std::span<const InputCurves> inputs, const nmrsim::Experiment& experiment,
                          const EchoProposal& proposal, const EchoOptions& finding, double noise,
                          RefineOptions fitting, std::optional<double> time_zero_range_us,
                          const Say& say, const std::function<bool(double)>& progress);

/// Starts of a joint fit, (count, draws, unknowns): each curve's fit and the draws that led to it.
std::vector<double> joint_starts(const MeasuredFits& measured, std::size_t draws);

}  // namespace nmrinverse
