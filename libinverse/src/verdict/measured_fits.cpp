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
#include "nmrsim/series.h"
#include "nmrsim/simulate.h"
#include "nmrsim/units.h"

namespace nmrinverse {
namespace {

/// A conjugate is worth a word where it takes chi-square to this share.
constexpr double kFarBetter = 0.25;

/// White noise leaves neighbours correlated by so many standard deviations at most; by fewer where
/// chi-square, whose size short records hardly know, is also so many too large.
constexpr double kCorrelated = 3.5;
constexpr double kCorrelatedBeside = 2.5;
constexpr double kTooLarge = 2.0;

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

/// Samples in a period of the line's cut that do where a curve is fitted at its own times.
constexpr double kFewestPerPeriod = 2.5;
constexpr std::size_t kFewestPoints = 64;

/// One record of the inputs.
struct Source {
    const InputCurves* input;
    std::size_t index;
    std::shared_ptr<const nmrsim::MeasuredCurves> curves;  ///< the input's, gaps filled
    std::vector<double> time_us;

    const std::string& name() const { return input->names[index]; }
    std::span<const float> signal() const {
        const std::size_t row = 2 * time_us.size();
        return std::span(curves->signal).subspan(index * row, row);
    }
    SampleWeights weights() const {
        const std::ptrdiff_t points = std::ssize(time_us);
        const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(index) * points;
        const auto part = [&](const auto& values) {
            using Values = std::decay_t<decltype(values)>;
            if (values.empty()) return Values();
            return Values(values.begin() + first, values.begin() + first + points);
        };
        return {part(curves->sigma), part(curves->dead)};
    }
};

/// Throws nmrsim::InputError for times that cannot be used. Args: covered: the record must cover
/// the experiment's window, which a network reads; keep_times: at its own times.
void check_times(const Source& source, const nmrsim::Experiment& experiment, bool covered,
                 bool keep_times, bool noise_given) {
    const std::string& name = source.name();
    const std::vector<double>& time_us = source.time_us;
    const std::vector<double> window = nmrsim::acquisition_times_us(experiment);
    const double spacing = nmrsim::even_spacing_us(time_us);
    // Times in text files are rounded.
    const double slack =
        1e-4 * (window.back() - window.front()) / static_cast<double>(window.size());
    const double length_us = window.back() - window.front() - slack;
    if (!(spacing > 0.0)) {
        throw nmrsim::InputError(name + ": a measured curve needs evenly spaced times");
    }
    if (time_us.size() < kFewestPoints) {
        throw nmrsim::InputError(fmt::format("{}: expected at least {} samples, found {}", name,
                                             kFewestPoints, time_us.size()));
    }
    const SampleWeights weights = source.weights();
    if (!noise_given && weights.sigma.empty() &&
        weights.longest_run(time_us.size()) < kFewestPoints) {
        throw nmrsim::InputError(
            fmt::format("{}: the longest run of samples without a gap has {}, expected {} or more "
                        "to take the noise from, or its size (noise)",
                        name, weights.longest_run(time_us.size()), kFewestPoints));
    }
    if (covered && !weights.alike()) {
        throw nmrsim::InputError(name +
                                 ": a network cannot read curves with gaps, dead samples or "
                                 "weights: fit the experiment in place of the model");
    }
    if (covered && time_us.back() - time_us.front() < length_us) {
        throw nmrsim::InputError(fmt::format(
            "{}: expected samples over {:.6g} us, the length of the model's window, found {} over "
            "{:.6g} us",
            name, length_us, time_us.size(), time_us.back() - time_us.front()));
    }
    const double cut_khz = nmrsim::largest_cut_khz(experiment);
    const double largest =
        covered ? largest_spacing_us(experiment) : 1e3 / (kFewestPerPeriod * cut_khz);
    if (spacing > largest) {
        throw nmrsim::InputError(
            fmt::format("{}: samples {:.4g} us apart are too far apart for a line cut at {:g} kHz: "
                        "expected at most {:.3g} us",
                        name, spacing, cut_khz, largest));
    }
    const bool covers =
        time_us.front() <= window.front() + slack && time_us.back() >= window.back() - slack;
    const bool meets = time_us.front() < window.back() && time_us.back() > window.front();
    if (keep_times && !(covered ? covers : meets)) {
        throw nmrsim::InputError(fmt::format(
            "{}: not to be aligned, so expected times that {} {:.6g} to {:.6g} us, the {}'s window",
            name, covered ? "cover" : "meet", window.front(), window.back(),
            covered ? "model" : "experiment"));
    }
}

/// What is fitted as one: each record by itself, or those of a series. Records that one input holds
/// have its times in common: each begins where its own window does.
std::vector<std::vector<Source>> sources_of(std::span<const InputCurves> inputs,
                                            const std::vector<nmrsim::Experiment>& records,
                                            std::size_t in_series) {
    std::vector<Source> all;
    for (const InputCurves& input : inputs) {
        const auto curves =
            std::make_shared<const nmrsim::MeasuredCurves>(nmrsim::with_gaps_filled(input.curves));
        for (std::size_t c = 0; c < curves->count(); ++c) {
            all.push_back({&input, c, curves, curves->time_us});
        }
    }
    std::vector<std::vector<Source>> result;
    if (in_series > 0) {
        if (all.size() != in_series) {
            throw nmrsim::InputError(
                fmt::format("{}: expected {} records, as many as the series has, found {}",
                            inputs.empty() ? "" : inputs.front().name, in_series, all.size()));
        }
        for (std::size_t r = 0; inputs.size() == 1 && r < all.size(); ++r) {
            const double later_us =
                nmrsim::first_sample_us(records[r]) - inputs.front().curves.time_us.front();
            for (double& t : all[r].time_us) t += later_us;
        }
        return {all};
    }
    for (const Source& source : all) result.push_back({source});
    return result;
}

std::string name_of(const std::vector<Source>& sources) {
    const std::string& first = sources.front().name();
    return sources.size() == 1 ? first : fmt::format("{} and {} more", first, sources.size() - 1);
}

/// Where a Hahn echo has its echo; of another sequence, the window's middle [us].
double echo_us(const nmrsim::Experiment& experiment) {
    const auto* hahn = std::get_if<nmrsim::HahnEcho>(&experiment.sequence.program);
    return hahn ? 2.0 * hahn->tau_us
                : 0.5 * (first_sample_us(experiment) + last_sample_us(experiment));
}

void say_weights(const std::string& name, const SampleWeights& weights, const Say& say) {
    const auto dead = std::count(weights.dead.begin(), weights.dead.end(), true);
    if (dead > 0) say(fmt::format("{}: {} samples do not count", name, dead));
    if (!weights.sigma.empty()) say(name + ": each sample by its own standard deviation");
}

/// Says what was found and what a fit made of it.
void say_fit(const std::string& name, const nmrsim::Experiment& experiment,
             const std::vector<MeasuredRecord>& records, std::size_t points_read,
             const EchoFit& fit, const EchoOptions& finding, const Say& say) {
    const MeasuredRecord& record = records.front();
    if (finding.align) {
        say(fmt::format(
            "{}: echo found at {:.5g} us, where the model has it at {:.5g} us: times "
            "shifted by {:.4g} us",
            name, echo_us(experiment) + fit.shift_us(), echo_us(experiment), -fit.shift_us()));
    } else {
        say(fmt::format("{}: times kept, time zero off by {:.4g} us", name, fit.shift_us()));
    }
    say(fmt::format("{}: gain {:.4g}{}, receiver phase {:.4g} deg{}", name, std::abs(fit.factor()),
                    finding.fit_gain ? "" : " kept", phase_deg(fit.factor()),
                    finding.fit_phase ? "" : " kept"));
    if (finding.fit_offset) {
        for (std::size_t r = 0; r < records.size(); ++r) {
            const std::complex<double> offset = records[r].noise.offset + fit.offset[r];
            say(fmt::format("{}: the receiver's offset {:.4g} {:+.4g}i{}", name, offset.real(),
                            offset.imag(),
                            records.size() > 1 ? fmt::format(" in record {}", r + 1) : ""));
        }
    }
    say(fmt::format("{}: {} samples {:.4g} us apart{}, {} {} in the model's window", name,
                    record.points(), record.spacing_us(),
                    record.step > 1 ? fmt::format(", low-passed from {}", points_read) : "",
                    fit.signal.size() / 2, records.size() > 1 ? "of all records" : "of them"));
    if (fit.noise_from_residual) {
        say(fmt::format("{}: noise {:.3g} a sample, from what the fit leaves{}", name,
                        fit.noise * std::abs(fit.echo.factor),
                        alike_in_words(fit.noise_correlation)));
    }
    say(fmt::format("{}: chi-square {:.5g} of {:.5g}{}", name, fit.fit.chi_square, fit.fit.degrees,
                    fit.fit.within_noise() ? "" : ", not within the noise"));
}

/// Whether what a fit leaves is no white noise, where the noise is. Short records say little of the
/// noise's size, so that chi-square may pass what the experiment does not make.
bool leaves_signal(const EchoFit& fit) {
    if (!fit.noise_correlation.empty()) return false;
    const double correlated = fit.fit.residual_correlation / fit.fit.residual_correlation_deviation;
    const double above = fit.fit.chi_square - fit.fit.degrees;
    return correlated > kCorrelated ||
           (correlated > kCorrelatedBeside && above > kTooLarge * fit.fit.chi_square_deviation);
}

/// Whether the records fit with the other sign of Im where they do not as they are. Their filters
/// say whether that is worth a fit.
bool fits_conjugated(const EchoFinder& finder, std::vector<MeasuredRecord> records,
                     const RefineOptions& fitting, const EchoFit& fit) {
    if (fit.fit.within_noise()) return false;
    const std::vector<FoundEcho> here = finder.find(records);
    for (MeasuredRecord& record : records) {
        for (std::size_t i = record.points(); i < record.signal.size(); ++i) {
            record.signal[i] = -record.signal[i];
        }
    }
    const std::vector<FoundEcho> there = finder.find(records);
    if (here.empty() || there.empty() || !(there.front().explained > here.front().explained)) {
        return false;
    }
    const Refinement other = fit_echo(finder, records, fitting).fit;
    return other.within_noise() ||
           other.chi_square / other.degrees < kFarBetter * fit.fit.chi_square / fit.fit.degrees;
}

}  // namespace

MeasuredFits fit_measured(std::span<const InputCurves> inputs, const nmrsim::Experiment& experiment,
                          const EchoProposal& proposal, const EchoOptions& finding, double noise,
                          RefineOptions fitting, std::optional<double> time_zero_range_us,
                          const Say& say, const std::function<bool(double)>& progress) {
    static_cast<ReceiverUnknowns&>(fitting) = finding;
    fitting.fit_time_zero = true;
    const std::vector<nmrsim::Experiment> in_series = nmrsim::series_records(experiment);
    const auto jobs = sources_of(inputs, in_series, experiment.series.size());
    for (const std::vector<Source>& sources : jobs) {
        for (std::size_t r = 0; r < sources.size(); ++r) {
            check_times(sources[r], in_series[r], bool{proposal}, !finding.align, noise > 0.0);
        }
    }
    for (const InputCurves& input : inputs) {
        say(input.name + ": " + nmrsim::axis_in_words(input.curves));
    }
    const EchoFinder finder(experiment, proposal, finding);
    MeasuredFits result;
    result.curves.time_us = nmrsim::acquisition_times_us(experiment);
    nlohmann::json steps = nlohmann::json::array();
    for (const std::vector<Source>& sources : jobs) {
        const std::string name = name_of(sources);
        std::vector<MeasuredRecord> records;
        std::vector<std::string> noise_words;
        bool clipped = false;
        for (std::size_t r = 0; r < sources.size(); ++r) {
            const Source& source = sources[r];
            if (longest_clipped_run(source.signal()) >= kClippedRun) {
                clipped = true;
                say(source.name() + ": the largest samples are equal: clipped by the receiver");
            }
            const SampleWeights weights = source.weights();
            records.push_back(
                measured_record(source.time_us, source.signal(), in_series[r], noise, weights));
            noise_words.push_back(
                noise_in_words(records.back(), noise > 0.0 || !weights.sigma.empty()));
            say_weights(source.name(), weights, say);
            say(source.name() + ": " + noise_words.back());
            if (!(records.back().noise.sigma > 0.0)) {
                throw nmrsim::InputError(source.name() +
                                         ": no noise found: expected some, or its size");
            }
        }
        const MeasuredRecord& first = records.front();
        fitting.time_zero_range_us =
            time_zero_range_us.value_or(clock_range_us(experiment, first.spacing_us()));
        EchoFit fit = fit_echo(finder, records, fitting);
        const NoiseEstimate& found = first.noise;
        const bool guessed = records.size() == 1 && noise == 0.0 && found.coloured &&
                             !found.from_tail && !fit.noise_from_residual;
        const bool at_end = std::abs(fit.fit.time_zero_us) > kAtEnd * fitting.time_zero_range_us;
        say_fit(name, in_series.front(), records, sources.front().time_us.size(), fit, finding,
                say);
        std::vector<std::vector<double>> offsets;
        for (std::size_t r = 0; r < records.size(); ++r) {
            const std::complex<double> offset = records[r].noise.offset + fit.offset[r];
            offsets.push_back({offset.real(), offset.imag()});
        }
        steps.push_back({{"curve", name},
                         {"axis", nmrsim::axis_in_words(sources.front().input->curves)},
                         {"noise", found.sigma},
                         {"noise_from", noise_words.front()},
                         {"noise_correlation", found.correlation},
                         {"offset", offsets.front()},
                         {"clipped", clipped},
                         {"aligned", finding.align},
                         {"shift_us", fit.shift_us()},
                         {"time_zero_us", fit.fit.time_zero_us},
                         {"gain", std::abs(fit.factor())},
                         {"receiver_phase_deg", phase_deg(fit.factor())},
                         {"spacing_us", first.spacing_us()},
                         {"low_passed_from_us", nmrsim::even_spacing_us(sources.front().time_us)},
                         {"points", fit.signal.size() / 2},
                         {"chi_square", fit.fit.chi_square},
                         {"degrees", fit.fit.degrees}});
        if (records.size() > 1) steps.back()["offsets"] = offsets;
        result.curves.names.push_back(name);
        result.curves.signal.insert(result.curves.signal.end(), fit.echo.signal.begin(),
                                    fit.echo.signal.end());
        auto own = std::make_shared<Curves::Own>(
            Curves::Own{fit.window.start_us, fit.window.stop_us, fit.signal});
        own->relative_noise = fit.relative_noise;
        if (!fit.series.empty()) {
            own->series = fit.series;
            own->time_us = nmrsim::acquisition_times_us(fit.acquired(experiment));
        }
        result.curves.own.push_back(std::move(own));
        result.noise.push_back(found);
        result.noise.back().sigma = fit.noise;
        result.noise.back().correlation = fit.noise_correlation;
        result.noise.back().uncertainty = fit.noise_uncertainty;
        result.time_zero_range_us.push_back(fitting.time_zero_range_us);
        const bool turned = fits_conjugated(finder, records, fitting, fit);
        if (turned) {
            say(name + ": Im with the other sign fits better: --conjugate, or other pulse phases");
        }
        result.doubt.emplace_back(turned ? "the conjugate fits better"
                                  : leaves_signal(fit)
                                      ? "what the fit leaves is correlated from sample to sample"
                                  : clipped ? "clipped by the receiver"
                                  : at_end  ? "time zero at the end of its range"
                                  : guessed ? "noise that is not white was not seen alone"
                                            : "");
        result.fits.push_back(std::move(fit));
        const double share =
            static_cast<double>(result.fits.size()) / static_cast<double>(jobs.size());
        if (!progress(share)) return result;
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
