/// A measured echo, in any unit, with any phase and zero of time, brought to what a model expects.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "nmrinverse/measured_record.h"
#include "nmrinverse/refine.h"
#include "nmrsim/experiment.h"

namespace nmrinverse {

/// What is not known of a measurement: all of the receiver, unless it is said.
struct EchoOptions : ReceiverUnknowns {
    EchoOptions() : ReceiverUnknowns{true, true, true} {}

    bool align = true;    ///< nor is where the echo lies
    int bank = 1024;      ///< draws of the prior that are tried first, >= 1
    int hypotheses = 24;  ///< the best of them, which the network looks at, >= 1
    int draws = 32;       ///< of each one's posterior, which are tried again, >= 1
    int rounds = 3;       ///< of this, >= 1
    std::uint64_t seed = 0;
    int threads = 0;  ///< 0 for all cores

    void validate() const;
};

/// Where an echo was found, and how large.
struct FoundEcho {
    double shift_us = 0.0;  ///< the model's time t is t + this on the measurement's axis
    std::complex<double> factor = 1.0;  ///< the measurement is this times the model's curve
    double explained = 0.0;  ///< share of the window's energy that the best draw explains
    /// (2, points): at the model's times, divided by the factor; 0 where there is no record.
    std::vector<float> signal;
    std::vector<double> starts;  ///< (count, unknowns): draws that explain it best, best first
    /// (count): where each of them has the echo, as a Refinement's time zero about shift_us; or
    /// none: at 0.
    std::vector<double> time_zeros_us = {};
};

/// Draws of the posteriors of `count` curves, (count, draws, unknowns), by whatever has learnt
/// them: a trained model (see echo_proposal() in nmrinverse/echo_proposal.h).
///
/// Args: curves: (count, 2, points) at the experiment's times, in units of M. noise: (count), on
/// each of Mx and My. threads: 0 for all cores.
using EchoProposal =
    std::function<std::vector<double>(std::span<const float> curves, std::span<const double> noise,
                                      std::size_t draws, std::uint64_t seed, int threads)>;

/// Finds echoes by matched filters: curves drawn from the prior, later from a proposal's posteriors
/// of what the best of them leave, each with the shift, gain, phase and offset that fit it best.
/// The records of a series share all but the offset. Without a proposal records need not cover the
/// experiment's windows, as far as clock_range_us() or where they are shorter.
class EchoFinder {
public:
    /// Args: experiment: what is measured; its prior says where the unknowns may lie. proposal: may
    /// be empty: then draws of the prior are all that is tried.
    EchoFinder(const nmrsim::Experiment& experiment, EchoProposal proposal,
               const EchoOptions& options);
    ~EchoFinder();
    EchoFinder(const EchoFinder&) = delete;
    EchoFinder& operator=(const EchoFinder&) = delete;

    /// Args: records: of the experiment's series, or one. Throws: std::invalid_argument where a
    /// proposal is asked and a record is shorter than its window.
    ///
    /// Returns: places where the echo may be, more than clock_range_us() apart, the best first, six
    /// at most.
    std::vector<FoundEcho> find(std::span<const MeasuredRecord> records, int attempt = 0) const;
    std::vector<FoundEcho> find(const MeasuredRecord& record, int attempt = 0) const {
        return find(std::span(&record, 1), attempt);
    }

    /// Likewise, with starts that fit if they may turn evenly besides, for RefineOptions::turning;
    /// none where that says nothing of alpha_z.
    std::vector<FoundEcho> find_turned(std::span<const MeasuredRecord> records,
                                       int attempt = 0) const;

    /// An echo where a fit says that it is, with draws of what the proposal makes of it there.
    ///
    /// Args: guess: the fit's parameters, the first of the starts.
    FoundEcho at(std::span<const MeasuredRecord> records, double shift_us,
                 std::complex<double> factor, std::span<const double> guess) const;
    FoundEcho at(const MeasuredRecord& record, double shift_us, std::complex<double> factor,
                 std::span<const double> guess) const {
        return at(std::span(&record, 1), shift_us, factor, guess);
    }

    /// Of record r of the series alone, without a proposal.
    std::unique_ptr<EchoFinder> alone(std::size_t r) const;

    const nmrsim::Experiment& experiment() const;

private:
    struct Bank;
    std::unique_ptr<Bank> bank_;
};

/// A measured echo, found and fitted.
struct EchoFit {
    FoundEcho echo;
    /// Where the record's samples lie that were fitted, those within the experiment's window, on
    /// the model's axis with the echo's shift; of a series see `series`.
    nmrsim::Acquisition window;
    std::vector<nmrsim::SeriesRecord> series;  ///< the experiment's, each with its window
    /// (2, points): these samples less `offset`, divided by the echo's factor.
    std::vector<float> signal;
    std::vector<std::complex<double>> offset;  ///< (records) in the measurement's unit, if fitted
    double noise = 0.0;  ///< of `signal`, in units of M; of a series in the mean square
    std::vector<double> relative_noise;     ///< where samples are not alike, see RefineOptions
    std::vector<double> noise_correlation;  ///< as NoiseEstimate's
    double noise_uncertainty = 0.0;         ///< likewise
    bool noise_from_residual = false;       ///< of this fit; otherwise the record's own
    Refinement fit;  ///< of `signal`; its factor and time zero come on top of the echo's

    /// The measurement is this times the model's curve.
    std::complex<double> factor() const { return echo.factor * fit.factor; }
    /// The model's time t is t + this on the measurement's axis [us].
    double shift_us() const { return echo.shift_us - fit.time_zero_us; }
    /// `experiment` at the times of `signal`.
    nmrsim::Experiment acquired(nmrsim::Experiment experiment) const;
};

/// How far the zero of a record's clock is sought about a place [us]: 2 us, four samples, or an
/// eighth of the line's inverse half width, whichever is most.
double clock_range_us(const nmrsim::Experiment& experiment, double spacing_us);

/// Finds an echo and fits it at the records' own times, at each place in turn until one is met
/// without doubt, chi-square being at most one standard deviation too large; otherwise the best of
/// all places is returned, sought anew among more draws where none is within 3.5. Noise that is
/// coloured and has no tail is then taken from what the fit leaves, where that is stationary, and
/// the fit goes on by it.
///
/// Args: records: as EchoFinder::find(); those of a series have white noise, and the loudest one's
/// counts as that of all. options: its noise is the records'; what the receiver leaves open is
/// fitted where it says so. Uniform kernel only. Throws: std::invalid_argument as find() and
/// refine().
EchoFit fit_echo(const EchoFinder& finder, std::span<const MeasuredRecord> records,
                 const RefineOptions& options);
inline EchoFit fit_echo(const EchoFinder& finder, const MeasuredRecord& record,
                        const RefineOptions& options) {
    return fit_echo(finder, std::span(&record, 1), options);
}

}  // namespace nmrinverse
