// From an echo that was found to its fit.

#include <algorithm>
#include <cmath>
#include <complex>
#include <optional>
#include <span>
#include <vector>

#include "nmrinverse/measured_echo.h"
#include "nmrinverse/refine.h"
#include "nmrsim/prior.h"
#include "nmrsim/simulate.h"

namespace nmrinverse {
namespace {

/// Times that an echo is sought.
constexpr int kAttempts = 2;
/// Widenings of the search at each place, before the best one gets all that are allowed.
constexpr int kFirstWidenings = 1;
constexpr int kLastWidenings = 5;
/// Times that a fit that does not meet the curve begins anew where it ended.
constexpr int kRecentred = 3;
/// A chi-square that is at most so many of its standard deviations too large ends the search at
/// once, one of more than that once all places have been tried: with gain, phase and time zero free
/// a wrong minimum may well be 2 of them above, where the right one is none.
constexpr double kSure = 1.0;
constexpr double kConsistent = 3.5;
/// Times of a record are rounded to this share of its spacing.
constexpr double kRounded = 1e-3;

/// The record's samples within the experiment's window at an echo's place.
EchoFit at_place(const nmrsim::Experiment& experiment, const MeasuredRecord& record,
                 const FoundEcho& place) {
    const nmrsim::Acquisition whole = nmrsim::counted_from_start(experiment);
    const double spacing = record.spacing_us();
    const double first_us = record.time_us.front() - place.shift_us;
    const double least = static_cast<double>(record.margin);
    const double most = static_cast<double>(record.points() - 1 - record.margin);
    const double first =
        std::max(least, std::ceil((whole.start_us - first_us) / spacing - kRounded));
    const double last = std::min(most, std::floor((whole.stop_us - first_us) / spacing + kRounded));
    EchoFit fit;
    fit.echo = place;
    fit.window = whole;
    fit.window.start_us = std::max(0.0, first_us + first * spacing);
    fit.window.stop_us = first_us + last * spacing;
    fit.window.points = static_cast<int>(last - first) + 1;
    fit.noise = record.noise.sigma / std::abs(place.factor);
    fit.noise_correlation = record.noise.correlation;
    fit.noise_uncertainty = record.noise.uncertainty;
    const auto begin = static_cast<std::size_t>(first), end = static_cast<std::size_t>(last) + 1;
    const std::size_t points = record.points();
    fit.signal.resize(2 * (end - begin));
    for (std::size_t i = begin; i < end; ++i) {
        const std::complex<double> m =
            std::complex<double>(record.signal[i], record.signal[points + i]) / place.factor;
        fit.signal[i - begin] = static_cast<float>(m.real());
        fit.signal[end - begin + i - begin] = static_cast<float>(m.imag());
    }
    return fit;
}

/// The echo fitted where it was found, under the noise as it is known.
void fit_there(const nmrsim::Experiment& experiment, std::span<const double> starts,
               RefineOptions options, EchoFit& fit) {
    nmrsim::Experiment acquired = experiment;
    acquired.acquisition = fit.window;
    options.noise = fit.noise;
    options.noise_correlation = fit.noise_correlation;
    options.noise_uncertainty = fit.noise_uncertainty;
    fit.fit = refine(acquired, fit.signal, starts, options);
}

/// What the fit leaves of the curve, (2, points).
std::vector<float> residual_of(const nmrsim::Experiment& experiment, const EchoFit& fit) {
    nmrsim::Experiment best = nmrsim::with_parameters(experiment, fit.fit.estimate);
    best.acquisition = fit.window;
    best.acquisition.start_us = std::max(0.0, fit.window.start_us + fit.fit.time_zero_us);
    best.acquisition.stop_us += fit.fit.time_zero_us;
    const nmrsim::Signal model = nmrsim::simulate(best, 1);
    std::vector<float> residual = fit.signal;
    for (std::size_t i = 0; i < model.points(); ++i) {
        const std::complex<double> m =
            fit.fit.factor * std::complex<double>(model.mx[i], model.my[i]);
        residual[i] -= static_cast<float>(m.real());
        residual[model.points() + i] -= static_cast<float>(m.imag());
    }
    return residual;
}

/// Of noise that is not white and was not seen alone, the fit itself leaves the best record: fits
/// once more by what that says.
void learn_noise(const nmrsim::Experiment& experiment, const NoiseEstimate& known,
                 const RefineOptions& options, EchoFit& fit) {
    double largest = 0.0;
    const std::size_t points = fit.signal.size() / 2;
    for (std::size_t i = 0; i < points; ++i) {
        largest = std::max(largest,
                           std::hypot(static_cast<double>(fit.signal[i]), fit.signal[points + i]));
    }
    NoiseEstimate before = known;
    before.sigma = fit.noise;
    const std::optional<NoiseEstimate> noise =
        residual_noise(residual_of(experiment, fit), largest, before);
    if (!noise) return;
    const bool told = known.uncertainty == 0.0;
    if (!told) fit.noise = noise->sigma;
    fit.noise_uncertainty = told ? 0.0 : noise->uncertainty;
    fit.noise_correlation = noise->correlation;
    fit.noise_from_residual = true;
    fit_there(experiment, std::vector<double>(fit.fit.estimate), options, fit);
}

}  // namespace

EchoFit fit_echo(const EchoFinder& finder, const MeasuredRecord& record,
                 const RefineOptions& options) {
    RefineOptions used = options;
    EchoFit best;
    const auto refined = [&](const FoundEcho& place, int widenings) {
        EchoFit next = at_place(finder.experiment(), record, place);
        used.widenings = widenings;
        used.drawn = std::max(1, options.drawn / (widenings < options.widenings ? 4 : 1));
        fit_there(finder.experiment(), place.starts, used, next);
        const auto per_degree = [](const EchoFit& fit) {
            return fit.fit.chi_square / fit.fit.degrees;
        };
        if (best.signal.empty() || per_degree(next) < per_degree(best)) best = std::move(next);
    };
    const auto within = [&](double deviations) {
        const double above = best.fit.chi_square - best.fit.degrees;
        return above <= deviations * best.fit.chi_square_deviation;
    };
    // Noise that is hardly known says of no place that it is the right one.
    const bool guessed = record.noise.coloured && !record.noise.from_tail;
    const auto search = [&] {
        for (int attempt = 0; attempt < kAttempts; ++attempt) {
            for (const FoundEcho& place : finder.find(record, attempt)) {
                refined(place, std::min(kFirstWidenings, options.widenings));
                if (!guessed && within(kSure)) return;
            }
            if (within(kConsistent)) return;
        }
        // From where the best one ended: the echo may lie beyond the range of its time zero.
        for (int round = 0; round < kRecentred; ++round) {
            const double before = best.fit.chi_square;
            refined(finder.at(record, best.shift_us(), best.factor(), best.fit.estimate),
                    std::min(kFirstWidenings, options.widenings));
            if (within(kConsistent)) return;
            if (!(best.fit.chi_square < before)) break;
        }
        refined(FoundEcho(best.echo), std::min(kLastWidenings, options.widenings));
    };
    search();
    if (guessed) learn_noise(finder.experiment(), record.noise, options, best);
    return best;
}

}  // namespace nmrinverse
