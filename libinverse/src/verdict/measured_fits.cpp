#include "verdict/measured_fits.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "nmrinverse/measured_record.h"
#include "nmrinverse/noise_correlation.h"
#include "nmrinverse/verdict.h"
#include "nmrsim/errors.h"
#include "nmrsim/resampling.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"

namespace nmrinverse {
namespace {

/// A time zero this near to the end of its range (a share of it) may lie beyond.
constexpr double kAtEnd = 0.99;

std::string alike_in_words(const std::vector<double>& correlation) {
    if (correlation.empty()) return "";
    return fmt::format(", one sample in {:.3g} independent", square_excess(correlation));
}

std::string noise_in_words(const MeasuredRecord& record, bool given) {
    const NoiseEstimate& noise = record.noise;
    const double tail_us = static_cast<double>(noise.samples) * record.spacing_us();
    const std::string from =
        given             ? "as given"
        : noise.from_tail ? fmt::format("from the tail of {:.4g} us", tail_us)
        : noise.coloured  ? "from what lies above the curve's band, where it is not white, as "
                            "if behind a filter of one pole"
                          : "from what lies above the curve's band";
    return fmt::format("noise {:.3g} a sample, {}{}", noise.sigma, from,
                       alike_in_words(noise.correlation));
}

double phase_deg(std::complex<double> factor) {
    return std::arg(factor) / nmrsim::kRadiansPerDegree;
}

/// Throws nmrsim::InputError for times that cannot be used. Args: window: the model's times [us].
void check_times(const InputCurves& input, const nmrsim::Experiment& experiment,
                 const std::vector<double>& window, bool keep_times) {
    const std::vector<double>& time_us = input.curves.time_us;
    const double spacing = nmrsim::even_spacing_us(time_us);
    // Times in text files are rounded.
    const double slack =
        1e-4 * (window.back() - window.front()) / static_cast<double>(window.size());
    const double length_us = window.back() - window.front() - slack;
    const std::string& first_name = input.names.front();
    if (!(spacing > 0.0)) {
        throw nmrsim::InputError(first_name + ": a measured curve needs evenly spaced times");
    }
    if (time_us.back() - time_us.front() < length_us || time_us.size() < 64) {
        throw nmrsim::InputError(fmt::format(
            "{}: expected at least 64 samples over {:.6g} us, the length of the model's window, "
            "found {} over {:.6g} us",
            first_name, length_us, time_us.size(), time_us.back() - time_us.front()));
    }
    const double largest = largest_spacing_us(experiment);
    if (spacing > largest) {
        throw nmrsim::InputError(
            fmt::format("{}: samples {:.4g} us apart are too far apart for a line cut at {:g} kHz: "
                        "expected at most {:.3g} us",
                        first_name, spacing, nmrsim::largest_cut_khz(experiment), largest));
    }
    const bool covers =
        time_us.front() <= window.front() + slack && time_us.back() >= window.back() - slack;
    if (keep_times && !covers) {
        throw nmrsim::InputError(fmt::format(
            "{}: not to be aligned, so expected times that cover {:.6g} to {:.6g} us, the "
            "model's window",
            first_name, window.front(), window.back()));
    }
}

/// Where a Hahn echo has its echo; of another sequence, the window's middle [us].
double echo_us(const nmrsim::Experiment& experiment) {
    const auto* hahn = std::get_if<nmrsim::HahnEcho>(&experiment.sequence.program);
    return hahn ? 2.0 * hahn->tau_us
                : 0.5 * (first_sample_us(experiment) + last_sample_us(experiment));
}

/// Says what was found and what a fit made of it.
void say_fit(const std::string& name, const nmrsim::Experiment& experiment,
             const MeasuredRecord& record, std::size_t points_read, const EchoFit& fit,
             const EchoOptions& finding, const Say& say) {
    if (finding.align) {
        say(fmt::format(
            "{}: echo found at {:.5g} us, where the model has it at {:.5g} us: times "
            "shifted by {:.4g} us",
            name, echo_us(experiment) + fit.shift_us(), echo_us(experiment), -fit.shift_us()));
    } else {
        say(fmt::format("{}: times kept, time zero off by {:.4g} us", name, fit.shift_us()));
    }
    say(fmt::format("{}: gain {:.4g}{}, receiver phase {:.4g} deg{}", name, std::abs(fit.factor()),
                    finding.gain ? "" : " kept", phase_deg(fit.factor()),
                    finding.phase ? "" : " kept"));
    say(fmt::format("{}: {} samples {:.4g} us apart{}, {} of them in the model's window", name,
                    record.points(), record.spacing_us(),
                    record.step > 1 ? fmt::format(", low-passed from {}", points_read) : "",
                    fit.window.points));
    if (fit.noise_from_residual) {
        say(fmt::format("{}: noise {:.3g} a sample, from what the fit leaves{}", name,
                        fit.noise * std::abs(fit.echo.factor),
                        alike_in_words(fit.noise_correlation)));
    }
    say(fmt::format("{}: chi-square {:.5g} of {:.5g}{}", name, fit.fit.chi_square, fit.fit.degrees,
                    fit.fit.within_noise() ? "" : ", not within the noise"));
}

}  // namespace

MeasuredFits fit_measured(std::span<const InputCurves> inputs, const nmrsim::Experiment& experiment,
                          const EchoProposal& proposal, const EchoOptions& finding, double noise,
                          RefineOptions fitting, const Say& say,
                          const std::function<bool(double)>& progress) {
    fitting.fit_gain = finding.gain;
    fitting.fit_phase = finding.phase;
    fitting.fit_time_zero = true;
    std::size_t count = 0;
    const std::vector<double> window = nmrsim::acquisition_times_us(experiment);
    for (const InputCurves& input : inputs) {
        count += input.curves.count();
        check_times(input, experiment, window, !finding.align);
    }
    for (const InputCurves& input : inputs) {
        say(input.name + ": " + nmrsim::axis_in_words(input.curves));
    }
    const EchoFinder finder(experiment, proposal, finding);
    MeasuredFits result;
    result.curves.time_us = window;
    nlohmann::json steps = nlohmann::json::array();
    for (const InputCurves& input : inputs) {
        const std::vector<double>& time_us = input.curves.time_us;
        const std::size_t row = 2 * time_us.size();
        for (std::size_t c = 0; c < input.curves.count(); ++c) {
            const std::string& name = input.names[c];
            const std::span<const float> signal =
                std::span(input.curves.signal).subspan(c * row, row);
            const bool clipped = longest_clipped_run(signal) >= kClippedRun;
            if (clipped) say(name + ": the largest samples are equal: clipped by the receiver");
            const MeasuredRecord record = measured_record(time_us, signal, experiment, noise);
            const NoiseEstimate& found = record.noise;
            const std::string noise_words = noise_in_words(record, noise > 0.0);
            say(name + ": " + noise_words);
            if (found.offset != 0.0) {
                say(fmt::format("{}: the receiver's offset {:.4g} {:+.4g}i taken out", name,
                                found.offset.real(), found.offset.imag()));
            }
            if (!(found.sigma > 0.0)) {
                throw nmrsim::InputError(name + ": no noise found: expected some, or its size");
            }
            EchoFit fit = fit_echo(finder, record, fitting);
            const bool guessed =
                noise == 0.0 && found.coloured && !found.from_tail && !fit.noise_from_residual;
            const bool at_end =
                std::abs(fit.fit.time_zero_us) > kAtEnd * fitting.time_zero_range_us;
            say_fit(name, experiment, record, time_us.size(), fit, finding, say);
            steps.push_back({{"curve", name},
                             {"axis", nmrsim::axis_in_words(input.curves)},
                             {"noise", found.sigma},
                             {"noise_from", noise_words},
                             {"noise_correlation", found.correlation},
                             {"offset", {found.offset.real(), found.offset.imag()}},
                             {"clipped", clipped},
                             {"aligned", finding.align},
                             {"shift_us", fit.shift_us()},
                             {"time_zero_us", fit.fit.time_zero_us},
                             {"gain", std::abs(fit.factor())},
                             {"receiver_phase_deg", phase_deg(fit.factor())},
                             {"spacing_us", record.spacing_us()},
                             {"low_passed_from_us", nmrsim::even_spacing_us(time_us)},
                             {"points", fit.window.points},
                             {"chi_square", fit.fit.chi_square},
                             {"degrees", fit.fit.degrees}});
            result.curves.names.push_back(name);
            result.curves.signal.insert(result.curves.signal.end(), fit.echo.signal.begin(),
                                        fit.echo.signal.end());
            result.curves.own.push_back(std::make_shared<const Curves::Own>(
                Curves::Own{fit.window.start_us, fit.window.stop_us, fit.signal}));
            result.noise.push_back(found);
            result.noise.back().sigma = fit.noise;
            result.noise.back().correlation = fit.noise_correlation;
            result.noise.back().uncertainty = fit.noise_uncertainty;
            result.doubt.emplace_back(clipped   ? "clipped by the receiver"
                                      : at_end  ? "time zero at the end of its range"
                                      : guessed ? "noise that is not white was not seen alone"
                                                : "");
            result.fits.push_back(std::move(fit));
            const double share =
                static_cast<double>(result.fits.size()) / static_cast<double>(count);
            if (!progress(share)) return result;
        }
    }
    result.steps = steps.dump(2) + "\n";
    return result;
}

std::vector<double> joint_starts(const MeasuredFits& measured, std::size_t draws) {
    std::vector<double> result;
    for (const EchoFit& fit : measured.fits) {
        const std::vector<double>& starts = fit.echo.starts;
        const std::size_t unknowns = fit.fit.estimate.size();
        result.insert(result.end(), fit.fit.estimate.begin(), fit.fit.estimate.end());
        for (std::size_t i = 1; i < draws; ++i) {
            const std::size_t from = (i - 1) * unknowns % starts.size();
            const auto start = starts.begin() + static_cast<std::ptrdiff_t>(from);
            result.insert(result.end(), start, start + static_cast<std::ptrdiff_t>(unknowns));
        }
    }
    return result;
}

}  // namespace nmrinverse
