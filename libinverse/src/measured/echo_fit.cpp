// From an echo that was found to its fit.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "nmrinverse/measured_echo.h"
#include "nmrinverse/refine.h"
#include "nmrsim/prior.h"
#include "nmrsim/series.h"
#include "nmrsim/simulate.h"

namespace nmrinverse {
namespace {

/// Records of a series that are fitted alone at first.
constexpr std::size_t kAlone = 2;
/// Times that an echo is sought.
constexpr int kAttempts = 5;
/// Widenings of the search at each place, before the best one gets all that are allowed.
constexpr int kFirstWidenings = 1;
constexpr int kLastWidenings = 5;
/// Starts of a place that are followed at first.
constexpr int kFirstFollowed = 16;
/// Of those that may turn, twice as many when an echo is sought again.
constexpr int kTurnedFollowed = 24;
/// A time zero beyond this share of its range is at its end.
constexpr double kAtEnd = 0.9;
/// Fitted to other samples then, it is as good within so many deviations of chi-square.
constexpr double kSlack = 1.0;
/// Times that a fit that does not meet the curve begins anew where it ended.
constexpr int kRecentred = 3;
/// A chi-square that is at most so many of its standard deviations too large ends the search at
/// once, one of more than that once all places have been tried: with gain, phase and time zero free
/// a wrong minimum may well be 2 of them above, where the right one is none.
constexpr double kSureFit = 1.0;
constexpr double kConsistent = 3.5;
/// Times of a record are rounded to this share of its spacing.
constexpr double kRounded = 1e-3;

/// The samples of a record within its experiment's window at an echo's place, on the model's axis.
struct Part {
    nmrsim::Acquisition window;
    std::size_t first = 0, past = 0;  ///< of the record's samples
};

Part part_of(const nmrsim::Experiment& experiment, const MeasuredRecord& record, double shift_us) {
    Part part;
    part.window = nmrsim::counted_from_start(experiment);
    const double spacing = record.spacing_us();
    const double first_us = record.time_us.front() - shift_us;
    const double least =
        std::max(static_cast<double>(record.margin), std::ceil(-first_us / spacing - kRounded));
    const double most = static_cast<double>(record.points() - 1 - record.margin);
    const double first =
        std::max(least, std::ceil((part.window.start_us - first_us) / spacing - kRounded));
    const double last =
        std::min(most, std::floor((part.window.stop_us - first_us) / spacing + kRounded));
    if (!(last > first)) {
        throw std::invalid_argument(
            fmt::format("{}: no samples within {:.6g} to {:.6g} us, the experiment's window",
                        experiment.name, part.window.start_us, part.window.stop_us));
    }
    part.window.start_us = std::max(0.0, first_us + first * spacing);
    part.window.stop_us = first_us + last * spacing;
    part.window.points = static_cast<int>(last - first) + 1;
    part.first = static_cast<std::size_t>(first);
    part.past = static_cast<std::size_t>(last) + 1;
    return part;
}

/// The records' samples within the experiment's windows at an echo's place.
EchoFit at_place(const nmrsim::Experiment& experiment, std::span<const MeasuredRecord> records,
                 const FoundEcho& place) {
    const std::vector<nmrsim::Experiment> each = nmrsim::series_records(experiment);
    EchoFit fit;
    fit.echo = place;
    fit.series = experiment.series;
    std::vector<Part> parts;
    std::size_t all = 0;
    double square = 0.0;
    for (std::size_t r = 0; r < records.size(); ++r) {
        parts.push_back(part_of(each[r], records[r], place.shift_us));
        const std::size_t points = parts.back().past - parts.back().first;
        all += points;
        square += static_cast<double>(points) * std::pow(records[r].noise.sigma, 2);
        if (!fit.series.empty()) nmrsim::set_window(fit.series[r], parts.back().window);
    }
    fit.window = parts.front().window;
    fit.offset.assign(records.size(), 0.0);
    const double sigma = std::sqrt(square / static_cast<double>(all));
    fit.noise = sigma / std::abs(place.factor);
    if (records.size() == 1) fit.noise_correlation = records.front().noise.correlation;
    fit.signal.resize(2 * all);
    const bool weighed = records.size() > 1 || !records.front().relative_noise.empty();
    std::size_t at = 0;
    for (std::size_t r = 0; r < records.size(); ++r) {
        const MeasuredRecord& record = records[r];
        fit.noise_uncertainty = std::max(fit.noise_uncertainty, record.noise.uncertainty);
        for (std::size_t i = parts[r].first; i < parts[r].past; ++i, ++at) {
            const std::complex<double> m =
                std::complex<double>(record.signal[i], record.signal[record.points() + i]) /
                place.factor;
            fit.signal[at] = static_cast<float>(m.real());
            fit.signal[all + at] = static_cast<float>(m.imag());
            if (!weighed) continue;
            const double own = record.relative_noise.empty() ? 1.0 : record.relative_noise[i];
            fit.relative_noise.push_back(own * record.noise.sigma / sigma);
        }
    }
    return fit;
}

/// What the fit leaves of the curve, (2, points).
std::vector<float> residual_of(const nmrsim::Experiment& experiment, const EchoFit& fit) {
    const nmrsim::Experiment best = nmrsim::with_later_samples(
        fit.acquired(nmrsim::with_parameters(experiment, fit.fit.estimate)), fit.fit.time_zero_us);
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

/// Takes the mean of what the fit leaves of each record out of it.
void take_offset(const nmrsim::Experiment& experiment, EchoFit& fit) {
    const std::vector<float> residual = residual_of(experiment, fit);
    const std::size_t all = fit.signal.size() / 2;
    std::size_t first = 0;
    const std::vector<nmrsim::Experiment> records =
        nmrsim::series_records(fit.acquired(experiment));
    for (std::size_t r = 0; r < records.size(); ++r) {
        const std::size_t past = first + nmrsim::sample_count(records[r]);
        std::complex<double> sum = 0.0;
        double weights = 0.0;
        for (std::size_t i = first; i < past; ++i) {
            const double relative = fit.relative_noise.empty() ? 1.0 : fit.relative_noise[i];
            const double weight = 1.0 / (relative * relative);
            sum += weight * std::complex<double>(residual[i], residual[all + i]);
            weights += weight;
        }
        const std::complex<double> mean = weights > 0.0 ? sum / weights : 0.0;
        for (std::size_t i = first; i < past; ++i) {
            fit.signal[i] -= static_cast<float>(mean.real());
            fit.signal[all + i] -= static_cast<float>(mean.imag());
        }
        fit.offset[r] += fit.echo.factor * mean;
        first = past;
    }
}

/// The echo fitted where it was found, under the noise as it is known.
void fit_there(const nmrsim::Experiment& experiment, std::span<const double> starts,
               RefineOptions options, EchoFit& fit, std::span<const double> time_zeros_us = {}) {
    options.noise = fit.noise;
    options.noise_correlation = fit.noise_correlation;
    options.noise_uncertainty = fit.noise_uncertainty;
    options.relative_noise = fit.relative_noise;
    fit.fit = refine(fit.acquired(experiment), fit.signal, starts, options, time_zeros_us);
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
    if (options.fit_offset) take_offset(experiment, fit);
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

nmrsim::Experiment EchoFit::acquired(nmrsim::Experiment experiment) const {
    if (series.empty()) experiment.acquisition = window;
    experiment.series = series;
    return experiment;
}

EchoFit fit_echo(const EchoFinder& finder, std::span<const MeasuredRecord> records,
                 const RefineOptions& options) {
    const std::size_t expected = nmrsim::series_records(finder.experiment()).size();
    if (records.size() != expected) {
        throw std::invalid_argument(fmt::format("expected {} records of the series, got {}",
                                                expected, records.size()));
    }
    RefineOptions used = options;
    EchoFit best;
    const auto refined = [&](const FoundEcho& place, int widenings, bool again) {
        EchoFit next = at_place(finder.experiment(), records, place);
        used.widenings = widenings;
        const bool first_look = widenings < options.widenings;
        used.drawn = std::max(1, options.drawn / (first_look ? 4 : 1));
        used.brief = first_look;
        if (!used.turning) {
            used.refined = first_look ? std::min(options.refined, kFirstFollowed) : options.refined;
        }
        fit_there(finder.experiment(), place.starts, used, next, place.time_zeros_us);
        const auto per_degree = [](const EchoFit& fit) {
            return fit.fit.chi_square / fit.fit.degrees;
        };
        const double slack = kSlack * next.fit.chi_square_deviation / next.fit.degrees;
        const bool better =
            best.signal.empty() || per_degree(next) < per_degree(best) + (again ? slack : 0.0);
        if (better) best = std::move(next);
        return better;
    };
    // A fit whose time zero is at the end of its range goes on from there.
    const auto centred = [&](const FoundEcho& place, int widenings) {
        bool better = refined(place, widenings, false);
        for (int round = 0; better && round < kRecentred; ++round) {
            if (std::abs(best.fit.time_zero_us) < kAtEnd * options.time_zero_range_us) break;
            better = refined(finder.at(records, best.shift_us(), best.factor(), best.fit.estimate),
                             0, true);
        }
    };
    const auto within = [&](double deviations) {
        const double above = best.fit.chi_square - best.fit.degrees;
        return above <= deviations * best.fit.chi_square_deviation;
    };
    // Noise that is hardly known says of no place that it is the right one.
    const NoiseEstimate& noise = records.front().noise;
    const bool guessed = records.size() == 1 && noise.coloured && !noise.from_tail &&
                         records.front().relative_noise.empty();
    // What a record of a series says alone costs little, and leads to what all say.
    const auto from_one = [&](std::size_t r) {
        const EchoFit one = fit_echo(*finder.alone(r), records.subspan(r, 1), options);
        std::vector<double> guesses = one.fit.estimate;
        for (const Minimum& rival : one.fit.rivals) {
            guesses.insert(guesses.end(), rival.parameters.begin(), rival.parameters.end());
        }
        for (const Minimum& point : one.fit.valleys) {
            guesses.insert(guesses.end(), point.parameters.begin(), point.parameters.end());
        }
        centred(finder.at(records, one.shift_us(), one.factor(), guesses), 0);
        return within(kSureFit);
    };
    const auto search = [&] {
        for (std::size_t r = 0; records.size() > 1 && r < std::min(kAlone, records.size()); ++r) {
            if (from_one(r)) return;
        }
        for (int attempt = 0; attempt < kAttempts; ++attempt) {
            const std::vector<FoundEcho> places = finder.find(records, attempt);
            for (std::size_t p = 0; p < places.size(); ++p) {
                // Beside the first place, what turns is tried.
                if (p == 1 || places.size() == 1) {
                    used.turning = true;
                    used.refined = attempt == 0 ? kTurnedFollowed : 2 * kTurnedFollowed;
                    for (const FoundEcho& place : finder.find_turned(records, attempt)) {
                        centred(place, 0);
                        if (!guessed && within(kSureFit)) return;
                    }
                    used.turning = false;
                }
                centred(places[p], std::min(kFirstWidenings, options.widenings));
                if (!guessed && within(kSureFit)) return;
            }
            if (within(kConsistent)) return;
        }
        // From where the best one ended: the echo may lie beyond the range of its time zero.
        for (int round = 0; round < kRecentred; ++round) {
            const double before = best.fit.chi_square;
            refined(finder.at(records, best.shift_us(), best.factor(), best.fit.estimate),
                    std::min(kFirstWidenings, options.widenings), false);
            if (within(kConsistent)) return;
            if (!(best.fit.chi_square < before)) break;
        }
        refined(FoundEcho(best.echo), std::min(kLastWidenings, options.widenings), false);
    };
    search();
    if (guessed) learn_noise(finder.experiment(), noise, options, best);
    if (options.fit_offset) take_offset(finder.experiment(), best);
    return best;
}

}  // namespace nmrinverse
