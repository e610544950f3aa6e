/// From curves to estimates, intervals, draws and verdicts in one call: what nmr-fit does, and
/// nmrsim.fit() of Python.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nmrinverse/curves.h"
#include "nmrinverse/prediction.h"
#include "nmrinverse/refine.h"
#include "nmrinverse/verdict.h"
#include "nmrsim/experiment.h"

namespace nmrinverse {

class Model;  // nmrinverse/model.h

/// How to fit, and what is not known of the receiver.
struct FitOptions {
    /// Standard deviation on each of Mx and My of a sample, in the curves' unit, >= 0; 0: not
    /// known. A network's answer takes what the data set says of its curves, or their own scatter;
    /// a measured curve has it from its tail; other fits need it.
    double noise = 0.0;
    /// Follow a model's estimates down to the best fit of the simulated curve. Measured curves,
    /// joint fits and fits of an experiment are refined in any case. Uniform kernel only.
    bool refine = false;
    /// The curves are as an instrument left them: the echo is sought, the noise and the receiver's
    /// offset are taken from the tail, the clock is fitted.
    bool measured = false;
    bool align = true;                    ///< of measured curves: the echo may lie at any shift
    std::optional<bool> fit_gain = {};    ///< gain of the receiver; empty: of measured curves alone
    std::optional<bool> fit_phase = {};   ///< its phase, likewise
    std::optional<bool> fit_offset = {};  ///< a constant beside the curve, likewise
    bool fit_time_zero = false;           ///< the clock's zero; of measured curves it always is
    /// Within +- this [us], > 0; empty: clock_range_us() about where a measured echo was found, 1
    /// otherwise.
    std::optional<double> time_zero_range_us = {};
    bool joint = false;  ///< one fit of all curves, at least two, of one material
    std::vector<std::string> per_curve = {"flip_deg"};  ///< unknowns that each has its own of then
    /// Fit each curve to judge a network's answer, which is left as it is; empty: where that can be
    /// done, for 64 curves at most.
    std::optional<bool> check = {};
    bool judge = true;        ///< give verdicts
    std::size_t samples = 0;  ///< draws of each curve's posterior that are handed out; no joint fit
    std::uint64_t seed = 0;   ///< of all draws
    int threads = 0;          ///< 0 for all cores; the result does not depend on it
    /// Called with what is done, such as "refining", and the share of it; false ends the fit.
    std::function<bool(const std::string& stage, double share)> progress = {};
    std::function<void(const std::string& line)> say = {};   ///< what was found on the way
    std::function<void(const std::string& line)> warn = {};  ///< what speaks against the input

    bool refines() const { return refine || measured || joint; }
    ReceiverUnknowns receiver() const;  ///< what the above leaves open of it

    /// Throws: std::invalid_argument for what does not go together.
    void validate() const;
};

/// Calls visit(name, value) with each option that is a value: what nmrsim.fit() of Python takes.
template <class Visit>
void for_each_option(FitOptions& options, const Visit& visit) {
    visit("noise", options.noise);
    visit("refine", options.refine);
    visit("measured", options.measured);
    visit("align", options.align);
    visit("fit_gain", options.fit_gain);
    visit("fit_phase", options.fit_phase);
    visit("fit_offset", options.fit_offset);
    visit("fit_time_zero", options.fit_time_zero);
    visit("time_zero_range_us", options.time_zero_range_us);
    visit("joint", options.joint);
    visit("per_curve", options.per_curve);
    visit("check", options.check);
    visit("samples", options.samples);
    visit("seed", options.seed);
    visit("threads", options.threads);
}

/// What became of the curves; all (count).
struct FitResult {
    Curves curves;  ///< as they were fitted; measured ones in units of M on the model's axis
    /// Of a refined fit its posterior's, see nmrinverse/importance.h.
    Predictions estimates;
    std::vector<double> samples;  ///< (count, samples, unknowns), where asked for
    std::vector<Refinement>
        refinements;  ///< best fits, where refined; of a joint fit the joint one
    /// Where refined: a curve is this times the model's.
    std::vector<std::complex<double>> factor;
    std::vector<double> shift_us;  ///< where refined: the model's time t is t + this on its axis
    Judgements judgements;         ///< residual, what is expected of it, verdict, reasons
    std::string steps;             ///< of measured curves: what was done, JSON, an object for each

    std::size_t count() const { return curves.count(); }
    std::vector<double> first_samples(std::size_t draws) const;  ///< (count, draws, unknowns)
};

/// Fits curves of an experiment from 1,024 draws of its prior: no network is needed.
///
/// Args: experiment: its prior names the unknowns; uniform kernel, nothing drawn. inputs: as
/// read_curves() returns them; of a series, one curve of all its samples or, measured, its records
/// in order, which make one curve. Throws: std::invalid_argument for options or an experiment that
/// cannot be fitted; nmrsim::InputError, naming the curve, for times that cannot be used;
/// nmrsim::Stopped where `progress` says so.
FitResult fit(const nmrsim::Experiment& experiment, std::span<const InputCurves> inputs,
              const FitOptions& options);

/// Fits curves by a trained model; in nmrsim::inverse. Arguments and errors as above.
FitResult fit(const Model& model, std::span<const InputCurves> inputs,
              const FitOptions& options = {});

/// Whether there are fits for curves of the experiment: an echo of a line that is not drawn, and no
/// choice among the unknowns.
bool can_be_fitted(const nmrsim::Experiment& experiment);

/// What to say where curves' noise is above the largest that a model was trained on; "" otherwise.
std::string noise_doubt(double noise, double largest_noise);

}  // namespace nmrinverse
